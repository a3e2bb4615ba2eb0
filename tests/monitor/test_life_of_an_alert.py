"""What people hear of alerts that come under a cause, or come and go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from tests.support.outbox import add_channel, of_channel

from trackside_service import detection, monitor
from trackside_service.domain.alerts import AlertChange, under_causes
from trackside_service.domain.records import Record
from trackside_service.domain.runs import EndStatus, Expectation, RuleSetting, RunSpec
from trackside_service.domain.silences import Matchers, Silence
from trackside_service.monitor.memory import MEMORY, Known
from trackside_service.monitor.raising import tell
from trackside_service.rules import RULES
from trackside_service.storage import alerts, runs, silences
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = UUID(int=9)
# The rules whose alerts these stories are about, and no others.
OFF = {rule.code: RuleSetting(enabled=False) for rule in RULES if rule.code not in ("LOSS001", "ACC001")}
SPEC = RunSpec("vision", "mobilenet", rules=OFF)
SPEC_TAGGED = replace(SPEC, tags=("x",))


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
            _post(engine, 10 * number + epoch, minutes=minute, train_loss=3.0 - 0.1 * minute)
    assert _sent(engine, channel_id) == ["alert.opened", "alert.resolved"] * 2 + ["alert.opened"]
    with read_transaction(engine) as connection:
        assert [alert.state for alert in alerts.of_run(connection, RUN)] == ["resolved", "resolved", "open"]
    # The next thing that is judged after an hour of quiet finds that it is over.
    _post(engine, 101, minutes=minute + 61, val_acc=60.0)
    result = _post(engine, 102, minutes=minute + 62, val_acc=0.0)
    assert ("resolved", "LOSS001") in _said(result.changes)


def test_a_symptom_whose_flapping_cause_resolves_by_the_end_of_its_run_is_told(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _open(engine)
    for number in range(3):
        last = number == 2
        _post(engine, 10 * number + 1, train_loss=1.0, val_acc=60.0)
        _post(engine, 10 * number + 2, train_loss=math.nan, val_acc=0.0 if last else 60.0)
        for epoch in (3, 4, 5):
            _post(engine, 10 * number + epoch, train_loss=1.0, val_acc=0.0 if last else 60.0)
    with read_transaction(engine) as connection:
        assert {alert.code: alert.calm_since is None for alert in alerts.open_of(connection, RUN)} == {
            "LOSS001": False,
            "ACC001": True,
        }
    with write_transaction(engine) as connection:
        result = monitor.finish(connection, RUN, "finished", None, now=NOW)
    assert _said(result.changes) == [("resolved", "LOSS001"), ("opened", "ACC001")]
    assert [(alert.code, alert.state) for alert in result.alerts] == [("ACC001", "ended")]
    assert _sent(engine, channel_id)[-2:] == ["alert.resolved", "alert.opened"]


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


def _silence(engine: sa.Engine, minutes: int, **matchers: tuple[str, ...]) -> UUID:
    silence = Silence(uuid4(), Matchers(**matchers), NOW + timedelta(minutes=minutes), NOW)  # type: ignore[arg-type]
    with write_transaction(engine) as connection:
        silences.insert(connection, silence)
    return silence.id


def _look(engine: sa.Engine, minutes: int) -> list[tuple[str, str]]:
    """Look at everything that is due, as the sweeper does."""
    now = NOW + timedelta(minutes=minutes)
    told: list[tuple[str, str]] = []
    with write_transaction(engine) as connection:
        for run_id, alert_id in alerts.due(connection, now, limit=9):
            told += _said(monitor.look_at_alerts(connection, run_id, [alert_id], now=now).changes)
    return told


@pytest.mark.parametrize("recovers", [False, True])
def test_a_warning_that_outlives_its_cause_is_told_after_an_hour(engine: sa.Engine, recovers: bool) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    rules = {code: setting for code, setting in OFF.items() if code != "EXP001"} | {
        "ACC001": RuleSetting(enabled=False)
    }
    _open(engine, replace(SPEC, rules=rules, expectations=(Expectation("val_acc", from_epoch=1.0, min=50.0),)))
    result = _post(engine, 2, train_loss=math.nan, val_acc=20.0)
    assert _said(result.changes) == [("opened", "LOSS001"), ("opened", "EXP001")]
    for epoch in (3, 4, 5):
        result = _post(engine, epoch, train_loss=1.0, val_acc=20.0)
    assert _said(result.changes) == [("resolved", "LOSS001"), ("opened", "EXP001")]
    if recovers:
        assert _said(_post(engine, 6, train_loss=1.0, val_acc=60.0).changes) == [("resolved", "EXP001")]
    MEMORY.clear()
    assert _look(engine, 59) == []
    assert _look(engine, 60) == ([] if recovers else [("opened", "EXP001")])
    assert _look(engine, 600) == []
    assert _sent(engine, channel_id) == ["alert.opened", "alert.resolved", *([] if recovers else ["alert.opened"])]


def test_what_a_silence_kept_back_is_told_when_it_is_over(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _silence(engine, 30, code=("LOSS001",), project=("vision",))
    _open(engine)
    result = _post(engine, 1, train_loss=math.nan)
    assert (_said(result.changes), result.health) == ([("opened", "LOSS001")], "critical")
    assert (_sent(engine, channel_id), _look(engine, 29)) == ([], [])
    MEMORY.clear()
    assert _look(engine, 30) == [("opened", "LOSS001")]
    assert (_sent(engine, channel_id), _look(engine, 31)) == (["alert.opened"], [])
    # And what it was not told of before, it is not told the end of.
    _post(engine, 2, minutes=31, val_acc=60.0)
    _silence(engine, 60, code=("ACC001",))
    for epoch in (10, 11, 12, 13, 14, 15):
        _post(engine, epoch, minutes=32, train_loss=1.0, val_acc=0.0 if epoch < 13 else 60.0)
    assert (_sent(engine, channel_id)[1:], _look(engine, 60)) == (["alert.resolved"], [])


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("status", ["finished", "failed"])
def test_what_a_silence_kept_back_is_told_once_though_the_run_has_ended(
    engine: sa.Engine, status: EndStatus, forgets: bool
) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _silence(engine, 30, project=("vision",))
    _open(engine)
    _post(engine, 1, train_loss=1.0, val_acc=60.0)
    _post(engine, 2, train_loss=math.nan, val_acc=0.0)
    if forgets:
        MEMORY.clear()
    with write_transaction(engine) as connection:
        monitor.finish(connection, RUN, status, None, now=NOW)
    assert (_sent(engine, channel_id), _look(engine, 29)) == ([], [])
    if forgets:
        MEMORY.clear()
    # The cause, and not its symptom; and then no more of it.
    assert _look(engine, 30) == [("opened", "LOSS001")]
    assert (_look(engine, 31), _look(engine, 60 * 48)) == ([], [])
    assert _sent(engine, channel_id) == ["alert.opened"]


def test_an_alert_that_was_told_is_not_told_again_when_a_silence_outlives_the_run(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _open(engine)
    _post(engine, 1, train_loss=math.nan)
    _silence(engine, 30, project=("vision",))
    with write_transaction(engine) as connection:
        monitor.finish(connection, RUN, "finished", None, now=NOW)
    assert _look(engine, 30) == []
    assert _sent(engine, channel_id) == ["alert.opened"]


def test_a_silence_that_ends_early_lets_its_news_go(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    longer, shorter = _silence(engine, 300, code=("LOSS",)), _silence(engine, 200, tag=("x",))
    _open(engine, SPEC_TAGGED)
    _post(engine, 1, train_loss=math.nan)
    for silence_id, expected in ((longer, []), (shorter, ["alert.opened"])):
        with write_transaction(engine) as connection:
            silences.expire(connection, silence_id, NOW + timedelta(minutes=5))
        _look(engine, 5)
        assert _sent(engine, channel_id) == expected


def test_a_flapping_alert_resolves_by_the_sweep_and_so_does_the_health(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _open(engine)
    for number in range(3):
        _post(engine, 10 * number + 1, train_loss=math.nan)
        for epoch in (2, 3, 4):
            _post(engine, 10 * number + epoch, train_loss=1.0)
    assert _look(engine, 59) == []
    assert _look(engine, 60) == [("resolved", "LOSS001")]
    assert _sent(engine, channel_id) == ["alert.opened", "alert.resolved"] * 3
    with read_transaction(engine) as connection:
        run = runs.get(connection, RUN)
    assert run is not None
    assert run.health == "ok"


def test_people_are_reminded_and_machines_only_if_they_ask(engine: sa.Engine) -> None:
    asked, _ = add_channel(engine, "http://127.0.0.1:9/asked", events=("opened", "reminder", "acknowledged"))
    usual, _ = add_channel(engine, "http://127.0.0.1:9/usual")
    _open(engine)
    (change,) = _post(engine, 1, train_loss=math.nan).changes
    assert _look(engine, 59) == []
    assert (_look(engine, 60), _look(engine, 61)) == ([("reminder", "LOSS001")], [])
    MEMORY.clear()
    with write_transaction(engine) as connection:
        monitor.acknowledge(connection, RUN, change.alert.id, by="ada", note=None, now=NOW)
    assert _look(engine, 60 * 24) == []
    assert _sent(engine, asked) == ["alert.opened", "alert.reminder", "alert.acknowledged"]
    assert _sent(engine, usual) == ["alert.opened"]


def test_a_higher_severity_asks_for_people_anew(engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    spec = replace(SPEC, rules={**SPEC.rules, "LOSS001": RuleSetting(severity="warning")})
    _open(engine, spec)
    (change,) = _post(engine, 1, train_loss=math.nan).changes
    with write_transaction(engine) as connection:
        result = monitor.acknowledge(connection, RUN, change.alert.id, by=None, note=None, now=NOW)
        again = monitor.acknowledge(connection, RUN, change.alert.id, by=None, note=None, now=NOW)
    assert (len(result.changes), again.changes, again.alert) == (1, (), result.alert)
    with write_transaction(engine) as connection:
        worse = replace(result.alert, severity="critical", acknowledgement=None)
        run = runs.get(connection, RUN)
        assert run is not None
        known = Known(run, detection.configure(spec), detection.begin(detection.configure(spec)), 1, alerts=(worse,))
        tell(connection, known, [AlertChange("changed", worse, previous="warning")], now=NOW)
    assert _sent(engine, channel_id) == ["alert.opened", "alert.changed"]
