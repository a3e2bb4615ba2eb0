"""Turns at a channel: where its messages are grouped or its rate is limited, couriers take it one after the other.

A turn is the lock of the channel's row until the transaction ends. Where another courier has it there is none, and
nobody waits: new deliveries, which only refer to the row, go on being written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from trackside_service.storage.tables import channels


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to send to a channel now. `told_at` is when the last message of a group left."""

    channel_id: UUID
    now: datetime
    told_at: datetime | None


def take(connection: sa.Connection, channel_id: UUID, now: datetime) -> Turn | None:
    """Return the turn at a channel; None where it is another's, or nothing may be sent there (yet)."""
    row = connection.execute(
        sa.select(channels.c.told_at)
        .where(
            channels.c.channel_id == channel_id,
            channels.c.disabled_reason.is_(None),
            sa.or_(channels.c.ready_at.is_(None), channels.c.ready_at <= now),
        )
        # Not FOR UPDATE: new deliveries, which refer to the channel, are not to wait for this.
        .with_for_update(skip_locked=True, key_share=True)
    ).one_or_none()
    return None if row is None else Turn(channel_id, now, row.told_at)


def use(connection: sa.Connection, turn: Turn, spacing: timedelta | None) -> None:
    """Note that a message leaves in this turn: the next one may after `spacing`."""
    values = {"told_at": turn.now} if spacing is None else {"told_at": turn.now, "ready_at": turn.now + spacing}
    connection.execute(channels.update().where(channels.c.channel_id == turn.channel_id).values(values))


def pause(connection: sa.Connection, channel_id: UUID, until: datetime) -> None:
    """Send nothing to a channel before `until`; a longer pause stands."""
    connection.execute(
        channels.update()
        .where(channels.c.channel_id == channel_id, sa.or_(channels.c.ready_at.is_(None), channels.c.ready_at < until))
        .values(ready_at=until)
    )
