"""Takes the records of one post to their places: what is stored, what the rules see, and where the lives stand then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan
from typing import Final

import sqlalchemy as sa

from trackside_service.detection import reading_of
from trackside_service.domain.declarations import with_canonical_names
from trackside_service.domain.lives import (
    MAX_LIVES,
    Placement,
    Progress,
    Seen,
    first_life,
    is_by_place,
    may_be_known,
    place,
)
from trackside_service.domain.place_memory import PlaceMemory
from trackside_service.domain.records import Position, Record
from trackside_service.errors import InvalidInputError
from trackside_service.monitor.memory import Known
from trackside_service.rules.base import Reading
from trackside_service.storage import lives
from trackside_service.storage.metrics import Metric
from trackside_service.storage.places import ANYTHING, NAME, NOT_THERE, VALUE, Asked, at_places
from trackside_service.storage.points import Row

MAX_METRICS: Final = 10_000  # of one run: a name made of a counter would otherwise fill the memory


@dataclass(slots=True)
class Placed:
    """The records of a post, placed. `opened` and `moved` are lives that are new or stand elsewhere now, by number;
    `resume` is as `Known` has it.
    """

    next_ordinal: int
    next_life: int
    resume: int
    metrics: dict[str, Metric]
    lives: dict[str | None, Progress]
    duplicates: int = 0
    readings: list[Reading] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    changed: dict[str, Metric] = field(default_factory=dict)
    opened: dict[int, Progress] = field(default_factory=dict)
    moved: dict[int, Progress] = field(default_factory=dict)


class _Places:
    """What was stored by place: the database's, and of this post what is not stored yet.

    The database is asked once, about all records of the post, and only where one of them may be known.
    """

    def __init__(self, connection: sa.Connection, known: Known, progress: Progress | None, records: Sequence[Record]):
        self._connection, self._known, self._progress = connection, known, progress
        self._records = records
        self._stored: dict[Asked, int] | None = None
        self.memory = PlaceMemory()

    def seen(self, position: Position, life: int | None, metrics: Mapping[str, float]) -> Seen:
        """See `domain.lives.Places`."""
        here = self.memory.seen(position, life, metrics)
        if self._progress is None or not may_be_known(self._progress, position):
            return here
        if self._stored is None:
            self._stored = self._ask(self._progress, life)
        found = {
            name: self._stored.get(self._asked(position, name, value), NOT_THERE) for name, value in metrics.items()
        }
        return Seen(
            same=here.same | {name for name, level in found.items() if level == VALUE},
            names=here.names | {name for name, level in found.items() if level >= NAME},
            anything=here.anything or any(level >= ANYTHING for level in found.values()),
        )

    def _ask(self, progress: Progress, life: int | None) -> dict[Asked, int]:
        asked = {
            self._asked(record.position, name, value)
            for record in self._records
            if is_by_place(progress, record) and may_be_known(progress, record.position)
            for name, value in record.metrics.items()
        }
        return at_places(self._connection, self._known.run.id, life, asked)

    def _asked(self, position: Position, name: str, value: float) -> Asked:
        metric = self._known.metrics.get(name)
        # NaN is equal to nothing, so one NaN stands for all.
        return Asked(position, None if metric is None else metric.metric_id, _NAN if isnan(value) else value)


_NAN: Final = nan


def begun(known: Known, next_ordinal: int) -> Placed:
    """Return where a post begins, before any record of it."""
    return Placed(next_ordinal, known.next_life, known.resume, dict(known.metrics), dict(known.lives))


def place_all(
    connection: sa.Connection, known: Known, process: str | None, records: Sequence[Record], *, next_ordinal: int
) -> Placed:
    """Place `records`, which `process` reported, in their order. Writes nothing.

    Raises `InvalidInputError` where the run would get too many metrics, or lives.
    """
    placed = begun(known, next_ordinal)
    if records and process not in placed.lives:
        stored = lives.of_process(connection, known.run.id, process)
        if stored is not None:
            placed.lives[process] = stored.progress
    spec = known.run.spec
    records = [with_canonical_names(record, spec.metric_names) for record in records]
    places = _Places(connection, known, placed.lives.get(process), records)
    for record in records:
        progress = placed.lives.get(process)
        if progress is None:
            progress = _open(placed, first_life(process, new_number(placed.next_life)))
        placement = place(progress, record, places, steps_per_epoch=spec.steps_per_epoch, next_number=placed.next_life)
        if placement.is_duplicate:
            placed.duplicates += 1
            continue
        if placement.opens_life:
            _open(placed, placement.progress)
        _add(placed, record, placement)
        placed.lives[process] = placement.progress
        placed.moved[placement.progress.number] = placement.progress
        places.memory.add(record.position, placement)
    return placed


def new_number(number: int) -> int:
    """Return the number of a new process life. Raises `InvalidInputError` where the run has too many."""
    if number >= MAX_LIVES:
        raise InvalidInputError(
            f"a run has at most {MAX_LIVES} process lives; a process names itself once, and not anew in every post"
        )
    return number


def _open(placed: Placed, progress: Progress) -> Progress:
    placed.opened[progress.number] = progress
    placed.next_life = progress.number + 1
    return progress


def _add(placed: Placed, record: Record, placement: Placement) -> None:
    ordinal, life = placed.next_ordinal, placement.progress.number
    placed.next_ordinal += 1
    # What an earlier process left in its spool is stored, and says nothing about the one that took over from it.
    named = placement.progress.process is not None
    superseded = named and life < placed.resume
    if superseded:
        placement = replace(placement, behind=True)
    elif named:
        placed.resume = life
    for name, value in placement.metrics.items():
        metric = _counted(placed, name, ordinal, record, value, behind=placement.behind)
        placed.rows.append(
            Row(
                metric.metric_id,
                ordinal,
                life,
                record.step,
                record.epoch,
                record.time,
                value,
                placement.by_place,
                placement.behind,
            )
        )
    placed.readings.append(reading_of(record, placement, ordinal, superseded=superseded))


def _counted(placed: Placed, name: str, ordinal: int, record: Record, value: float, *, behind: bool) -> Metric:
    old = placed.metrics.get(name)
    if old is None:
        if len(placed.metrics) >= MAX_METRICS:
            raise InvalidInputError(f"a run has at most {MAX_METRICS} metrics; a name must not hold a counter")
        metric = Metric(len(placed.metrics), name, 1, ordinal, record.step, record.epoch, value)
    elif behind:
        metric = replace(old, points=old.points + 1, ordered=False)
    else:
        ordered = old.ordered and _ahead(old, record)
        metric = Metric(old.metric_id, name, old.points + 1, ordinal, record.step, record.epoch, value, ordered)
    placed.metrics[name] = placed.changed[name] = metric
    return metric


def _ahead(old: Metric, record: Record) -> bool:
    if old.step is not None or record.step is not None:
        return old.step is not None and record.step is not None and record.step > old.step
    return old.epoch is not None and record.epoch is not None and record.epoch > old.epoch
