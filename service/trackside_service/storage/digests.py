"""Which channels are due a digest, and its delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import sqlalchemy as sa

from trackside_service.domain.digests import DAY, EVENT, Digest, next_digest
from trackside_service.domain.routing import Route
from trackside_service.storage import channels as channel_queries
from trackside_service.storage.notices import announce
from trackside_service.storage.tables import channels, deliveries


@dataclass(frozen=True, slots=True)
class DueDigest:
    """A channel whose digest is due since `due_at`, about what happened `since` the one before."""

    channel_id: UUID
    route: Route
    at: str
    due_at: datetime
    since: datetime


def due(connection: sa.Connection, now: datetime) -> list[DueDigest]:
    """Return the enabled channels whose digest is due."""
    rows = connection.execute(
        sa.select(channels.c.channel_id, channels.c.digest_at, channels.c.digest_due_at, channels.c.digested_at)
        .where(channels.c.digest_due_at <= now, channels.c.disabled_reason.is_(None))
        .order_by(channels.c.digest_due_at, channels.c.channel_id)
    ).all()
    return [
        DueDigest(
            row.channel_id,
            channel_queries.get(connection, row.channel_id).route,
            row.digest_at,
            row.digest_due_at,
            row.digested_at or row.digest_due_at - DAY,
        )
        for row in rows
    ]


def write(connection: sa.Connection, one: DueDigest, digest: Digest, now: datetime) -> bool:
    """Write a channel's digest, unless it is empty, and when the next one is due. False where another process did, or
    the channel was changed meanwhile.
    """
    mine = connection.execute(
        channels.update()
        .where(channels.c.channel_id == one.channel_id, channels.c.digest_due_at == one.due_at)
        .values(digest_due_at=next_digest(one.at, now), digested_at=digest.until)
    ).rowcount
    if not mine:
        return False
    if not digest.is_empty:
        connection.execute(
            deliveries.insert().values(
                delivery_id=uuid4(),
                channel_id=one.channel_id,
                event=EVENT,
                snapshot={"digest": digest.as_wire()},
                status="pending",
                attempts=0,
                due_at=now,
                created_at=now,
            )
        )
        announce(connection)
    return True
