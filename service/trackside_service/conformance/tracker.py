"""The state of a comparison in progress: exact about the first point off, whatever the log's format turns out to be.

What a point's print excludes depends on the format, which is known for sure only at the log's end. So for every
index convention
the state keeps, of the points that some format would call off, the first for each format: a front of a few
entries, since a point
that is off from a coarser format on makes a later one that needs a finer one irrelevant. Nothing else about the
past is needed for
the verdict, and the cost of one more point does not depend on how many there were. A bounded, thinned series
serves the diagnosis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np

from trackside_service.conformance.conventions import Convention, Places, candidates, places_of, ticks_at
from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.printing import FULL_DIGITS, MAX_DECIMALS, PrintStats, deviations, read_print
from trackside_service.schedules.compiled import CompiledSchedule

SERIES: Final = 128
"""Points kept for the diagnosis of a run in progress; when full, every second one is dropped."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A point that a fine enough format calls off: `key` as `deviations` gives it."""

    key: tuple[int, int, int]
    index: int
    point: LrPoint


@dataclass(frozen=True, slots=True)
class Kept:
    """A point kept for the diagnosis, with its index."""

    index: int
    point: LrPoint


@dataclass(frozen=True, slots=True)
class TrackerState:
    """What is known after `points` points; `fronts` are aligned with the conventions that the declaration leaves open.

    `placed`: points that could be compared; `unknown`: those placed where the schedule's LR is not known;
    `magnitude`: the largest
    LR among the compared ones.
    """

    peak: float
    points: int = 0
    placed: int = 0
    unknown: int = 0
    magnitude: float = 0.0
    first_epoch: float | None = None
    prints: PrintStats = field(default_factory=PrintStats)
    fronts: tuple[tuple[Suspect, ...], ...] = ()
    series: tuple[Kept, ...] = ()
    stride: int = 1


def start(schedule: CompiledSchedule) -> TrackerState:
    """Return the state before the first point."""
    return TrackerState(peak=schedule.peak(), fronts=((),) * len(candidates(schedule.reporting)))


def advance(schedule: CompiledSchedule, state: TrackerState, point: LrPoint) -> TrackerState:
    """Return the state after one more point; its cost does not depend on the points so far."""
    return absorb(schedule, state, (point,))


def absorb(
    schedule: CompiledSchedule, state: TrackerState, points: Sequence[LrPoint], *, capacity: int = SERIES
) -> TrackerState:
    """Return the state after `points` in their order, as if each had been advanced by."""
    if not points:
        return state
    shown = [read_print(point.lr, point.text) for point in points]
    prints = state.prints
    for one in shown:
        prints = prints.seen(one)
    values = np.array([one.value for one in shown], dtype=np.float64)
    places = places_of(schedule, points)
    conventions = candidates(schedule.reporting)
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
    for place, row in enumerate(distinct):
        found[row] = []
        if suspect[place].any():
            where = np.flatnonzero(suspect[place])
            code = (by_digits[place] * 100 + by_decimals[place]) * 2 + full[place]
            for first in np.sort(where[np.unique(code[where], return_index=True)[1]]):
                key = (int(by_digits[place][first]), int(by_decimals[place][first]), int(full[place][first]))
                found[row].append(Suspect(key, state.points + int(first), points[int(first)]))
    compared = comparable.any(axis=0)
    finite = compared & np.isfinite(values)
    first_epoch = state.first_epoch
    if first_epoch is None:
        first_epoch = next((point.epoch for point in points if point.epoch is not None), None)
    series, stride = _thinned(state, points, capacity)
    return TrackerState(
        peak=state.peak,
        points=state.points + len(points),
        placed=state.placed + int(compared.sum()),
        unknown=state.unknown + int((placeable.any(axis=0) & ~compared).sum()),
        magnitude=max(state.magnitude, float(np.max(np.abs(values), initial=0.0, where=finite))),
        first_epoch=first_epoch,
        prints=prints,
        fronts=_fronts(state.fronts, rows, found),
        series=series,
        stride=stride,
    )


def _distinct(conventions: Sequence[Convention], places: Places) -> list[int]:
    """Return for each convention the first one that gives these points the same ticks."""
    seen: dict[tuple[object, ...], int] = {}
    rows = []
    for index, convention in enumerate(conventions):
        key: tuple[object, ...] = (convention.when,)
        if places.any_stepped:
            key = (*key, convention.step_base)
        if not places.all_stepped:
            key = (*key, convention.at, convention.epoch_base)
        rows.append(seen.setdefault(key, index))
    return rows


