"""The client beside real torch training: schedules read off live schedulers, the LR that an update used, tensors."""

from __future__ import annotations

import copy
import gc
import math
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import accelerate
import pytest
import torch

import trackside
from tests.client.receiver import Receiver
from trackside import schedules
from trackside.callbacks.torch import TorchCallback

lr_scheduler = torch.optim.lr_scheduler
Make = Callable[[torch.optim.Optimizer], Any]


def optimizer_of(*lrs: float, kind: Any = torch.optim.SGD, **settings: Any) -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(50, 50))], "lr": lr} for lr in lrs]
    made: torch.optim.Optimizer = kind(groups, lr=lrs[0], **settings)
    return made


def rates(scheduler: Any, length: int) -> list[list[float]]:
    """The LR of every group at each tick, of the real scheduler."""
    optimizer = scheduler.optimizer
    found = []
    for _ in range(length):
        found.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        try:
            scheduler.step()
        except ValueError:
            break
    return found


def rebuilt(declaration: dict[str, Any]) -> Any:
    """The real scheduler that a declaration names, over an optimizer of its base rates."""
    base = declaration["base_lr"]
    params = dict(declaration["params"])
    optimizer = optimizer_of(*(base if isinstance(base, list) else [base]), momentum=0.9)
    return getattr(lr_scheduler, declaration["class"])(optimizer, **params)


CONSTRUCTORS: list[tuple[str, Make]] = [
    ("one cycle", lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=100)),
    (
        "one cycle, all set",
        lambda o: lr_scheduler.OneCycleLR(
            o, max_lr=0.0251, epochs=7, steps_per_epoch=13, pct_start=0.1, div_factor=7.3, final_div_factor=333.0
        ),
    ),
    (
        "one cycle, three phases",
        lambda o: lr_scheduler.OneCycleLR(
            o, max_lr=0.3, total_steps=90, pct_start=0.35, anneal_strategy="linear", three_phase=True
        ),
    ),
    ("cosine", lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=30, eta_min=1e-4)),
    ("restarts", lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=9, T_mult=2, eta_min=1e-5)),
    ("step", lambda o: lr_scheduler.StepLR(o, step_size=12, gamma=0.3)),
    ("linear", lambda o: lr_scheduler.LinearLR(o, start_factor=0.1, end_factor=0.9, total_iters=20)),
]
TABLES: list[tuple[str, Make]] = [
    ("lambda", lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.95**t)),
    ("multiplicative", lambda o: lr_scheduler.MultiplicativeLR(o, lambda t: 0.9 if t % 2 else 1.0)),
    ("exponential", lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9)),
    ("multistep", lambda o: lr_scheduler.MultiStepLR(o, milestones=[5, 11], gamma=0.5)),
    ("polynomial", lambda o: lr_scheduler.PolynomialLR(o, total_iters=20, power=2.0)),
    ("cyclic", lambda o: lr_scheduler.CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=7)),
    (
        "sequential",
        lambda o: lr_scheduler.SequentialLR(
            o,
            [lr_scheduler.LinearLR(o, total_iters=5), lr_scheduler.CosineAnnealingLR(o, T_max=25)],
            milestones=[5],
        ),
    ),
    (
        "chained",
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.ConstantLR(o, factor=0.1, total_iters=4), lr_scheduler.ExponentialLR(o, gamma=0.95)]
        ),
    ),
]


def names(cases: list[tuple[str, Make]]) -> list[str]:
    return [name for name, _ in cases]


@pytest.mark.parametrize(("name", "make"), CONSTRUCTORS, ids=names(CONSTRUCTORS))
@pytest.mark.parametrize("lrs", [(0.1,), (0.1, 0.02)])
@pytest.mark.parametrize("done", [0, 7])
def test_a_declaration_by_constructor_gives_the_same_rates(
    name: str, make: Make, lrs: tuple[float, ...], done: int
) -> None:
    scheduler = make(optimizer_of(*lrs, momentum=0.9))
    rates(scheduler, done)
    declaration = schedules.torch(scheduler, unit="step", steps_per_epoch=10)
    assert declaration["framework"] == "torch"
    assert (declaration["unit"], declaration["steps_per_epoch"]) == ("step", 10)
    wanted = rates(make(optimizer_of(*lrs, momentum=0.9)), 85)
    found = rates(rebuilt(declaration), 85)
    assert len(found) == len(wanted)
    for at, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one == pytest.approx(other, rel=1e-12), at


