"""The outbox of channels whose messages are grouped: what waits is leased together, or held for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
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
# So often at most it looks further in one turn, which nobody else may write in on SQLite; the next turn goes on.
LOOKS: Final = 4


def claim_group(
    connection: sa.Connection, turn: Turn, *, lease: UUID, until: datetime, window: timedelta
) -> tuple[Claimed, ...]:
    """Lease until `until` what leaves a channel in this turn as one message, in its order; hold back what has to
    wait.
    """
    channel_id, now = turn.channel_id, turn.now
    for _ in range(LOOKS):
        waiting = _waiting(connection, channel_id, now)
        choice = choose(waiting, told_at=turn.told_at, window=window, now=now)
        _hold(connection, choice.held)
        # Behind as many as one message tells there may be one that does not have to wait as they do.
        if choice.leaving or not choice.held or len(waiting) < MOST:
            break
    if not choice.leaving:
        return ()
    return lease_chosen(connection, channel_id, choice.leaving, lease=lease, until=until)


def _hold(connection: sa.Connection, held: Mapping[int, datetime]) -> None:
    numbers = defaultdict(list)
    for number, opens in held.items():
        numbers[opens].append(number)
    for opens, some in numbers.items():
        connection.execute(deliveries.update().where(deliveries.c.number.in_(some)).values(due_at=opens))


def _waiting(connection: sa.Connection, channel_id: UUID, now: datetime) -> list[Waiting]:
    """Return, locked and in their order, those that nobody holds and that wait for no other attempt, their own or
    that of an earlier one about the same alert.

    Of more than `MOST` first those that are tried again, then what is due, with all there is about the same alerts, so
    that thousands that are held hide nothing that may leave.
    """
    chosen = _chosen(channel_id, now)
    one = deliveries.alias("one")
    urgent = sa.and_(
        one.c.event.in_(("alert.opened", "alert.changed")),
        one.c.snapshot["alert"]["severity"].as_string() == "critical",
    )
    # Apart from the choice, so that no snapshot is read of what is not chosen.
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
        .where(one.c.number.in_(chosen), one.c.status == PENDING, unleased(one, now))
        .order_by(one.c.number)
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


def _chosen(channel_id: UUID, now: datetime) -> sa.Select[tuple[int]]:
    """The numbers of `_waiting`. All that waits is read once and looked at beside what is about the same alert: a
    subquery for each would be quick only where the planner knows how many there are, which after a burst it does not.
    """
    one = deliveries.alias("waiting")
    free, goes = unleased(one, now), _may_go(one, now)
    # What is about no alert stands by itself.
    about = sa.func.coalesce(one.c.alert_id, one.c.delivery_id)
    held = sa.func.max(sa.case((sa.and_(free, goes), 0), else_=1))
    pending = (
        sa.select(
            one.c.number,
            sa.and_(free, goes).label("free"),
            sa.or_(one.c.attempts > 0, one.c.lease.is_not(None)).label("tried"),
            held.over(partition_by=about, order_by=one.c.number, rows=(None, -1)).label("behind"),
            sa.func.max(sa.case((one.c.due_at <= now, 1), else_=0)).over(partition_by=about).label("due"),
        )
        .where(one.c.channel_id == channel_id, one.c.status == PENDING)
        .subquery()
    )
    turn = sa.case((pending.c.tried, 0), (pending.c.due == 1, 1), else_=2)
    return (
        sa.select(pending.c.number)
        .where(pending.c.free, sa.func.coalesce(pending.c.behind, 0) == 0)
        .order_by(turn, pending.c.number)
        .limit(MOST)
    )


def _may_go(table: sa.FromClause, now: datetime) -> sa.ColumnElement[bool]:
    """Whether it waits for no attempt of its own: what was never tried goes along with the others, held or not."""
    return sa.or_(table.c.attempts == 0, table.c.due_at <= now)
