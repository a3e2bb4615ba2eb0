"""The outbox of channels whose messages are grouped: what waits is leased together, or held for a while."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.grouping import Waiting, choose
from trackside_service.storage.deliveries import PENDING, Claimed, lease_chosen, unleased
from trackside_service.storage.tables import deliveries
from trackside_service.storage.turns import Turn

# One message tells no more of them, whatever waits: they are read and settled in one transaction each.
MOST: Final = 500


def claim_group(
    connection: sa.Connection, turn: Turn, *, lease: UUID, until: datetime, window: timedelta
) -> tuple[Claimed, ...]:
    """Lease until `until` what leaves a channel in this turn as one message, in its order; hold back what has to
    wait.
    """
    channel_id, now = turn.channel_id, turn.now
    choice = choose(_waiting(connection, channel_id, now), told_at=turn.told_at, window=window, now=now)
    held = defaultdict(list)
    for number, opens in choice.held.items():
        held[opens].append(number)
    for opens, numbers in held.items():
        connection.execute(deliveries.update().where(deliveries.c.number.in_(numbers)).values(due_at=opens))
    if not choice.leaving:
        return ()
    return lease_chosen(connection, channel_id, choice.leaving, lease=lease, until=until)


def _waiting(connection: sa.Connection, channel_id: UUID, now: datetime) -> list[Waiting]:
    """Return, locked and in their order, those that nobody holds and that wait for no other attempt, their own or
    that of an earlier one about the same alert.
    """
    one, earlier = deliveries.alias("one"), deliveries.alias("earlier")
    in_order = ~sa.exists().where(
        earlier.c.alert_id == one.c.alert_id,
        earlier.c.channel_id == one.c.channel_id,
        earlier.c.number < one.c.number,
        earlier.c.status == PENDING,
        sa.or_(~unleased(earlier, now), ~_may_go(earlier, now)),
    )
    urgent = sa.and_(
        one.c.event.in_(("alert.opened", "alert.changed")),
        one.c.snapshot["alert"]["severity"].as_string() == "critical",
    )
    rows = connection.execute(
        sa.select(
            one.c.number,
            one.c.alert_id,
            one.c.attempts,
            one.c.lease,
            one.c.created_at,
            one.c.due_at,
            urgent.label("urgent"),
            one.c.event.not_like("alert.%").label("alone"),
        )
        .where(one.c.channel_id == channel_id, one.c.status == PENDING, unleased(one, now), _may_go(one, now), in_order)
        .order_by(one.c.number)
        .limit(MOST)
        .with_for_update(skip_locked=True, of=one)
    )
    return [
        Waiting(
            row.number,
            row.alert_id,
            row.attempts,
            row.lease,
            row.created_at,
            row.due_at,
            urgent=bool(row.urgent),
            alone=bool(row.alone),
        )
        for row in rows
    ]


def _may_go(table: sa.FromClause, now: datetime) -> sa.ColumnElement[bool]:
    """Whether it waits for no attempt of its own: what was never tried goes along with the others, held or not."""
    return sa.or_(table.c.attempts == 0, table.c.due_at <= now)
