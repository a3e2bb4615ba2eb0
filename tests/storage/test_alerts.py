"""Alerts are stored as they are, one open at a time, and listed latest first."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from trackside_service.domain.alerts import Acknowledgement, Alert, AlertChange, Past, Telling
from trackside_service.domain.records import Position
from trackside_service.domain.runs import RunSpec
from trackside_service.domain.silences import Matchers, Silence
from trackside_service.storage import alerts, runs, silences
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
        assert alerts.past(connection, first.run_id) == {first.fingerprint: Past(1, 0, NOW)}


def test_every_field_comes_back(engine: sa.Engine) -> None:
    whole = _alert(
        1,
        resolved=Position(4),
        acknowledgement=Acknowledgement(NOW, "ada", "looking"),
        cause_id=UUID(int=2),
        flaps=2,
        calm_since=NOW,
        telling=Telling("warning", NOW + timedelta(hours=1), NOW + timedelta(hours=2), 3),
    )
    _store(engine, whole)
    with read_transaction(engine) as connection:
        assert alerts.get(connection, whole.id) == whole
        assert alerts.past(connection, whole.run_id) == {whole.fingerprint: Past(1, 2)}


def test_symptoms_are_found_under_their_causes_and_not_listed(engine: sa.Engine) -> None:
    cause, other = _alert(1), _alert(2, run=2)
    below = _alert(3, code="ACC001", cause_id=cause.id)
    _store(engine, cause, other, below)
    with read_transaction(engine) as connection:
        listed = alerts.page(connection)
        assert [alert.id for alert in listed] == [other.id, cause.id]
        assert alerts.symptoms(connection, listed) == {cause.id: [below], other.id: []}
        assert alerts.symptoms(connection, []) == {}


def test_an_acknowledged_alert_has_a_state_of_its_own(engine: sa.Engine) -> None:
    held = _alert(1, acknowledgement=Acknowledgement(NOW))
    ended = _alert(2, acknowledgement=Acknowledgement(NOW), state="ended")
    _store(engine, held, ended, _alert(3, code="ACC001", run=2))

    def found(**filters: Any) -> list[int]:
        with read_transaction(engine) as connection:
            return [alert.id.int for alert in alerts.page(connection, **filters)]

    assert found(state=["acknowledged"]) == [1]
    assert found(state=["open"]) == [3]
    assert found(state=["acknowledged", "ended"]) == [2, 1]
    assert found(code=["ACC001", "EXP001"]) == [3]
    assert found(run_id=UUID(int=1)) == [2, 1]


def test_what_is_due_is_found_in_order_and_what_a_silence_let_go_at_once(engine: sa.Engine) -> None:
    def at(hours: int) -> datetime:
        return NOW + timedelta(hours=hours)

    _store(
        engine,
        _alert(1),
        _alert(2, telling=Telling(remind_at=at(3))),
        _alert(3, telling=Telling(withheld_until=at(2))),
        _alert(4, flaps=2, calm_since=NOW, telling=Telling(remind_at=at(9))),
        _alert(5, telling=Telling(withheld_until=at(50))),
    )

    long, short = (Silence(uuid4(), Matchers(code=("LR",)), at(hours), NOW) for hours in (50, 2))
    with write_transaction(engine) as connection:
        for silence in (long, short):
            silences.insert(connection, silence)

    def due(now: datetime, limit: int = 9) -> list[int]:
        with read_transaction(engine) as connection:
            return [alert_id.int for _, alert_id in alerts.due(connection, now, limit=limit)]

    assert due(NOW) == []
    assert due(at(3)) == [4, 3, 2]
    assert due(at(3), limit=1) == [4]
    with write_transaction(engine) as connection:
        silences.expire(connection, long.id, at(1) - timedelta(seconds=1))
    assert due(at(1)) == [4, 5]


def test_another_silence_that_ends_at_the_same_moment_keeps_nothing_back(engine: sa.Engine) -> None:
    until = NOW + timedelta(hours=9)
    made = [Silence(uuid4(), Matchers(project=(name,)), until, NOW) for name in "pqr"]
    with write_transaction(engine) as connection:
        stored = [silences.insert(connection, silence) for silence in made]
        assert [silences.get(connection, one.id) for one in made] == stored
    assert stored[0].until == until
    assert {one.until - until < timedelta(milliseconds=1) for one in stored} == {True}
    _store(engine, *(_alert(n, telling=Telling(withheld_until=one.until)) for n, one in enumerate(stored)))
    for number, one in enumerate(stored):
        with write_transaction(engine) as connection:
            silences.expire(connection, one.id, NOW)
            found = alerts.due(connection, NOW, limit=9)
        assert sorted(alert_id.int for _, alert_id in found) == list(range(number + 1))


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
