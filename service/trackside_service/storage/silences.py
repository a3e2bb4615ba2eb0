"""Queries on `silences`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.silences import FIELDS, Matchers, Silence
from trackside_service.errors import SilenceNotFoundError
from trackside_service.storage.tables import silences

_TICK: Final = timedelta(microseconds=1)


def insert(connection: sa.Connection, silence: Silence) -> Silence:
    """Store a silence, and return it as it is stored: where another ends at the very moment, a microsecond later. When
    it ends is what an alert knows of the silence that keeps its news back, and tells it from those that go on.
    """
    near = sa.select(silences.c.until).where(
        silences.c.until >= silence.until, silences.c.until < silence.until + timedelta(seconds=1)
    )
    taken = set(connection.scalars(near))
    while silence.until in taken:
        silence = replace(silence, until=silence.until + _TICK)
    connection.execute(
        sa.insert(silences).values(
            silence_id=silence.id,
            matchers={name: list(given) for name in FIELDS if (given := getattr(silence.matchers, name))},
            until=silence.until,
            created_at=silence.created_at,
            created_by=silence.by,
            note=silence.note,
        )
    )
    return silence


def get(connection: sa.Connection, silence_id: UUID) -> Silence:
    """Return a silence. Raises `SilenceNotFoundError`."""
    row = connection.execute(sa.select(silences).where(silences.c.silence_id == silence_id)).one_or_none()
    if row is None:
        raise SilenceNotFoundError(f"no silence has the id {silence_id}")
    return _silence(row)


def active(connection: sa.Connection, now: datetime, *, hold: bool = False) -> list[Silence]:
    """Return the silences that are active at `now`. `hold`: they stay so to the end of the transaction, which has to be
    a writing one.
    """
    query = sa.select(silences).where(silences.c.until > now).order_by(silences.c.silence_id)
    if hold:
        query = query.with_for_update(read=True)
    return [_silence(row) for row in connection.execute(query)]


def page(
    connection: sa.Connection,
    *,
    now: datetime,
    expired: bool | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Silence]:
    """Return silences, the latest made first: all, or only those that have `expired` or have not. `after` is
    (created_at, id) of the last one of the page before.
    """
    query = sa.select(silences)
    if expired is not None:
        query = query.where(silences.c.until <= now if expired else silences.c.until > now)
    if after is not None:
        place = sa.tuple_(silences.c.created_at, silences.c.silence_id)
        time, last = silences.c.created_at.type, silences.c.silence_id.type
        query = query.where(place < sa.tuple_(sa.literal(after[0], time), sa.literal(after[1], last)))
    query = query.order_by(silences.c.created_at.desc(), silences.c.silence_id.desc()).limit(limit)
    return [_silence(row) for row in connection.execute(query)]


def expire(connection: sa.Connection, silence_id: UUID, now: datetime) -> None:
    """Let a silence end now; one that has expired stays as it is. Raises `SilenceNotFoundError`.

    What it kept back is due from then on (`alerts.due`). Who withholds news under it at this moment holds it, and has
    committed before this is.
    """
    get(connection, silence_id)
    connection.execute(
        sa.update(silences).where(silences.c.silence_id == silence_id, silences.c.until > now).values(until=now)
    )


def _silence(row: sa.Row[Any]) -> Silence:
    return Silence(
        id=row.silence_id,
        matchers=Matchers(**{name: tuple(values) for name, values in row.matchers.items()}),
        until=row.until,
        created_at=row.created_at,
        by=row.created_by,
        note=row.note,
    )
