"""Queries on `alerts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa

from trackside_service import alerting
from trackside_service.domain.alerts import (
    Acknowledgement,
    Alert,
    AlertChange,
    AlertState,
    Past,
    ShownState,
    Telling,
)
from trackside_service.domain.findings import Severity
from trackside_service.domain.records import Position
from trackside_service.storage.tables import alerts, runs, silences

_FIXED: Final = ("run_id", "alert_id", "code", "subject", "episode", "opened_at", "flaps")
_IN_ORDER: Final = (alerts.c.opened_at, alerts.c.code, alerts.c.subject, alerts.c.episode)


def get(connection: sa.Connection, alert_id: UUID) -> Alert | None:
    """Return an alert."""
    row = connection.execute(sa.select(alerts).where(alerts.c.alert_id == alert_id)).one_or_none()
    return None if row is None else _alert(row)


def of_run(connection: sa.Connection, run_id: UUID, *, states: Sequence[AlertState] | None = None) -> list[Alert]:
    """Return a run's alerts, in the order in which they opened."""
    query = sa.select(alerts).where(alerts.c.run_id == run_id)
    if states is not None:
        query = query.where(alerts.c.state.in_(states))
    query = query.order_by(*_IN_ORDER)
    return [_alert(row) for row in connection.execute(query)]


def open_of(connection: sa.Connection, run_id: UUID) -> list[Alert]:
    """Return a run's open alerts."""
    return of_run(connection, run_id, states=("open",))


def past(connection: sa.Connection, run_id: UUID) -> dict[tuple[str, str], Past]:
    """Return the latest episode of each (code, subject) of a run."""
    query = (
        sa.select(alerts.c.code, alerts.c.subject, alerts.c.episode, alerts.c.flaps, alerts.c.resolved_at)
        .where(alerts.c.run_id == run_id)
        .order_by(alerts.c.episode)
    )
    return {(row.code, row.subject): Past(row.episode, row.flaps, row.resolved_at) for row in connection.execute(query)}


def symptoms(connection: sa.Connection, causes: Iterable[Alert]) -> dict[UUID, list[Alert]]:
    """Return the alerts that are listed under each of `causes`, by its id, in the order in which they opened."""
    found: dict[UUID, list[Alert]] = {cause.id: [] for cause in causes}
    if found:
        query = sa.select(alerts).where(
            alerts.c.run_id.in_({cause.run_id for cause in causes}), alerts.c.cause_id.in_(list(found))
        )
        for row in connection.execute(query.order_by(*_IN_ORDER)):
            found[row.cause_id].append(_alert(row))
    return found


def save(connection: sa.Connection, changes: Iterable[AlertChange]) -> None:
    """Store what happened to alerts: those that opened are new rows, the others replace theirs."""
    for change in changes:
        if change.event == "opened" and not change.surfaced:
            connection.execute(sa.insert(alerts), _values(change.alert))
        else:
            replace(connection, change.alert)


def replace(connection: sa.Connection, alert: Alert) -> None:
    """Store an alert over itself."""
    values = {name: value for name, value in _values(alert).items() if name not in _FIXED}
    connection.execute(
        sa.update(alerts).where(alerts.c.run_id == alert.run_id, alerts.c.alert_id == alert.id).values(values)
    )


def due(connection: sa.Connection, now: datetime, *, limit: int) -> list[tuple[UUID, UUID]]:
    """Return (run, alert) of those that have to be looked at again by `now`, the longest due first.

    Among them are those of which a silence keeps news back that has ended early: none ends any more when it was to.
    """
    waited_for = sa.select(silences.c.until).where(silences.c.until > now)
    freed = sa.and_(alerts.c.withheld_until > now, alerts.c.withheld_until.not_in(waited_for))
    query = sa.select(alerts.c.run_id, alerts.c.alert_id)
    query = query.where(alerts.c.due_at.is_not(None), sa.or_(alerts.c.due_at <= now, freed))
    return [(row.run_id, row.alert_id) for row in connection.execute(query.order_by(alerts.c.due_at).limit(limit))]


