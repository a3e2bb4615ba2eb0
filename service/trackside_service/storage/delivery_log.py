"""The log of deliveries: what became of each message, with its attempts; and how it is sent again by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast
from uuid import UUID

import sqlalchemy as sa

from trackside_service.errors import DeliveryNotFoundError, InvalidInputError
from trackside_service.storage import channels as channel_queries
from trackside_service.storage.notices import announce
from trackside_service.storage.tables import attempts, channels, deliveries

DeliveryStatus: TypeAlias = Literal["pending", "delivered", "failed"]

# A literal and not a parameter, for the partial index.
FAILED: Final[sa.ColumnElement[str]] = sa.literal_column("'failed'")
# On SQLite, nobody else writes meanwhile.
MOST_REPLAYED: Final = 10_000


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
    channel_id: UUID | None,
    *,
    limit: int,
    before: int | None = None,
    status: DeliveryStatus | None = None,
) -> tuple[Delivery, ...]:
    """Return deliveries of a channel (None: of all) with their attempts, the latest first; `before` is the last number
    of the page before.

    Raises `ChannelNotFoundError`.
    """
    query = sa.select(deliveries)
    if channel_id is not None:
        channel_queries.get(connection, channel_id)
        query = query.where(deliveries.c.channel_id == channel_id)
    if before is not None:
        query = query.where(deliveries.c.number < before)
    if status is not None:
        query = query.where(deliveries.c.status == sa.literal_column(f"'{status}'"))
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

    What was settled has its whole schedule again; what waits goes on with it. While an attempt is under way the retry
    waits for its end, and is made unless that one arrives.
    Raises `DeliveryNotFoundError`; `InvalidInputError` where the channel is switched off.
    """
    delivery = get(connection, delivery_id)
    _refuse_switched_off(channel_queries.get(connection, delivery.channel_id))
    connection.execute(deliveries.update().where(deliveries.c.number == delivery.number).values(_anew(now)))
    announce(connection)
    return get(connection, delivery_id)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many dead letters are due again, how many more would be (`left`), and how many stay since their channel is
    switched off.
    """

    replayed: int
    left: int
    switched_off: int


def replay(
    connection: sa.Connection,
    now: datetime,
    *,
    channel_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = MOST_REPLAYED,
) -> Replayed:
    """Make the deliveries due now that failed for good: of a channel (None: of all), given up from `since` on and
    before `until`; the first `limit` of them. Each keeps its id, and has its whole schedule again.

    Raises `ChannelNotFoundError`; `InvalidInputError` where the channel is switched off.
    """
    dead = [deliveries.c.status == FAILED]
    if channel_id is not None:
        _refuse_switched_off(channel_queries.get(connection, channel_id))
        dead.append(deliveries.c.channel_id == channel_id)
    if since is not None:
        dead.append(deliveries.c.settled_at >= since)
    if until is not None:
        dead.append(deliveries.c.settled_at < until)
    off = sa.select(channels.c.channel_id).where(channels.c.disabled_reason.is_not(None))
    chosen = (
        sa.select(deliveries.c.number)
        .where(*dead, deliveries.c.channel_id.not_in(off))
        .order_by(deliveries.c.number)
        .limit(limit)
        .with_for_update(of=deliveries)
        .cte("chosen")
        .prefix_with("MATERIALIZED")
    )
    made = connection.execute(
        deliveries.update()
        .where(deliveries.c.number.in_(sa.select(chosen.c.number)))
        .values(_anew(now))
        .returning(deliveries.c.number)
    ).all()
    announce(connection)
    is_off = deliveries.c.channel_id.in_(off)
    counted = connection.execute(sa.select(is_off, sa.func.count()).where(*dead).group_by(is_off))
    left = {bool(row[0]): row[1] for row in counted}
    return Replayed(len(made), left.get(False, 0), left.get(True, 0))


def _anew(now: datetime) -> dict[str, Any]:
    """Return the values with which a delivery is due now; in an update."""
    settled = deliveries.c.status != "pending"
    began = sa.case((settled, deliveries.c.attempts), else_=deliveries.c.round_began)
    return {"status": "pending", "due_at": now, "settled_at": None, "round_began": began}


def _refuse_switched_off(channel: channel_queries.StoredChannel) -> None:
    if channel.disabled_reason is not None:
        raise InvalidInputError(
            f"the channel is switched off ({channel.disabled_reason}); a test that succeeds switches it on again"
        )


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
