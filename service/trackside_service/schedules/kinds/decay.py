"""decay: multiplied by a factor again and again, in steps or smoothly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest
from trackside_service.schedules.params import MAX_TICKS, Param


@dataclass(frozen=True, slots=True)
class Decay:
    """lr(t) = lr gamma^k, k = t/every, or its floor where `staircase`."""

    lr: float
    gamma: float
    every: float = 1.0
    staircase: bool = True

    @property
    def horizon(self) -> float | None:
        """There is no end."""
        return None

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return lr gamma^(t/every)."""
        times = np.asarray(ticks, dtype=np.float64) / self.every
        if self.staircase:
            times = np.floor(times)
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            return np.asarray(self.lr * np.power(self.gamma, times), dtype=np.float64)

    def landmarks(self) -> Sequence[float]:
        """Return the start: a factor above 1 has no largest value."""
        return (0.0,)

    def restarts(self, up_to: float) -> FloatArray:  # noqa: ARG002
        """Return none."""
        return np.empty(0)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Decay:  # noqa: ARG001
    """Build from read parameters."""
    return Decay(values["lr"], values["gamma"], values["every"], values["staircase"])


DECAY = KindSpec(
    kind="decay",
    description="The LR is multiplied by gamma every so many ticks.",
    formula="lr(t) = lr * gamma^floor(t/every), without the floor where staircase is false",
    params=(
        Param("lr", "number", "the LR at the start", minimum=0.0),
        Param("gamma", "number", "the factor", minimum=0.0),
        Param(
            "every",
            "number",
            "ticks between two multiplications",
            default=1.0,
            minimum=1e-6,
            maximum=MAX_TICKS,
        ),
        Param("staircase", "boolean", "in steps (true) or smoothly", default=True),
    ),
    build=build,
)