def _fronts(
    fronts: Sequence[tuple[Suspect, ...]], rows: Sequence[int], found: dict[int, list[Suspect]]
) -> tuple[tuple[Suspect, ...], ...]:
    """Return every convention's front with what was found for its row; equal ones are worked out once."""
    done: dict[tuple[int, int], tuple[Suspect, ...]] = {}
    result = []
    for front, row in zip(fronts, rows, strict=True):
        key = (row, id(front))
        if key not in done:
            done[key] = _front(front, found[row])
        result.append(done[key])
    return tuple(result)


def _front(front: tuple[Suspect, ...], found: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """Return the front with what was found, less what an earlier suspect makes irrelevant."""
    if not found:
        return front
    kept = list(front)
    for suspect in found:
        digits, decimals, full = suspect.key
        for earlier in kept:
            if earlier.key[0] <= digits and earlier.key[1] <= decimals and earlier.key[2] <= full:
                break
        else:
            kept.append(suspect)
    return tuple(kept) if len(kept) > len(front) else front


def _thinned(state: TrackerState, points: Sequence[LrPoint], capacity: int) -> tuple[tuple[Kept, ...], int]:
    """Return the series with every `stride`-th point, and the stride, doubled as often as the capacity asks."""
    series, stride = state.series, state.stride
    offset = -state.points % stride
    if offset < len(points):
        series += tuple(Kept(state.points + i, points[i]) for i in range(offset, len(points), stride))
    while len(series) > capacity:
        stride *= 2
        series = tuple(kept for kept in series if kept.index % stride == 0)
    return series, stride


def dump(state: TrackerState) -> dict[str, Any]:
    """Return the state as JSON values, a few kilobytes; equal fronts are written once."""
    fronts = list(dict.fromkeys(state.fronts))
    prints = state.prints
    return {
        "peak": state.peak,
        "points": state.points,
        "placed": state.placed,
        "unknown": state.unknown,
        "magnitude": state.magnitude,
        "first_epoch": state.first_epoch,
        "stride": state.stride,
        "prints": {part.name: _plain(getattr(prints, part.name)) for part in fields(prints)},
        "fronts": [[[*s.key, s.index, *_point(s.point)] for s in front] for front in fronts],
        "of": [fronts.index(front) for front in state.fronts],
        "series": [[kept.index, *_point(kept.point)] for kept in state.series],
    }


def load(data: dict[str, Any]) -> TrackerState:
    """Undo `dump`. Raises `KeyError`, `TypeError` or `ValueError` on data that it did not write."""
    fronts = [
        tuple(Suspect((entry[0], entry[1], entry[2]), entry[3], _unpoint(entry[4:])) for entry in front)
        for front in data["fronts"]
    ]
    shown = data["prints"]
    prints = PrintStats(
        texted=shown["texted"],
        mantissas=_pair(shown["mantissas"]),
        plain=_pair(shown["plain"]),
        trailing=shown["trailing"],
        decimals=shown["decimals"],
        significant=shown["significant"],
        at_depth=tuple(shown["at_depth"]),
    )
    return TrackerState(
        peak=data["peak"],
        points=data["points"],
        placed=data["placed"],
        unknown=data["unknown"],
        magnitude=data["magnitude"],
        first_epoch=data["first_epoch"],
        prints=prints,
        fronts=tuple(fronts[index] for index in data["of"]),
        series=tuple(Kept(entry[0], _unpoint(entry[1:])) for entry in data["series"]),
        stride=data["stride"],
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _pair(value: Sequence[int] | None) -> tuple[int, int] | None:
    return None if value is None else (value[0], value[1])


def _point(point: LrPoint) -> list[Any]:
    lr: float | str = point.lr if math.isfinite(point.lr) else repr(point.lr)
    parts: list[Any] = [lr, point.step, point.epoch, point.text]
    while parts[-1] is None:
        parts.pop()
    return parts


def _unpoint(parts: Sequence[Any]) -> LrPoint:
    lr, step, epoch, text = (*parts, None, None, None)[:4]
    return LrPoint(float(lr), step, epoch, text)


def without_series(state: TrackerState) -> TrackerState:
    """Return the state without its series, for comparing two that were thinned differently."""
    return replace(state, series=(), stride=1)
