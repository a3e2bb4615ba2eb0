"""Queries on `alerts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.alerts import Alert, AlertChange, AlertState
from trackside_service.domain.findings import Severity
from trackside_service.domain.records import Position
from trackside_service.storage.tables import alerts, runs

_FIXED: Final = ("run_id", "alert_id", "code", "subject", "episode", "opened_at")


def get(connection: sa.Connection, alert_id: UUID) -> Alert | None:
    """Return an alert."""
    row = connection.execute(sa.select(alerts).where(alerts.c.alert_id == alert_id)).one_or_none()
    return None if row is None else _alert(row)


def of_run(connection: sa.Connection, run_id: UUID, *, states: Sequence[AlertState] | None = None) -> list[Alert]:
    """Return a run's alerts, in the order in which they opened."""
    query = sa.select(alerts).where(alerts.c.run_id == run_id)
    if states is not None:
        query = query.where(alerts.c.state.in_(states))
    query = query.order_by(alerts.c.opened_at, alerts.c.code, alerts.c.subject, alerts.c.episode)
    return [_alert(row) for row in connection.execute(query)]


def open_of(connection: sa.Connection, run_id: UUID) -> list[Alert]:
    """Return a run's open alerts."""
    return of_run(connection, run_id, states=("open",))


def episodes(connection: sa.Connection, run_id: UUID) -> dict[tuple[str, str], int]:
    """Return the number of the latest episode of each (code, subject) of a run."""
    query = (
        sa.select(alerts.c.code, alerts.c.subject, sa.func.max(alerts.c.episode))
        .where(alerts.c.run_id == run_id)
        .group_by(alerts.c.code, alerts.c.subject)
    )
    return {(code, subject): episode for code, subject, episode in connection.execute(query)}


def save(connection: sa.Connection, changes: Iterable[AlertChange]) -> None:
    """Store what happened to alerts: those that opened are new rows, the others replace theirs."""
    for change in changes:
        if change.event == "opened":
            connection.execute(sa.insert(alerts), _values(change.alert))
        else:
            replace(connection, change.alert)


def replace(connection: sa.Connection, alert: Alert) -> None:
    """Store an alert over itself."""
    values = {name: value for name, value in _values(alert).items() if name not in _FIXED}
    connection.execute(
        sa.update(alerts).where(alerts.c.run_id == alert.run_id, alerts.c.alert_id == alert.id).values(values)
    )


def page(
    connection: sa.Connection,
    *,
    project: str | None = None,
    state: Sequence[AlertState] | None = None,
    severity: Sequence[Severity] | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Alert]:
    """Return alerts, the latest opened first. `after` is (opened_at, id) of the last alert of the page before."""
    query = sa.select(alerts)
    if project is not None:
        query = query.join(runs, runs.c.run_id == alerts.c.run_id).where(runs.c.project == project)
    if state is not None:
        query = query.where(alerts.c.state.in_(state))
    if severity is not None:
        query = query.where(alerts.c.severity.in_(severity))
    if after is not None:
        place = sa.tuple_(alerts.c.opened_at, alerts.c.alert_id)
        last = sa.tuple_(sa.literal(after[0], alerts.c.opened_at.type), sa.literal(after[1], alerts.c.alert_id.type))
        query = query.where(place < last)
    query = query.order_by(alerts.c.opened_at.desc(), alerts.c.alert_id.desc()).limit(limit)
    return [_alert(row) for row in connection.execute(query)]


def _values(alert: Alert) -> dict[str, Any]:
    return {
        "run_id": alert.run_id,
        "alert_id": alert.id,
        "code": alert.code,
        "subject": alert.subject,
        "episode": alert.episode,
        "severity": alert.severity,
        "state": alert.state,
        "title": alert.title,
        "detail": alert.detail,
        "advice": alert.advice,
        "evidence": dict(alert.evidence),
        "opened": _place(alert.opened),
        "detected": _place(alert.detected),
        "resolved": _place(alert.resolved),
        "opened_at": alert.opened_at,
        "changed_at": alert.changed_at,
        "resolved_at": alert.resolved_at,
    }


def _alert(row: sa.Row[Any]) -> Alert:
    return Alert(
        id=row.alert_id,
        run_id=row.run_id,
        code=row.code,
        subject=row.subject,
        severity=cast(Severity, row.severity),
        state=cast(AlertState, row.state),
        episode=row.episode,
        title=row.title,
        detail=row.detail,
        advice=row.advice,
        evidence=row.evidence,
        opened=_position(row.opened),
        detected=_position(row.detected),
        resolved=_position(row.resolved),
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        resolved_at=row.resolved_at,
    )


def _place(position: Position | None) -> dict[str, Any] | None:
    return None if position is None else {"step": position.step, "epoch": position.epoch}


def _position(place: Mapping[str, Any] | None) -> Position | None:
    return None if place is None else Position(place["step"], place["epoch"])
