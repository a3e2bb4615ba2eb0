"""Which alerts a silence covers, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.alerts import Alert
from trackside_service.domain.silences import silenced_until
from trackside_service.storage import runs, silences


def until(connection: sa.Connection, alerts: Sequence[Alert], now: datetime) -> dict[UUID, datetime]:
    """Return until when those of `alerts` are silenced that are, by their id. Their runs are read only where a silence
    is active.
    """
    active = silences.active(connection, now) if alerts else []
    if not active:
        return {}
    known = runs.told_apart(connection, {alert.run_id for alert in alerts})
    ends = {
        alert.id: silenced_until(active, alert, known[alert.run_id], now) for alert in alerts if alert.run_id in known
    }
    return {alert_id: end for alert_id, end in ends.items() if end is not None}
