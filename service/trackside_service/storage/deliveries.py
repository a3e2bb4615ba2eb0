"""The outbox: a delivery is written in the alert's transaction, leased by a courier, and settled; its attempts are the
log.

A lease is a token with an end. Whoever holds it may send and settle; when it ends, as it does after a courier died,
another takes the delivery. Two messages about one alert never travel at once on one channel, so that a resolution
cannot overtake its opening.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast
from uuid import UUID, uuid4

import sqlalchemy as sa

from trackside_service.domain.alerts import Alert, AlertChange
from trackside_service.domain.findings import rank
from trackside_service.domain.metrics import LR
from trackside_service.domain.runs import Run
from trackside_service.domain.wire import alert_to_wire
from trackside_service.errors import DeliveryNotFoundError, InvalidInputError
from trackside_service.storage import channels as channel_queries
from trackside_service.storage.channels import Sealed, StoredChannel
from trackside_service.storage.tables import attempts, channels, deliveries

DeliveryStatus: TypeAlias = Literal["pending", "delivered", "failed"]

# A literal and not a parameter: only so do both databases see that the partial indexes fit.
PENDING: Final[sa.ColumnElement[str]] = sa.literal_column("'pending'")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: when it began, how long it took, and the receiver's status or what went wrong (redacted)."""

    at: datetime
    duration_ms: float
    status_code: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way or arrived. `number` orders deliveries; `due_at` is when it is tried next, None once
    settled."""

    number: int
    id: UUID
    channel_id: UUID
    run_id: UUID | None
    alert_id: UUID | None
    event: str
    status: DeliveryStatus
    due_at: datetime | None
    created_at: datetime
    settled_at: datetime | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours until the lease ends. `attempts` were made before this one; `due_at` was when it was
    due.
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


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended. `due_at` is when a pending one is tried again; `disable` says why its channel is
    switched off."""

    status: DeliveryStatus
    attempt: Attempt
    at: datetime
    due_at: datetime | None = None
    disable: str | None = None


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
        if _wants(channel, change)
    ]
    if rows:
        connection.execute(deliveries.insert(), rows)
    return len(rows)


def due_channels(connection: sa.Connection, now: datetime) -> tuple[UUID, ...]:
    """Return the enabled channels that have a delivery to send at `now`."""
    waiting = sa.exists().where(deliveries.c.channel_id == channels.c.channel_id, *_due(deliveries, now))
    found = connection.execute(sa.select(channels.c.channel_id).where(channels.c.disabled_reason.is_(None), waiting))
    return tuple(row.channel_id for row in found)


def claim(
    connection: sa.Connection, channel_id: UUID, *, lease: UUID, now: datetime, until: datetime, limit: int
) -> tuple[Claimed, ...]:
    """Lease up to `limit` due deliveries of a channel until `until`, the longest due first.

    One statement on both databases, and couriers that claim at the same moment pass each other by. A delivery
    waits as long as an earlier one about the same alert is pending.
    """
    due, earlier = deliveries.alias("due"), deliveries.alias("earlier")
    in_order = ~sa.exists().where(
        earlier.c.alert_id == due.c.alert_id,
        earlier.c.channel_id == due.c.channel_id,
        earlier.c.number < due.c.number,
        earlier.c.status == PENDING,
    )
    # A subquery could be run once for each row of the outer one, and each time lease others: more than the limit.
    chosen = (
        sa.select(due.c.number)
        .where(due.c.channel_id == channel_id, *_due(due, now), in_order)
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
        )
        for row in sorted(rows, key=lambda row: cast(int, row.number))
    )


