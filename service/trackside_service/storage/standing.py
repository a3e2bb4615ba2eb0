"""How a channel stands: whether messages arrive there, when it is given up, and who is told of that."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import sqlalchemy as sa

from trackside_service.domain.wire import time_to_wire
from trackside_service.dying import Failing
from trackside_service.storage import channels as channel_queries
from trackside_service.storage.channels import StoredChannel
from trackside_service.storage.deliveries import PENDING, unleased
from trackside_service.storage.notices import announce
from trackside_service.storage.tables import channels, deliveries

DISABLED: Final = "channel.disabled"
# `delivered_at` is a sign of life and no log: most messages write no channel.
_FRESH: Final = timedelta(minutes=1)


def arrived(connection: sa.Connection, channel_id: UUID, now: datetime) -> None:
    """Note that a message arrived: a channel that failed does not any more."""
    stale = sa.or_(
        channels.c.delivered_at.is_(None), channels.c.delivered_at < now - _FRESH, channels.c.failing_since.is_not(None)
    )
    connection.execute(
        channels.update()
        .where(channels.c.channel_id == channel_id, stale)
        .values(delivered_at=now, failing_since=None, refusals=0)
    )


def missed(connection: sa.Connection, channel_id: UUID, at: datetime, *, refused: bool) -> Failing | None:
    """Note that an attempt made at `at` failed, and whether its message was `refused` for good; return since when
    nothing arrives. None where the channel is deleted or switched off.
    """
    row = connection.execute(
        channels.update()
        .where(channels.c.channel_id == channel_id, channels.c.disabled_reason.is_(None))
        .values(
            failing_since=sa.func.coalesce(channels.c.failing_since, sa.literal(at, channels.c.failing_since.type)),
            refusals=channels.c.refusals + int(refused),
        )
        .returning(channels.c.failing_since, channels.c.refusals)
    ).one_or_none()
    if row is None:
        return None
    others = sa.exists().where(channels.c.channel_id != channel_id, channels.c.delivered_at >= row.failing_since)
    return Failing(row.failing_since, row.refusals, bool(connection.execute(sa.select(others)).scalar_one()))


def switch_off(connection: sa.Connection, channel_id: UUID, reason: str, now: datetime, *, told: bool = True) -> bool:
    """Switch a channel off for a reason; False where it is off already. What waits counts as failed, and can be sent
    again by hand once it is on. `told`: the other channels are told.

    Raises `ChannelNotFoundError`.
    """
    changed = connection.execute(
        channels.update()
        .where(channels.c.channel_id == channel_id, channels.c.disabled_reason.is_(None))
        .values(disabled_reason=reason, disabled_at=now)
        .returning(channels.c.failing_since)
    ).one_or_none()
    if changed is None:
        channel_queries.get(connection, channel_id)
        return False
    given_up = _give_up(connection, channel_id, now)
    if told:
        _tell_others(connection, channel_queries.get(connection, channel_id), changed.failing_since, given_up, now)
    return True


def give_up_if_off(connection: sa.Connection, channel_id: UUID, now: datetime) -> None:
    """Let what waits at a channel that is switched off count as failed: an attempt that was under way when it was may
    have ended since.
    """
    off = sa.select(channels.c.channel_id).where(
        channels.c.channel_id == channel_id, channels.c.disabled_reason.is_not(None)
    )
    if connection.execute(off).one_or_none() is not None:
        _give_up(connection, channel_id, now)


def switch_on(connection: sa.Connection, channel_id: UUID, now: datetime) -> None:
    """Switch a channel on, as one of which nothing is known yet; nothing where it is on. What still waits since before
    (a courier died with it, or a post was under way) counts as failed.

    Raises `ChannelNotFoundError`.
    """
    values = {"disabled_reason": None, "disabled_at": None, "failing_since": None, "refusals": 0, "ready_at": None}
    changed = connection.execute(
        channels.update()
        .where(channels.c.channel_id == channel_id, channels.c.disabled_reason.is_not(None))
        .values(values)
    ).rowcount
    if not changed:
        channel_queries.get(connection, channel_id)
        return
    _give_up(connection, channel_id, now)


def _give_up(connection: sa.Connection, channel_id: UUID, now: datetime) -> int:
    """Let what waits at a channel and nobody holds count as failed; return how many.

    Nobody is waited for: a courier that leases or settles a delivery at this moment finds the channel off when it has
    sent it, and holds it while it asks for the channel's row, which may be ours.
    """
    chosen = (
        sa.select(deliveries.c.number)
        .where(deliveries.c.channel_id == channel_id, deliveries.c.status == PENDING, unleased(deliveries, now))
        .with_for_update(skip_locked=True)
        .cte("chosen")
        .prefix_with("MATERIALIZED")
    )
    waiting = (
        deliveries.update()
        .where(deliveries.c.number.in_(sa.select(chosen.c.number)))
        .values(status="failed", settled_at=now, lease=None, leased_until=None)
        .returning(deliveries.c.number)
    )
    return len(connection.execute(waiting).all())


def _tell_others(
    connection: sa.Connection, lost: StoredChannel, failing_since: datetime | None, given_up: int, now: datetime
) -> None:
    """Write a delivery to each channel that hears of the same runs, else to every other one: somebody has to know."""
    others = [each for each in channel_queries.listed(connection) if each.disabled_reason is None]
    alike = [each for each in others if each.route.project in (None, lost.route.project)]
    snapshot = {
        "channel": {
            "id": str(lost.id),
            "name": lost.name,
            "kind": lost.kind,
            "target": lost.target,
            "project": lost.route.project,
        },
        "disabled": {
            "at": time_to_wire(now),
            "reason": lost.disabled_reason,
            "failing_since": time_to_wire(failing_since),
            "given_up": given_up,
        },
    }
    rows = [
        {
            "delivery_id": uuid4(),
            "channel_id": each.id,
            "event": DISABLED,
            "snapshot": snapshot,
            "status": "pending",
            "attempts": 0,
            "due_at": now,
            "created_at": now,
        }
        for each in alike or others
    ]
    if rows:
        connection.execute(deliveries.insert(), rows)
        announce(connection)
