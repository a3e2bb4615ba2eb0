"""The outbox: a delivery is written in the alert's transaction, leased by a courier, and settled (`settling`).

A lease is a token with an end. Whoever holds it may send and settle; when it ends, as it does after a courier died,
another takes the delivery. Two messages about one alert never travel at once on one channel, so that a resolution
cannot overtake its opening.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, cast
from uuid import UUID, uuid4

import sqlalchemy as sa

from trackside_service.domain.alerts import Alert, AlertChange
from trackside_service.domain.metrics import LR
from trackside_service.domain.runs import Run
from trackside_service.domain.wire import alert_to_wire
from trackside_service.storage import channels as channel_queries
from trackside_service.storage.channels import Sealed
from trackside_service.storage.notices import announce
from trackside_service.storage.tables import channels, deliveries

# A literal and not a parameter: only so do both databases see that the partial indexes fit.
PENDING: Final[sa.ColumnElement[str]] = sa.literal_column("'pending'")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours until the lease ends. `attempts` were made before this one, `in_round` of them since it
    was written or sent anew; `due_at` was when it was due.
    """

    number: int
    id: UUID
    channel_id: UUID
    endpoint: Sealed
    event: str
    snapshot: Mapping[str, Any]
    attempts: int
    created_at: datetime
    due_at: datetime
    lease: UUID
    in_round: int = 0


def enqueue(
    connection: sa.Connection,
    change: AlertChange,
    run: Run,
    now: datetime,
    *,
    lr_plot: Mapping[str, Any] | None = None,
) -> int:
    """Write one delivery for each subscribed channel, and return how many. Belongs into the alert's transaction."""
    return enqueue_all(
        connection, (change,), run, now, lr_plots={} if lr_plot is None else {change.alert.subject: lr_plot}
    )


def enqueue_all(
    connection: sa.Connection,
    changes: Sequence[AlertChange],
    run: Run,
    now: datetime,
    *,
    lr_plots: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    symptoms: Mapping[UUID, Sequence[Alert]] = MappingProxyType({}),
) -> int:
    """`enqueue` for all changes of one post: one query for the channels, none without changes. `symptoms` are listed
    under the alerts of these ids.

    `lr_plots` go with the alerts about a learning rate, by their subject, for people's channels to draw: {"at":
    [places], "unit": "step" | "epoch", "expected": [rates], "observed": [rates]}, of one length; a few hundred points
    at most.
    """
    told = [change for change in changes if change.event != "changed" or change.worsened]
    if not told:
        return 0
    subscribers = channel_queries.enabled_for(connection, run.spec.project)
    rows = [
        {
            "delivery_id": uuid4(),
            "channel_id": channel.id,
            "run_id": run.id,
            "alert_id": change.alert.id,
            "event": f"alert.{change.event}",
            "snapshot": _snapshot(
                change.alert, symptoms.get(change.alert.id, ()), run, lr_plots.get(change.alert.subject)
            ),
            "status": "pending",
            "attempts": 0,
            "due_at": now,
            "created_at": now,
        }
        for change in told
        for channel in subscribers
        if channel.route.wants(change, run)
    ]
    if rows:
        connection.execute(deliveries.insert(), rows)
        announce(connection)
    return len(rows)


@dataclass(frozen=True, slots=True)
class Due:
    """A channel that has a delivery to send, once it is `ready_at` (None: it is). `max_per_minute` is the user's limit,
    None where the kind's holds."""

    channel_id: UUID
    kind: str
    max_per_minute: int | None
    ready_at: datetime | None


def due_channels(connection: sa.Connection, now: datetime) -> tuple[Due, ...]:
    """Return the enabled channels that have a delivery to send at `now`, also those that have to wait a while."""
    waiting = sa.exists().where(deliveries.c.channel_id == channels.c.channel_id, *_due(deliveries, now))
    found = connection.execute(
        sa.select(channels.c.channel_id, channels.c.kind, channels.c.max_per_minute, channels.c.ready_at).where(
            channels.c.disabled_reason.is_(None), waiting
        )
    )
    return tuple(
        Due(
            row.channel_id,
            row.kind,
            row.max_per_minute,
            row.ready_at if row.ready_at is not None and row.ready_at > now else None,
        )
        for row in found
    )


