"""From the state of a comparison to its verdict and, where it is off, the causes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trackside_service.conformance.causes import CAUSES
from trackside_service.conformance.causes.evidence import Evidence
from trackside_service.conformance.causes.other_schedule import different_schedule
from trackside_service.conformance.causes.selection import diagnose
from trackside_service.conformance.conventions import Convention, places_of, preference
from trackside_service.conformance.driven.causing import Log, causes_of
from trackside_service.conformance.driven.judging import Standing, judged
from trackside_service.conformance.epochs import reach_of
from trackside_service.conformance.expecting import expected_lr
from trackside_service.conformance.explanation import Explanation, FirstOff
from trackside_service.conformance.fronts import Suspect
from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.own_print import OwnPrint, explained
from trackside_service.conformance.printing import PrintFormat, read_print
from trackside_service.conformance.strides import may_be_cut
from trackside_service.conformance.tracker import TrackerState, absorb, start
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.driving import driver_of

BATCH_SERIES = 4096
"""Points that the diagnosis of a finished log looks at; a longer log is thinned."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One convention's reading of the log: the first point off under it, None where it explains all."""

    convention: Convention
    off: Suspect | None

    @property
    def prefix(self) -> float:
        return math.inf if self.off is None else self.off.index


def judge(schedule: CompiledSchedule, state: TrackerState) -> Explanation:
    """Return the verdict now, without a diagnosis: cheap enough for every point."""
    if not state.points:
        return Explanation("undetermined", "no LR was reported", points=0)
    driven = standing(schedule, state)
    if driven is not None:
        return driven.explanation
    if not state.placed:
        return Explanation("undetermined", _unplaced(schedule, state), points=state.points)
    shown = state.prints.format()
    best = _readings(schedule, state, shown)[0]
    convention = best.convention.as_wire()
    coarsest = state.prints.coarsest()
    if best.off is not None:
        # Off only in the finer of the ways in which the log may be meant: nothing is known for sure.
        loose = _readings(schedule, state, coarsest, by_own=True)[0]
        if loose.off is None:
            shows = f"the log shows no more than {coarsest}" if coarsest != shown else "some of its prints are coarser"
            reason = f"the LR is printed too coarsely to compare: {shows}{_zeros(state)}"
            return Explanation("undetermined", reason, None, (), loose.convention.as_wire(), state.points)
    if best.off is not None and _cut(schedule, state, coarsest):
        reason = "the epochs are whole ones that may be cut off: each may be any of its updates"
        return Explanation("undetermined", reason, None, (), convention, state.points)
    if best.off is not None:
        off = _first_off(schedule, best, state.epochs.level)
        return Explanation("off_schedule", None, off, (), convention, state.points)
    if schedule.metric_driven and state.unknown:
        reason = "the LR follows a metric in a way that is previewed but not compared"
        return Explanation("undetermined", reason, None, (), convention, state.points)
    if not shown.informs(state.magnitude):
        few = f"{shown} for values up to {state.magnitude:.3g}{_zeros(state)}"
        reason = f"the LR is printed too coarsely to compare: {few}"
        return Explanation("undetermined", reason, None, (), convention, state.points)
    return Explanation("on_schedule", None, None, (), convention, state.points)


def _zeros(state: TrackerState) -> str:
    """Return what to do about a log of zeros, which are an LR that is 0 or one of too few decimals."""
    if state.magnitude > 0.0:
        return ""
    return '; if it is 0 indeed, say "exact": true in the schedule\'s reporting, or send more digits'


def standing(schedule: CompiledSchedule, state: TrackerState) -> Standing | None:
    """Return how an LR that follows a metric stands; None for the other schedules."""
    driver = None if state.driven is None else driver_of(schedule)
    if driver is None or state.driven is None:
        return None
    found = judged(schedule, driver, state.driven, state.prints, state.peak)
    return replace(found, explanation=replace(found.explanation, points=state.points))


def conclude(schedule: CompiledSchedule, state: TrackerState, *, run_updates: int | None = None) -> Explanation:
    """Return the verdict now and, only where it is off, the causes that the log cannot rule out."""
    verdict = judge(schedule, state)
    if verdict.verdict != "off_schedule" or verdict.first_off is None:
        return verdict
    driver, held = driver_of(schedule), standing(schedule, state)
    if driver is not None and held is not None and state.driven is not None and held.reading is not None:
        log = Log(state.trail, state.driven, state.prints, state.prints.format(), state.peak)
        return replace(verdict, causes=causes_of(schedule, driver, log, held.reading))
    # A log of one digit that is off however it is read may still be explained only where it is read as coarsely.
    # One of several formats is explained only where each print is held no finer than its own text.
    formats = dict.fromkeys((state.prints.format(), state.prints.coarsest()))
    tried: list[Evidence] = []
    for shown, by_own in (*((each, False) for each in formats), (state.prints.coarsest(), True)):
        readings, evidence = _evidence(schedule, state, shown, verdict.first_off, run_updates)
        if by_own:
            owns = np.array([OwnPrint(each, state.prints, state.peak).reach for each in evidence.prints])
            if not np.any(owns > 2.5 * evidence.halves):
                break
            evidence = replace(evidence, halves=np.maximum(evidence.halves, owns)).with_views()
        tried.append(evidence)
        fits = diagnose(evidence, CAUSES)
        if not fits and (last := evidence.after_falling_back()) is not None:
            fits = diagnose(last, CAUSES)
        if fits:
            chosen = next(reading for reading in readings if reading.convention == fits[0].convention)
            if chosen.off is None:
                chosen = readings[0]
            off, convention = _first_off(schedule, chosen, state.epochs.level), chosen.convention.as_wire()
            return replace(verdict, causes=tuple(fit.cause for fit in fits), first_off=off, convention=convention)
    return replace(verdict, causes=(different_schedule(tried[0]),))


