"""What people hear of alerts that come under a cause, or come and go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.support.outbox import add_channel, of_channel

from trackside_service import monitor
from trackside_service.domain.alerts import AlertChange, under_causes
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.monitor.memory import MEMORY
from trackside_service.storage import alerts
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = UUID(int=9)
SPEC = RunSpec("vision", "mobilenet")


def _open(engine: sa.Engine, spec: RunSpec = SPEC, process: str = "a") -> monitor.OpenResult:
    with write_transaction(engine) as connection:
        return monitor.open_run(connection, RUN, spec, process=(process, None), now=NOW)


def _post(engine: sa.Engine, epoch: float, *, process: str = "a", minutes: int = 0, **metrics: float) -> Any:
    with write_transaction(engine) as connection:
        now = NOW + timedelta(minutes=minutes)
        return monitor.record(connection, RUN, process, [Record(metrics, epoch=epoch)], now=now)


def _said(changes: Sequence[AlertChange]) -> list[tuple[str, str]]:
    return [(change.event, change.alert.code) for change in changes]


def _sent(engine: sa.Engine, channel_id: UUID) -> list[str]:
    return [delivery.event for delivery in of_channel(engine, channel_id)]


@pytest.mark.parametrize("forgets", [False, True])
def test_a_symptom_is_stored_under_its_cause_and_told_once_the_cause_is_over(engine: sa.Engine, forgets: bool) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _open(engine)
    _post(engine, 1, train_loss=1.0, val_acc=60.0)
    result = _post(engine, 2, train_loss=math.nan, val_acc=0.0)
    assert _said(result.changes) == [("opened", "LOSS001"), ("opened", "ACC001")]
    assert result.health == "critical"
    assert _sent(engine, channel_id) == ["alert.opened"]
    with read_transaction(engine) as connection:
        listed, symptoms = under_causes(alerts.of_run(connection, RUN))
        assert [alert.code for alert in alerts.page(connection)] == ["LOSS001"]
    assert [alert.code for alert in listed] == ["LOSS001"]
    assert [alert.code for alert in symptoms[listed[0].id]] == ["ACC001"]
    for epoch in (3, 4, 5):
        if forgets:
            MEMORY.clear()
        result = _post(engine, epoch, train_loss=1.0, val_acc=0.0)
    assert _said(result.changes) == [("resolved", "LOSS001"), ("opened", "ACC001")]
    assert _sent(engine, channel_id) == ["alert.opened", "alert.resolved", "alert.opened"]
    assert [alert.code for alert in result.alerts] == ["ACC001"]
    for epoch in (6, 7):
        assert _post(engine, epoch, train_loss=1.0, val_acc=0.0).changes == ()
    assert _said(_post(engine, 8, train_loss=1.0, val_acc=60.0).changes) == [("resolved", "ACC001")]
    assert _sent(engine, channel_id)[3:] == ["alert.resolved"]


def test_an_alert_that_comes_and_goes_is_told_three_times(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _open(engine)
    minute = 0
    for number in range(6):
        _post(engine, 10 * number + 1, minutes=minute, train_loss=math.nan)
        for epoch in (2, 3, 4):
            minute += 1
            MEMORY.clear()
            _post(engine, 10 * number + epoch, minutes=minute, train_loss=1.0)
    assert _sent(engine, channel_id) == ["alert.opened", "alert.resolved"] * 2 + ["alert.opened"]
    with read_transaction(engine) as connection:
        assert [alert.state for alert in alerts.of_run(connection, RUN)] == ["resolved", "resolved", "open"]
    # The next thing that is judged after an hour of quiet finds that it is over.
    _post(engine, 101, minutes=minute + 61, val_acc=60.0)
    result = _post(engine, 102, minutes=minute + 62, val_acc=0.0)
    assert ("resolved", "LOSS001") in _said(result.changes)


def test_a_resumed_run_that_fails_again_is_told_again(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _open(engine)
    _post(engine, 5, train_loss=math.nan)
    with write_transaction(engine) as connection:
        monitor.finish(connection, RUN, "finished", None, now=NOW)
    _open(engine, process="b")
    assert _said(_post(engine, 4, process="b", train_loss=1.0).changes) == []
    result = _post(engine, 5, process="b", train_loss=math.nan)
    assert _said(result.changes) == [("resolved", "LOSS001"), ("opened", "LOSS001")]
    assert _sent(engine, channel_id) == ["alert.opened", "alert.resolved", "alert.opened"]
