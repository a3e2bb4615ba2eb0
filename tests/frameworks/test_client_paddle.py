"""The client beside real Paddle training: schedules, `get_lr`, a plain loop and `Model.fit`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trackside
from tests.client.receiver import Receiver, Reply, Request
from tests.frameworks.real_paddle import paddle
from tests.frameworks.watching import judged, newest
from trackside import schedules
from trackside.callbacks.paddle import PaddleCallback, PaddleRun

# fit copies labels in a way that paddle itself warns of
pytestmark = pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")
lr = paddle.optimizer.lr
Make = Callable[[], Any]


def rates(scheduler: Any, length: int) -> list[float]:
    """The LR at each tick, of the real scheduler."""
    found = []
    for _ in range(length):
        found.append(float(scheduler()))
        scheduler.step()
    return found


def rebuilt(node: dict[str, Any]) -> Any:
    """The real scheduler that a declaration names."""
    params = {key: rebuilt(value) if isinstance(value, dict) else value for key, value in node["params"].items()}
    return getattr(lr, node["class"])(**params)


CONSTRUCTORS: list[tuple[str, Make]] = [
    ("cosine", lambda: lr.CosineAnnealingDecay(0.002, T_max=30, eta_min=1e-5)),
    ("step", lambda: lr.StepDecay(0.002, step_size=10, gamma=0.9)),
    ("warm-up to a number", lambda: lr.LinearWarmup(0.1, warmup_steps=7, start_lr=0.01, end_lr=0.1)),
    (
        "warm-up to a scheduler",
        lambda: lr.LinearWarmup(lr.CosineAnnealingDecay(0.002, T_max=30), warmup_steps=1, start_lr=2e-5, end_lr=0.002),
    ),
    (
        "warm-up within a warm-up",
        lambda: lr.LinearWarmup(
            lr.LinearWarmup(lr.StepDecay(0.1, step_size=3), 4, 0.05, 0.1), warmup_steps=5, start_lr=0.0, end_lr=0.05
        ),
    ),
]
TABLES: list[tuple[str, Make]] = [
    ("lambda", lambda: lr.LambdaDecay(0.1, lambda t: 0.95**t)),
    ("exponential", lambda: lr.ExponentialDecay(0.1, gamma=0.9)),
    ("noam", lambda: lr.NoamDecay(d_model=64, warmup_steps=10)),
    ("piecewise", lambda: lr.PiecewiseDecay([5, 11], [0.1, 0.05, 0.01])),
    ("one cycle", lambda: lr.OneCycleLR(0.1, total_steps=40)),
    ("warm-up to a table", lambda: lr.LinearWarmup(lr.NaturalExpDecay(0.1, gamma=0.1), 5, 0.0, 0.1)),
    ("polynomial", lambda: lr.PolynomialDecay(0.1, decay_steps=20)),
]


def names(cases: list[tuple[str, Make]]) -> list[str]:
    return [name for name, _ in cases]


@pytest.mark.parametrize(("name", "make"), CONSTRUCTORS, ids=names(CONSTRUCTORS))
@pytest.mark.parametrize("done", [0, 6])
def test_a_declaration_by_constructor_gives_the_same_rates(name: str, make: Make, done: int) -> None:
    scheduler = make()
    rates(scheduler, done)
    declaration = schedules.paddle(scheduler, unit="epoch")
    assert (declaration["framework"], declaration["unit"]) == ("paddle", "epoch")
    assert rates(rebuilt(declaration), 50) == pytest.approx(rates(make(), 50), rel=1e-12)


def test_a_nested_declaration_is_in_the_users_own_words() -> None:
    assert schedules.paddle(CONSTRUCTORS[3][1](), unit="epoch") == {
        "framework": "paddle",
        "class": "LinearWarmup",
        "params": {
            "learning_rate": {
                "class": "CosineAnnealingDecay",
                "params": {"learning_rate": 0.002, "T_max": 30, "eta_min": 0.0},
            },
            "warmup_steps": 1,
            "start_lr": 2e-5,
            "end_lr": 0.002,
        },
        "base_lr": 0.002,
        "unit": "epoch",
    }


@pytest.mark.parametrize(("name", "make"), TABLES, ids=names(TABLES))
@pytest.mark.parametrize("done", [0, 6])
def test_a_table_holds_the_rates_of_the_real_scheduler(name: str, make: Make, done: int) -> None:
    scheduler = make()
    rates(scheduler, done)
    before = copy.deepcopy(vars(scheduler))
    declaration = schedules.paddle(scheduler, unit="epoch", length=30)
    assert declaration == {"kind": "table", "values": rates(make(), 30), "unit": "epoch"}
    nested = ("lr_lambda", "learning_rate", "anneal_func")
    assert {k: v for k, v in vars(scheduler).items() if k not in nested} == {
        k: v for k, v in before.items() if k not in nested
    }
    assert rates(scheduler, 20) == rates(make(), 26 if done else 20)[done:]


def test_a_warm_up_over_what_follows_a_metric() -> None:
    """Paddle steps the inner one with the number of the tick in place of a metric, so it is known beforehand."""

    def make() -> Any:
        return lr.LinearWarmup(lr.ReduceOnPlateau(0.1, patience=2), 3, 0.0, 0.1)

    declaration = schedules.paddle(make(), unit="epoch", length=5)
    assert declaration["params"]["learning_rate"]["class"] == "ReduceOnPlateau"
    assert rates(rebuilt(declaration), 20) == rates(make(), 20)


class Digits(paddle.nn.Layer):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.layers = paddle.nn.Sequential(paddle.nn.Linear(8, 16), paddle.nn.ReLU(), paddle.nn.Linear(16, 2))

    def forward(self, x: Any) -> Any:
        return self.layers(x)


def data(count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    x = np.random.default_rng(0).normal(size=(count, 8)).astype("float32")
    return x, (x[:, :1] > 0).astype("int64")


@pytest.mark.parametrize("kind", [trackside.Run, PaddleRun])
def test_a_plain_loop(receiver: Receiver, kind: Any) -> None:
    paddle.seed(0)
    model = Digits()
    scheduler = lr.LinearWarmup(lr.CosineAnnealingDecay(0.002, T_max=30), 1, 2e-5, 0.002)
    optimizer = paddle.optimizer.AdamW(scheduler, parameters=model.parameters(), weight_decay=0.05, beta1=0.8)
    x, y = data(64)
    wanted = rates(copy.deepcopy(scheduler), 6)
    with kind(receiver.url, optimizer=optimizer, total_epochs=30) as run:
        for epoch in range(6):
            loss = paddle.nn.functional.cross_entropy(model(paddle.to_tensor(x)), paddle.to_tensor(y))
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            run.log(epoch=epoch, train_loss=loss)
            scheduler.step()
    body = receiver.runs[run.id]
    assert body["framework"] == "paddle"
    assert body["optimizer"]["class"] == "AdamW"
    assert body["optimizer"]["params"]["beta1"] == 0.8
    assert body["optimizer"]["params"]["weight_decay"] == 0.05
    assert body["schedule"]["class"] == "LinearWarmup"
    records = receiver.stored(run.id)
    assert [record["metrics"]["lr"] for record in records] == pytest.approx(wanted, rel=1e-12)
    assert all(0 < record["metrics"]["train_loss"] < 10 for record in records)


def test_a_rate_that_is_a_number_declares_nothing(receiver: Receiver) -> None:
    model = Digits()
    optimizer = paddle.optimizer.Momentum(0.1, momentum=0.9, parameters=model.parameters())
    with trackside.Run(receiver.url, optimizer=optimizer) as run:
        run.log(epoch=0)
        optimizer.set_lr(0.05)
        run.log(epoch=1)
    assert "schedule" not in receiver.runs[run.id]
    assert receiver.runs[run.id]["optimizer"]["params"]["momentum"] == 0.9
    assert [record["metrics"]["lr"] for record in receiver.stored(run.id)] == [0.1, 0.05]


def test_tensors_are_reported_as_they_were(receiver: Receiver) -> None:
    with trackside.Run(receiver.url) as run:
        scalar = paddle.to_tensor(0.5)
        run.log(
            step=paddle.to_tensor(3),
            scalar=scalar,
            one=paddle.to_tensor([0.25]),
            nan=paddle.to_tensor(math.nan),
            several=paddle.zeros([2]),
            flag=paddle.to_tensor(True),
        )
        scalar.add_(paddle.to_tensor(99.0))
    record = receiver.stored(run.id)[0]
    assert record["step"] == 3
    assert record["metrics"] == {"scalar": 0.5, "one": 0.25, "nan": "NaN"}


def fit(
    callback: Any,
    *,
    scheduler: Any,
    epochs: int = 3,
    extra: tuple[Any, ...] = (),
    before: bool = False,
    evaluates: bool = True,
    **options: Any,
) -> Any:
    paddle.seed(0)
    model = paddle.Model(Digits())
    optimizer = paddle.optimizer.SGD(scheduler, parameters=model.parameters())
    model.prepare(optimizer, paddle.nn.CrossEntropyLoss(), paddle.metric.Accuracy())
    dataset = paddle.io.TensorDataset([paddle.to_tensor(part) for part in data(64)])
    callbacks = [*extra, callback] if before else [callback, *extra]
    options = {"batch_size": 16, "epochs": epochs, "verbose": 0, "shuffle": False, **options}
    model.fit(dataset, dataset if evaluates else None, callbacks=callbacks, **options)
    return model


def only_run(receiver: Receiver) -> tuple[str, dict[str, Any]]:
    ((run_id, body),) = receiver.runs.items()
    return run_id, body


def test_fit_reports_rates_in_use_and_each_epoch(receiver: Receiver) -> None:
    scheduler = lr.LinearWarmup(lr.StepDecay(0.1, step_size=4), warmup_steps=3, start_lr=0.01, end_lr=0.1)
    wanted = rates(copy.deepcopy(scheduler), 12)
    callback = PaddleCallback(receiver.url, project="digits", lr_every=1)
    assert isinstance(callback, paddle.callbacks.Callback)
    fit(callback, scheduler=scheduler)
    run_id, body = only_run(receiver)
    assert (body["project"], body["total_epochs"], body["steps_per_epoch"]) == ("digits", 3, 4)
    assert body["params"] == {"accumulate_grad_batches": 1}
    assert body["optimizer"]["class"] == "SGD"
    assert (body["schedule"]["class"], body["schedule"]["unit"], body["schedule"]["steps_per_epoch"]) == (
        "LinearWarmup",
        "step",
        4,
    )
    assert body["schedule"]["reporting"] == {"when": "in_use", "step_base": 0, "exact": True}
    records = receiver.stored(run_id)
    found = [(r["step"], r["epoch"], r["metrics"]["lr"]) for r in records if "lr" in r["metrics"]]
    assert [step for step, _, _ in found] == list(range(12))
    assert [epoch for _, epoch, _ in found] == [1] * 4 + [2] * 4 + [3] * 4
    assert [rate for _, _, rate in found] == pytest.approx(wanted, rel=1e-12)
    summaries = [r for r in records if "step" not in r]
    assert [(r["epoch"], sorted(r["metrics"])) for r in summaries] == [
        (epoch, names) for epoch in (1, 2, 3) for names in (["train_acc", "train_loss"], ["val_acc", "val_loss"])
    ]
    assert receiver.ends[run_id] == {"status": "finished"}


@pytest.mark.parametrize("before", [False, True])
def test_fit_with_a_scheduler_of_epochs(receiver: Receiver, before: bool) -> None:
    """The order of the callbacks does not matter: the LR is read before the batch that uses it."""
    callback = PaddleCallback(receiver.url, scheduler_unit="epoch", lr_every=3)
    by_epoch = paddle.callbacks.LRScheduler(by_step=False, by_epoch=True)
    fit(callback, scheduler=lr.StepDecay(0.1, step_size=1, gamma=0.5), extra=(by_epoch,), before=before)
    run_id, body = only_run(receiver)
    assert body["schedule"]["unit"] == "epoch"
    found = [(r["step"], r["metrics"]["lr"]) for r in receiver.stored(run_id) if "lr" in r["metrics"]]
    assert found == [(0, 0.1), (3, 0.1), (4, 0.05), (7, 0.05), (8, 0.025), (11, 0.025)]


@pytest.mark.parametrize(("most", "evaluates", "epochs"), [(10, False, None), (12, False, 3), (12, True, None)])
def test_a_fit_of_so_many_iterations_is_as_long_as_that(
    receiver: Receiver, most: int, evaluates: bool, epochs: int | None
) -> None:
    """Paddle makes epochs of them, one too many where they come out even, and counts what an evaluation takes."""
    fit(
        PaddleCallback(receiver.url, lr_every=1),
        scheduler=lr.ExponentialDecay(0.1, gamma=0.9),
        num_iters=most,
        evaluates=evaluates,
    )
    run_id, body = only_run(receiver)
    assert (body.get("total_epochs"), body["steps_per_epoch"]) == (epochs, 4)
    found = [r["metrics"]["lr"] for r in receiver.stored(run_id) if "lr" in r["metrics"]]
    assert len(body["schedule"]["values"]) == most
    assert body["schedule"]["values"][: len(found)] == pytest.approx(found, rel=1e-12)
    assert receiver.ends[run_id] == {"status": "finished"}


@pytest.mark.parametrize("options", [{}, {"num_iters": 10}])
def test_the_table_of_another_fit_holds_what_came_before_it(receiver: Receiver, options: dict[str, Any]) -> None:
    """The scheduler goes on where the first left it, and so do the steps: what began at 0 ended before them."""
    scheduler = lr.ExponentialDecay(0.1, gamma=0.9)
    for _ in range(2):
        fit(PaddleCallback(receiver.url, lr_every=1), scheduler=scheduler, evaluates=False, **options)
    _, (run_id, body) = receiver.runs.items()
    most = options.get("num_iters", 12)
    found = {r["step"]: r["metrics"]["lr"] for r in receiver.stored(run_id) if "lr" in r["metrics"]}
    assert list(found) == list(range(most, 2 * most))
    assert body["schedule"]["values"][most:] == pytest.approx(list(found.values()), rel=1e-12)


class Break(paddle.callbacks.Callback):  # type: ignore[misc]
    def on_train_batch_end(self, step: int, logs: Any = None) -> None:  # noqa: ARG002
        if step == 2:
            raise RuntimeError("no space left")


def test_a_fit_that_breaks_off_has_failed(receiver: Receiver) -> None:
    with pytest.raises(RuntimeError, match="no space"), PaddleCallback(receiver.url) as callback:
        fit(callback, scheduler=0.1, extra=(Break(),))
    run_id, _ = only_run(receiver)
    assert receiver.ends[run_id] == {"status": "failed", "reason": "RuntimeError: no space left"}


def test_fit_stops_where_asked(receiver: Receiver) -> None:
    def behave(request: Request) -> Reply | None:
        if request.method != "POST":
            return None
        alert = {"code": "LOSS001", "severity": "critical", "state": "open", "event": "opened"}
        return Reply(200, {"accepted": 1, "duplicates": 0, "health": "critical", "alerts": [alert]})

    receiver.behave = behave

    class Wait(paddle.callbacks.Callback):  # type: ignore[misc]
        """Lets the answer to the first epoch arrive, as a longer epoch would."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            run = callback.run
            if epoch == 0 and run is not None:
                receiver.wait_for(lambda: run.should_stop)

    callback = PaddleCallback(receiver.url, stop_on="critical")
    model = fit(callback, scheduler=0.1, epochs=50, extra=(Wait(),))
    assert model.stop_training
    assert max(r.body["records"][-1]["epoch"] for r in receiver.requests if r.method == "POST") < 50


