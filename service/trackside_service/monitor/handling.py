"""Handling: what a person does with an alert, and what becomes of one as time goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from trackside_service import alerting
from trackside_service.domain.alerts import Alert, AlertChange, health_of
from trackside_service.errors import AlertNotFoundError, AlertResolvedError
from trackside_service.monitor.memory import MEMORY, Known, known_of
from trackside_service.monitor.raising import judge, look_again, tell
from trackside_service.monitor.results import HandResult, LookResult
from trackside_service.storage import alerts, runs


def acknowledge(
    connection: sa.Connection, run_id: UUID, alert_id: UUID, *, by: str | None, note: str | None, now: datetime
) -> HandResult:
    """Note that a person has an alert in hand. A second time changes only who and what was said, where it gives them.

    Raises `AlertNotFoundError`, and `AlertResolvedError` where it is over.
    """
    return _handled(
        connection, run_id, alert_id, lambda alert: alerting.acknowledge(alert, by=by, note=note, now=now), now
    )


def take_back(connection: sa.Connection, run_id: UUID, alert_id: UUID, *, now: datetime) -> HandResult:
    """Note that nobody has an alert in hand any more. Raises as `acknowledge`."""
    return _handled(connection, run_id, alert_id, alerting.take_back, now)


def look_at_alerts(connection: sa.Connection, run_id: UUID, alert_ids: Sequence[UUID], *, now: datetime) -> LookResult:
    """Look at alerts of a run that are due: what a silence kept back and is told now, whom to remind, and which one has
    been quiet for long enough. Racing looks tell it once.
    """
    locked = runs.lock(connection, run_id)
    if locked is None:
        return LookResult()
    known = known_of(connection, locked)
    changes = judge(known, known.overdue, now=now, settle=True)
    known = replace(known.with_changes(changes), overdue=())
    changes = tell(connection, known, changes, now=now)
    known = known.with_changes(changes)
    held = {alert.id: alert for alert in known.alerts}
    for alert_id in alert_ids:
        if alert_id not in held and (stored := alerts.get(connection, alert_id)) is not None:
            held[alert_id] = stored
    looked, told = look_again(connection, known, [held[each] for each in alert_ids if each in held], now=now)
    known = known.with_changes(looked)
    health = health_of(known.alerts)
    run = replace(known.run, health=health)
    version = runs.new_version()
    runs.update(connection, run_id, {"health": health, "version": version})
    MEMORY.keep(run_id, version, replace(known, run=run))
    return LookResult((*changes, *told), known.faults)


def _handled(
    connection: sa.Connection,
    run_id: UUID,
    alert_id: UUID,
    handle: Callable[[Alert], AlertChange | None],
    now: datetime,
) -> HandResult:
    locked = runs.lock(connection, run_id)
    known = None if locked is None else known_of(connection, locked)
    alert = None if known is None else next((each for each in known.alerts if each.id == alert_id), None)
    if known is None or alert is None:
        if alerts.get(connection, alert_id) is None:
            raise AlertNotFoundError("No alert has this id.")
        raise AlertResolvedError("The alert is resolved: there is nothing to take in hand any more.")
    change = handle(alert)
    if change is None:
        return HandResult(alert, _under(known, alert))
    changes = tell(connection, known.with_changes([change]), [change], now=now)
    known = known.with_changes(changes)
    version = runs.new_version()
    runs.update(connection, run_id, {"version": version})
    MEMORY.keep(run_id, version, known)
    return HandResult(changes[0].alert, _under(known, changes[0].alert), changes)


def _under(known: Known, alert: Alert) -> tuple[Alert, ...]:
    return tuple(each for each in known.alerts if each.cause_id == alert.id)
