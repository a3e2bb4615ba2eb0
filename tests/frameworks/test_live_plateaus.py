"""Loops with the real ReduceLROnPlateau and ReduceOnPlateau: a right run is on schedule, a wrong patience is not."""

from __future__ import annotations

import copy
import importlib.util
import math
import random
from typing import Any

import pytest

from tests.golden.live import trajectory
from trackside_service.conformance import LrPoint, MetricPoint, absorb, conclude, explain, start
from trackside_service.schedules import compile_schedule

INSTALLED = [name for name in ("torch", "paddle") if importlib.util.find_spec(name) is not None]
TICKS = 70


def declared(name: str, **params: Any) -> dict[str, Any]:
    if name == "torch":
        return {"framework": name, "class": "ReduceLROnPlateau", "params": params, "base_lr": 0.1, "unit": "epoch"}
    own = {"learning_rate": 0.1, **params}
    return {"framework": name, "class": "ReduceOnPlateau", "params": own, "unit": "epoch"}


def metric(rng: random.Random) -> list[float]:
    """It falls, stands still, gets better once more, and is now and then not a number."""
    return [
        math.nan if rng.random() < 0.03 else 1.0 + math.exp(-tick / 9) - 0.3 * (tick > 45) + rng.gauss(0.0, 0.02)
        for tick in range(TICKS)
    ]


def logged(declaration: dict[str, Any], values: list[float]) -> list[LrPoint]:
    (lrs, *_), _ = trajectory(declaration, TICKS, values)
    return [
        LrPoint(lr, epoch=float(at), metrics=(("val_loss", value),))
        for at, (lr, value) in enumerate(zip(lrs, values, strict=False))
    ]


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("mode", ["rel", "abs"])
@pytest.mark.parametrize("cooldown", [0, 4])
def test_a_right_loop_is_on_schedule_and_a_wrong_patience_is_not(name: str, mode: str, cooldown: int) -> None:
    for seed in range(6):
        values = metric(random.Random(f"{seed}"))
        params = {"factor": 0.5, "threshold": 0.01, "threshold_mode": mode, "cooldown": cooldown}
        right, wrong = declared(name, patience=2, **params), declared(name, patience=5, **params)
        for named in ({}, {"metric": "val_loss"}):
            schedule = compile_schedule({**right, **named})
            assert explain(schedule, logged(right, values)).verdict == "on_schedule"
            # Unnamed, the scheduler may follow what is not reported.
            assert explain(schedule, logged(wrong, values)).verdict == ("off_schedule" if named else "undetermined")


def resumed(name: str, params: dict[str, Any], values: list[float], again: list[float], saved: int) -> list[float]:
    """The LRs of a loop, and of the one that goes on from its checkpoint after `saved` ticks."""
    if name == "torch":
        import torch

        def built() -> tuple[Any, Any]:
            optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
            return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **params), optimizer

        def rate(pair: tuple[Any, Any]) -> float:
            return float(pair[1].param_groups[0]["lr"])
    else:
        import paddle

        def built() -> tuple[Any, Any]:
            scheduler = paddle.optimizer.lr.ReduceOnPlateau(0.1, **params)
            return scheduler, paddle.optimizer.SGD(scheduler, parameters=[paddle.create_parameter([1], "float32")])

        def rate(pair: tuple[Any, Any]) -> float:
            return float(pair[0]())

    lrs: list[float] = []
    pair, states = built(), []
    for tick, value in enumerate(values):
        if tick == saved:
            states = [copy.deepcopy(part.state_dict()) for part in pair]
        lrs.append(rate(pair))
        pair[0].step(value)
    pair = built()
    for part, state in zip(pair, states, strict=True):
        getattr(part, "load_state_dict" if name == "torch" else "set_state_dict")(state)
    for value in again:
        lrs.append(rate(pair))
        pair[0].step(value)
    return lrs


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_resume_with_its_state_is_on_schedule(name: str, order: str) -> None:
    params = {"patience": 1, "factor": 0.3, "cooldown": 1, "threshold": 0.05}
    for seed in range(8):
        rng = random.Random(f"{seed}")
        saved = rng.randint(1, 30)
        values, again = metric(rng)[: saved + 2], metric(rng)[saved:]
        places = [*range(saved + 2), *range(saved, TICKS)]
        points: list[LrPoint | MetricPoint] = []
        for at, lr, value in zip(places, resumed(name, params, values, again, saved), values + again, strict=True):
            rate, loss = LrPoint(lr, epoch=float(at)), MetricPoint((("val_loss", value),), epoch=float(at))
            points += [loss, rate] if order == "before" else [rate, loss]
        schedule = compile_schedule({**declared(name, **params), "metric": "val_loss"})
        found = conclude(schedule, absorb(schedule, start(schedule), points))
        assert found.verdict == "on_schedule", (seed, found)


def test_the_cooldown_of_torch_is_not_that_of_paddle() -> None:
    """In torch's cooldown a better value becomes the best; in Paddle's it does not."""
    values = [1.0003, 1.1007, 0.5011, *(0.9017 + 0.0013 * tick for tick in range(TICKS - 3))]
    params = {"patience": 0, "cooldown": 3, "factor": 0.5}
    for name in INSTALLED:
        points = logged(declared(name, **params), values)
        verdicts = {
            other: explain(compile_schedule({**declared(other, **params), "metric": "val_loss"}), points).verdict
            for other in INSTALLED
        }
        assert verdicts.pop(name) == "on_schedule"
        assert set(verdicts.values()) <= {"off_schedule"}
