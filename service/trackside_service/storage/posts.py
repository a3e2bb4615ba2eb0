"""What a post of records writes each time: where lives and metrics stand now, the values, and the run's row.

On Postgres it is one statement. Its parts touch rows of one run, each table's once, and wait for no result of another,
so that the way to the server and back is paid once and not four times. On SQLite there is no such way, and each part
is a statement of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.cadence import Watch
from trackside_service.domain.findings import Health
from trackside_service.domain.lives import Progress, dump
from trackside_service.storage import metrics, points
from trackside_service.storage.engine import is_sqlite, to_json
from trackside_service.storage.metrics import Metric
from trackside_service.storage.points import Row
from trackside_service.storage.types import sqlite_time


@dataclass(frozen=True, slots=True)
class RunRow:
    """What a post changes of its run's row."""

    next_ordinal: int
    version: int
    health: Health
    last_seen_at: datetime
    watch: Watch


_SQLITE_LIFE: Final = "UPDATE process_lives SET progress = ? WHERE run_id = ? AND number = ?"
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
_SQLITE_RUN: Final = f"UPDATE runs SET {', '.join(f'{name} = ?' for name in _RUN)} WHERE run_id = ?"  # noqa: S608
_POSTGRES_RUN: Final = f"UPDATE runs SET {', '.join(f'{name} = %s' for name in _RUN)} WHERE run_id = %s"  # noqa: S608
# A part of the statement that changes nothing costs next to nothing, and the server plans the one statement once.
_POSTGRES: Final = (
    f"WITH lived AS ({_POSTGRES_LIVES}), measured AS ({metrics.POSTGRES_SAVE}), "
    f"pointed AS ({points.POSTGRES_INSERT}) {_POSTGRES_RUN}"
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
    watch = run.watch
    plain = (
        run.next_ordinal,
        run.version,
        run.health,
        watch.cadence.posts,
        watch.cadence.longest_s,
        watch.limit_s,
    )
    if not is_sqlite(connection):
        of_run = (*plain, run.last_seen_at, watch.deadline_at, run_id)
        if not rows and not moved:
            connection.exec_driver_sql(_POSTGRES_RUN, of_run)
            return
        numbers, progress = [one.number for one in moved], [to_json(dump(one)) for one in moved]
        of_points, of_metrics = points.postgres_arrays(run_id, rows), metrics.postgres_arrays(run_id, changed)
        connection.exec_driver_sql(_POSTGRES, (numbers, progress, run_id, *of_metrics, *of_points, *of_run))
        return
    key = run_id.hex
    for one in moved:
        connection.exec_driver_sql(_SQLITE_LIFE, (to_json(dump(one)), key, one.number))
    metrics.save(connection, run_id, changed)
    points.insert(connection, run_id, rows)
    times: tuple[Any, ...] = (sqlite_time(run.last_seen_at), sqlite_time(watch.deadline_at))
    connection.exec_driver_sql(_SQLITE_RUN, (*plain, *times, key))
