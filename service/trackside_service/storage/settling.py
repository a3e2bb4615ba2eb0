"""How attempts ended, and what that says of their channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from trackside_service.storage import channels as channel_queries
from trackside_service.storage.deliveries import PENDING, Claimed, unleased
from trackside_service.storage.delivery_log import Attempt, DeliveryStatus
from trackside_service.storage.tables import attempts, deliveries


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended. `due_at` is when a pending one is tried again; `disable` says why its channel is
    switched off."""

    status: DeliveryStatus
    attempt: Attempt
    at: datetime
    due_at: datetime | None = None
    disable: str | None = None


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
