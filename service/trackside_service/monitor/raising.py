"""From what the rules say to alerts that are stored and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from trackside_service import alerting
from trackside_service.domain.alerts import AlertChange
from trackside_service.domain.findings import Outcome
from trackside_service.domain.runs import Run
from trackside_service.monitor.memory import Known
from trackside_service.storage import alerts, deliveries


def judge(known: Known, outcomes: Sequence[Outcome], *, now: datetime) -> tuple[AlertChange, ...]:
    """Return what becomes of the run's alerts. On a run that has ended, late records can add to what is frozen, and do
    not resolve it."""
    if not outcomes:
        return ()
    state = "ended" if known.ended else "open"
    standing = [alert for alert in known.alerts if alert.state == state]
    changes = alerting.reconcile(known.run.id, standing, outcomes, now=now, new_id=uuid4, episodes=known.episodes)
    if not known.ended:
        return changes
    return tuple(
        replace(change, alert=replace(change.alert, state="ended")) for change in changes if change.event != "resolved"
    )


def folded(first: Sequence[AlertChange], then: Sequence[AlertChange]) -> tuple[AlertChange, ...]:
    """Return two rounds of changes as one: what opened in the first and moved on in the second is told once."""
    later = {change.alert.id: change for change in then}
    changes: list[AlertChange] = []
    for change in first:
        after = later.get(change.alert.id)
        if after is None or change.event == "resolved":
            changes.append(change)
        elif change.event == "opened" or after.event == "changed":
            del later[change.alert.id]
            changes.append(replace(change, alert=after.alert))
    return (*changes, *later.values())


def tell(connection: sa.Connection, run: Run, changes: Sequence[AlertChange], *, now: datetime) -> None:
    """Store the alerts, and a delivery for every channel that wants to hear of them."""
    if changes:
        alerts.save(connection, changes)
        deliveries.enqueue_all(connection, changes, run, now)
