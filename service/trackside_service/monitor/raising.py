"""From what the rules say to alerts that are stored and told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from trackside_service import alerting, detection
from trackside_service.conformance.curve import curve
from trackside_service.detection import DetectorState
from trackside_service.domain.alerts import Alert, AlertChange, under_causes
from trackside_service.domain.findings import Outcome
from trackside_service.domain.metrics import LRS
from trackside_service.domain.runs import Run
from trackside_service.domain.silences import Silence, silenced_until
from trackside_service.monitor.memory import Known
from trackside_service.rules.base import RunContext
from trackside_service.storage import alerts, deliveries, silences


def judge(known: Known, outcomes: Sequence[Outcome], *, now: datetime, settle: bool = False) -> tuple[AlertChange, ...]:
    """Return what becomes of the run's alerts. On a run that has ended, late records can add to what is frozen, and do
    not resolve it. `settle`: also without outcomes, a flapping alert that was quiet for long enough resolves.
    """
    if not outcomes and not settle:
        return ()
    state = "ended" if known.ended else "open"
    standing = [alert for alert in known.alerts if alert.state == state]
    return alerting.reconcile(
        known.run.id, standing, outcomes, now=now, new_id=uuid4, past=known.past, ended=known.ended
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
    known: Known,
    changes: Sequence[AlertChange],
    *,
    now: datetime,
    compared: tuple[RunContext, DetectorState] | None = None,
) -> tuple[AlertChange, ...]:
    """Store the alerts, and a delivery for every channel that wants to hear of what is told of them; return the changes
    with what is noted on their alerts.

    `known` is how the run stands after them. `compared`: what an alert about the learning rate is drawn from, for
    people to see.
    """
    if not changes:
        return ()
    changes, told = alerting.tell(changes, known.alerts, silencing(connection, known.run, now), now=now)
    alerts.save(connection, changes)
    send(connection, known.with_changes(changes), told, now=now, compared=compared)
    return changes


def look_again(
    connection: sa.Connection, known: Known, due: Sequence[Alert], *, now: datetime
) -> tuple[tuple[AlertChange, ...], tuple[AlertChange, ...]]:
    """Store what becomes of alerts that are `due`, and a delivery for every channel that wants to hear of what is told
    of them; return the alerts as changes, and what is told.
    """
    silenced = silencing(connection, known.run, now)
    looked = [alerting.overdue(alert, silenced, now=now) for alert in due]
    for alert, _ in looked:
        alerts.replace(connection, alert)
    changes = tuple(AlertChange("changed", alert, previous=alert.severity) for alert, _ in looked)
    told = tuple(news for _, news in looked if news is not None)
    send(connection, known.with_changes(changes), told, now=now)
    return changes, told


def silencing(connection: sa.Connection, run: Run, now: datetime) -> Callable[[Alert], datetime | None]:
    """Return what says until when an alert of the run is silenced; the silences are read when it is asked first."""
    read: list[list[Silence]] = []

    def until(alert: Alert) -> datetime | None:
        if not read:
            read.append(silences.active(connection, now, hold=True))
        return silenced_until(read[0], alert, run.spec, now)

    return until


def send(
    connection: sa.Connection,
    known: Known,
    told: Sequence[AlertChange],
    *,
    now: datetime,
    compared: tuple[RunContext, DetectorState] | None = None,
) -> None:
    """Write a delivery for every channel that wants to hear of what is `told`; a cause comes with its symptoms."""
    _, symptoms = under_causes(known.alerts)
    deliveries.enqueue_all(connection, told, known.run, now, lr_plots=_lr_plots(told, compared), symptoms=symptoms)


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
