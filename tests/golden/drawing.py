"""What all draws share."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

Draw = Callable[[random.Random], dict[str, Any]]


def rate(rng: random.Random) -> float:
    """An LR."""
    return 10 ** rng.uniform(-6, 0)


def some(rng: random.Random, **choices: Any) -> dict[str, Any]:
    """Some of the parameters, so that defaults are met as well."""
    return {name: value for name, value in choices.items() if rng.random() < 0.6}


def base(rng: random.Random) -> float | list[float]:
    return rng.choice([rate(rng), [rate(rng) for _ in range(rng.randint(1, 3))]])


def milestones(rng: random.Random) -> list[int]:
    return sorted(rng.sample(range(1, 90), rng.randint(1, 5)))


def plateau(rng: random.Random, eps: str = "eps") -> dict[str, Any]:
    mode = rng.choice(["rel", "abs"])
    return some(
        rng,
        mode=rng.choice(["min", "max"]),
        factor=rng.uniform(0.1, 0.95),
        patience=rng.randint(0, 5),
        threshold=10 ** rng.uniform(-4, -1),
        threshold_mode=mode,
        cooldown=rng.randint(0, 4),
        min_lr=rng.choice([0.0, 1e-4]),
        **{eps: rng.choice([1e-8, 1e-3])},
    )


def metric(rng: random.Random, ticks: int) -> list[float]:
    """A loss that falls and stands still, now and then not a number."""
    return [
        math.nan if rng.random() < 0.02 else round(math.exp(-tick / 20) + rng.gauss(0, 0.05), rng.choice([1, 3]))
        for tick in range(ticks)
    ]
