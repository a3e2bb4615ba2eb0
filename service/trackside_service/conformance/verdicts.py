"""From the state of a comparison to its verdict and, where it is off, the causes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from trackside_service.conformance.causes import CAUSES, CHANGES
from trackside_service.conformance.causes.evidence import MOST_WORK, Evidence, Fit, Work
from trackside_service.conformance.causes.other_schedule import different_schedule
from trackside_service.conformance.causes.selection import MOST, diagnose
from trackside_service.conformance.conventions import Convention, places_of, preference
from trackside_service.conformance.driven.causing import Log, causes_of
from trackside_service.conformance.driven.judging import Standing, convention_of, judged
from trackside_service.conformance.epochs import reach_of
from trackside_service.conformance.expecting import expected_lr
from trackside_service.conformance.explanation import Explanation, FirstOff
from trackside_service.conformance.fronts import Suspect
from trackside_service.conformance.manners import IN_A_ROW, bare_zeros, mixed, varied
from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.own_print import CUT, NEVER, ROUNDED, OwnPrint
from trackside_service.conformance.printing import FULL_TOLERANCE, PrintFormat, read_print
from trackside_service.conformance.strides import may_be_cut
from trackside_service.conformance.tracker import TrackerState, absorb, start
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray
from trackside_service.schedules.driving import driver_of

BATCH_SERIES = 4096
"""Points that the diagnosis of a finished log looks at; a longer log is thinned."""
_LITTLE: Final = MOST_WORK // 20
"""What the search under the prints' own digits may cost: as much as usual logs take."""
_MOSTLY: Final = 0.9
"""Share of the LRs that are no higher than what their noise is measured by."""
_COARSER: Final = 2.5
"""Times as far as the log's format allows, from which on a print's own digits are another way of reading it."""


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
        loose = _readings(schedule, state, coarsest, ways=ROUNDED if state.prints.rounded else ROUNDED | CUT)[0]
        if loose.off is None:
            return _by_own_digits(schedule, state, loose.convention)
    if best.off is not None and _cut(schedule, state, coarsest):
        reason = "the epochs are whole ones that may be cut off: each may be any of its updates"
        return Explanation("undetermined", reason, None, (), convention, state.points)
    if best.off is not None:
        best = _borne_out(schedule, state, best)
        off = _first_off(schedule, best, state.epochs.level)
        return Explanation("off_schedule", None, off, (), best.convention.as_wire(), state.points)
    if schedule.metric_driven and state.unknown:
        reason = "the LR follows a metric in a way that is previewed but not compared"
        return Explanation("undetermined", reason, None, (), convention, state.points)
    if not shown.informs(state.magnitude):
        few = f"{shown} for values up to {state.magnitude:.3g}{_zeros(state)}"
        reason = f"the LR is printed too coarsely to compare: {few}"
        return Explanation("undetermined", reason, None, (), convention, state.points)
    return Explanation("on_schedule", None, None, (), convention, state.points)


def _by_own_digits(schedule: CompiledSchedule, state: TrackerState, convention: Convention) -> Explanation:
    """Return the verdict on a log that is off in its finest format, where each print's own digits explain its LR."""
    shown, coarsest = state.prints.format(), state.prints.coarsest()
    rounded = _readings(schedule, state, coarsest, ways=ROUNDED)[0]
    if rounded.off is None:
        if mixed(state.series) and not bare_zeros(state.series):
            return Explanation("on_schedule", None, None, (), rounded.convention.as_wire(), state.points)
        shows = f"the log shows no more than {coarsest}" if coarsest != shown else "some of its prints are coarser"
        reason = f"the LR is printed too coarsely to compare: {shows}{_zeros(state)}"
        return Explanation("undetermined", reason, None, (), rounded.convention.as_wire(), state.points)
    cut = _readings(schedule, state, None, ways=CUT)[0]
    if cut.off is None and varied(state.series):
        found = {**cut.convention.as_wire(), "prints": "cut_off"}
        return Explanation("on_schedule", None, None, (), found, state.points)
    reason = (
        "the LR is printed too coarsely to compare: the schedule explains prints that are cut off, not rounded ones, "
        f"of which that at index {rounded.off.index} is the first off"
    )
    return Explanation("undetermined", reason, None, (), convention.as_wire(), state.points)


