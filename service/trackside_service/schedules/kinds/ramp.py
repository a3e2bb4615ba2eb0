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
    """From `start` at tick -offset to `end` at tick over - offset; past that it holds, or continues by the same formula.

    `recursive` follows PyTorch's and Paddle's recursion for a cosine past its end, whose rounding error in the first step after
    each minimum (1 - cos(pi/T), about T^-2) is carried through the whole rebound: 2e-5 of the LR at T = 1e6.
    """

    start: float
    end: float
    over: float
    shape: Literal["linear", "cosine"] = "linear"
    after: Literal["hold", "continue"] = "hold"
    offset: float = 0.0
    recursive: bool = False

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
        if self.recursive:
            wave = wave * self._drift(clock)
        return np.asarray(self.end + (self.start - self.end) / 2.0 * wave, dtype=np.float64)

    def _drift(self, clock: FloatArray) -> FloatArray:
        """Return the factor by which the recursion's rounding scales each rebound: (1 - cos(pi/T)) / (1 + cos(pi t_r/T))."""
        period = np.floor((clock - self.over - 1.0) / (2.0 * self.over))
        reset = self.over + 1.0 + 2.0 * self.over * np.maximum(period, 0.0)
        exact = 1.0 + np.cos(math.pi * reset / self.over)
        stepped = 1.0 - math.cos(math.pi / self.over)
        factor = np.divide(stepped, exact, out=np.ones_like(exact), where=exact > 0.0)
        return np.where(period < 0.0, 1.0, factor)

    def landmarks(self) -> Sequence[float]:
        """Return both ends."""
        return (0.0, max(self.over - self.offset, 0.0))

    def restarts(self, up_to: float) -> Sequence[float]:  # noqa: ARG002
        """Return none: a rebound past the end is no restart by design."""
        return ()


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Ramp:  # noqa: ARG001
    """Build from read parameters."""
    return Ramp(
        values["from"],
        values["to"],
        values["over"],
        values["shape"],
        values["after"],
        values["offset"],
        values["recursive"],
    )


RAMP = KindSpec(
    kind="ramp",
    description="One leg from one value to another over a number of ticks, linear or as a half cosine.",
    formula="linear: from + (to - from) x; cosine: to + (from - to)(1 + cos(pi x))/2; x = (t + offset)/over",
    params=(
        Param("from", "number", "the LR at the leg's start"),
        Param("to", "number", "the LR at the leg's end"),
        Param("over", "number", "the leg's length in ticks", minimum=0.0, exclusive=True, maximum=MAX_TICKS),
        Param("shape", "choice", "the leg's shape", default="linear", choices=("linear", "cosine")),
        Param("after", "choice", "past the end: hold the last value, or continue by the formula (a cosine rebounds)",
              default="hold", choices=("hold", "continue")),
        Param("offset", "number", "ticks already spent when the clock starts", default=0.0, minimum=-MAX_TICKS, maximum=MAX_TICKS),
        Param("recursive", "boolean", "follow the rounding of PyTorch's recursive cosine past its end", default=False),
    ),
    build=build,
)  # fmt: skip
