"""Queries on `process_lives`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.lives import Progress, dump, load
from trackside_service.domain.runs import ProcessLife
from trackside_service.storage.tables import process_lives as lives


@dataclass(frozen=True, slots=True)
class StoredLife:
    """A life with its progress. `declaration` is what held for it, where a later life declared the run anew."""

    life: ProcessLife
    progress: Progress
    declaration: Mapping[str, Any] | None = None


def of_run(connection: sa.Connection, run_id: UUID) -> list[StoredLife]:
    """Return a run's lives, the first first."""
    query = sa.select(lives).where(lives.c.run_id == run_id).order_by(lives.c.number)
    return [_stored(row) for row in connection.execute(query)]


def of_process(connection: sa.Connection, run_id: UUID, process: str | None) -> StoredLife | None:
    """Return the life of a process; for None the latest of those without a name."""
    named = lives.c.process.is_(None) if process is None else lives.c.process == process
    query = sa.select(lives).where(lives.c.run_id == run_id, named).order_by(lives.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _stored(row)


def latest_resume(stored: Sequence[StoredLife]) -> int:
    """Return the number of the latest life of a process with a name that has reported; -1 where there is none."""
    return max((one.life.number for one in stored if one.life.process is not None and one.progress.started), default=-1)


def counted_anew(connection: sa.Connection, run_id: UUID) -> list[int]:
    """Return the numbers of the lives whose counters began again."""
    resumed = [one for one in of_run(connection, run_id) if one.life.resumed_from_step is not None]
    return [one.life.number for one in resumed if one.progress.resumed is not None and one.progress.resumed.anew]


def next_number(connection: sa.Connection, run_id: UUID) -> int:
    """Return the number that the run's next life gets."""
    highest = connection.scalar(sa.select(sa.func.max(lives.c.number)).where(lives.c.run_id == run_id))
    return 0 if highest is None else highest + 1


def insert(connection: sa.Connection, run_id: UUID, life: ProcessLife, progress: Progress) -> None:
    """Store a new life."""
    connection.execute(
        sa.insert(lives),
        {
            "run_id": run_id,
            "number": life.number,
            "process": life.process,
            "resumed_from_step": life.resumed_from_step,
            "started_at": life.started_at,
            "progress": dump(progress),
        },
    )


def note_lost(connection: sa.Connection, run_id: UUID, process: str, lost: int) -> bool:
    """Note how many records a process lost in all; the highest count holds. False where the process is not known."""
    one = lives.c.run_id == run_id, lives.c.process == process
    higher = sa.case((lives.c.lost < lost, lost), else_=lives.c.lost)
    return connection.execute(sa.update(lives).where(*one).values(lost=higher)).rowcount > 0


def lost(connection: sa.Connection, run_id: UUID) -> int:
    """Return how many records the processes of a run have lost, as far as they came to say so."""
    return int(connection.scalar(sa.select(sa.func.sum(lives.c.lost)).where(lives.c.run_id == run_id)) or 0)


def keep_declaration(connection: sa.Connection, run_id: UUID, declaration: Mapping[str, Any]) -> None:
    """Write down what held for the lives so far, before the run is declared anew."""
    earlier = sa.update(lives).where(lives.c.run_id == run_id, lives.c.declaration.is_(None))
    connection.execute(earlier.values(declaration=dict(declaration)))


def first_of_declaration(connection: sa.Connection, run_id: UUID) -> int:
    """Return the number of the first life under the run's present declaration (the next one's, where there is none)."""
    query = sa.select(sa.func.min(lives.c.number)).where(lives.c.run_id == run_id, lives.c.declaration.is_(None))
    first = connection.scalar(query)
    return next_number(connection, run_id) if first is None else first


def _stored(row: sa.Row[Any]) -> StoredLife:
    life = ProcessLife(row.number, row.process, row.started_at, row.resumed_from_step, row.lost)
    return StoredLife(life, load(row.progress), row.declaration)