def _borne_out(schedule: CompiledSchedule, state: TrackerState, best: _Reading) -> _Reading:
    """Return the reading of a log that is off by which to say since when: the finest format's, unless the log bears out
    that its prints are of several formats, or cut off.
    """
    if mixed(state.series):
        best = _readings(schedule, state, state.prints.coarsest(), ways=ROUNDED)[0]
    if state.prints.rounded:
        return best
    cut = _readings(schedule, state, None, ways=CUT)[0]
    return cut if cut.prefix > best.prefix and varied(state.series, cut.prefix) else best


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
    if found.explanation.verdict == "off_schedule" and state.loose is not None:
        loose = judged(schedule, driver, state.loose, state.prints, state.peak)
        if loose.explanation.verdict != "off_schedule":
            found = _excused(state, loose)
    return replace(found, explanation=replace(found.explanation, points=state.points))


def _excused(state: TrackerState, loose: Standing) -> Standing:
    """Return how a log stands that is off in its own format, where each print's own digits explain its LR."""
    if loose.explanation.verdict == "on_schedule" and mixed(state.series) and not bare_zeros(state.series):
        return loose
    reason = "the LR is printed too coarsely to compare: some of its prints are coarser, or cut off"
    return replace(loose, explanation=replace(loose.explanation, verdict="undetermined", reason=reason))


