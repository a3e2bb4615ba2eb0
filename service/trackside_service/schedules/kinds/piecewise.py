"""piecewise: constant values with boundaries between them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import MAX_TABLE, MAX_TICKS, Param, read_list, refuse


@dataclass(frozen=True, slots=True)
class Piecewise(Plain):
    """lr(t) = values[i], i being the number of boundaries passed: b <= t, or b < t where `boundary` is "after"."""

    at: FloatArray = field(repr=False)
    values: FloatArray = field(repr=False)
    boundary: Literal["at", "after"] = "at"

    @property
    def horizon(self) -> float | None:
        """The last boundary."""
        return max(float(self.at[-1]), 0.0) if len(self.at) else None

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the value of the piece that each tick lies in."""
        clock = np.asarray(ticks, dtype=np.float64)
        passed = np.searchsorted(self.at, clock, side="right" if self.boundary == "at" else "left")
        return np.asarray(self.values[passed], dtype=np.float64)

    def landmarks(self) -> Sequence[float]:
        """Return the start, and the first tick of the largest piece."""
        largest = int(np.argmax(np.abs(self.values)))
        if largest == 0:
            return (0.0,)
        return (0.0, max(float(self.at[largest - 1]), 0.0) + (1.0 if self.boundary == "after" else 0.0))


def pieces(at: Sequence[float], values: Sequence[float], boundary: Literal["at", "after"] = "at") -> Piecewise:
    """Return the curve; there is one value more than boundaries, which do not fall."""
    return Piecewise(np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64), boundary)


_AT = Param("at", "number", "a boundary", minimum=0.0, maximum=MAX_TICKS)
_VALUE = Param("values", "number", "an LR", minimum=0.0)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Piecewise:  # noqa: ARG001
    """Build from read parameters. Raises `ScheduleError` on wrong lengths or order."""
    at = read_list(values["at"], _AT, f"{pointer}/at")
    levels = read_list(values["values"], _VALUE, f"{pointer}/values", least=1, most=MAX_TABLE + 1)
    if len(levels) != len(at) + 1:
        raise refuse(f"{pointer}/values", "values has one number more than at")
    if any(later < earlier for earlier, later in itertools.pairwise(at)):
        raise refuse(f"{pointer}/at", "the boundaries are in order")
    return pieces(at, levels, values["boundary"])


PIECEWISE = KindSpec(
    kind="piecewise",
    description="Constant values, with boundaries between them.",
    formula="lr(t) = values[i], i boundaries being passed: at <= t, or at < t where boundary is after",
    params=(
        Param("at", "table", "the boundaries in order, in ticks"),
        Param("values", "table", "the LRs, one more than boundaries"),
        Param(
            "boundary",
            "choice",
            "whether the boundary tick itself has the new value (at) or still the old (after)",
            default="at",
            choices=("at", "after"),
        ),
    ),
    build=build,
)