def _evidence(
    schedule: CompiledSchedule, state: TrackerState, shown: PrintFormat, first_off: FirstOff, run_updates: int | None
) -> tuple[list[_Reading], Evidence]:
    """Return every convention's reading under the format, and the evidence: the thinned series, and the points off
    that are known besides.
    """
    readings = _readings(schedule, state, shown)
    known = {kept.index: kept.point for kept in state.series}
    known |= {reading.off.index: reading.off.point for reading in readings if reading.off is not None}
    points = [known[index] for index in sorted(known)]
    prints = tuple(read_print(point.lr, point.text) for point in points)
    values = np.array([each.value for each in prints], dtype=np.float64)
    evidence = Evidence(
        schedule=schedule,
        peak=state.peak,
        places=replace(places_of(schedule, points), reach=reach_of(state.epochs.level)),
        values=values,
        prints=prints,
        halves=shown.widest(np.nan_to_num(values), state.peak),
        format=shown,
        conventions=[reading.convention for reading in readings],
        first_off=first_off,
        run_updates=run_updates,
    )
    return readings, evidence.with_views()


def explain(schedule: CompiledSchedule, points: Sequence[LrPoint], *, run_updates: int | None = None) -> Explanation:
    """Return the verdict on a whole log of one group's LRs, in the order given, and its causes.

    `run_updates` is the run's length in optimizer updates, where it is known.
    """
    state = absorb(schedule, start(schedule), points, capacity=BATCH_SERIES)
    return conclude(schedule, state, run_updates=run_updates)


def _readings(
    schedule: CompiledSchedule, state: TrackerState, shown: PrintFormat, *, by_own: bool = False
) -> list[_Reading]:
    """Return every convention's reading, the one that explains the longest prefix first; `by_own`: where a print of its
    own says less than the format, it counts.
    """
    digits = state.prints.significant if by_own else None
    readings = [
        _Reading(convention, _first(front, shown, state.epochs.level, digits))
        for convention, front in zip(state.conventions(schedule.reporting), state.fronts, strict=True)
    ]
    # A convention under which the schedule is known at none of the points explains nothing, however long its prefix.
    blind = _blind(schedule, state, readings)
    readings.sort(
        key=lambda reading: (
            reading.convention in blind,
            -reading.prefix,
            preference(reading.convention, state.first_epoch),
        )
    )
    return readings


def _cut(schedule: CompiledSchedule, state: TrackerState, shown: PrintFormat) -> bool:
    """Say whether a log that is off at its whole epochs may be right, if those are cut off."""
    if schedule.unit == "epoch" or not state.epochs.once or (schedule.steps_per_epoch or 1) == 1:
        return False
    conventions = state.conventions(schedule.reporting)
    if all(_first(front, shown, 0) is not None for front in state.fronts):
        return False
    return may_be_cut(schedule, conventions, [kept.point for kept in state.series], shown, state.peak)


def _first(front: Sequence[Suspect], shown: PrintFormat, level: int, digits: int | None = None) -> Suspect | None:
    """Return the first point that is off in this format, with epochs of so many decimals; with `digits`, the most that
    the log shows, only where its own print does not explain it.
    """
    off = (
        suspect
        for suspect in front
        if suspect.level <= level
        and not shown.explains(suspect.key)
        and (digits is None or not explained(suspect.ease, digits))
    )
    return min(off, key=lambda suspect: suspect.index, default=None)


def _blind(schedule: CompiledSchedule, state: TrackerState, readings: Sequence[_Reading]) -> frozenset[Convention]:
    """Return the conventions that could compare none of the kept points: those of a schedule known in part only (it
    follows a metric, refuses ticks past its end, or is a table).
    """
    partly = schedule.metric_driven or schedule.refused_after is not None or schedule.name == "table"
    if not partly or not state.series:
        return frozenset()
    points, level = [kept.point for kept in state.series], state.epochs.level
    blind = []
    for reading in readings:
        if reading.off is None:
            expected = (expected_lr(schedule, reading.convention, point, level) for point in points)
            if all(math.isnan(lr) for lr in expected):
                blind.append(reading.convention)
    return frozenset(blind)


def _first_off(schedule: CompiledSchedule, reading: _Reading, level: int) -> FirstOff | None:
    if reading.off is None:
        return None
    point = reading.off.point
    value = expected_lr(schedule, reading.convention, point, level)
    return FirstOff(
        index=reading.off.index,
        step=point.step,
        epoch=point.epoch,
        expected=None if math.isnan(value) else value,
        observed=point.lr,
    )


def _unplaced(schedule: CompiledSchedule, state: TrackerState) -> str:
    """Say why no point could be compared."""
    if state.unknown:
        return "the schedule's LR is not known where the points lie: they are past its end"
    if state.epochs.last is not None and schedule.steps_per_epoch is not None:
        return "the epochs are rounded too coarsely, or meet no update, to say which update each point lies at"
    if schedule.steps_per_epoch is not None:
        return "no point says its step or its epoch"
    if state.first_epoch is None and schedule.unit == "step":
        return "no point says its step or its epoch, or the steps are beyond what can be counted"
    if schedule.unit == "step":
        return "the schedule counts updates and the points name epochs only: steps_per_epoch is needed to place them"
    return "the schedule counts epochs and the points name none: steps_per_epoch is needed to place them by step"
