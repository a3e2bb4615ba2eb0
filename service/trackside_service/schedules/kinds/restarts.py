"""restarts: half cosines from a maximum towards a minimum, again and again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest
from trackside_service.schedules.params import MAX_TICKS, Param, refuse

MAX_LISTED: Final = 1_000_000
_LEAST_GROWTH: Final = 1.01
"""Cycles that grow by less would be too many to list."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """Cycle i lasts t0 t_mult^i ticks; within it min + (max - min)(1 + cos(pi T_cur/T_i))/2. The minimum itself
    is never reached.
    """

    maximum: float
    minimum: float
    t0: float
    t_mult: float = 1.0

    @property
    def horizon(self) -> float | None:
        """There is no end."""
        return None

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the LR of the cycle that each tick lies in."""
        clock = np.asarray(ticks, dtype=np.float64)
        if self.t_mult == 1.0:
            current, length = np.mod(clock, self.t0), np.float64(self.t0)
            return self._wave(current, length)
        starts = np.asarray(self._starts(float(np.max(clock, initial=0.0))), dtype=np.float64)
        cycle = np.searchsorted(starts, clock, side="right") - 1
        return self._wave(clock - starts[cycle], self.t0 * np.power(self.t_mult, cycle))

    def _wave(self, current: FloatArray, length: FloatArray | np.float64) -> FloatArray:
        wave = 1.0 + np.cos(math.pi * current / length)
        return np.asarray(self.minimum + (self.maximum - self.minimum) * wave / 2.0, dtype=np.float64)

    def _starts(self, up_to: float) -> list[float]:
        starts, start, length = [0.0], self.t0, self.t0
        while start <= up_to:
            starts.append(start)
            length *= self.t_mult
            start += length
        return starts

    def landmarks(self) -> Sequence[float]:
        """Return the first cycle's ends."""
        return (0.0, max(self.t0 - 1.0, 0.0))

    def restarts(self, up_to: float) -> FloatArray:
        """Return the cycle starts in (0, up_to], at most a million of them."""
        if self.t_mult == 1.0:
            count = min(int(max(up_to, 0.0) // self.t0), MAX_LISTED)
            return self.t0 * np.arange(1, count + 1, dtype=np.float64)
        return np.asarray(self._starts(up_to)[1:], dtype=np.float64)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Restarts:  # noqa: ARG001
    """Build from read parameters. Raises `ScheduleError` on cycles that hardly grow."""
    if 1.0 < values["t_mult"] < _LEAST_GROWTH:
        raise refuse(f"{pointer}/t_mult", f"t_mult is 1, or at least {_LEAST_GROWTH}")
    return Restarts(values["max"], values["min"], values["t0"], values["t_mult"])


RESTARTS = KindSpec(
    kind="restarts",
    description="Cosine cycles that each start at the maximum and fall towards the minimum.",
    formula="lr(t) = min + (max - min)(1 + cos(pi T_cur/T_i))/2; cycle i lasts T_i = t0 * t_mult^i ticks",
    params=(
        Param("max", "number", "the LR at the start of each cycle", minimum=0.0),
        Param("min", "number", "the LR that each cycle falls towards", default=0.0, minimum=0.0),
        Param("t0", "number", "the first cycle's length in ticks", minimum=1.0, maximum=MAX_TICKS),
        Param(
            "t_mult",
            "number",
            "each cycle is so many times as long as the one before",
            default=1.0,
            minimum=1.0,
            maximum=MAX_TICKS,
        ),
    ),
    build=build,
)
