"""The gradients' norm, where it is asked for: that of the update, by real training with each framework."""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

import trackside
from tests.client.receiver import Receiver
from tests.frameworks.real_keras import keras
from tests.frameworks.real_paddle import paddle
from tests.frameworks.test_client_keras import fit as keras_fit
from tests.frameworks.test_client_lightning import loader, module_of, trainer_of
from tests.frameworks.test_client_lightning import pytestmark as lightnings_warnings
from tests.frameworks.test_client_paddle import Digits, data
from tests.frameworks.test_client_paddle import fit as paddle_fit
from tests.frameworks.watching import only_run
from trackside.callbacks.keras import KerasCallback
from trackside.callbacks.lightning import LightningCallback
from trackside.callbacks.paddle import PaddleCallback, PaddleRun
from trackside.callbacks.torch import TorchCallback

pytestmark = [
    *lightnings_warnings,
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),  # of paddle, by its fit
]


def norms(receiver: Receiver) -> dict[int, float]:
    run_id, _ = only_run(receiver)
    return {r["step"]: r["metrics"]["grad_norm"] for r in receiver.stored(run_id) if "grad_norm" in r["metrics"]}


def norm_of(gradients: Any) -> float:
    return math.sqrt(sum(float((gradient.double() ** 2).sum()) for gradient in gradients))


