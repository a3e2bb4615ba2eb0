"""The state of a comparison in progress: exact about the first point off, whatever the log's format turns out to be.

What a point's print excludes depends on the format, which is known for sure only at the log's end. So the state keeps
a front (`fronts`) for every index convention. Nothing else about the past is needed for the verdict, and the cost of
one more point does not depend on how many there were. A bounded, thinned series serves the diagnosis.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final, TypeAlias

import numpy as np

from trackside_service.conformance.conventions import (
    Convention,
    Places,
    candidates,
    counted_by,
    places_of,
    ticks_at,
)
from trackside_service.conformance.driven.state import Against, Driven, follow, is_off
from trackside_service.conformance.driven.trail import TICKS, Trail
from trackside_service.conformance.epochs import EpochStats, by_epoch, lrs_within
from trackside_service.conformance.fronts import Front, Suspect, entered, extended, extended_one
from trackside_service.conformance.keeping import SERIES, Keeping, Kept
from trackside_service.conformance.landings import Where, landings
from trackside_service.conformance.observations import LrPoint, MetricPoint
from trackside_service.conformance.own_print import NEVER, OwnPrint
from trackside_service.conformance.print_stats import PrintStats
from trackside_service.conformance.printing import FULL_DIGITS, MAX_DECIMALS, deviation, deviations, read_print
from trackside_service.schedules.compiled import CompiledSchedule, Reporting
from trackside_service.schedules.driving import Driver, driver_of

_BLOCK: Final = 256
_SCHEDULES, _BLOCKS = 64, 8
_NARROW: Final = 128
"""Windows of so many ticks are looked up in the blocks: that is cheaper than an array of their own."""


@dataclass(frozen=True, slots=True)
class TrackerState:
    """What is known after `points` points; `fronts` are aligned with the conventions that the declaration leaves open.

    `placed`: points that could be compared; `unknown`: those placed where the schedule's LR is not known;
    `magnitude`: the largest LR among the compared ones. `driven`: where the schedule follows a metric, what is known of
    it; the fronts are empty then. `loose`: the same where each print is held to its own digits, None where that excuses
    nothing. `trail`: its first ticks, for the diagnosis.
    """

    peak: float
    points: int = 0
    placed: int = 0
    unknown: int = 0
    magnitude: float = 0.0
    first_epoch: float | None = None
    epochs: EpochStats = field(default_factory=EpochStats)
    prints: PrintStats = field(default_factory=PrintStats)
    fronts: tuple[Front, ...] = ()
    keeping: Keeping = field(default_factory=Keeping)
    driven: Driven | None = None
    loose: Driven | None = None
    trail: Trail = field(default_factory=Trail)

    @property
    def series(self) -> tuple[Kept, ...]:
        """The points kept for the diagnosis, in order."""
        return self.keeping.all()

    def conventions(self, reporting: Reporting) -> tuple[Convention, ...]:
        """Return the conventions that the fronts are of."""
        return candidates(reporting, self.counted(reporting))

    def counted(self, reporting: Reporting) -> int:
        """Return in how many ways the processes that resumed the run may have counted (`candidates`)."""
        plain = len(candidates(reporting))
        return len(self.fronts) // plain if len(self.fronts) > plain else 0


def start(schedule: CompiledSchedule) -> TrackerState:
    """Return the state before the first point."""
    return TrackerState(
        peak=schedule.peak(),
        prints=PrintStats(exact=schedule.reporting.exact is True),
        fronts=((),) * len(candidates(schedule.reporting)),
        driven=None if driver_of(schedule) is None else Driven(),
        loose=None if driver_of(schedule) is None or schedule.reporting.exact is True else Driven(),
    )


def advance(schedule: CompiledSchedule, state: TrackerState, point: LrPoint | MetricPoint) -> TrackerState:
    """Return the state after one more point; its cost does not depend on the points so far."""
    return absorb(schedule, state, (point,))


def absorb(
    schedule: CompiledSchedule,
    state: TrackerState,
    points: Sequence[LrPoint | MetricPoint],
    *,
    capacity: int = SERIES,
) -> TrackerState:
    """Return the state after `points` in their order, as if each had been advanced by.

    Points without an LR say something only where the schedule follows a metric.
    """
    driver = None if state.driven is None else driver_of(schedule)
    if driver is not None:
        for point in points:
            state = _driven(schedule, driver, state, point, capacity)
        return state
    return _all(schedule, state, [point for point in points if isinstance(point, LrPoint)], capacity)


def _driven(
    schedule: CompiledSchedule, driver: Driver, state: TrackerState, point: LrPoint | MetricPoint, capacity: int
) -> TrackerState:
    """Take in one record beside the metric that the schedule follows."""
    prints, keeping, count = state.prints, state.keeping, 0
    if isinstance(point, LrPoint):
        count = 1
        prints = prints.seen(read_print(point.lr, point.text))
        keeping = keeping.with_points(state.points, (replace(point, metrics=()),), (), capacity)
    against = Against(schedule, driver, state.peak)
    held = follow(against, state.driven or Driven(), point, index=state.points, prints=prints)
    loose = state.loose
    if loose is not None:
        loose = follow(against, loose, point, index=state.points, prints=prints, by_own_digits=True)
        if schedule.metric is not None and is_off(loose):
            loose = None  # and stays so
    points, trail = state.points + count, state.trail.seen(schedule, point, max(TICKS, capacity))
    return replace(
        state, points=points, placed=points, prints=prints, keeping=keeping, driven=held, loose=loose, trail=trail
    )


def _told_apart(schedule: CompiledSchedule, state: TrackerState, points: Sequence[LrPoint]) -> TrackerState:
    """Return the state with a front for each way of counting that the points call for; until now all were one."""
    needed = counted_by(points)
    known = state.counted(schedule.reporting) if needed else 0
    if needed <= known:
        return state
    first = state.fronts[: len(candidates(schedule.reporting))]
    return replace(state, fronts=state.fronts + first * (needed - max(known, 1)))


def _all(schedule: CompiledSchedule, state: TrackerState, points: Sequence[LrPoint], capacity: int) -> TrackerState:
    if not points:
        return state
    state = _told_apart(schedule, state, points)
    if len(points) == 1:
        return _one(schedule, state, points[0], capacity)
    if any(by_epoch(schedule, point) for point in points):
        for point in points:  # epochs may be rounded: each is looked at in several ways
            state = _one(schedule, state, point, capacity)
        return state
    shown = [read_print(point.lr, point.text) for point in points]
    prints, known = state.prints, []
    for one in shown:
        prints = prints.seen(one)
        known.append(prints)
    values = np.array([one.value for one in shown], dtype=np.float64)
    places = places_of(schedule, points)
    conventions = state.conventions(schedule.reporting)
    rows = _distinct(conventions, places)
    distinct = list(dict.fromkeys(rows))
    ticks = np.stack([ticks_at(schedule, conventions[row], places) for row in distinct])
    placeable = ~np.isnan(ticks)
    impossible = placeable & (ticks < 0)
    expected = schedule.lrs(np.where(placeable & ~impossible, ticks, 0.0))
    comparable = placeable & (impossible | ~np.isnan(expected))
    by_digits, by_decimals, full = deviations(values, np.where(comparable, expected, 0.0), state.peak)
    never = ~comparable
    by_digits = np.where(never, FULL_DIGITS, np.where(impossible, 0, by_digits))
    by_decimals = np.where(never, MAX_DECIMALS, np.where(impossible, 0, by_decimals))
    full = np.where(never, 1, np.where(impossible, 0, full))
    suspect = (by_digits < FULL_DIGITS) | (by_decimals < MAX_DECIMALS) | (full == 0)
    found: dict[int, list[Suspect]] = {}
    owns: dict[int, OwnPrint] = {}
    for place, row in enumerate(distinct):
        found[row] = []
        if suspect[place].any():
            where = np.flatnonzero(suspect[place])
            met: set[tuple[tuple[int, int, int], int]] = set()
            for first in where.tolist():
                key = (int(by_digits[place][first]), int(by_decimals[place][first]), int(full[place][first]))
                if (key, NEVER) in met:
                    continue
                ways = NEVER
                if not impossible[place][first]:
                    own = owns.get(first) or owns.setdefault(first, OwnPrint(shown[first], known[first], state.peak))
                    ways = own.ways(float(expected[place][first]))
                if (key, ways) not in met:
                    met.add((key, ways))
                    found[row].append(Suspect(key, state.points + first, points[first], 0, ways))
    compared = comparable.any(axis=0)
    finite = compared & np.isfinite(values)
    first_epoch = state.first_epoch
    if first_epoch is None:
        first_epoch = next((point.epoch for point in points if point.epoch is not None), None)
    fronts = extended(state.fronts, rows, found)
    return TrackerState(
        peak=state.peak,
        points=state.points + len(points),
        placed=state.placed + int(compared.sum()),
        unknown=state.unknown + int((placeable.any(axis=0) & ~compared).sum()),
        magnitude=max(state.magnitude, float(np.max(np.abs(values), initial=0.0, where=finite))),
        first_epoch=first_epoch,
        epochs=state.epochs,
        prints=prints,
        fronts=fronts,
        keeping=state.keeping.with_points(state.points, points, entered(state.fronts, fronts), capacity),
    )


def _one(schedule: CompiledSchedule, state: TrackerState, point: LrPoint, capacity: int) -> TrackerState:
    """Do for one point what `absorb` does for many, without arrays: the usual case of a run that is logged live."""
    shown = read_print(point.lr, point.text)
    prints = state.prints.seen(shown)
    own = OwnPrint(shown, prints, state.peak)
    placed_by_epoch = by_epoch(schedule, point)
    epochs = state.epochs.seen(point.epoch) if placed_by_epoch and point.epoch is not None else state.epochs
    found: list[_Found] = []
    judge = cache(lambda ticks: _key(schedule, ticks, own))  # the conventions' windows are much the same
    fronts = list(state.fronts)
    grown = False
    for where, conventions in landings(schedule, point, state.counted(schedule.reporting), epochs.least):
        here = _suspects(where, judge, (state.points, point), epochs.level)
        found.append(here)
        done: dict[int, tuple[Suspect, ...]] = {}
        for place in conventions if here.suspects else ():
            front = fronts[place]
            if id(front) not in done:
                done[id(front)] = extended_one(front, here.suspects)
            if done[id(front)] is not front:
                fronts[place] = done[id(front)]
                grown = True
    value, peak = shown.value, state.peak
    placeable, compared = any(one.placed for one in found), any(one.compared for one in found)
    news = (state.points,) if grown else ()
    return TrackerState(
        peak=peak,
        points=state.points + 1,
        placed=state.placed + compared,
        unknown=state.unknown + (placeable and not compared),
        magnitude=max(state.magnitude, abs(value)) if compared and math.isfinite(value) else state.magnitude,
        first_epoch=point.epoch if state.first_epoch is None else state.first_epoch,
        epochs=epochs,
        prints=prints,
        fronts=tuple(fronts) if grown else state.fronts,
        keeping=state.keeping.with_points(state.points, (point,), news, capacity),
    )


_Ticks: TypeAlias = tuple[int, int]
_Judged: TypeAlias = tuple[tuple[int, int, int], int]


@dataclass(frozen=True, slots=True)
class _Found:
    """What one point says under one convention: whether it is placed and compared at the present level."""

    suspects: tuple[Suspect, ...]
    placed: bool
    compared: bool


def _suspects(
    where: Where, judge: Callable[[_Ticks], _Judged | None], indexed: tuple[int, LrPoint], level: int
) -> _Found:
    """Return the point as a suspect at every level from which on it is off in a way of its own; the finest first.

    `level` is the one that the epochs have as far as is known; `judge` is `_key` of a window.
    """
    suspects: list[Suspect] = []
    placed = compared = False
    for lowest, ticks in where:
        judged = (_NEVER, NEVER) if ticks is None else judge(ticks)
        key, ways = judged or (None, NEVER)
        # Windows are listed under the lowest level that has them, the finest first: the first at or below is the one.
        if lowest <= level and not placed:
            placed, compared = ticks is not None, key is not None
        if key is None or key == _NEVER:
            continue
        if suspects and (suspects[-1].key, suspects[-1].ways) == (key, ways):
            suspects.pop()
        suspects.append(Suspect(key, *indexed, lowest, ways))
    return _Found(tuple(reversed(suspects)), placed, placed and compared)


def _key(schedule: CompiledSchedule, ticks: _Ticks, own: OwnPrint) -> _Judged | None:
    """Return what no tick of the window explains (`deviation`), and the ways in which its own print explains it; None:
    the LR is not known.
    """
    (first, last), value, peak = ticks, own.shown.value, own.peak
    if first < 0:
        return (0, 0, 0), NEVER
    if first == last:
        expected = _expected(schedule, first)
        if math.isnan(expected):
            return None
        if expected == value and math.isfinite(value):
            return _NEVER, NEVER
        key = deviation(value, expected, peak)
        return key, NEVER if key == _NEVER else own.ways(expected)
    lrs = _sorted(schedule, first, last) if last - first < _NARROW else lrs_within(schedule, first, last)
    if lrs is None:
        return None
    if lrs[0] == value == lrs[-1] and math.isfinite(value):
        return _NEVER, NEVER
    above = bisect_left(lrs, value)
    nearest = lrs[max(above - 1, 0) : above + 1]
    beside = [deviation(value, lr, peak) for lr in nearest]
    key = max(one[0] for one in beside), max(one[1] for one in beside), max(one[2] for one in beside)
    ways = NEVER
    for lr in nearest if key != _NEVER else ():
        ways |= own.ways(lr)
    return key, ways


_NEVER: Final = (FULL_DIGITS, MAX_DECIMALS, 1)
_Blocks: TypeAlias = dict[int, list[float]]
_values: dict[int, tuple[CompiledSchedule, _Blocks]] = {}
"""LRs of the schedules compared lately, in blocks of ticks: one point costs no array. Dropped at will."""


def _expected(schedule: CompiledSchedule, tick: float) -> float:
    block, place = divmod(int(tick), _BLOCK)
    return _block(schedule, block)[place]


def _sorted(schedule: CompiledSchedule, first: int, last: int) -> list[float] | None:
    """Return the LRs of the ticks from `first` to `last` in ascending order; None where one is not known."""
    (block, place), (end, until) = divmod(first, _BLOCK), divmod(last + 1, _BLOCK)
    lrs: list[float] = []
    for number in range(block, end + 1):
        lrs += _block(schedule, number)[place if number == block else 0 : until if number == end else _BLOCK]
    if lrs[0] == lrs[-1] and lrs.count(lrs[0]) == len(lrs):
        return lrs
    return None if any(lr != lr for lr in lrs) else sorted(lrs)  # noqa: PLR0124 (NaN alone is not itself)


def _block(schedule: CompiledSchedule, block: int) -> list[float]:
    known = _values.get(id(schedule))
    if known is None or known[0] is not schedule:
        if len(_values) >= _SCHEDULES:
            _values.clear()
        known = _values[id(schedule)] = (schedule, {})
    blocks = known[1]
    lrs = blocks.get(block)
    if lrs is None:
        if len(blocks) >= _BLOCKS:
            blocks.clear()
        ticks = np.arange(block * _BLOCK, (block + 1) * _BLOCK, dtype=np.float64)
        lrs = blocks[block] = schedule.lrs(ticks).tolist()
    return lrs


def _distinct(conventions: Sequence[Convention], places: Places) -> list[int]:
    """Return for each convention the first one that gives these points the same ticks."""
    seen: dict[tuple[object, ...], int] = {}
    rows = []
    for index, convention in enumerate(conventions):
        key: tuple[object, ...] = (convention.when, convention.resumed if places.before is not None else None)
        if places.any_stepped:
            key = (*key, convention.step_base)
        if not places.all_stepped:
            key = (*key, convention.at, convention.epoch_base)
        rows.append(seen.setdefault(key, index))
    return rows
