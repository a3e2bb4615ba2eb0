"""Which alerts a silence covers, and until when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.alerts import Alert
from trackside_service.domain.runs import Run
from trackside_service.domain.silences import silenced_until
from trackside_service.storage import runs, silences


def until(connection: sa.Connection, alerts: Iterable[Alert], now: datetime) -> dict[UUID, datetime]:
    """Return until when those of `alerts` are silenced that are, by their id. Their runs are read only where a silence
    is active.
    """
    active = silences.active(connection, now)
    if not active:
        return {}
    known: dict[UUID, Run | None] = {}
    found: dict[UUID, datetime] = {}
    for alert in alerts:
        if alert.run_id not in known:
            known[alert.run_id] = runs.get(connection, alert.run_id)
        run = known[alert.run_id]
        last = None if run is None else silenced_until(active, alert, run, now)
        if last is not None:
            found[alert.id] = last
    return found
