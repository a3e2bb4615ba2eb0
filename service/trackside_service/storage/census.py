"""How the outbox stands, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from trackside_service.storage.deliveries import PENDING
from trackside_service.storage.delivery_log import FAILED
from trackside_service.storage.tables import channels, deliveries


@dataclass(frozen=True, slots=True)
class Census:
    """`waiting` deliveries are still to be settled, the oldest of them that is due for `late_s` seconds; `dead` ones
    were given up. `enabled` and `disabled` are channels.
    """

    enabled: int
    disabled: int
    waiting: int
    dead: int
    late_s: float


def take(connection: sa.Connection, now: datetime) -> Census:
    """Count. What waits for a channel that is switched off is not late."""
    off = sa.select(channels.c.channel_id).where(channels.c.disabled_reason.is_not(None))
    waiting, oldest = connection.execute(
        sa.select(sa.func.count(), sa.func.min(deliveries.c.due_at)).where(
            deliveries.c.status == PENDING, deliveries.c.channel_id.not_in(off)
        )
    ).one()
    dead = connection.execute(sa.select(sa.func.count()).where(deliveries.c.status == FAILED)).scalar_one()
    every, disabled = connection.execute(
        sa.select(sa.func.count(), sa.func.count(channels.c.disabled_reason)).select_from(channels)
    ).one()
    late_s = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    return Census(every - disabled, disabled, waiting, dead, late_s)
