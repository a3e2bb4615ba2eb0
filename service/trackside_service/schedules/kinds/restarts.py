"""restarts: the same fall from a maximum towards a minimum, again and again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import MAX_TICKS, Param, refuse

MAX_LISTED: Final = 1_000_000
_LEAST_GROWTH: Final = 1.01
"""Cycles that grow by less would be too many to list."""
_DOUBT: Final = 1e-9
"""A quotient of logarithms so close to a whole number is computed again exactly as the libraries do."""

Counting: TypeAlias = Literal["sum", "log", "log32"]


@dataclass(frozen=True, slots=True)
class Restarts(Plain):
    """Cycle i lasts t0 t_mult^i ticks, and falls from its maximum by `shape`.

    Its maximum is maximum peak_decay^i; with `decay_range` it is the distance to the minimum that shrinks so. From
    cycle `limit` on, the LR is the minimum. `counting` says how the library finds i where t_mult is not 1: by adding up
    the cycles (exact), or by a logarithm in float64 or float32 that rounds, and may give a restart's tick to the cycle
    before. `parts` cuts the only cycle into so many equal ones (transformers), again with that library's rounding.
    """

    maximum: float
    minimum: float
    t0: float
    t_mult: float = 1.0
    peak_decay: float = 1.0
    decay_range: bool = False
    limit: float | None = None
    shape: Literal["cosine", "poly", "tanh"] = "cosine"
    power: float = 1.0
    k: float = 1.0
    lb: float = -7.0
    ub: float = 3.0
    counting: Counting = "sum"
    parts: float = 1.0

    @property
    def horizon(self) -> float | None:
        """The end of the last cycle, where their number is limited."""
        if self.limit is None:
            return None
        cycles = math.ceil(self.limit)
        if self.t_mult == 1.0:
            return self.t0 * cycles
        try:
            return min(self.t0 * (1.0 - self.t_mult**cycles) / (1.0 - self.t_mult), MAX_TICKS)
        except OverflowError:
            return float(MAX_TICKS)

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the LR of the cycle that each tick lies in; NaN where the library has no cycle left (t_mult < 1)."""
        # As in Keras, a first cycle too small for a float32 is 0 there.
        with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
            return self._lrs(np.asarray(ticks, dtype=np.float64))

    def _lrs(self, clock: FloatArray) -> FloatArray:
        cycle: FloatArray
        if self.parts != 1.0:
            turns = self.parts * (clock / self.t0)
            cycle, share = np.floor(turns), np.mod(turns, 1.0)
        elif self.t_mult == 1.0:
            cycle, share = self._equal(clock)
        else:
            cycle = self._cycle(clock)
            share = self._grown32(clock, cycle) if self.counting == "log32" else self._grown(clock, cycle)
        decay = np.power(self.peak_decay, cycle)
        height = (self.maximum - self.minimum) * decay if self.decay_range else self.maximum * decay - self.minimum
        values = self.minimum + height * self._fall(share)
        if self.limit is not None:
            values = np.where(cycle < self.limit, values, self.minimum)
        return np.asarray(np.where(np.isnan(cycle), np.nan, values), dtype=np.float64)

    def _equal(self, clock: FloatArray) -> tuple[FloatArray, FloatArray]:
        if self.counting == "log32":
            single = clock.astype(np.float32) / np.float32(self.t0)
            whole = np.floor(single)
            return whole.astype(np.float64), (single - whole).astype(np.float64)
        cycle = np.asarray(np.floor_divide(clock, self.t0), dtype=np.float64)
        return cycle, self._share(np.mod(clock, self.t0), self.t0)

    def _grown(self, clock: FloatArray, cycle: FloatArray) -> FloatArray:
        return self._share(clock - self._begin(cycle), self.t0 * np.power(self.t_mult, cycle))

    def _grown32(self, clock: FloatArray, cycle: FloatArray) -> FloatArray:
        one, growth = np.float32(1.0), np.power(float(np.float32(self.t_mult)), cycle).astype(np.float32)
        begun = (one - growth) / _rest32(self.t_mult)
        return ((clock.astype(np.float32) / np.float32(self.t0) - begun) / growth).astype(np.float64)

    def _share(self, current: FloatArray, length: float | FloatArray) -> FloatArray:
        if self.k == 1.0:
            return np.asarray(current / length, dtype=np.float64)
        return np.asarray(np.power(np.maximum(current, 0.0), self.k) / np.power(length, self.k), dtype=np.float64)

    def _fall(self, share: FloatArray) -> FloatArray:
        if self.shape == "cosine":
            return np.asarray((1.0 + np.cos(math.pi * share)) / 2.0, dtype=np.float64)
        if self.shape == "poly":
            return np.asarray(np.power(np.maximum(1.0 - share, 0.0), self.power), dtype=np.float64)
        bend = np.tanh(self.lb * (1.0 - share) + self.ub * share)
        return np.asarray(0.5 * (1.0 - bend), dtype=np.float64)

    def _begin(self, cycle: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", over="ignore"):
            grown = (1.0 - np.power(self.t_mult, cycle)) / (1.0 - self.t_mult)
        return np.asarray(grown * self.t0, dtype=np.float64)

    def _cycle(self, clock: FloatArray) -> FloatArray:
        """Return the number of the cycle; NaN past the last (t_mult < 1)."""
        if self.counting == "sum":
            starts = np.asarray(self._starts(float(np.max(clock, initial=0.0))), dtype=np.float64)
            return (np.searchsorted(starts, clock, side="right") - 1).astype(np.float64)
        argument = 1.0 - clock / self.t0 * (1.0 - self.t_mult)
        if self.counting == "log32":
            small = (np.float32(1.0) - (clock.astype(np.float32) / np.float32(self.t0)) * _rest32(self.t_mult)).astype(
                np.float32
            )
            ratio = _log32(small) / _log32(np.asarray([self.t_mult], dtype=np.float32))
            return np.asarray(np.floor(ratio), dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log(np.where(argument > 0.0, argument, np.nan)) / math.log(self.t_mult)
        doubtful = np.abs(ratio - np.rint(ratio)) < _DOUBT
        if doubtful.any():
            ratio[doubtful] = [math.log(each, self.t_mult) for each in argument[doubtful].tolist()]
        return np.asarray(np.floor(ratio), dtype=np.float64)

    def _starts(self, up_to: float) -> list[float]:
        starts, start, length = [0.0], self.t0, self.t0
        while start <= up_to and len(starts) < MAX_LISTED:
            starts.append(start)
            length *= self.t_mult
            if start + length <= start:  # cycles that have shrunk to nothing
                break
            start += length
        return starts

    def landmarks(self) -> Sequence[float]:
        """Return the first cycle's ends, and where the LR is the minimum for good."""
        first = (0.0, max(self.t0 / self.parts - 1.0, 0.0))
        return first if self.horizon is None else (*first, self.horizon)

    def restarts(self, up_to: float) -> FloatArray:
        """Return the cycle starts in (0, up_to], at most a million of them; none from `limit` on."""
        if self.t_mult == 1.0:
            length = self.t0 / self.parts
            count = min(int(max(up_to, 0.0) // length), MAX_LISTED)
            starts = length * np.arange(1, count + 1, dtype=np.float64)
        else:
            starts = np.asarray(self._starts(up_to)[1:], dtype=np.float64)
        return starts if self.limit is None else starts[: max(math.ceil(self.limit) - 1, 0)]


def _rest32(t_mult: float) -> np.float32:
    return np.float32(1.0) - np.float32(t_mult)


def _log32(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the correctly rounded float32 logarithm: numpy's own is off by a last digit here and there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(values.astype(np.float64)).astype(np.float32)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Restarts:  # noqa: ARG001
    """Build from read parameters. Raises `ScheduleError` on cycles that hardly grow."""
    if 1.0 < values["t_mult"] < _LEAST_GROWTH:
        raise refuse(f"{pointer}/t_mult", f"t_mult is 1, or at least {_LEAST_GROWTH}")
    return Restarts(
        values["max"],
        values["min"],
        values["t0"],
        values["t_mult"],
        values["peak_decay"],
        values["peak_decay_on"] == "range",
        values["limit"],
        values["shape"],
        values["power"],
        values["k"],
        values["lb"],
        values["ub"],
    )


RESTARTS = KindSpec(
    kind="restarts",
    description="Cycles that each start at the maximum and fall towards the minimum.",
    formula="lr(t) = min + (max - min) f(T_cur/T_i); cycle i lasts T_i = t0 * t_mult^i ticks, and max shrinks by "
    "peak_decay^i; f(x): cosine (1 + cos(pi x))/2, poly (1 - x)^power, tanh (1 - tanh(lb (1 - x) + ub x))/2",
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
        Param("peak_decay", "number", "each maximum is so many times the one before", default=1.0, minimum=0.0),
        Param(
            "peak_decay_on",
            "choice",
            "whether max shrinks so, or its distance to min (range)",
            default="max",
            choices=("max", "range"),
        ),
        Param(
            "limit",
            "number",
            "cycles in all; then the LR is min",
            default=None,
            minimum=0.0,
            maximum=MAX_TICKS,
            nullable=True,
        ),
        Param("shape", "choice", "how each cycle falls", default="cosine", choices=("cosine", "poly", "tanh")),
        Param("power", "number", "the exponent of poly", default=1.0, minimum=1e-6, maximum=1e3),
        Param("k", "number", "T_cur^k/T_i^k in place of T_cur/T_i", default=1.0, minimum=1e-6, maximum=100.0),
        Param("lb", "number", "the start of tanh", default=-7.0),
        Param("ub", "number", "the end of tanh", default=3.0),
    ),
    build=build,
)