def test_the_arguments_of_one_cycle_come_back_as_they_were_written() -> None:
    scheduler = lr_scheduler.OneCycleLR(
        optimizer_of(0.05, momentum=0.9), max_lr=0.0251, total_steps=100, pct_start=0.1, div_factor=25.0
    )
    assert schedules.torch(scheduler, unit="epoch") == {
        "framework": "torch",
        "class": "OneCycleLR",
        "params": {
            "max_lr": 0.0251,
            "total_steps": 100,
            "pct_start": 0.1,
            "anneal_strategy": "cos",
            "div_factor": 25.0,
            "final_div_factor": 10000.0,
        },
        "base_lr": 0.05,
        "unit": "epoch",
    }


@pytest.mark.parametrize(("name", "make"), TABLES, ids=names(TABLES))
def test_a_table_holds_the_rates_of_the_real_scheduler(name: str, make: Make) -> None:
    scheduler = make(optimizer_of(0.1, 0.02, momentum=0.9))
    declaration = schedules.torch(scheduler, unit="epoch", length=30)
    wanted = [tick[0] for tick in rates(scheduler, 30)]  # the live one still stands at tick 0
    assert declaration == {"kind": "table", "values": wanted, "unit": "epoch"}


@pytest.mark.parametrize(("name", "make"), TABLES[:6], ids=names(TABLES[:6]))
def test_a_table_of_a_scheduler_under_way_begins_at_its_start(name: str, make: Make) -> None:
    scheduler = make(optimizer_of(0.1, momentum=0.9))
    rates(scheduler, 8)
    declaration = schedules.torch(scheduler, unit="epoch", length=30)
    assert declaration["values"] == [tick[0] for tick in rates(make(optimizer_of(0.1, momentum=0.9)), 30)]


@pytest.mark.parametrize(("name", "make"), TABLES[6:], ids=names(TABLES[6:]))
def test_a_composed_scheduler_under_way_is_not_guessed(name: str, make: Make) -> None:
    scheduler = make(optimizer_of(0.1))
    rates(scheduler, 8)
    with pytest.raises(schedules.UnreadableScheduleError, match="already been stepped"):
        schedules.torch(scheduler, unit="epoch", length=30)


def test_rates_changed_by_hand_are_not_passed_off_as_the_schedule() -> None:
    optimizer = optimizer_of(0.1)
    scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    rates(scheduler, 5)
    optimizer.param_groups[0]["lr"] = 0.7
    with pytest.raises(schedules.UnreadableScheduleError, match="cannot be read back"):
        schedules.torch(scheduler, unit="epoch", length=30)


@pytest.mark.parametrize(("name", "make"), CONSTRUCTORS + TABLES, ids=names(CONSTRUCTORS + TABLES))
def test_reading_leaves_scheduler_and_optimizer_as_they_are(name: str, make: Make) -> None:
    optimizer = optimizer_of(0.1, 0.02, momentum=0.9)
    scheduler = make(optimizer)
    rates(scheduler, 1)
    before = copy.deepcopy((scheduler.state_dict(), optimizer.state_dict()))
    attributes = set(vars(optimizer)) | set(vars(scheduler))
    try:
        schedules.torch(scheduler, unit="epoch", length=40)
    except schedules.UnreadableScheduleError:
        assert name in ("sequential", "chained")
    after = (scheduler.state_dict(), optimizer.state_dict())
    assert repr(after) == repr(before)
    assert set(vars(optimizer)) | set(vars(scheduler)) == attributes
    assert scheduler.optimizer is optimizer


class Trainer:
    """A schedule function that is a method of what holds the model, as trainers have it."""

    def __init__(self) -> None:
        self.model = Uncopyable(10, 10)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.scheduler = lr_scheduler.LambdaLR(self.optimizer, self.factor)

    def factor(self, tick: int) -> float:
        return 1 / (1 + tick)


class Factor:
    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    def __call__(self, tick: int) -> float:
        return 1 / (1 + tick)


class Uncopyable(torch.nn.Linear):  # type: ignore[misc]
    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("the model was copied")