def page(
    connection: sa.Connection,
    *,
    project: str | None = None,
    run_id: UUID | None = None,
    code: Sequence[str] | None = None,
    state: Sequence[ShownState] | None = None,
    severity: Sequence[Severity] | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Alert]:
    """Return alerts, the latest opened first, without those that are symptoms of others. `after` is (opened_at, id) of
    the last alert of the page before.
    """
    query = sa.select(alerts).where(alerts.c.cause_id.is_(None))
    if project is not None:
        query = query.join(runs, runs.c.run_id == alerts.c.run_id).where(runs.c.project == project)
    if run_id is not None:
        query = query.where(alerts.c.run_id == run_id)
    if code is not None:
        query = query.where(alerts.c.code.in_(code))
    if state is not None:
        query = query.where(sa.or_(*(_shown_as(each) for each in state)))
    if severity is not None:
        query = query.where(alerts.c.severity.in_(severity))
    if after is not None:
        place = sa.tuple_(alerts.c.opened_at, alerts.c.alert_id)
        last = sa.tuple_(sa.literal(after[0], alerts.c.opened_at.type), sa.literal(after[1], alerts.c.alert_id.type))
        query = query.where(place < last)
    query = query.order_by(alerts.c.opened_at.desc(), alerts.c.alert_id.desc()).limit(limit)
    return [_alert(row) for row in connection.execute(query)]


def since(connection: sa.Connection, time: datetime, *, limit: int, project: str | None = None) -> list[Alert]:
    """Return the alerts of a project (None: of all) that are open, or were opened or resolved at `time` or later; of
    more than `limit`, those that opened last.
    """
    happened = sa.or_(alerts.c.state == "open", alerts.c.opened_at >= time, alerts.c.resolved_at >= time)
    query = sa.select(alerts).where(happened).order_by(alerts.c.opened_at.desc(), alerts.c.alert_id).limit(limit)
    if project is not None:
        query = query.join(runs, runs.c.run_id == alerts.c.run_id).where(runs.c.project == project)
    return [_alert(row) for row in connection.execute(query)]


def _shown_as(state: ShownState) -> sa.ColumnElement[bool]:
    """The condition that an alert is shown in a state."""
    if state == "acknowledged":
        return sa.and_(alerts.c.state == "open", alerts.c.acknowledged_at.is_not(None))
    if state == "open":
        return sa.and_(alerts.c.state == "open", alerts.c.acknowledged_at.is_(None))
    return alerts.c.state == state


def _values(alert: Alert) -> dict[str, Any]:
    held, telling = alert.acknowledgement, alert.telling
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
        "acknowledged_at": None if held is None else held.at,
        "acknowledged_by": None if held is None else held.by,
        "acknowledged_note": None if held is None else held.note,
        "cause_id": alert.cause_id,
        "flaps": alert.flaps,
        "calm_since": alert.calm_since,
        "told": telling.told,
        "withheld_until": telling.withheld_until,
        "remind_at": telling.remind_at,
        "reminders": telling.reminders,
        "due_at": alerting.due_at(alert),
    }


def _alert(row: sa.Row[Any]) -> Alert:
    held = None
    if row.acknowledged_at is not None:
        held = Acknowledgement(row.acknowledged_at, row.acknowledged_by, row.acknowledged_note)
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
        acknowledgement=held,
        cause_id=row.cause_id,
        flaps=row.flaps,
        calm_since=row.calm_since,
        telling=Telling(cast("Severity | None", row.told), row.withheld_until, row.remind_at, row.reminders),
    )


def _place(position: Position | None) -> dict[str, Any] | None:
    return None if position is None else {"step": position.step, "epoch": position.epoch}


def _position(place: Mapping[str, Any] | None) -> Position | None:
    return None if place is None else Position(place["step"], place["epoch"])
