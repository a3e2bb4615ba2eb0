"""The log of deliveries: what became of each message, with its attempts; and how it is sent again by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast
from uuid import UUID

import sqlalchemy as sa

from trackside_service.errors import DeliveryNotFoundError, InvalidInputError
from trackside_service.storage import channels as channel_queries
from trackside_service.storage.tables import attempts, deliveries

DeliveryStatus: TypeAlias = Literal["pending", "delivered", "failed"]


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