def test_the_model_is_never_copied() -> None:
    trainer = Trainer()
    model = Uncopyable(10, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for scheduler in (trainer.scheduler, lr_scheduler.LambdaLR(optimizer, Factor(model))):
        declaration = schedules.torch(scheduler, unit="epoch", length=3)
        assert declaration["values"] == [0.1, 0.05, 0.1 / 3]


def test_what_has_no_length_is_refused_with_the_reason() -> None:
    exponential = lr_scheduler.ExponentialLR(optimizer_of(0.1), gamma=0.9)
    with pytest.raises(schedules.UnreadableScheduleError, match="total_epochs"):
        schedules.torch(exponential, unit="epoch")
    with pytest.raises(schedules.UnreadableScheduleError, match="at most 100000"):
        schedules.torch(exponential, unit="epoch", length=100_001)
    with pytest.raises(ValueError, match="unit"):
        schedules.torch(exponential, unit="batch", length=5)
    for stranger in (object(), None):
        with pytest.raises(schedules.UnreadableScheduleError, match="no scheduler of torch or Paddle"):
            schedules.torch(stranger, unit="epoch", length=5)


def test_a_function_that_goes_on_from_call_to_call_is_not_asked_beforehand() -> None:
    factors = iter([1.0, 0.5, 0.25, 0.125, 0.1])
    scheduler = lr_scheduler.LambdaLR(optimizer_of(0.1), lambda _: next(factors))
    with pytest.raises(schedules.UnreadableScheduleError, match="would notice"):
        schedules.torch(scheduler, unit="epoch", length=3)
    assert rates(scheduler, 4) == [[0.1], [0.05], [0.025], [0.0125]]


def test_a_scheduler_whose_place_another_will_take_is_not_declared_to_last() -> None:
    """As in torch's own example of averaged weights: from an epoch on the SWALR is stepped in the scheduler's place."""
    optimizer = optimizer_of(0.1)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    assert schedules.torch(scheduler, unit="epoch")["class"] == "CosineAnnealingLR"
    own = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05, anneal_epochs=3)
    for one in (scheduler, lr_scheduler.ReduceLROnPlateau(optimizer)):
        with pytest.raises(schedules.UnreadableScheduleError, match=r"an SWALR takes the place .* schedule="):
            schedules.torch(one, unit="epoch")
    assert schedules.torch(own, unit="epoch", length=10)["kind"] == "table"


def test_one_scheduler_after_the_other_holds_the_averaging_too() -> None:
    optimizer = optimizer_of(0.1)
    first = lr_scheduler.ExponentialLR(optimizer, 0.9)
    own = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05, anneal_epochs=3)
    both = lr_scheduler.SequentialLR(optimizer, [first, own], milestones=[4])
    declared = schedules.torch(both, unit="epoch", length=10)
    assert declared["values"] == [rate for (rate,) in rates(both, 10)]


def test_a_rate_held_in_a_tensor_is_read_and_not_touched() -> None:
    rate = torch.tensor(0.1)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr=rate)
    scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    declaration = schedules.torch(scheduler, unit="epoch", length=3)
    assert declaration["values"] == pytest.approx([0.1, 0.05, 0.025])
    assert float(rate) == pytest.approx(0.1)


def test_only_rates_that_are_floats_are_declared_exact(receiver: Receiver) -> None:
    for rate, exact in ((0.1, True), (torch.tensor(0.1), False)):
        optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr=rate)
        scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        with trackside.Run(receiver.url, optimizer=optimizer, scheduler=scheduler, total_epochs=3) as run:
            run.log(epoch=0, lr=0.125)
        assert ("reporting" in receiver.runs[run.id]["schedule"]) is exact
        assert receiver.stored(run.id)[0]["metrics"]["lr"] == (0.1 if exact else 0.125)


