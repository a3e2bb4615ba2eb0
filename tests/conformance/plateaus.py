"""Runs under a plateau schedule or GreedyLR: what a loop logs, from a declaration and a metric."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from trackside_service.conformance import Explanation, LrPoint, MetricPoint, absorb, conclude, start
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
