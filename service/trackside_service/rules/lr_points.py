"""The points of a run's records that LR001 compares, and whether each lies on the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from trackside_service.conformance import LrPoint, MetricPoint, TrackerState
from trackside_service.conformance.conventions import convention_of
from trackside_service.conformance.expecting import expected_lrs
from trackside_service.conformance.manners import mixed
from trackside_service.conformance.own_print import NEVER, OwnPrint
from trackside_service.conformance.printing import read_print
from trackside_service.domain.metrics import LRS
from trackside_service.rules.base import Reading
from trackside_service.rules.places import in_run
from trackside_service.schedules import CompiledSchedule

LrPoints: TypeAlias = Sequence[tuple[int, Reading, LrPoint]]
Points: TypeAlias = Sequence[tuple[int, Reading, LrPoint | MetricPoint]]
"""Places in a sequence of readings, the readings, and what they say."""


def said_of(reading: Reading, name: str, followed: bool) -> LrPoint | MetricPoint | None:
    """Return what a record says about the LR called `name`, and about the metrics, where the schedule follows one: then
    in the run's own count, since such a schedule is followed in the order of the places.
    """
    record = reading.record
    if followed:
        others = tuple(one for one in record.metrics.items() if one[0] not in LRS)
        here = in_run(reading)
        if name in record.metrics:
            return LrPoint(record.metrics[name], here.step, here.epoch, metrics=others)
        return MetricPoint(others, here.step, here.epoch) if others else None
    if name not in record.metrics:
        return None
    if reading.resumed is None:
        return LrPoint(record.metrics[name], record.step, record.epoch)
    before, perhaps = reading.resumed.updates_before(record.position)
    return LrPoint(record.metrics[name], record.step, record.epoch, before=before, perhaps=perhaps)


def judged(
    schedule: CompiledSchedule, given: Mapping[str, Any], tracker: TrackerState, points: LrPoints
) -> list[tuple[float | None, bool | None, tuple[int, Reading, LrPoint]]]:
    """Return for each point the LR expected under the convention, and whether it is on schedule (None: not known)."""
    convention = convention_of(given)
    level = tracker.epochs.level
    expected, impossible = expected_lrs(schedule, convention, [point for _, _, point in points], level)
    values = np.array([point.lr for _, _, point in points])
    halves = tracker.prints.format().half_widths(np.nan_to_num(values), tracker.peak, np.nan_to_num(expected))
    on = np.abs(values - expected) <= halves
    shows = mixed(tracker.series) if not on.all() else False
    found: list[tuple[float | None, bool | None, tuple[int, Reading, LrPoint]]] = []
    for index, entry in enumerate(points):
        if impossible[index]:
            found.append((None, False, entry))
        elif np.isnan(expected[index]):
            found.append((None, None, entry))
        elif on[index] or not _by_its_digits(tracker, entry[2], float(expected[index])):
            found.append((float(expected[index]), bool(on[index]), entry))
        else:  # right, where the log is known to print so; else there is no telling
            found.append((float(expected[index]), True if shows else None, entry))
    return found


def _by_its_digits(tracker: TrackerState, point: LrPoint, expected: float) -> bool:
    return OwnPrint(read_print(point.lr, point.text), tracker.prints, tracker.peak).ways(expected) != NEVER


def same_format(before: TrackerState, after: TrackerState) -> bool:
    """Say whether the prints' format stayed what it was, as far as it matters."""
    if before.prints is after.prints:
        return True
    one, other = before.prints.format(), after.prints.format()
    return one == other or one.style == other.style == "full"
