"""Queries on `runs`: a run's declaration, where it stands, and the lock under which everything of a run is written."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from trackside_service.domain.cadence import Cadence, Watch
from trackside_service.domain.declarations import parse_rules, parse_run
from trackside_service.domain.declared import declared, declared_rules
from trackside_service.domain.findings import Health
from trackside_service.domain.runs import RuleSetting, Run, RunSpec, RunStatus
from trackside_service.storage.engine import is_sqlite
from trackside_service.storage.tables import runs

Sort: TypeAlias = Literal["created_at", "last_seen_at", "name"]
SORTS: Final[tuple[Sort, ...]] = ("created_at", "last_seen_at", "name")


@dataclass(frozen=True, slots=True)
class Locked:
    """A run's row under its lock, without the declaration (see `get`)."""

    run_id: UUID
    status: RunStatus
    health: Health
    next_ordinal: int
    version: int
    last_seen_at: datetime
    watch: Watch


@dataclass(frozen=True, slots=True)
class Overdue:
    """A run at which it is time to look. `deadline_at` and its id order it among the others."""

    run_id: UUID
    deadline_at: datetime
    last_seen_at: datetime
    limit_s: float


_LOCK: Final = (
    sa.select(
        runs.c.status,
        runs.c.health,
        runs.c.next_ordinal,
        runs.c.version,
        runs.c.last_seen_at,
        runs.c.posts,
        runs.c.longest_pause_s,
        runs.c.silence_limit_s,
        runs.c.deadline_at,
    )
    .where(runs.c.run_id == sa.bindparam("run_id"))
    .with_for_update()
)


def new_version() -> int:
    """Draw a version: 62 random bits."""
    return secrets.randbits(62)


def insert(
    connection: sa.Connection,
    run_id: UUID,
    spec: RunSpec,
    *,
    now: datetime,
    project_rules: Mapping[str, RuleSetting] | None = None,
) -> bool:
    """Store a new run, running and healthy, under its project's settings of the rules. Return False where the id is
    taken already.
    """
    values = {
        "run_id": run_id,
        "project": spec.project,
        "name": spec.name,
        "status": "running",
        "health": "ok",
        "declaration": declared(spec),
        "project_rules": declared_rules(project_rules) if project_rules else None,
        "created_at": now,
        "last_seen_at": now,
        "next_ordinal": 0,
        "version": new_version(),
    }
    # Beside a racing PUT this waits for its commit and then finds the id taken.
    statement: Any = sqlite.insert(runs) if is_sqlite(connection) else postgresql.insert(runs)
    statement = statement.values(values).on_conflict_do_nothing(index_elements=["run_id"]).returning(runs.c.run_id)
    return connection.execute(statement).one_or_none() is not None


def lock(connection: sa.Connection, run_id: UUID) -> Locked | None:
    """Lock a run's row to the end of the transaction (on SQLite the whole database is, from its beginning)."""
    row = connection.execute(_LOCK, {"run_id": run_id}).one_or_none()
    if row is None:
        return None
    status, health, next_ordinal, version, last_seen_at, posts, longest_s, limit_s, deadline_at = row
    watch = Watch(Cadence(posts, longest_s), limit_s, deadline_at)
    return Locked(run_id, status, health, next_ordinal, version, last_seen_at, watch)


def get(connection: sa.Connection, run_id: UUID) -> Run | None:
    """Return a run."""
    row = connection.execute(sa.select(runs).where(runs.c.run_id == run_id)).one_or_none()
    return None if row is None else _run(row)


def told_apart(connection: sa.Connection, run_ids: Collection[UUID]) -> dict[UUID, RunSpec]:
    """Return of each run's declaration what runs are told apart by: project, name and tags. The rest is not read: it
    may hold a schedule of a million values.
    """
    query = sa.select(runs.c.run_id, runs.c.project, runs.c.name, runs.c.declaration["tags"].label("tags"))
    found = connection.execute(query.where(runs.c.run_id.in_(run_ids)))
    return {row.run_id: RunSpec(row.project, row.name, tags=tuple(row.tags or ())) for row in found}