class Digits(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(x)
        return found


def train(run: trackside.Run, optimizer: Any, scheduler: Any, model: Any, *, late: bool = False) -> list[float]:
    """A plain loop of 3 epochs of 4 batches, the scheduler stepped each batch; returns the LR of every update."""
    torch.manual_seed(0)
    x = torch.randn(64, 8)
    y = (x[:, 0] > 0).long()
    used = []
    step = 0
    for epoch in range(3):
        for batch in range(4):
            part = slice(16 * batch, 16 * batch + 16)
            loss = torch.nn.functional.cross_entropy(model(x[part]), y[part])
            optimizer.zero_grad()
            loss.backward()
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if not late:
                run.log(step=step, epoch=epoch, train_loss=loss)
            scheduler.step()
            if late:
                run.log(step=step, epoch=epoch, train_loss=loss)
            step += 1
    return used


def test_a_plain_loop(receiver: Receiver) -> None:
    model = Digits()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.05)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=12)
    with trackside.Run(
        receiver.url,
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_unit="step",
        total_epochs=3,
        steps_per_epoch=4,
    ) as run:
        used = train(run, optimizer, scheduler, model)
    body = receiver.runs[run.id]
    assert body["framework"] == "torch"
    assert body["optimizer"]["class"] == "AdamW"
    assert body["optimizer"]["params"]["weight_decay"] == 0.05
    assert body["schedule"]["class"] == "OneCycleLR"
    assert (body["schedule"]["unit"], body["schedule"]["steps_per_epoch"]) == ("step", 4)
    assert body["schedule"]["base_lr"] == 0.01
    records = receiver.stored(run.id)
    assert [record["metrics"]["lr"] for record in records] == used
    assert all(0 < record["metrics"]["train_loss"] < 10 for record in records)


@pytest.mark.parametrize("late", [False, True])
def test_the_callback_knows_the_rate_in_use_wherever_log_is_called(receiver: Receiver, late: bool) -> None:
    model = Digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
    with TorchCallback(
        receiver.url, optimizer=optimizer, scheduler=scheduler, scheduler_unit="step", total_epochs=3
    ) as run:
        run.log(train_loss=1.0)
        used = train(run, optimizer, scheduler, model, late=late)
    found = [record["metrics"]["lr"] for record in receiver.stored(run.id)]
    assert found == [0.1, *used]
    assert receiver.runs[run.id]["schedule"]["reporting"] == {"when": "in_use", "exact": True}
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("configured", [True, False])
@pytest.mark.parametrize("adapter", [trackside.Run, TorchCallback])
def test_a_run_that_is_kept_after_its_end_keeps_no_optimizer(
    receiver: Receiver, adapter: Callable[..., trackside.Run], configured: bool
) -> None:
    optimizer: Any = optimizer_of(0.1)
    run = adapter(receiver.url if configured else None, optimizer=optimizer)
    run.log(step=0, train_loss=1.0)
    run.finish()
    left = weakref.ref(optimizer)
    del optimizer
    gc.collect()
    assert left() is None
    run.log(step=1, train_loss=1.0)
    assert len(receiver.stored(run.id)) == configured


def test_a_cell_that_is_run_again_leaves_no_hook_of_its_first_run(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)  # the sign of a prompt
    optimizer: Any = optimizer_of(0.1)
    for _ in range(3):  # the optimizer is of another cell
        run = TorchCallback(receiver.url, name="cell", optimizer=optimizer, grad_norm=True)
    assert (len(optimizer._optimizer_step_pre_hooks), len(optimizer._optimizer_step_post_hooks)) == (1, 1)
    run.finish()
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    assert sorted(end["status"] for end in receiver.ends.values()) == ["finished", "killed", "killed"]


def test_what_accelerate_wraps_is_read_as_the_frameworks_own(receiver: Receiver) -> None:
    accelerator = accelerate.Accelerator(cpu=True)
    model = Digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model, optimizer, scheduler = accelerator.prepare(
        model, optimizer, lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
    )
    with TorchCallback(
        receiver.url, optimizer=optimizer, scheduler=scheduler, scheduler_unit="step", total_epochs=3, grad_norm=True
    ) as run:
        used = train(run, optimizer, scheduler, model, late=True)
    body = receiver.runs[run.id]
    assert body["optimizer"]["class"] == "SGD"
    assert body["schedule"]["class"] == "CosineAnnealingLR"
    records = receiver.stored(run.id)
    assert [record["metrics"]["lr"] for record in records] == used
    assert all(record["metrics"]["grad_norm"] > 0 for record in records)


