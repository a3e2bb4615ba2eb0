"""table: one LR a tick, read off the live scheduler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import MAX_TABLE, Param, read_list, refuse


@dataclass(frozen=True, slots=True)
class Table(Plain):
    """lr(t) = values[floor(t)]; past the last value the LR is not known (NaN)."""

    values: FloatArray = field(repr=False)

    @property
    def horizon(self) -> float | None:
        """The last tick listed."""
        return float(len(self.values) - 1)

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the listed values, NaN past them."""
        place = np.floor(np.asarray(ticks, dtype=np.float64))
        known = place < len(self.values)
        result = np.full(place.shape, np.nan, dtype=np.float64)
        result[known] = self.values[place[known].astype(np.int64)]
        return result

    def landmarks(self) -> Sequence[float]:
        """Return where the extremes lie."""
        return (0.0, float(np.argmax(self.values)), float(np.argmin(self.values)))


_VALUE = Param("values", "number", "an LR")


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Table:  # noqa: ARG001
    """Build from read parameters. Raises `ScheduleError` on wrong length or content."""
    place = f"{pointer}/values"
    listed = values["values"]
    if not 1 <= len(listed) <= MAX_TABLE:
        raise refuse(place, f"values has 1 to {MAX_TABLE} numbers, one a tick")
    array = np.asarray(read_list(listed, _VALUE, place), dtype=np.float64)
    array.setflags(write=False)
    return Table(array)


TABLE = KindSpec(
    kind="table",
    description="One LR a tick, as read off the live scheduler: for schedules that are functions.",
    formula="lr(t) = values[t]; not known past the last",
    params=(Param("values", "table", "the LRs from tick 0 on"),),
    build=build,
)
