"""phases: schedules one after another, each on its own clock or on the run's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trackside_service.schedules.curve import Curve, FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import MAX_PHASES, MAX_TICKS, Param, read, refuse


@dataclass(frozen=True, slots=True)
class Phase:
    """`curve` holds before tick `until` (None: for good); its clock starts at the phase's start, or at 0 where
    `global_clock`.
    """

    curve: Curve
    until: float | None = None
    global_clock: bool = False


@dataclass(frozen=True, slots=True)
class Phases(Plain):
    """One curve after another."""

    phases: tuple[Phase, ...]

    def _starts(self) -> list[float]:
        return [0.0, *(phase.until or 0.0 for phase in self.phases[:-1])]

    def _clock(self, index: int) -> float:
        return 0.0 if self.phases[index].global_clock else self._starts()[index]

    @property
    def horizon(self) -> float | None:
        """The last phase's end."""
        last = self.phases[-1].curve.horizon
        return None if last is None else self._clock(len(self.phases) - 1) + last

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the LR of the phase that each tick lies in."""
        clock = np.asarray(ticks, dtype=np.float64)
        starts = np.asarray(self._starts(), dtype=np.float64)
        which = np.searchsorted(starts, clock, side="right") - 1
        result = np.full(clock.shape, np.nan, dtype=np.float64)
        for index, phase in enumerate(self.phases):
            mine = which == index
            if mine.any():
                result[mine] = phase.curve.lrs(clock[mine] - self._clock(index))
        return result

    def landmarks(self) -> Sequence[float]:
        """Return the phases' landmarks that lie inside them."""
        found: list[float] = []
        starts = self._starts()
        for index, phase in enumerate(self.phases):
            end = phase.until if phase.until is not None else np.inf
            inside = (mark + self._clock(index) for mark in phase.curve.landmarks())
            found += [mark for mark in inside if starts[index] <= mark <= end]
            found.append(starts[index])
            if phase.until is not None:  # the last tick inside: a warm-up that is cut is highest there
                found.append(max(math.ceil(phase.until) - 1.0, starts[index]))
        return tuple(found)

    def restarts(self, up_to: float) -> FloatArray:
        """Return the restarts inside the phases; the step from one phase to the next is none."""
        found = [np.empty(0)]
        starts = self._starts()
        for index, phase in enumerate(self.phases):
            end = min(up_to, phase.until if phase.until is not None else up_to)
            own = self._clock(index)
            marks = own + phase.curve.restarts(end - own)
            found.append(marks[(marks > starts[index]) & (marks <= end)])
        return np.concatenate(found)

    @property
    def metric_driven(self) -> bool:
        """Whether a phase is."""
        return any(phase.curve.metric_driven for phase in self.phases)

    def driven_by(self, metric: FloatArray) -> Phases:
        """Return the phases, each driven by the values from its own start on."""
        driven = (
            replace(phase, curve=phase.curve.driven_by(metric[math.ceil(self._clock(index)) :]))
            for index, phase in enumerate(self.phases)
        )
        return Phases(tuple(driven))


_PHASE = (
    Param(
        "until",
        "number",
        "the tick at which the next phase takes over",
        default=None,
        minimum=0.0,
        exclusive=True,
        maximum=MAX_TICKS,
        nullable=True,
    ),
    Param(
        "clock",
        "choice",
        "whose tick 0 counts: the phase's own start or the run's",
        default="phase",
        choices=("phase", "global"),
    ),
    Param("schedule", "schedule", "what holds in this phase: a canonical kind"),
)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Phases:
    """Build from read parameters. Raises `ScheduleError` on wrong order or number."""
    place = f"{pointer}/phases"
    listed = values["phases"]
    if not 1 <= len(listed) <= MAX_PHASES:
        raise refuse(place, f"phases has 1 to {MAX_PHASES} entries")
    phases, reached = [], 0.0
    for index, entry in enumerate(listed):
        here = f"{place}/{index}"
        if not isinstance(entry, Mapping):
            raise refuse(here, "a phase is an object with until and schedule")
        own = read(entry, _PHASE, owner="a phase", pointer=here)
        until, last = own["until"], index == len(listed) - 1
        if not last and until is None:
            raise refuse(f"{here}/until", "every phase but the last says at which tick it ends")
        if last and until is not None:
            raise refuse(f"{here}/until", "the last phase has no end")
        if until is not None and until <= reached:
            raise refuse(f"{here}/until", "each phase ends later than the one before")
        reached = until or reached
        phases.append(Phase(nest(own["schedule"], f"{here}/schedule"), until, own["clock"] == "global"))
    return Phases(tuple(phases))


PHASES = KindSpec(
    kind="phases",
    description="Schedules one after another, such as a warm-up and what follows it.",
    formula="lr(t) = schedule_i(t - start_i) for start_i <= t < until_i (schedule_i(t) where clock is global)",
    params=(Param("phases", "phases", "the phases in order, each with until (but the last), clock and schedule"),),
    build=build,
)
