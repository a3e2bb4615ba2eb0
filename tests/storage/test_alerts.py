"""Alerts are stored as they are, one open at a time, and listed latest first."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from trackside_service.domain.alerts import Alert, AlertChange
from trackside_service.domain.records import Position
from trackside_service.domain.runs import RunSpec
from trackside_service.storage import alerts, runs
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _alert(number: int, run: int = 1, **changes: object) -> Alert:
    alert = Alert(
        id=UUID(int=number),
        run_id=UUID(int=run),
        code="LOSS001",
        subject=f"metric {number}",
        severity="critical",
        state="open",
        episode=1,
        title="title",
        detail="détail",
        advice="advice",
        opened=Position(3, 0.5),
        detected=None,
        opened_at=NOW + timedelta(seconds=number // 3),
        changed_at=NOW,
        evidence={"last": 1.5},
    )
    return replace(alert, **changes)  # type: ignore[arg-type]


def _store(engine: sa.Engine, *stored: Alert) -> None:
    with write_transaction(engine) as connection:
        for number, project in ((1, "p"), (2, "q")):
            runs.insert(connection, UUID(int=number), RunSpec(project, "n"), now=NOW)
        alerts.save(connection, [AlertChange("opened", alert) for alert in stored])


def test_an_alert_comes_back_and_is_replaced(engine: sa.Engine) -> None:
    first = _alert(1, evidence={"values": [math.nan, math.inf, 1.0]})
    _store(engine, first)
    over = replace(first, state="resolved", resolved=Position(None, 2.0), resolved_at=NOW, title="new", evidence={})
    with read_transaction(engine) as connection:
        found = alerts.get(connection, first.id)
        assert alerts.get(connection, UUID(int=99)) is None
    assert found == replace(first, evidence={"values": ["NaN", "Infinity", 1.0]})
    with write_transaction(engine) as connection:
        alerts.save(connection, [AlertChange("resolved", over)])
        assert alerts.get(connection, first.id) == over
        assert alerts.open_of(connection, first.run_id) == []
        assert alerts.episodes(connection, first.run_id) == {first.fingerprint: 1}


def test_two_open_alerts_of_one_fingerprint_cannot_be(engine: sa.Engine) -> None:
    _store(engine, _alert(1))
    second = _alert(2, subject="metric 1", episode=2)
    with pytest.raises(sa.exc.IntegrityError), write_transaction(engine) as connection:
        alerts.save(connection, [AlertChange("opened", second)])
    with write_transaction(engine) as connection:
        alerts.replace(connection, _alert(1, state="resolved"))
        alerts.save(connection, [AlertChange("opened", second)])


def test_pages_and_filters(engine: sa.Engine) -> None:
    stored = [_alert(number, run=1 + number % 2) for number in range(20)]
    stored[7] = replace(stored[7], state="ended", severity="info")
    _store(engine, *stored)
    found: list[Alert] = []
    with read_transaction(engine) as connection:
        after = None
        while page := alerts.page(connection, after=after, limit=6):
            found += page
            after = (page[-1].opened_at, page[-1].id)
        assert [alert.id.int for alert in found] == list(range(19, -1, -1))
        assert {alert.id.int % 2 for alert in alerts.page(connection, project="q")} == {1}
        assert [alert.id.int for alert in alerts.page(connection, state=["ended", "resolved"])] == [7]
        assert [alert.id.int for alert in alerts.page(connection, severity=["info", "warning"])] == [7]
        assert len(alerts.of_run(connection, UUID(int=1))) == 10
