"""decay: multiplied by a factor again and again, in steps or smoothly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import MAX_TICKS, Param


def periods(ticks: FloatArray, every: float, *, staircase: bool, single: bool) -> FloatArray:
    """Return t/every, whole periods only where `staircase`.

    `single`: the quotient is a float32, as Keras computes it. Otherwise the floor is that of Python's `//`, which looks
    at the exact remainder and so differs from floor(t/every) where `every` has a fraction.
    """
    clock = np.asarray(ticks, dtype=np.float64)
    if single:
        # A period too small for a float32 is 0 there, and the quotient what Keras then makes of it.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            quotient = clock.astype(np.float32) / np.float32(every)
        return np.asarray(np.floor(quotient) if staircase else quotient, dtype=np.float64)
    if staircase:
        return np.asarray(np.floor_divide(clock, every), dtype=np.float64)
    return clock / every


@dataclass(frozen=True, slots=True)
class Decay(Plain):
    """lr(t) = lr gamma^k, k = t/every, or its floor where `staircase`."""

    lr: float
    gamma: float
    every: float = 1.0
    staircase: bool = True
    single: bool = False

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return lr gamma^(t/every)."""
        times = periods(ticks, self.every, staircase=self.staircase, single=self.single)
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            return np.asarray(self.lr * np.power(self.gamma, times), dtype=np.float64)


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