@pytest.mark.parametrize("clip", [None, 0.1])
def test_torch(receiver: Receiver, clip: float | None) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Linear(4, 3))
    unused = torch.nn.Parameter(torch.ones(2))  # without a gradient
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters()}, {"params": [*model[1].parameters(), unused]}], lr=0.1
    )
    wanted = []
    with TorchCallback(receiver.url, optimizer=optimizer, grad_norm=True) as run:
        for step in range(5):
            loss = model(torch.randn(16, 8)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            wanted.append(norm_of(each.grad for each in model.parameters()))
            optimizer.step()
            optimizer.zero_grad()  # the log may come when the gradients are gone
            run.log(step=step, train_loss=loss)
    assert list(norms(receiver).values()) == pytest.approx(wanted, rel=1e-5)
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_torch_unasked_and_without_an_update(receiver: Receiver) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    for asked in (False, True):
        with TorchCallback(receiver.url, optimizer=optimizer, grad_norm=asked) as run:
            run.log(step=0, train_loss=1.0)
        assert receiver.stored(run.id)[0]["metrics"] == {"train_loss": 1.0, "lr": 0.1}


def test_torch_with_a_gradient_scaler(receiver: Receiver) -> None:
    """The scaler takes its factor off the gradients before the step, and skips a step that overflowed."""
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with TorchCallback(receiver.url, optimizer=optimizer, grad_norm=True) as run:
        for step, factor in enumerate((3.0, math.inf, 4.0)):
            optimizer.zero_grad()
            scaler.scale((parameter * torch.tensor([factor, 0.0])).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
            run.log(step=step, train_loss=1.0)
    assert norms(receiver) == {0: 3.0, 1: 3.0, 2: 4.0}


def test_lightning(receiver: Receiver, tmp_path: Path) -> None:
    callback = LightningCallback(receiver.url, lr_every=4, grad_norm=True)
    module = module_of(pl)
    seen: list[float] = []
    before = module.on_before_optimizer_step

    def spy(optimizer: Any) -> None:
        seen.append(norm_of(each.grad for each in module.parameters()))
        before(optimizer)

    module.on_before_optimizer_step = spy
    trainer_of(tmp_path, callback, max_epochs=2).fit(module, loader(), loader())
    assert norms(receiver) == {step: pytest.approx(seen[step], rel=1e-5) for step in (0, 4, 7, 8, 12, 15)}


def test_keras(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    seen = []

    class Spy(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            seen.append(norm_of(each.value.grad for each in self.model.trainable_weights))

    keras_fit(KerasCallback(receiver.url, lr_every=4, grad_norm=True), Spy(), epochs=2)
    assert norms(receiver) == {step: pytest.approx(seen[step], rel=1e-5) for step in (0, 4, 5, 8, 11)}
    assert capfd.readouterr().err == ""


def test_keras_says_where_it_shows_no_gradients(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    keras_fit(KerasCallback(receiver.url, lr_every=1, grad_norm=True), optimizer=optimizer)
    assert norms(receiver) == {}
    assert capfd.readouterr().err.count("no grad_norm is reported") == 1


def test_paddle_fit(receiver: Receiver) -> None:
    scheduler = paddle.optimizer.lr.StepDecay(0.1, step_size=4)
    model = paddle_fit(PaddleCallback(receiver.url, lr_every=3, grad_norm=True), scheduler=scheduler, epochs=2)
    found = norms(receiver)
    assert list(found) == [0, 3, 4, 7]
    assert {"step", "minimize"}.isdisjoint(vars(model._optimizer))
    # the same training without the callback, its gradients read before the first update
    network = Digits()
    network.set_state_dict(reset(model))
    x, y = (paddle.to_tensor(part[:16]) for part in data(64))
    paddle.nn.functional.cross_entropy(network(x), y).backward()
    wanted = math.sqrt(sum(float((each.grad**2).sum()) for each in network.parameters()))
    assert found[0] == pytest.approx(wanted, rel=1e-4)


def reset(model: Any) -> dict[str, Any]:
    """The weights with which `fit` of the tests begins."""
    paddle.seed(0)
    del model
    return dict(Digits().state_dict())


def test_paddle_plain(receiver: Receiver) -> None:
    paddle.seed(0)
    model = paddle.nn.Linear(8, 2)
    optimizer = paddle.optimizer.SGD(0.1, parameters=model.parameters())
    wanted = []
    with PaddleRun(receiver.url, optimizer=optimizer, grad_norm=True) as run:
        for step in range(3):
            loss = model(paddle.randn([16, 8])).square().mean()
            loss.backward()
            wanted.append(math.sqrt(sum(float((each.grad**2).sum()) for each in model.parameters())))
            optimizer.step()
            optimizer.clear_grad()
            run.log(step=step, train_loss=loss)
    assert list(norms(receiver).values()) == pytest.approx(wanted, rel=1e-5)
    assert "step" not in vars(optimizer)


def test_a_loader_with_workers_reports_from_its_parent_only(receiver: Receiver) -> None:
    """The dataset holds the run: its workers are forked, or get it through pickle, and say nothing."""
    for how in ("fork", "spawn"):
        with trackside.Run(receiver.url) as run:
            batches = torch.utils.data.DataLoader(Reporting(run), num_workers=2, multiprocessing_context=how)
            for step, _ in enumerate(batches):
                run.log(step=step, train_loss=1.0)
        assert [set(record["metrics"]) for record in receiver.stored(run.id)] == [{"train_loss"}] * 4
        assert receiver.ends[run.id] == {"status": "finished"}


class Reporting(torch.utils.data.Dataset):  # type: ignore[misc]
    """A dataset whose items are reported where they are read."""

    def __init__(self, run: trackside.Run) -> None:
        self.run = run

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        self.run.log(step=index, from_worker=1.0)
        return torch.zeros(1)


def paddle_updates(optimizer: Any, model: Any, *runs: Any) -> None:
    for step in range(2):
        model(paddle.randn([16, 8])).square().mean().backward()
        optimizer.step()
        for run in runs:
            run.log(step=step)
        optimizer.clear_grad()


def test_two_runs_on_one_paddle_optimizer_both_see_its_gradients(receiver: Receiver) -> None:
    model = paddle.nn.Linear(8, 2)
    optimizer = paddle.optimizer.SGD(0.1, parameters=model.parameters())
    runs = [PaddleRun(receiver.url, optimizer=optimizer, grad_norm=True) for _ in range(2)]
    paddle_updates(optimizer, model, *runs)
    runs[0].finish()
    paddle_updates(optimizer, model, runs[1])
    runs[1].finish()
    assert {"step", "minimize"}.isdisjoint(vars(optimizer))
    found = [["grad_norm" in record["metrics"] for record in receiver.stored(run.id)] for run in runs]
    assert found == [[True] * 2, [True] * 4]


def test_what_stands_in_the_place_of_a_paddle_optimizers_step_is_there_after_the_run(receiver: Receiver) -> None:
    model = paddle.nn.Linear(8, 2)
    optimizer = paddle.optimizer.SGD(0.1, parameters=model.parameters())
    own = optimizer.step
    called = []

    def before() -> None:
        called.append("before")
        own()

    optimizer.step = before
    run = PaddleRun(receiver.url, optimizer=optimizer, grad_norm=True)
    between = optimizer.step

    def after() -> None:
        called.append("after")
        between()

    optimizer.step = after
    paddle_updates(optimizer, model, run)
    run.finish()
    assert optimizer.step is after
    paddle_updates(optimizer, model)
    assert called == ["after", "before"] * 4
    assert all("grad_norm" in record["metrics"] for record in receiver.stored(run.id))


@pytest.mark.parametrize("fits", [True, False])
def test_a_cell_of_paddle_that_is_run_again_leaves_nothing_of_its_first_run(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, fits: bool
) -> None:
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)  # the sign of a prompt

    class Interrupted(paddle.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, step: int, logs: Any = None) -> None:  # noqa: ARG002
            raise KeyboardInterrupt

    model = paddle.Model(Digits())
    optimizer = paddle.optimizer.SGD(0.1, parameters=model.parameters())
    model.prepare(optimizer, paddle.nn.CrossEntropyLoss())
    dataset = paddle.io.TensorDataset([paddle.to_tensor(part) for part in data(64)])
    kept: list[Any] = []
    for stopped in (True, True, False):
        if fits:
            kept.append(PaddleCallback(receiver.url, name="cell", lr_every=1, grad_norm=True))
            extra = [Interrupted()] if stopped else []
            with contextlib.suppress(KeyboardInterrupt):
                model.fit(dataset, batch_size=16, verbose=0, callbacks=[kept[-1], *extra])
        else:
            kept.append(PaddleRun(receiver.url, name="cell", optimizer=optimizer, grad_norm=True))
    if not fits:
        assert len(vars(optimizer)["step"].notes) == 1
        kept[-1].finish()
    assert {"step", "minimize"}.isdisjoint(vars(optimizer))
    assert sorted(end["status"] for end in receiver.ends.values()) == ["finished", "killed", "killed"]
    if fits:
        last = receiver.stored(next(each for each, end in receiver.ends.items() if end["status"] == "finished"))
        assert sum("grad_norm" in record["metrics"] for record in last) == 4
