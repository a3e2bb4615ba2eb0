"""How a loop counts and reads its LR: the candidates, and the tick that a point then has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import product
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.observations import LrPoint
from trackside_service.schedules.compiled import CompiledSchedule, Reporting
from trackside_service.schedules.curve import FloatArray

Counted: TypeAlias = Literal["from_step", "past_step", "goes_on"]
COUNTED: Final[tuple[Counted, ...]] = ("from_step", "past_step", "goes_on")


def counted_by(points: Sequence[LrPoint]) -> int:
    """Return how many of `COUNTED` the points call for."""
    called = 0
    for point in points:
        if point.perhaps:
            return 3
        if point.before:
            called = 2
    return called


@dataclass(frozen=True, slots=True)
class Convention:
    """The LR is read `when`; an epoch's point lies `at` its start or end; steps and epochs are counted from
    their bases.

    At the end, epochs count what is done: `epoch_base` 1 where they are 0.1, 0.2, ... after each tenth of the first
    one, and 2 where they are 1.1, 1.2, ... then (`epoch + (batch + 1) / batches` with epochs from 1).

    `resumed`, where a process that resumed the run may count anew: its counter begins at the step that it resumed from,
    or past it (where that is the number of the last update, counted from 0); or it goes on, where that is possible.
    """

    when: Literal["in_use", "after_step"]
    at: Literal["start", "end"]
    step_base: Literal[0, 1]
    epoch_base: Literal[0, 1, 2]
    resumed: Counted | None = None

    def as_wire(self) -> dict[str, str | int]:
        """Return the wire's form: `resumed` only where it says something."""
        wire: dict[str, str | int] = {
            "when": self.when,
            "at": self.at,
            "step_base": self.step_base,
            "epoch_base": self.epoch_base,
        }
        return wire if self.resumed is None else {**wire, "resumed": self.resumed}


def convention_of(wire: Mapping[str, Any]) -> Convention:
    """Return the convention of an answer, which may say more (`prints`)."""
    return Convention(**{part.name: wire[part.name] for part in fields(Convention) if part.name in wire})


@cache
def candidates(reporting: Reporting, counted: int = 0) -> tuple[Convention, ...]:
    """Return every convention that the declaration leaves open (at most 20), each in the first so many of `COUNTED`
    where processes that resumed the run may count anew.
    """
    if counted:
        plain = candidates(reporting)
        return tuple(replace(one, resumed=resumed) for resumed in COUNTED[:counted] for one in plain)
    whens: tuple[Literal["in_use", "after_step"], ...] = ("in_use", "after_step")
    ats: tuple[Literal["start", "end"], ...] = ("start", "end")
    step_bases: tuple[Literal[0, 1], ...] = (0, 1)
    epoch_bases: tuple[Literal[0, 1, 2], ...] = (0, 1, 2)
    if reporting.epoch_base is not None:
        epoch_bases = (1, 2) if reporting.epoch_base == 1 else (0,)
    return tuple(
        Convention(when, at, step_base, epoch_base)
        for when, at, step_base, epoch_base in product(
            (reporting.when,) if reporting.when is not None else whens,
            (reporting.at,) if reporting.at is not None else ats,
            (reporting.step_base,) if reporting.step_base is not None else step_bases,
            epoch_bases,
        )
        if epoch_base < 2 or at == "end"
    )


def preference(convention: Convention, first_epoch: float | None) -> tuple[bool | str, ...]:
    """Return the sort key of ties: in use, at start, base 1 if the first printed epoch is 1, else 0; counters that may
    go on do, and else begin at the step told.
    """
    epoch_base = 1 if first_epoch == 1 else 0
    return (
        convention.when != "in_use",
        convention.epoch_base == 2,
        convention.at != "start",
        convention.epoch_base != epoch_base,
        convention.step_base != 0,
        convention.resumed not in (None, "goes_on"),
        convention.resumed == "past_step",
    )


@dataclass(frozen=True, slots=True)
class Places:
    """Where points lie as their log counts them: float64 of shape (points,), NaN where the log does not say.

    `stepped`: which points are placed by their step, those that have one, where it says the tick.
    """

    steps: FloatArray
    epochs: FloatArray
    stepped: npt.NDArray[np.bool_]
    all_stepped: bool
    any_stepped: bool
    reach: float = 0.0
    """How far an epoch may be from the one that it stands for: a rounded one is placed at the update next to it."""
    before: FloatArray | None = None
    perhaps: FloatArray | None = None
    """What `LrPoint` says of counters that began anew; None where none did."""

    def counted(self, convention: Convention) -> FloatArray | float:
        """Return how many updates were done before the counter of each point began."""
        if self.before is None or self.perhaps is None:
            return 0.0
        if convention.resumed in (None, "goes_on"):
            return self.before
        both = self.before + self.perhaps
        return both + (both > 0) if convention.resumed == "past_step" else both


def places_of(schedule: CompiledSchedule, points: Sequence[LrPoint]) -> Places:
    """Return the places of `points` on the schedule's clock."""
    nan = float("nan")
    steps = np.array([nan if p.step is None else p.step for p in points], dtype=np.float64)
    epochs = np.array([nan if p.epoch is None else p.epoch for p in points], dtype=np.float64)
    useless = schedule.unit == "epoch" and schedule.steps_per_epoch is None
    stepped = np.zeros(steps.shape, dtype=np.bool_) if useless else ~np.isnan(steps)
    places = Places(steps, epochs, stepped, bool(stepped.all()), bool(stepped.any()))
    if not counted_by(points):
        return places
    before = np.array([point.before for point in points], dtype=np.float64)
    return replace(places, before=before, perhaps=np.array([point.perhaps for point in points], dtype=np.float64))