def version(connection: sa.Connection, run_id: UUID) -> tuple[int, datetime, float | None] | None:
    """Return the version of a run's row, and what of a run may change without it: when it was last seen, and for how
    long it may be silent.
    """
    query = sa.select(runs.c.version, runs.c.last_seen_at, runs.c.silence_limit_s).where(runs.c.run_id == run_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.version, row.last_seen_at, row.silence_limit_s)


def watch_values(watch: Watch) -> dict[str, Any]:
    """Return the columns that hold how a run is waited for."""
    return {
        "posts": watch.cadence.posts,
        "longest_pause_s": watch.cadence.longest_s,
        "silence_limit_s": watch.limit_s,
        "deadline_at": watch.deadline_at,
    }


def overdue(
    connection: sa.Connection, now: datetime, *, after: Overdue | None = None, limit: int = 200
) -> list[Overdue]:
    """Return the runs whose deadline has come, the earliest first; `after` is the last one of the page before."""
    query = sa.select(runs.c.run_id, runs.c.deadline_at, runs.c.last_seen_at, runs.c.silence_limit_s)
    query = query.where(runs.c.deadline_at <= now, runs.c.status == "running", runs.c.silence_limit_s.is_not(None))
    if after is not None:
        place = sa.tuple_(runs.c.deadline_at, runs.c.run_id)
        last = sa.tuple_(
            sa.literal(after.deadline_at, runs.c.deadline_at.type), sa.literal(after.run_id, runs.c.run_id.type)
        )
        query = query.where(place > last)
    query = query.order_by(runs.c.deadline_at, runs.c.run_id).limit(limit)
    return [Overdue(*row) for row in connection.execute(query)]


def update(connection: sa.Connection, run_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a run; its version is drawn anew unless given."""
    connection.execute(sa.update(runs).where(runs.c.run_id == run_id).values({"version": new_version(), **values}))


def declare(connection: sa.Connection, run_id: UUID, spec: RunSpec) -> None:
    """Replace a run's declaration."""
    update(connection, run_id, {"name": spec.name, "declaration": declared(spec)})


def page(
    connection: sa.Connection,
    *,
    project: str | None = None,
    name: str | None = None,
    run_ids: Sequence[UUID] | None = None,
    status: Sequence[RunStatus] | None = None,
    health: Sequence[Health] | None = None,
    sort: Sort = "created_at",
    descending: bool = True,
    after: tuple[Any, UUID] | None = None,
    limit: int = 50,
) -> list[Run]:
    """Return runs in order. `after` is (value of the sort column, run_id) of the last run of the page before."""
    column = runs.c[sort]
    query = sa.select(runs)
    if project is not None:
        query = query.where(runs.c.project == project)
    if name is not None:
        query = query.where(runs.c.name == name)
    if run_ids is not None:
        query = query.where(runs.c.run_id.in_(run_ids))
    if status is not None:
        query = query.where(runs.c.status.in_(status))
    if health is not None:
        query = query.where(runs.c.health.in_(health))
    if after is not None:
        place = sa.tuple_(column, runs.c.run_id)
        last = sa.tuple_(sa.literal(after[0], column.type), sa.literal(after[1], runs.c.run_id.type))
        query = query.where(place < last if descending else place > last)
    order = (column.desc(), runs.c.run_id.desc()) if descending else (column.asc(), runs.c.run_id.asc())
    return [_run(row) for row in connection.execute(query.order_by(*order).limit(limit))]


def count_by_status(connection: sa.Connection) -> dict[str, int]:
    """Count the runs of each status."""
    query = sa.select(runs.c.status, sa.func.count()).group_by(runs.c.status)
    return {row[0]: row[1] for row in connection.execute(query)}


def _run(row: sa.Row[Any]) -> Run:
    return Run(
        id=row.run_id,
        spec=parse_run(row.declaration),
        status=cast(RunStatus, row.status),
        created_at=row.created_at,
        reason=row.reason,
        ended_at=row.ended_at,
        last_seen_at=row.last_seen_at,
        health=cast(Health, row.health),
        project_rules={} if row.project_rules is None else parse_rules(row.project_rules),
        silence_limit_s=row.silence_limit_s,
    )
