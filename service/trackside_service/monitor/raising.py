"""From what the rules say to alerts that are stored and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from trackside_service import alerting, detection
from trackside_service.conformance.curve import curve
from trackside_service.detection import DetectorState
from trackside_service.domain.alerts import AlertChange
from trackside_service.domain.findings import Outcome
from trackside_service.domain.metrics import LRS
from trackside_service.domain.runs import Run
from trackside_service.monitor.memory import Known
from trackside_service.rules.base import RunContext
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


def tell(
    connection: sa.Connection,
    run: Run,
    changes: Sequence[AlertChange],
    *,
    now: datetime,
    compared: tuple[RunContext, DetectorState] | None = None,
) -> None:
    """Store the alerts, and a delivery for every channel that wants to hear of them.

    `compared`: what an alert about the learning rate is drawn from, for people to see.
    """
    if changes:
        alerts.save(connection, changes)
        deliveries.enqueue_all(connection, changes, run, now, lr_plots=_lr_plots(changes, compared))


def _lr_plots(
    changes: Sequence[AlertChange], compared: tuple[RunContext, DetectorState] | None
) -> dict[str, dict[str, Any]]:
    """Return the curves of the parameter groups that the changes are about, by metric."""
    found: dict[str, dict[str, Any]] = {}
    if compared is None or compared[0].schedule is None:
        return found
    subjects = {change.alert.subject for change in changes}
    for group, name in enumerate(LRS):
        tracker = detection.lr_state(compared[1], group) if name in subjects else None
        drawn = None if tracker is None else curve(compared[0].schedule.of_group(group), tracker)
        if drawn is not None:
            found[name] = drawn.as_wire()
    return found
