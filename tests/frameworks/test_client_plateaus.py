"""Live ReduceLROnPlateau, ReduceOnPlateau and GreedyLR, read by their constructors' values, and loops under them."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
import transformers

import trackside
from tests.client.receiver import Receiver
from tests.frameworks.real_paddle import paddle
from trackside import schedules
from trackside_service.conformance import LrPoint, explain
from trackside_service.schedules import compile_schedule

Plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
SETTINGS = {"mode": "max", "factor": 0.3, "patience": 2, "threshold": 0.01, "threshold_mode": "abs", "cooldown": 1}


def optimizer_of(*lrs: float) -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs]
    return torch.optim.SGD(groups, lr=lrs[0])


def test_torch_by_the_values_of_its_constructor() -> None:
    scheduler = Plateau(optimizer_of(0.1), min_lr=1e-4, eps=1e-7, **SETTINGS)
    assert schedules.torch(scheduler, unit="epoch", steps_per_epoch=5, metric="val_acc") == {
        "framework": "torch",
        "class": "ReduceLROnPlateau",
        "params": {**SETTINGS, "eps": 1e-7, "min_lr": 1e-4},
        "base_lr": 0.1,
        "unit": "epoch",
        "steps_per_epoch": 5,
        "metric": "val_acc",
    }


def test_torch_with_groups() -> None:
    declaration = schedules.torch(Plateau(optimizer_of(0.1, 0.02), min_lr=[1e-3, 1e-4]), unit="epoch")
    assert (declaration["base_lr"], declaration["params"]["min_lr"]) == ([0.1, 0.02], [1e-3, 1e-4])
    assert "metric" not in declaration
    assert len(compile_schedule(declaration).groups) == 2


def test_greedy_by_the_values_of_its_constructor() -> None:
    own = {**SETTINGS, "warmup": 2, "eps": 1e-7, "smooth": False, "window_size": 50, "reset_start": 7}
    bounds = {"min_lr": [1e-3, 1e-4], "max_lr": 0.5}
    scheduler = transformers.GreedyLR(optimizer_of(0.1, 0.02), **own, **bounds)
    expected = {
        "framework": "transformers",
        "class": "get_scheduler",
        "params": {"name": "greedy", "scheduler_specific_kwargs": {**own, **bounds}},
        "base_lr": [0.1, 0.02],
        "unit": "epoch",
        "metric": "val_acc",
    }
    assert schedules.torch(scheduler, unit="epoch", metric="val_acc") == expected
    for value in range(40):
        scheduler.step(float(value < 20))
    assert scheduler.optimizer.param_groups[0]["lr"] != 0.1
    assert scheduler.reset_start < 7
    assert schedules.read(scheduler, unit="epoch", metric="val_acc") == expected
    assert len(compile_schedule(expected).groups) == 2


def test_paddle_by_the_values_of_its_constructor() -> None:
    scheduler = paddle.optimizer.lr.ReduceOnPlateau(0.2, min_lr=1e-4, epsilon=1e-7, **SETTINGS)
    for _ in range(6):
        scheduler.step(metrics=0.5)
    assert scheduler() < 0.2
    assert schedules.paddle(scheduler, unit="epoch", metric="val_acc") == {
        "framework": "paddle",
        "class": "ReduceOnPlateau",
        "params": {"learning_rate": 0.2, **SETTINGS, "min_lr": 1e-4, "epsilon": 1e-7},
        "unit": "epoch",
        "metric": "val_acc",
    }


def test_a_subclass_is_not_taken_for_the_class() -> None:
    class Own(torch.optim.lr_scheduler.ReduceLROnPlateau):  # type: ignore[misc]
        """May do what it likes."""

    class OwnGreedy(transformers.GreedyLR):  # type: ignore[misc]
        """So may this."""

    for made in (Own, OwnGreedy):
        with pytest.raises(schedules.UnreadableScheduleError, match="follows a metric"):
            schedules.torch(made(optimizer_of(0.1)), unit="epoch", length=5)


def test_one_under_way_begins_with_the_scripts_own_rate_or_is_not_guessed() -> None:
    for lrs, readable in (((0.1,), True), ((0.1, 0.02), False)):
        scheduler = Plateau(optimizer_of(*lrs), patience=0)
        for _ in range(3):
            scheduler.step(1.0)
        assert scheduler.optimizer.param_groups[0]["lr"] == pytest.approx(0.001)
        if readable:
            assert schedules.torch(scheduler, unit="epoch")["base_lr"] == 0.1
        else:
            with pytest.raises(schedules.UnreadableScheduleError, match="rates of their own"):
                schedules.torch(scheduler, unit="epoch")


def test_a_metric_for_a_scheduler_that_follows_none_is_refused() -> None:
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer_of(0.1), T_max=5)
    with pytest.raises(schedules.UnreadableScheduleError, match="no metric drives a CosineAnnealingLR"):
        schedules.torch(cosine, unit="epoch", metric="val_loss")
    step = paddle.optimizer.lr.StepDecay(0.1, step_size=3)
    with pytest.raises(schedules.UnreadableScheduleError, match="no metric drives a StepDecay"):
        schedules.paddle(step, unit="epoch", metric="val_loss")


def test_declared_by_hand() -> None:
    declaration = schedules.declare(
        "torch", "ReduceLROnPlateau", base_lr=0.1, unit="epoch", patience=3, metric="val_loss"
    )
    assert declaration["metric"] == "val_loss"
    assert declaration["params"] == {"patience": 3}
    with pytest.raises(ValueError, match="metric is the name"):
        schedules.declare("torch", "ReduceLROnPlateau", base_lr=0.1, unit="epoch", metric=" ")


@pytest.mark.parametrize("framework", ["torch", "greedy", "paddle"])
def test_a_loop_is_compared_by_what_was_read(receiver: Receiver, framework: str) -> None:
    """The right loop is on schedule; one that gives the scheduler another metric than it says is not."""
    verdicts = {}
    for fed in ("val_loss", "train_loss"):
        values = random.Random(3)
        if framework != "paddle":
            optimizer: Any = optimizer_of(0.1)
            scheduler = (Plateau if framework == "torch" else transformers.GreedyLR)(optimizer, factor=0.5, patience=1)
            options = {"scheduler": scheduler}
        else:
            scheduler = paddle.optimizer.lr.ReduceOnPlateau(0.1, factor=0.5, patience=1)
            weight = paddle.create_parameter([2], "float32")
            optimizer = paddle.optimizer.SGD(scheduler, parameters=[weight])
            options = {}
        with trackside.Run(
            receiver.url, optimizer=optimizer, scheduler_metric="val_loss", total_epochs=20, **options
        ) as run:
            for epoch in range(20):
                logged = {"train_loss": 1 / (1 + epoch), "val_loss": 0.5 + values.random()}
                run.log(logged, epoch=epoch)
                optimizer.step()
                scheduler.step(logged[fed])
        schedule = receiver.runs[run.id]["schedule"]
        assert schedule["metric"] == "val_loss"
        points = [
            LrPoint(
                record["metrics"]["lr"],
                epoch=record["epoch"],
                metrics=tuple((name, value) for name, value in record["metrics"].items() if name != "lr"),
            )
            for record in receiver.stored(run.id)
        ]
        verdicts[fed] = explain(compile_schedule(schedule), points).verdict
    assert verdicts == {"val_loss": "on_schedule", "train_loss": "off_schedule"}
