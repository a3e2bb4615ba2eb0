"""What a search for causes has to go on, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trackside_service.conformance.conventions import Convention, Places, ticks_at
from trackside_service.conformance.explanation import Cause, Family, FirstOff
from trackside_service.conformance.printing import PrintFormat
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray


@dataclass(frozen=True, slots=True)
class Evidence:
    """A log that is off its schedule: arrays of shape (points,), perhaps thinned, and the conventions in order
    of preference.

    `halves` says how far the number behind each print may lie; `first_off` is given in the first convention.
    """

    schedule: CompiledSchedule
    peak: float
    places: Places
    values: FloatArray
    halves: FloatArray
    format: PrintFormat
    conventions: Sequence[Convention]
    first_off: FirstOff
    run_updates: int | None = None

    def ticks(self, convention: Convention) -> FloatArray:
        """Return the ticks at the points: NaN where not placeable, negative where the convention is impossible."""
        return ticks_at(self.schedule, convention, self.places)


@dataclass(frozen=True, slots=True)
class Fit:
    """A cause that explains every point, under a convention."""

    cause: Cause
    convention: Convention


@dataclass(frozen=True, slots=True)
class CauseSpec:
    """One family's search: every fit that the log cannot rule out, simplest first, at most one a cause."""

    family: Family
    search: Callable[[Evidence], Sequence[Fit]]
