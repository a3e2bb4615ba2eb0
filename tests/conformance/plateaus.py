"""Runs under a plateau schedule or GreedyLR: what a loop logs, from a declaration and a metric."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from trackside_service.conformance import Cause, Explanation, LrPoint, MetricPoint, absorb, conclude, start
from trackside_service.schedules import compile_schedule

DECLARED: dict[str, Any] = {
    "framework": "torch",
    "class": "ReduceLROnPlateau",
    "params": {"patience": 3, "factor": 0.5},
    "base_lr": 0.1,
    "unit": "epoch",
}
NAMED = {**DECLARED, "metric": "val_loss"}

GREEDY: dict[str, Any] = {"patience": 2, "factor": 0.8, "min_lr": 0.05, "max_lr": 0.3, "reset_start": 3}


def greedy(**params: Any) -> dict[str, Any]:
    """A declaration of transformers' GreedyLR, its metric named."""
    own = {"name": "greedy", "scheduler_specific_kwargs": {**GREEDY, **params}}
    shared = {"framework": "transformers", "class": "get_scheduler", "params": own, "base_lr": 0.1}
    return {**shared, "unit": "epoch", "metric": "val_loss"}


def with_params(**params: Any) -> dict[str, Any]:
    """The declaration, its metric named, with other parameters."""
    return {**NAMED, "params": {**DECLARED["params"], **params}}


def verdict(declaration: dict[str, Any], points: Sequence[LrPoint | MetricPoint]) -> Explanation:
    """What is said of a log, the causes too."""
    schedule = compile_schedule(declaration)
    return conclude(schedule, absorb(schedule, start(schedule), points))


def losses(count: int, seed: int = 1, floor: float = 1.0) -> list[float]:
    """A loss that falls and then stands still, with noise."""
    rng = random.Random(seed)
    return [floor + math.exp(-tick / 8) + rng.gauss(0.0, 0.02) for tick in range(count)]


def lrs_of(declaration: dict[str, Any], metric: Sequence[float]) -> list[float]:
    """The LRs at ticks 0, 1, ... up to one after the metric's last value."""
    schedule = compile_schedule(declaration).driven_by(metric)
    return [float(lr) for lr in schedule.lrs(range(len(metric) + 1))]


def together(
    lrs: Sequence[float], *, name: str = "val_loss", metric: Sequence[float], first: int = 0
) -> list[LrPoint | MetricPoint]:
    """One record an epoch with both."""
    return [
        LrPoint(lr, epoch=float(first + at), metrics=((name, value),))
        for at, (lr, value) in enumerate(zip(lrs, metric, strict=False))
    ]


def assert_never_off(rng: random.Random, declaration: dict[str, Any], seed: int) -> None:
    """Assert that a right run is not off, however it counts and prints, and on schedule where its metric is whole."""
    metric = [math.nan if rng.random() < 0.02 else value for value in losses(80, seed)]
    after, first = rng.choice([0, 1]), rng.choice([0, 1])
    lrs = lrs_of(declaration, metric)[after:]
    digits, places = rng.choice([17, 4, 3]), rng.choice([17, 4, 3, 2])
    printed = [float(f"%.{digits}g" % lr) for lr in lrs]
    name = rng.choice(["val_loss", "val_acc", "train_loss", "dice"])
    for named in (declaration, {**declaration, "metric": name}):
        points = together(printed, name=name, metric=[round(value, places) for value in metric], first=first)
        found = verdict(named, points)
        assert found.verdict != "off_schedule", (named, found)
        if places == 17:
            assert found.verdict == "on_schedule", (named, found)


def first_cause(found: Explanation) -> Cause:
    """The simplest cause of a run that is off."""
    assert found.verdict == "off_schedule"
    return found.causes[0]
