"""The digest of a channel: what it asks for, of what stands and of what happened."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.alerts import Alert, under_causes
from trackside_service.domain.digests import Digest
from trackside_service.domain.runs import Run
from trackside_service.domain.silences import silenced_until
from trackside_service.storage import alerts, runs, silences
from trackside_service.storage.digests import DueDigest

# Nobody reads of more; beyond it the counts are too low.
MOST: Final = 2_000


def digest_of(connection: sa.Connection, one: DueDigest, now: datetime) -> Digest:
    """Return what a channel is told of the time since its last digest, up to `now`: what happened later is the next
    one's. Symptoms go with their causes; what is silenced is left out.
    """
    listed, _ = under_causes(alerts.since(connection, one.since, limit=MOST, project=one.route.project))
    silenced = silences.active(connection, now)
    known: dict[UUID, Run | None] = {}

    def run_of(alert: Alert) -> Run | None:
        if alert.run_id not in known:
            known[alert.run_id] = runs.get(connection, alert.run_id)
        return known[alert.run_id]

    told = [
        (alert, run)
        for alert in listed
        if (run := run_of(alert)) is not None
        and one.route.covers(alert, run)
        and silenced_until(silenced, alert, run.spec, now) is None
    ]
    return Digest(
        since=one.since,
        until=now,
        project=one.route.project,
        standing=[(alert, run) for alert, run in told if alert.state == "open"],
        opened=sum(one.since <= alert.opened_at < now for alert, _ in told),
        resolved=sum(alert.resolved_at is not None and one.since <= alert.resolved_at < now for alert, _ in told),
    )