def counted_before(convention: Convention, point: LrPoint) -> int:
    """Return what `Places.counted` gives for one point."""
    if convention.resumed in (None, "goes_on"):
        return point.before
    both = point.before + point.perhaps
    return both + 1 if both and convention.resumed == "past_step" else both


Ticks: TypeAlias = FloatArray
"""Ticks at points: NaN where a point cannot be placed, negative where the convention is impossible there."""
MOST_TICKS: Final = float(2**52)
"""Ticks beyond it are not placeable: as floats they can hardly be told apart."""


_MET: Final = 1e-3


def met(update: float) -> float:
    """Return how near to a whole number of updates an exact epoch must come to mean that update: epochs that are floats
    of 32 bits are off by a little more the further the run is, but never by much of an update.
    """
    return min(1e-6 * max(abs(update), 1.0), _MET)


def ticks_at(schedule: CompiledSchedule, convention: Convention, places: Places) -> Ticks:
    """Return the ticks taken when each point's LR was read, under `convention`."""
    if schedule.flat:
        return np.zeros(places.steps.shape)
    before = places.counted(convention)
    if places.all_stepped:
        ticks = _from_steps(schedule, convention, places.steps, before)
    else:
        ticks = _from_epochs(schedule, convention, places.epochs, before, places.reach)
        if places.any_stepped:
            ticks = np.where(places.stepped, _from_steps(schedule, convention, places.steps, before), ticks)
    return np.where(ticks > MOST_TICKS, np.nan, ticks)


def tick_at(schedule: CompiledSchedule, convention: Convention, point: LrPoint) -> float | None:
    """Return what `ticks_at` gives for one point; None for NaN."""
    if schedule.flat:
        return 0.0
    after, per_epoch = 1 if convention.when == "after_step" else 0, schedule.steps_per_epoch
    by_epoch = schedule.unit == "epoch"
    if point.step is not None and (not by_epoch or per_epoch is not None):
        update = point.step - convention.step_base
        if update < 0:
            return -1.0
        update += counted_before(convention, point)
        taken = (update + after) // (per_epoch or 1) if by_epoch else update + after
        return float(taken) if taken <= MOST_TICKS else None
    if point.epoch is None or not math.isfinite(point.epoch):
        return None
    since = point.epoch - convention.epoch_base
    if per_epoch is not None and (point.before or point.perhaps):
        if since <= -1.0:
            return -1.0
        since += counted_before(convention, point) / per_epoch
    if by_epoch:
        counted = math.floor(since + 1e-9) if convention.at == "start" else math.ceil(since - 1e-9)
    elif per_epoch is None:
        return None
    else:
        exact = since * per_epoch if convention.at == "start" else (since + 1.0) * per_epoch - 1.0
        counted = round(exact)
        if abs(exact - counted) > met(exact):
            return None
    if counted < 0:
        return -1.0
    return float(counted + after) if counted + after <= MOST_TICKS else None


def _from_steps(
    schedule: CompiledSchedule, convention: Convention, steps: FloatArray, before: FloatArray | float
) -> Ticks:
    updates = steps - convention.step_base
    ticks = (updates + 1.0 if convention.when == "after_step" else updates) + before
    if schedule.unit == "epoch":
        ticks = np.floor(ticks / float(schedule.steps_per_epoch or 1))
    return np.where(updates < 0, -1.0, ticks)


def _from_epochs(
    schedule: CompiledSchedule, convention: Convention, epochs: FloatArray, before: FloatArray | float, reach: float
) -> Ticks:
    after = 1.0 if convention.when == "after_step" else 0.0
    since, per_epoch = epochs - convention.epoch_base, schedule.steps_per_epoch
    if per_epoch is not None:
        since = np.where(since > -1.0, since + before / per_epoch, since)
    if schedule.unit == "epoch":
        parts = since - np.floor(since + 1e-9)
        if after and bool(np.any(parts > 1e-9)):
            return _inside(since, parts, convention)
        counted = np.floor(since + 1e-9) if convention.at == "start" else np.ceil(since - 1e-9)
    elif per_epoch is None:
        return np.full(epochs.shape, np.nan)
    else:
        exact = since * per_epoch if convention.at == "start" else (since + 1.0) * per_epoch - 1.0
        # A fractional epoch is a rounded one: it says the update only where it meets one.
        counted = np.round(exact)
        near = np.maximum(np.minimum(1e-6 * np.maximum(np.abs(exact), 1.0), _MET), reach * per_epoch)
        counted = np.where(np.abs(exact - counted) <= near, counted, np.nan)
    return np.where(counted < 0, -1.0, counted + after)


def _inside(since: FloatArray, parts: FloatArray, convention: Convention) -> Ticks:
    """Return the ticks of LRs read after the step, where epochs have parts: the step of an epoch's end is to come until
    its last update, which is the last print in it.
    """
    if convention.at == "end":
        return np.floor(since + 1.0 + 1e-9)
    last = np.nanmax(parts)
    return np.floor(since + 1e-9) + ((parts >= last - 1e-9) & (parts >= 0.5))