def test_a_loss_that_is_not_finite_is_reported_at_once(receiver: Receiver) -> None:
    fit(PaddleCallback(receiver.url), scheduler=1e38, epochs=1)
    run_id, _ = only_run(receiver)
    bad = [r for r in receiver.stored(run_id) if r["metrics"].get("train_loss") in ("NaN", "Infinity") and "step" in r]
    assert bad
    assert bad[0]["step"] > 0


def test_fit_unconfigured_trains_as_ever() -> None:
    model = fit(PaddleCallback(), scheduler=0.1)
    assert not model.stop_training


def test_wrong_arguments_raise_when_the_callback_is_made() -> None:
    with pytest.raises(TypeError, match="unexpected argument 'projct'"):
        PaddleCallback(projct="x")
    with pytest.raises(ValueError, match="lr_every"):
        PaddleCallback(lr_every=0)
    with pytest.raises(TypeError, match="tags"):
        PaddleCallback(tags="x")


def test_the_right_fit_is_silent_and_the_misused_scheduler_named(url: str) -> None:
    """`fit` steps the scheduler after every batch, and this one is built for epochs: the classic mistake."""
    found = []
    for built_for in ("step", "epoch"):
        scheduler = lr.CosineAnnealingDecay(0.1, T_max=24 if built_for == "step" else 6)
        fit(PaddleCallback(url, scheduler_unit=built_for, lr_every=1), scheduler=scheduler, epochs=6)
        found.append(judged(url, newest(url)["id"]))
    assert found[0] == ("on_schedule", [], [])
    verdict, alerts, causes = found[1]
    assert (verdict, alerts) == ("off_schedule", ["LR001"])
    assert "stepped_per_batch" in causes
