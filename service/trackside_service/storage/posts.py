"""What a post of records writes each time: where lives and metrics stand now, the values, and the run's row.

On Postgres it is one statement. Its parts touch rows of one run, each table's once, and wait for no result of another,
so that the way to the server and back is paid once and not four times. On SQLite there is no such way, and each part
is a statement of its own; so it is on a distributed Postgres (`APART`), which need not plan them as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.cadence import Watch
from trackside_service.domain.findings import Health
from trackside_service.domain.lives import Progress, dump
from trackside_service.storage import metrics, points
from trackside_service.storage.engine import APART, is_sqlite, to_json
from trackside_service.storage.metrics import Metric
from trackside_service.storage.points import Row
from trackside_service.storage.types import array_of, sqlite_time


@dataclass(frozen=True, slots=True)
class RunRow:
    """What a post changes of its run's row."""

    next_ordinal: int
    version: int
    health: Health
    last_seen_at: datetime
    watch: Watch


_LIFE: Final = "UPDATE process_lives SET progress = {one} WHERE run_id = {one} AND number = {one}"
_POSTGRES_LIVES: Final = (
    "UPDATE process_lives SET progress = moved.progress::json "
    "FROM unnest(%s::smallint[], %s::text[]) AS moved (number, progress) "
    "WHERE process_lives.run_id = %s AND process_lives.number = moved.number"
)
_RUN: Final = (
    "next_ordinal",
    "version",
    "health",
    "posts",
    "longest_pause_s",
    "silence_limit_s",
    "last_seen_at",
    "deadline_at",
)
_ROW: Final = f"UPDATE runs SET {', '.join(f'{name} = {{one}}' for name in _RUN)} WHERE run_id = {{one}}"  # noqa: S608
_SQLITE_LIFE, _SQLITE_ROW = _LIFE.format(one="?"), _ROW.format(one="?")
_POSTGRES_LIFE, _POSTGRES_ROW = _LIFE.format(one="%s"), _ROW.format(one="%s")
# A part of the statement that changes nothing costs next to nothing, and the server plans the one statement once.
_POSTGRES: Final = (
    f"WITH lived AS ({_POSTGRES_LIVES}), measured AS ({metrics.POSTGRES_SAVE}), "
    f"pointed AS ({points.POSTGRES_INSERT}) {_POSTGRES_ROW}"
)


def write(
    connection: sa.Connection,
    run_id: UUID,
    run: RunRow,
    *,
    moved: Sequence[Progress],
    changed: Sequence[Metric],
    rows: Sequence[Row],
) -> None:
    """Write what a post changes. `moved` lives are stored already."""
    watch, sqlite = run.watch, is_sqlite(connection)
    key = run_id.hex if sqlite else run_id
    seen, deadline = run.last_seen_at, watch.deadline_at
    row = (
        run.next_ordinal,
        run.version,
        run.health,
        watch.cadence.posts,
        watch.cadence.longest_s,
        watch.limit_s,
        sqlite_time(seen) if sqlite else seen,
        sqlite_time(deadline) if sqlite else deadline,
        key,
    )
    progress = [to_json(dump(one)) for one in moved]
    if sqlite or connection.get_execution_options().get(APART, False):
        for text, one in zip(progress, moved, strict=True):
            connection.exec_driver_sql(_SQLITE_LIFE if sqlite else _POSTGRES_LIFE, (text, key, one.number))
        metrics.save(connection, run_id, changed)
        points.insert(connection, run_id, rows)
        connection.exec_driver_sql(_SQLITE_ROW if sqlite else _POSTGRES_ROW, row)
    elif not rows and not moved:
        connection.exec_driver_sql(_POSTGRES_ROW, row)
    else:
        numbers, progress_of = array_of(one.number for one in moved), array_of(progress)
        of_metrics, of_points = metrics.postgres_arrays(run_id, changed), points.postgres_arrays(run_id, rows)
        connection.exec_driver_sql(_POSTGRES, (numbers, progress_of, run_id, *of_metrics, *of_points, *row))
