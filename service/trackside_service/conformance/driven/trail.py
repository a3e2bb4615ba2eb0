"""The beginning of a run under a metric, tick by tick: what a search for the cause replays other schedulers over."""

from __future__ import annotations

import base64
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from trackside_service.conformance.observations import GIVEN, LrPoint, MetricPoint
from trackside_service.conformance.printing import read_print
from trackside_service.schedules.compiled import CompiledSchedule

TICKS: Final = 256
"""Ticks that are kept of a run in progress."""
NAMES: Final = 3
"""Metrics that are kept."""
_LRS: Final = 4
"""Different LRs that are kept of one tick."""
_FALLS: Final = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One tick: the metrics' values (None where not reported), the LRs in order, and whether these are of the whole
    tick.
    """

    key: int
    values: tuple[float | None, ...] = ()
    lrs: tuple[float, ...] = ()
    whole: bool = True

    def value(self, at: int) -> float | None:
        """Return the metric of that place."""
        return self.values[at] if at < len(self.values) else None


@dataclass(frozen=True, slots=True)
class Trail:
    """The first ticks. `vague`: metrics that had several values in one tick; `falls`: where the log went back to;
    `at`: step and epoch of the last report.
    """

    names: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    vague: tuple[str, ...] = ()
    falls: tuple[int, ...] = ()
    at: tuple[int | None, float | None] = (None, None)

    def seen(self, schedule: CompiledSchedule, point: LrPoint | MetricPoint, most: int) -> Trail:
        """Return it after one more record, of `most` ticks at most."""
        values = _metrics(schedule, point)
        names = self.names
        for name in values:
            own = schedule.metric is not None and name != schedule.metric and schedule.metric not in names
            if name not in names and len(names) < NAMES - own:
                names = (*names, name)
        led = _leading(schedule, values)
        key = self._key(schedule, point, led)
        if key is None or (len(self.rows) >= most and key > self.rows[-1].key):
            return self
        rows, falls = self.rows, self.falls
        if rows and key < rows[-1].key:
            if not isinstance(point, LrPoint):
                return self
            rows = tuple(row for row in rows if row.key < key)
            falls = (*falls, key)[-_FALLS:]
        if not rows or key > rows[-1].key:
            rows = (*rows, Row(key))
        row, vague = self._told(rows[-1], names, values, point)
        at = (point.step, point.epoch) if led else self.at
        return Trail(names, (*rows[:-1], row), vague, falls, at)

    def _told(
        self, row: Row, names: tuple[str, ...], values: Mapping[str, float], point: LrPoint | MetricPoint
    ) -> tuple[Row, tuple[str, ...]]:
        vague, held = self.vague, [row.value(place) for place in range(len(names))]
        for place, name in enumerate(names):
            if name in values:
                before = held[place]
                if before is not None and before != values[name] and name not in vague:
                    vague = (*vague, name)
                held[place] = values[name]
        lrs, whole = row.lrs, row.whole
        if isinstance(point, LrPoint):
            value = read_print(point.lr, point.text).value
            whole = whole and point.step is None and float(point.epoch or 0.0).is_integer()
            if math.isfinite(value) and len(lrs) < _LRS and (not lrs or lrs[-1] != value):
                lrs = (*lrs, value)
        return Row(row.key, tuple(held), lrs, whole), vague

    def _key(self, schedule: CompiledSchedule, point: LrPoint | MetricPoint, led: bool) -> int | None:
        """Return the tick that a record belongs to: its epoch, else by its place beside the last report."""
        evaluations = schedule.framework == "transformers"
        if schedule.unit == "epoch" and not evaluations and point.epoch is not None and math.isfinite(point.epoch):
            return math.floor(point.epoch + 1e-9)
        if not self.rows:
            return 0
        last = self.rows[-1]
        done = _leading(schedule, [n for n, v in zip(self.names, last.values, strict=False) if v is not None])
        if not led:
            step, epoch = self.at
            for mine, theirs in ((point.step, step), (point.epoch, epoch)):
                if mine is not None and theirs is not None:
                    if mine == theirs:
                        return last.key
                    break
        return last.key + done


def _leading(schedule: CompiledSchedule, names: Mapping[str, float] | Sequence[str]) -> bool:
    """Say whether a tick's own report is among these metrics."""
    return any(name in (schedule.metric, GIVEN) for name in names) if schedule.metric is not None else len(names) > 0


def _metrics(schedule: CompiledSchedule, point: LrPoint | MetricPoint) -> dict[str, float]:
    """Return the metrics that a scheduler may be given, the one that it is declared to be given first."""
    first = (schedule.metric, GIVEN)
    found = [one for one in point.metrics if one[0] != "lr" and not one[0].startswith(("lr/", "grad_norm"))]
    return dict(sorted(found, key=lambda one: one[0] not in first))


def dump(trail: Trail) -> dict[str, Any]:
    """Return the trail as JSON values: three bytes a tick, and eleven a value."""
    columns = [[row.value(place) for row in trail.rows] for place in range(len(trail.names))]
    return {
        "names": list(trail.names),
        "keys": _runs(trail.rows),
        "lrs": [
            [list(lrs), whole, len(list(rows))]
            for (lrs, whole), rows in groupby(trail.rows, lambda r: (r.lrs, r.whole))
        ],
        "values": [
            base64.b64encode(array("d", [0.0 if one is None else one for one in each]).tobytes()).decode()
            for each in columns
        ],
        "gone": [[place for place, one in enumerate(each) if one is None] for each in columns],
        "vague": list(trail.vague),
        "falls": list(trail.falls),
        "at": list(trail.at),
    }


def load(data: Mapping[str, Any]) -> Trail:
    """Undo `dump`."""
    keys = [first + at for first, count in data["keys"] for at in range(count)]
    lrs = [(tuple(lrs), whole) for lrs, whole, count in data["lrs"] for _ in range(count)]
    columns: list[list[float | None]] = []
    for text, gone in zip(data["values"], data["gone"], strict=True):
        held = array("d")
        held.frombytes(base64.b64decode(text))
        missing = frozenset(gone)
        columns.append([None if place in missing else one for place, one in enumerate(held)])
    rows = tuple(Row(key, tuple(each[place] for each in columns), *lrs[place]) for place, key in enumerate(keys))
    return Trail(tuple(data["names"]), rows, tuple(data["vague"]), tuple(data["falls"]), (data["at"][0], data["at"][1]))


def _runs(rows: Sequence[Row]) -> list[list[int]]:
    found: list[list[int]] = []
    for row in rows:
        if found and row.key == found[-1][0] + found[-1][1]:
            found[-1][1] += 1
        else:
            found.append([row.key, 1])
    return found