def conclude(schedule: CompiledSchedule, state: TrackerState, *, run_updates: int | None = None) -> Explanation:
    """Return the verdict now and, only where it is off, the causes that the log cannot rule out."""
    verdict = judge(schedule, state)
    if verdict.verdict != "off_schedule" or verdict.first_off is None:
        return verdict
    driver, held = driver_of(schedule), standing(schedule, state)
    if driver is not None and held is not None and state.driven is not None and held.reading is not None:
        log = Log(state.trail, state.driven, state.prints, state.prints.format(), state.peak)
        causes, reading = causes_of(schedule, driver, log, held.reading)
        return replace(verdict, causes=causes, first_off=reading.off, convention=convention_of(reading))
    tried: list[Evidence] = []
    for manner in _manners(state):
        readings, evidence = _evidence(schedule, state, manner, verdict.first_off, run_updates)
        if evidence is None:
            continue
        tried.append(evidence)
        fits = _fits(evidence, _LITTLE if manner.ways else MOST_WORK // 4)
        if fits:
            chosen = next(reading for reading in readings if reading.convention == fits[0].convention)
            if chosen.off is None:
                chosen = readings[0]
            off, convention = _first_off(schedule, chosen, state.epochs.level), chosen.convention.as_wire()
            return replace(verdict, causes=tuple(fit.cause for fit in fits), first_off=off, convention=convention)
    return replace(verdict, causes=(different_schedule(tried[0]),))


def _fits(evidence: Evidence, again: int) -> tuple[Fit, ...]:
    """Return what explains the log: where nothing does that did not change on the way, also what explains it as the
    last process to come to each place left it, which may cost `again`.
    """
    fits = diagnose(evidence, CAUSES)
    if any(not fit.changes for fit in fits):
        return fits
    last = evidence.after_falling_back(Work(again))
    # What held from the start on would explain the places that were overtaken too.
    found = () if last is None else tuple(fit for fit in diagnose(last, CHANGES) if fit.changes)
    named = {fit.cause.cause for fit in found}
    return (*found, *(fit for fit in fits if fit.cause.cause not in named))[:MOST]


@dataclass(frozen=True, slots=True)
class _Manner:
    """A way in which a log's prints may have been made: of a format, or each as its own digits say."""

    shown: PrintFormat
    ways: int = NEVER


def _manners(state: TrackerState) -> list[_Manner]:
    """Return the manners under which causes are looked for, the finest first.

    A log of one digit that is off however it is read may still be explained only where it is read as coarsely. One of
    several formats is explained only where each print is held no finer than its own digits, one that is cut off only
    where its LRs may lie above the prints; a few short prints are neither.
    """
    shown, coarsest = state.prints.format(), state.prints.coarsest()
    manners = [_Manner(shown), _Manner(coarsest), _Manner(coarsest, ROUNDED)]
    if not state.prints.rounded and varied(state.series) and (shown.style != "full" or mixed(state.series)):
        manners.append(_Manner(coarsest, CUT))
    return list(dict.fromkeys(manners))


def _evidence(
    schedule: CompiledSchedule, state: TrackerState, manner: _Manner, first_off: FirstOff, run_updates: int | None
) -> tuple[list[_Reading], Evidence | None]:
    """Return every convention's reading in this manner, and the evidence: the thinned series, and the points off that
    are known besides. None where the prints' own digits say no less than the format.
    """
    readings = _readings(schedule, state, None if manner.ways == CUT else manner.shown, ways=manner.ways)
    known = {kept.index: kept.point for kept in state.series}
    known |= {reading.off.index: reading.off.point for reading in readings if reading.off is not None}
    points = [known[index] for index in sorted(known)]
    prints = tuple(read_print(point.lr, point.text) for point in points)
    values = np.array([each.value for each in prints], dtype=np.float64)
    halves, own = manner.shown.widest(np.nan_to_num(values), _size(state.peak, values)), None
    if manner.ways:
        reaches = [OwnPrint(each, state.prints, state.peak).reach() for each in prints]
        own = np.array([max(reach.below, reach.above) for reach in reaches])
        coarse = np.unique(values[own > _COARSER * halves])
        if manner.ways == CUT:  # the number lies between the print and a unit above it
            middle = np.array([reach.cut / 2 for reach in reaches])
            values, own = values + middle, middle + FULL_TOLERANCE * state.peak
        # A few round numbers in a log of full precision are no format.
        elif len(coarse) < (IN_A_ROW if manner.shown.style == "full" else 1):
            return readings, None
        halves = own
    evidence = Evidence(
        schedule=schedule,
        peak=state.peak,
        places=replace(places_of(schedule, points), reach=reach_of(state.epochs.level)),
        values=values,
        prints=prints,
        halves=halves,
        own=own,
        format=manner.shown,
        conventions=[reading.convention for reading in readings],
        first_off=first_off,
        run_updates=run_updates,
        work=Work(_LITTLE if manner.ways else MOST_WORK),
    )
    return readings, evidence.with_views()


def _size(peak: float, values: FloatArray) -> float:
    """Return what the LRs' noise is relative to: the declared peak, or the run's own, but for a few, if higher."""
    known = np.abs(values[np.isfinite(values)])
    return max(peak, float(np.quantile(known, _MOSTLY))) if len(known) else peak


def explain(schedule: CompiledSchedule, points: Sequence[LrPoint], *, run_updates: int | None = None) -> Explanation:
    """Return the verdict on a whole log of one group's LRs, in the order given, and its causes.

    `run_updates` is the run's length in optimizer updates, where it is known.
    """
    state = absorb(schedule, start(schedule), points, capacity=BATCH_SERIES)
    return conclude(schedule, state, run_updates=run_updates)


def _readings(
    schedule: CompiledSchedule, state: TrackerState, shown: PrintFormat | None, *, ways: int = NEVER
) -> list[_Reading]:
    """Return every convention's reading, the one that explains the longest prefix first: a point is explained under the
    format `shown`, or by its own print in one of the `ways`.
    """
    readings = [
        _Reading(convention, _first(front, shown, state.epochs.level, ways))
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


def _first(front: Sequence[Suspect], shown: PrintFormat | None, level: int, ways: int = NEVER) -> Suspect | None:
    """Return the first point that is off in this format, with epochs of so many decimals, and that its own print does
    not explain in one of the `ways`.
    """
    off = (
        suspect
        for suspect in front
        if suspect.level <= level and not suspect.ways & ways and (shown is None or not shown.explains(suspect.key))
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