def test_a_scheduler_that_accelerate_steps_for_each_process_is_not_taken_for_its_own(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    accelerator = accelerate.Accelerator(cpu=True)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    wrapped = accelerator.prepare(lr_scheduler.CosineAnnealingLR(optimizer, T_max=12))
    monkeypatch.setattr(accelerate.state, "AcceleratorState", lambda: SimpleNamespace(num_processes=4))
    with TorchCallback(receiver.url, optimizer=optimizer, scheduler=wrapped) as run:
        pass
    assert "schedule" not in receiver.runs[run.id]
    assert "accelerate steps it 4 times an update" in capfd.readouterr().err


class Bare:
    """An optimizer by its groups only."""

    def __init__(self) -> None:
        self.param_groups = [{"params": [], "lr": 0.1}]


def test_an_optimizer_that_tells_of_no_step_is_told(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    with TorchCallback(receiver.url, optimizer=Bare()) as run:
        run.log(step=0)
    assert "no hook after its step: call log before scheduler.step()" in capfd.readouterr().err
    assert receiver.stored(run.id)[0]["metrics"] == {"lr": 0.1}


def test_an_update_that_was_skipped_leaves_the_rate_of_the_one_before(receiver: Receiver) -> None:
    model = Digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with TorchCallback(receiver.url, optimizer=optimizer) as run:
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.5
        run.log(step=0)
        optimizer.step()
        run.log(step=1)
    assert [record["metrics"]["lr"] for record in receiver.stored(run.id)] == [0.1, 0.5]


def test_training_is_the_same_with_and_without_the_client(receiver: Receiver) -> None:
    """To the last bit: neither the weights nor the optimizer's state know of the client."""

    def trained(make: Callable[..., Any]) -> tuple[Any, Any]:
        torch.manual_seed(1)
        model = Digits()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        scheduler = lr_scheduler.LambdaLR(optimizer, lambda t: 0.9**t)
        with make(optimizer=optimizer, scheduler=scheduler, total_epochs=12) as run:
            train(run, optimizer, scheduler, model)
        return model.state_dict(), optimizer.state_dict()

    bare = trained(lambda **_: trackside.Run())
    for kind in (trackside.Run, TorchCallback):
        watched = trained(lambda kind=kind, **options: kind(receiver.url, **options))
        for key, value in bare[0].items():
            assert torch.equal(value, watched[0][key])
        assert repr(bare[1]) == repr(watched[1])


def test_tensors_are_reported_and_keep_no_graph_alive(receiver: Receiver) -> None:
    class Saved:
        """What the graph holds of a tensor; gone when the graph is."""

        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor
            saved.add(self)

    saved: weakref.WeakSet[Saved] = weakref.WeakSet()
    weight = torch.ones(1000, requires_grad=True)
    with trackside.Run(receiver.url) as run:
        with torch.autograd.graph.saved_tensors_hooks(Saved, lambda held: held.tensor):
            loss = (weight * weight * 2).sum()
        assert len(saved) > 0
        scalar = torch.tensor(0.5)
        run.log(
            step=torch.tensor(3),
            train_loss=loss,
            scalar=scalar,
            half=torch.tensor([0.25], dtype=torch.bfloat16),
            nan=torch.tensor(math.nan),
            whole=torch.tensor(7),
            several=torch.zeros(2),
            flag=torch.tensor(True),
        )
        del loss
        gc.collect()
        assert len(saved) == 0
        scalar.add_(99.0)  # what was logged is what it was then
    record = receiver.stored(run.id)[0]
    assert record["step"] == 3
    assert record["metrics"] == {"train_loss": 2000.0, "scalar": 0.5, "half": 0.25, "nan": "NaN", "whole": 7.0}


def test_the_unit_that_speaks_against_the_numbers_is_asked_about(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    optimizer = optimizer_of(0.1, momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=7820)
    trackside.Run(receiver.url, optimizer=optimizer, scheduler=scheduler, total_epochs=20).finish()
    assert 'pass scheduler_unit="step"' in capfd.readouterr().err


def test_a_missing_length_is_told_once_and_the_run_goes_on(
    receiver: Receiver, environment: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    optimizer = optimizer_of(0.1)
    scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    with trackside.Run(receiver.url, optimizer=optimizer, scheduler=scheduler) as run:
        run.log(epoch=0, train_loss=1.0)
    assert "schedule" not in receiver.runs[run.id]
    assert "pass total_epochs" in capfd.readouterr().err
