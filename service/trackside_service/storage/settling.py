"""How attempts ended: what becomes of a delivery that was leased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from trackside_service.storage.deliveries import Claimed
from trackside_service.storage.delivery_log import Attempt, DeliveryStatus
from trackside_service.storage.tables import attempts, deliveries


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended. `due_at` is when a pending one is tried again; `gone`: the receiver asks never to be called
    again, so that no retry that was asked for meanwhile stands.
    """

    status: DeliveryStatus
    attempt: Attempt
    at: datetime
    due_at: datetime | None = None
    gone: bool = False


def settle(connection: sa.Connection, claimed: Claimed, settlement: Settlement) -> bool:
    """Write how the attempt ended, if the lease is still ours; else write nothing and return False.

    A retry that was asked for while the attempt was under way stands unless the attempt arrived: the delivery is due
    when it was asked for.
    """
    attempt = settlement.attempt
    ours = sa.and_(deliveries.c.number == claimed.number, deliveries.c.lease == claimed.lease)
    held = connection.execute(sa.select(deliveries.c.due_at).where(ours).with_for_update()).one_or_none()
    if held is None:
        return False
    asked_for = held.due_at if held.due_at != claimed.due_at else None
    again = asked_for is not None and settlement.status != "delivered" and not settlement.gone
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
    return True