def settle(connection: sa.Connection, claimed: Claimed, settlement: Settlement) -> bool:
    """Write how the attempt ended, if the lease is still ours; else write nothing and return False.

    A retry that was asked for while the attempt was under way stands unless the attempt arrived: the delivery is due
    when it was asked for. A channel that is switched off takes its waiting deliveries with it: they count as failed,
    and can be retried by hand.
    """
    attempt = settlement.attempt
    ours = sa.and_(deliveries.c.number == claimed.number, deliveries.c.lease == claimed.lease)
    held = connection.execute(sa.select(deliveries.c.due_at).where(ours).with_for_update()).one_or_none()
    if held is None:
        return False
    asked_for = held.due_at if held.due_at != claimed.due_at else None
    again = asked_for is not None and settlement.status != "delivered" and settlement.disable is None
    pending = settlement.status == "pending" or again
    values: dict[str, Any] = {
        "status": "pending" if pending else settlement.status,
        "attempts": claimed.attempts + 1,
        "lease": None,
        "leased_until": None,
        "settled_at": None if pending else settlement.at,
    }
    if pending:
        values["due_at"] = asked_for if again else settlement.due_at
    connection.execute(deliveries.update().where(ours).values(values))
    connection.execute(
        attempts.insert().values(
            delivery_number=claimed.number,
            attempt=claimed.attempts + 1,
            at=attempt.at,
            duration_ms=attempt.duration_ms,
            status_code=attempt.status_code,
            error=attempt.error,
        )
    )
    if settlement.disable is not None:
        channel_queries.set_disabled(connection, claimed.channel_id, settlement.disable)
        connection.execute(
            deliveries.update()
            .where(
                deliveries.c.channel_id == claimed.channel_id,
                deliveries.c.status == PENDING,
                unleased(deliveries, settlement.at),
            )
            .values(status="failed", settled_at=settlement.at, lease=None, leased_until=None)
        )
    return True


def page(
    connection: sa.Connection,
    channel_id: UUID,
    *,
    limit: int,
    before: int | None = None,
    status: DeliveryStatus | None = None,
) -> tuple[Delivery, ...]:
    """Return deliveries of a channel with their attempts, the latest first; `before` is the last number of the
    page before.

    Raises `ChannelNotFoundError`.
    """
    channel_queries.get(connection, channel_id)
    query = sa.select(deliveries).where(deliveries.c.channel_id == channel_id)
    if before is not None:
        query = query.where(deliveries.c.number < before)
    if status is not None:
        query = query.where(deliveries.c.status == status)
    rows = connection.execute(query.order_by(deliveries.c.number.desc()).limit(limit)).all()
    return _with_attempts(connection, rows)


def get(connection: sa.Connection, delivery_id: UUID) -> Delivery:
    """Return a delivery with its attempts. Raises `DeliveryNotFoundError`."""
    rows = connection.execute(sa.select(deliveries).where(deliveries.c.delivery_id == delivery_id)).all()
    if not rows:
        raise _unknown(delivery_id)
    return _with_attempts(connection, rows)[0]


def retry(connection: sa.Connection, delivery_id: UUID, now: datetime) -> Delivery:
    """Make a delivery due now, whether it failed, waits or even arrived: its id stays, so a receiver can tell.

    One further attempt is made; if that fails in passing, the schedule goes on where it stood. While an attempt is
    under way the retry waits for its end, and is made unless that one arrives.
    Raises `DeliveryNotFoundError`; `InvalidInputError` where the channel is switched off.
    """
    delivery = get(connection, delivery_id)
    reason = channel_queries.get(connection, delivery.channel_id).disabled_reason
    if reason is not None:
        raise InvalidInputError(f"the channel is switched off ({reason}); a test that succeeds switches it on again")
    connection.execute(
        deliveries.update()
        .where(deliveries.c.number == delivery.number)
        .values(status="pending", due_at=now, settled_at=None)
    )
    return get(connection, delivery_id)


def _due(table: sa.FromClause, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.status == PENDING, table.c.due_at <= now, unleased(table, now)


def unleased(table: sa.FromClause, now: datetime) -> sa.ColumnElement[bool]:
    """Whether nobody holds a delivery at `now`."""
    return sa.or_(table.c.leased_until.is_(None), table.c.leased_until <= now)


def _wants(channel: StoredChannel, change: AlertChange) -> bool:
    return change.event in channel.events and rank(change.alert.severity) >= rank(channel.min_severity)


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


def _with_attempts(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> tuple[Delivery, ...]:
    made: dict[int, list[Attempt]] = {row.number: [] for row in rows}
    if made:
        found = connection.execute(
            sa.select(attempts)
            .where(attempts.c.delivery_number.in_(list(made)))
            .order_by(attempts.c.delivery_number, attempts.c.attempt)
        )
        for row in found:
            made[row.delivery_number].append(Attempt(row.at, row.duration_ms, row.status_code, row.error))
    return tuple(
        Delivery(
            row.number,
            row.delivery_id,
            row.channel_id,
            row.run_id,
            row.alert_id,
            row.event,
            cast(DeliveryStatus, row.status),
            row.due_at if row.status == "pending" else None,
            row.created_at,
            row.settled_at,
            tuple(made[row.number]),
        )
        for row in rows
    )


def _unknown(delivery_id: UUID) -> DeliveryNotFoundError:
    return DeliveryNotFoundError(f"no delivery has the id {delivery_id}")
