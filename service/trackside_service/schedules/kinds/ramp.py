"""ramp: one leg from a value to another: warm-ups and decays, linear, cosine, polynomial and others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import MAX_TICKS, Param, refuse

Shape: TypeAlias = Literal["linear", "cosine", "poly", "one_minus_pow", "exponential"]
After: TypeAlias = Literal["hold", "continue", "stretch"]


@dataclass(frozen=True, slots=True)
class Ramp(Plain):
    """From `start` at tick -offset to `end` at tick over - offset; past that by `after`.

    hold: the last value; continue: the same formula (a cosine rebounds); stretch: the leg is made 2, 3, ... times as
    long as the ticks pass it, so that the LR jumps up again (Paddle's and Keras' `cycle=True`). `single`: x is a
    float32, as Keras computes it, which the end of a root shows. `held`: the last tick of the leg's own clock that is
    computed, where that is not its end: a recursion over 12.5 ticks stops at the 12th, one short of `end`.

    PyTorch and Paddle compute a cosine from each LR to the next. That agrees with the closed form used here to 1e-13 of
    the peak, through any number of rebounds (tests/frameworks).
    """

    start: float
    end: float
    over: float
    shape: Shape = "linear"
    after: After = "hold"
    offset: float = 0.0
    power: float = 1.0
    cycles: float = 0.5
    ratio: float = 0.1
    single: bool = False
    held: float | None = None

    @property
    def horizon(self) -> float | None:
        """The end of the leg."""
        return max(self.over - self.offset, 0.0)

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Linear: start + (end - start) x, else end + (start - end) f(x); x = (t + offset)/over."""
        clock = np.asarray(ticks, dtype=np.float64) + self.offset
        over: float | FloatArray = self.over
        if self.after == "hold":
            clock = np.minimum(clock, self.over if self.held is None else self.held)
        elif self.after == "stretch":
            over = self.over * np.maximum(np.ceil(clock / self.over), 1.0)
        if self.single:
            return self._single(clock, over)
        if self.shape == "linear":
            return np.asarray((self.end - self.start) * (clock / over) + self.start, dtype=np.float64)
        if self.shape == "cosine":
            wave = 1.0 + np.cos(math.pi * (2.0 * self.cycles) * clock / over)
            return np.asarray(self.end + (self.start - self.end) / 2.0 * wave, dtype=np.float64)
        share = clock / over
        left: FloatArray
        with np.errstate(invalid="ignore"):
            if self.shape == "poly":
                left = np.power(1.0 - share, self.power)
            elif self.shape == "one_minus_pow":
                left = 1.0 - np.power(share, self.power)
            else:
                left = (np.power(self.ratio, share) - self.ratio) / (1.0 - self.ratio)
        return np.asarray(self.end + (self.start - self.end) * left, dtype=np.float64)

    def _single(self, clock: FloatArray, over: float | FloatArray) -> FloatArray:
        share = clock.astype(np.float32) / np.asarray(over, dtype=np.float32)
        if self.shape == "cosine":
            left = (1.0 + np.cos(math.pi * share.astype(np.float64))) / 2.0
        else:
            left = np.power((np.float32(1.0) - share).astype(np.float64), self.power)
        return np.asarray(self.end + (self.start - self.end) * left, dtype=np.float64)

    def landmarks(self) -> Sequence[float]:
        """Return both ends, and the turns of a cosine of several cycles."""
        ends = (0.0, max(self.over - self.offset, 0.0))
        if self.shape != "cosine" or self.cycles <= 0.5:
            return ends
        turn = self.over / (2.0 * self.cycles)
        turns = (index * turn - self.offset for index in range(1, min(int(2 * self.cycles), 64) + 1))
        return (*ends, *(mark for mark in turns if mark > 0))

    def restarts(self, up_to: float) -> FloatArray:
        """Return where the stretched leg jumps up; a rebound past the end is no restart by design."""
        if self.after != "stretch" or up_to <= self.over:
            return np.empty(0)
        count = min(int(up_to // self.over), 1_000_000)
        marks = np.floor(self.over * np.arange(1, count + 1, dtype=np.float64)) + 1.0
        return marks[marks <= up_to]


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Ramp:  # noqa: ARG001
    """Build from read parameters. Raises `ScheduleError` where the shape cannot go on past its end."""
    if values["after"] == "continue" and values["shape"] not in ("linear", "cosine"):
        raise refuse(f"{pointer}/after", "only a linear leg or a cosine goes on past its end")
    return Ramp(
        values["from"],
        values["to"],
        values["over"],
        values["shape"],
        values["after"],
        values["offset"],
        values["power"],
        values["cycles"],
        values["ratio"],
    )


RAMP = KindSpec(
    kind="ramp",
    description="One leg from one value to another over a number of ticks: linear, cosine, polynomial and others.",
    formula="to + (from - to) f(x), x = (t + offset)/over; linear 1 - x; cosine (1 + cos(2 pi cycles x))/2; poly "
    "(1 - x)^power; one_minus_pow 1 - x^power; exponential (ratio^x - ratio)/(1 - ratio)",
    params=(
        Param("from", "number", "the LR at the leg's start"),
        Param("to", "number", "the LR at the leg's end"),
        Param("over", "number", "the leg's length in ticks", minimum=1e-6, maximum=MAX_TICKS),
        Param(
            "shape",
            "choice",
            "the leg's shape",
            default="linear",
            choices=("linear", "cosine", "poly", "one_minus_pow", "exponential"),
        ),
        Param(
            "after",
            "choice",
            "past the end: hold the last value, continue by the formula (a cosine rebounds), or stretch the leg to "
            "twice, three times ... its length",
            default="hold",
            choices=("hold", "continue", "stretch"),
        ),
        Param(
            "offset",
            "number",
            "ticks already spent when the clock starts",
            default=0.0,
            minimum=-MAX_TICKS,
            maximum=MAX_TICKS,
        ),
        Param("power", "number", "the exponent of poly and one_minus_pow", default=1.0, minimum=1e-6, maximum=1e3),
        Param("cycles", "number", "the cosine's periods; half a one goes down", default=0.5, minimum=0.0, maximum=1e6),
        Param("ratio", "number", "of exponential", default=0.1, minimum=1e-12, maximum=0.999999),
    ),
    build=build,
)
