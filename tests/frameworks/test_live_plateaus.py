"""Loops with the real ReduceLROnPlateau and ReduceOnPlateau: a right run is on schedule, a wrong patience is not."""

from __future__ import annotations

import importlib.util
import math
import random
from typing import Any

import pytest

from tests.golden.live import trajectory
from trackside_service.conformance import LrPoint, explain
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
