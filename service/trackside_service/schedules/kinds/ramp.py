"""ramp: one leg from a value to another: linear warm-ups and decays, half cosines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest
from trackside_service.schedules.params import MAX_TICKS, Param


@dataclass(frozen=True, slots=True)
class Ramp:
    """From `start` at tick -offset to `end` at tick over - offset; past that it holds or goes on by the same formula.

    PyTorch and Paddle compute a cosine from each LR to the next. That agrees with the closed form used here to 1e-13 of
    the peak, through any number of rebounds (tests/frameworks).
    """

    start: float
    end: float
    over: float
    shape: Literal["linear", "cosine"] = "linear"
    after: Literal["hold", "continue"] = "hold"
    offset: float = 0.0

    @property
    def horizon(self) -> float | None:
        """The end of the leg."""
        return max(self.over - self.offset, 0.0)

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Linear: start + (end - start) x; cosine: end + (start - end)(1 + cos(pi x))/2; x = (t + offset)/over."""
        clock = np.asarray(ticks, dtype=np.float64) + self.offset
        if self.after == "hold":
            clock = np.minimum(clock, self.over)
        if self.shape == "linear":
            return np.asarray((self.end - self.start) * (clock / self.over) + self.start, dtype=np.float64)
        wave = 1.0 + np.cos(math.pi * clock / self.over)
        return np.asarray(self.end + (self.start - self.end) / 2.0 * wave, dtype=np.float64)

    def landmarks(self) -> Sequence[float]:
        """Return both ends."""
        return (0.0, max(self.over - self.offset, 0.0))

    def restarts(self, up_to: float) -> FloatArray:  # noqa: ARG002
        """Return none: a rebound past the end is no restart by design."""
        return np.empty(0)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Ramp:  # noqa: ARG001
    """Build from read parameters."""
    return Ramp(values["from"], values["to"], values["over"], values["shape"], values["after"], values["offset"])


RAMP = KindSpec(
    kind="ramp",
    description="One leg from one value to another over a number of ticks, linear or as a half cosine.",
    formula="linear: from + (to - from) x; cosine: to + (from - to)(1 + cos(pi x))/2; x = (t + offset)/over",
    params=(
        Param("from", "number", "the LR at the leg's start"),
        Param("to", "number", "the LR at the leg's end"),
        Param("over", "number", "the leg's length in ticks", minimum=1e-6, maximum=MAX_TICKS),
        Param("shape", "choice", "the leg's shape", default="linear", choices=("linear", "cosine")),
        Param(
            "after",
            "choice",
            "past the end: hold the last value, or continue by the formula (a cosine rebounds)",
            default="hold",
            choices=("hold", "continue"),
        ),
        Param(
            "offset",
            "number",
            "ticks already spent when the clock starts",
            default=0.0,
            minimum=-MAX_TICKS,
            maximum=MAX_TICKS,
        ),
    ),
    build=build,
)