def claim(
    connection: sa.Connection, channel_id: UUID, *, lease: UUID, now: datetime, until: datetime, limit: int
) -> tuple[Claimed, ...]:
    """Lease up to `limit` due deliveries of a channel until `until`, the longest due first.

    One statement on both databases, and couriers that claim at the same moment pass each other by. A delivery
    waits as long as an earlier one about the same alert is pending. Nothing is leased of a channel that another
    courier paused, or switched off, since it was found to be due.
    """
    due, earlier = deliveries.alias("due"), deliveries.alias("earlier")
    in_order = ~sa.exists().where(
        earlier.c.alert_id == due.c.alert_id,
        earlier.c.channel_id == due.c.channel_id,
        earlier.c.number < due.c.number,
        earlier.c.status == PENDING,
    )
    open_now = sa.exists().where(
        channels.c.channel_id == channel_id,
        channels.c.disabled_reason.is_(None),
        sa.or_(channels.c.ready_at.is_(None), channels.c.ready_at <= now),
    )
    # A subquery could be run once for each row of the outer one, and each time lease others: more than the limit.
    chosen = (
        sa.select(due.c.number)
        .where(due.c.channel_id == channel_id, *_due(due, now), in_order, open_now)
        .order_by(due.c.due_at, due.c.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen")
        .prefix_with("MATERIALIZED")
    )
    return lease_chosen(connection, channel_id, sa.select(chosen.c.number), lease=lease, until=until)


def lease_chosen(
    connection: sa.Connection,
    channel_id: UUID,
    chosen: sa.Select[tuple[int]] | Sequence[int],
    *,
    lease: UUID,
    until: datetime,
) -> tuple[Claimed, ...]:
    """Lease the deliveries of these numbers, locked by the caller; return them in their order."""
    rows = connection.execute(
        deliveries.update()
        .where(deliveries.c.number.in_(chosen))
        .values(lease=lease, leased_until=until)
        .returning(
            deliveries.c.number,
            deliveries.c.delivery_id,
            deliveries.c.event,
            deliveries.c.snapshot,
            deliveries.c.attempts,
            deliveries.c.round_began,
            deliveries.c.created_at,
            deliveries.c.due_at,
        )
    ).all()
    if not rows:
        return ()
    endpoint = channel_queries.sealed(connection, channel_id)
    return tuple(
        Claimed(
            row.number,
            row.delivery_id,
            channel_id,
            endpoint,
            row.event,
            cast("Mapping[str, Any]", row.snapshot),
            row.attempts,
            row.created_at,
            row.due_at,
            lease,
            row.attempts - row.round_began,
        )
        for row in sorted(rows, key=lambda row: cast(int, row.number))
    )


def _due(table: sa.FromClause, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.status == PENDING, table.c.due_at <= now, unleased(table, now)


def unleased(table: sa.FromClause, now: datetime) -> sa.ColumnElement[bool]:
    """Whether nobody holds a delivery at `now`."""
    return sa.or_(table.c.leased_until.is_(None), table.c.leased_until <= now)


def _snapshot(alert: Alert, symptoms: Sequence[Alert], run: Run, lr_plot: Mapping[str, Any] | None) -> dict[str, Any]:
    snapshot = {"alert": alert_to_wire(alert, symptoms), "run": _run_to_wire(run)}
    if lr_plot is not None and alert.subject.partition("/")[0] == LR:
        snapshot["lr_plot"] = dict(lr_plot)
    return snapshot


def _run_to_wire(run: Run) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "project": run.spec.project,
        "name": run.spec.name,
        "status": run.status,
        "tags": list(run.spec.tags),
    }
