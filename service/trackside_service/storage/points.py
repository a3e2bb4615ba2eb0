"""Queries on `points`: the values that were reported, in arrival order.

An ordinal counts the records of a run without gaps, so a stretch of history is a range of ordinals: every page and
every step of a stream is one short range of the primary key, however long the run is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.numbers import join, split
from trackside_service.storage.engine import is_sqlite
from trackside_service.storage.tables import metrics, points, runs
from trackside_service.storage.types import arrays_of, sqlite_time

WINDOW: Final = 20_000  # values that a stream reads at a time


class Row(NamedTuple):
    """One value to store."""

    metric_id: int
    ordinal: int
    life: int
    step: int | None
    epoch: float | None
    time: datetime | None
    value: float
    by_place: bool
    behind: bool


class Point(NamedTuple):
    """One stored value."""

    metric: str
    ordinal: int
    life: int
    step: int | None
    epoch: float | None
    time: datetime | None
    value: float


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record put together again from its values."""

    ordinal: int
    life: int
    step: int | None
    epoch: float | None
    time: datetime | None
    behind: bool
    metrics: Mapping[str, float] = field(default_factory=dict)


SQLITE_INSERT: Final = (
    "INSERT INTO points (run_id, metric_id, ordinal, life, step, epoch, time, value, kind, by_place, behind) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# One statement with one array a column: a statement a row is ten times slower.
POSTGRES_INSERT: Final = (
    "INSERT INTO points (run_id, metric_id, ordinal, life, step, epoch, time, value, kind, by_place, behind) "
    "SELECT %s::uuid, * FROM unnest(%s::int[], %s::bigint[], %s::smallint[], %s::bigint[], %s::double precision[], "
    "%s::timestamptz[], %s::double precision[], %s::text[], %s::boolean[], %s::boolean[])"
)


def insert(connection: sa.Connection, run_id: UUID, rows: Sequence[Row]) -> None:
    """Store values."""
    if not rows:
        return
    if is_sqlite(connection):
        connection.exec_driver_sql(SQLITE_INSERT, sqlite_rows(run_id, rows))
    else:
        connection.exec_driver_sql(POSTGRES_INSERT, postgres_arrays(run_id, rows))


def sqlite_rows(run_id: UUID, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Return the parameters of `SQLITE_INSERT`."""
    key = run_id.hex
    return [
        (key, *row[:5], sqlite_time(row.time), *split(row.value), row.by_place, row.behind)  # in the columns' order
        for row in rows
    ]


def postgres_arrays(run_id: UUID, rows: Sequence[Row]) -> tuple[Any, ...]:
    """Return the parameters of `POSTGRES_INSERT`."""
    stored = [(*row[:6], *split(row.value), row.by_place, row.behind) for row in rows]
    return (run_id, *arrays_of(stored, POSTGRES_INSERT.count("[]")))


def series(
    connection: sa.Connection,
    run_id: UUID,
    names: Sequence[str] | None = None,
    *,
    start: int = 0,
    stop: int | None = None,
    window: int = WINDOW,
) -> Iterator[Point]:
    """Yield the values of the named metrics (all, if None) in arrival order, from ordinal `start` to before `stop`.

    Reads about `window` values at a time, so that memory does not grow with the run. Unknown names yield nothing.
    """
    known = _names(connection, run_id, names)
    rows = _stream(connection, run_id, known, start=start, stop=stop, window=window)
    for metric_id, ordinal, life, step, epoch, time, value, kind, _ in rows:
        yield Point(known[metric_id], ordinal, life, step, epoch, time, join(value, kind))


def records(
    connection: sa.Connection,
    run_id: UUID,
    *,
    start: int = 0,
    stop: int | None = None,
    first_life: int = 0,
    window: int = WINDOW,
) -> Iterator[StoredRecord]:
    """Yield the records of a run in arrival order, put together again; those of lives before `first_life` left out."""
    known = _names(connection, run_id, None)
    values: dict[str, float] = {}
    last: Any = None
    for row in _stream(connection, run_id, known, start=start, stop=stop, window=window):
        if row.life < first_life:
            continue
        if last is not None and row.ordinal != last.ordinal:
            yield _together(last, values)
            values = {}
        values[known[row.metric_id]] = join(row.value, row.kind)
        last = row
    if last is not None:
        yield _together(last, values)


def page(connection: sa.Connection, run_id: UUID, *, after: int | None = None, limit: int = 100) -> list[StoredRecord]:
    """Return the next `limit` records after the ordinal `after` (from the first, if None)."""
    start = 0 if after is None else after + 1
    return list(records(connection, run_id, start=start, stop=start + limit))


def _names(connection: sa.Connection, run_id: UUID, names: Sequence[str] | None) -> dict[int, str]:
    query = sa.select(metrics.c.metric_id, metrics.c.name).where(metrics.c.run_id == run_id)
    if names is not None:
        query = query.where(metrics.c.name.in_(names))
    return {row.metric_id: row.name for row in connection.execute(query)}


def _together(row: Any, values: Mapping[str, float]) -> StoredRecord:
    return StoredRecord(row.ordinal, row.life, row.step, row.epoch, row.time, row.behind, values)


def _stream(
    connection: sa.Connection, run_id: UUID, known: Mapping[int, str], *, start: int, stop: int | None, window: int
) -> Iterator[Any]:
    """Yield rows by ordinal and metric. A step of it is a range of ordinals, read as one short range of the primary key
    for each metric; it grows until it yields about `window` rows, since metrics may be reported one a record.
    """
    if not known:
        return
    end = connection.scalar(sa.select(runs.c.next_ordinal).where(runs.c.run_id == run_id)) or 0
    end = end if stop is None else min(end, stop)
    columns = (points.c.metric_id, *(points.c[name] for name in Point._fields[1:]), points.c.kind, points.c.behind)
    limit = 2 * max(window, len(known))  # holds at least one whole record
    query = (
        sa.select(*columns)
        .where(points.c.run_id == run_id, points.c.metric_id.in_(list(known)))
        .where(points.c.ordinal >= sa.bindparam("low"), points.c.ordinal < sa.bindparam("high"))
        .order_by(points.c.ordinal, points.c.metric_id)
        .limit(limit)
    )
    low, step = start, max(1, window // len(known))
    while low < end:
        high = min(low + step, end)
        rows = connection.execute(query, {"low": low, "high": high}).all()
        if len(rows) == limit:  # denser than before: the last record may have been cut
            high = rows[-1].ordinal
            step = max(1, step // 2)
            rows = [row for row in rows if row.ordinal < high]
        elif len(rows) * 2 <= window:
            step *= 2
        yield from rows
        low = high
