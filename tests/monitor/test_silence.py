"""Runs that are not heard of: told once, answered when they speak, and never said of a run that has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from trackside_service import monitor
from trackside_service.domain.alerts import AlertChange
from trackside_service.domain.records import Position, Record
from trackside_service.domain.runs import RuleSetting, Run, RunSpec
from trackside_service.monitor import FinishResult, LookResult, OpenResult, RecordResult
from trackside_service.monitor.memory import MEMORY
from trackside_service.storage import alerts, runs
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
RUN = UUID(int=9)
SPEC = RunSpec("vision", "mobilenet")
BEATING = RunSpec("vision", "mobilenet", heartbeat_s=60)
HOUR = 3600.0


@pytest.fixture(params=["kept", "forgotten"], autouse=True)
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if one process did everything, and as if each act met a new one."""
    MEMORY.clear()
    if request.param == "forgotten":
        monkeypatch.setattr(type(MEMORY), "keep", lambda *_: None)
    yield
    MEMORY.clear()


def _at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def _open(engine: sa.Engine, spec: RunSpec = SPEC, process: str = "a", at_s: float = 0) -> OpenResult:
    with write_transaction(engine) as connection:
        return monitor.open_run(connection, RUN, spec, process=(process, None), now=_at(at_s))


def _post(engine: sa.Engine, at_s: float, process: str = "a", **fields: Any) -> RecordResult:
    record = Record({"train_loss": 1.0}, step=int(at_s), **fields)
    with write_transaction(engine) as connection:
        return monitor.record(connection, RUN, process, [record], now=_at(at_s))


def _beat(engine: sa.Engine, at_s: float) -> RecordResult:
    with write_transaction(engine) as connection:
        return monitor.record(connection, RUN, "a", [], now=_at(at_s))


def _look(engine: sa.Engine, at_s: float, listening_since: datetime = LONG_AGO) -> LookResult:
    with write_transaction(engine) as connection:
        return monitor.look_for_silence(connection, RUN, listening_since=listening_since, now=_at(at_s))


def _finish(engine: sa.Engine, at_s: float, status: Any = "finished") -> FinishResult:
    with write_transaction(engine) as connection:
        return monitor.finish(connection, RUN, status, None, now=_at(at_s))


def _run(engine: sa.Engine) -> Run:
    with read_transaction(engine) as connection:
        run = runs.get(connection, RUN)
    assert run is not None
    return run


def _is_due(engine: sa.Engine, at_s: float) -> bool:
    with read_transaction(engine) as connection:
        return [run.run_id for run in runs.overdue(connection, _at(at_s))] == [RUN]


def _told(changes: Sequence[AlertChange]) -> list[tuple[str, str, str]]:
    return [(change.event, change.alert.code, change.alert.state) for change in changes]


def _talk(engine: sa.Engine, *at_s: float) -> None:
    for each in at_s:
        _post(engine, each)


OPENED = [("opened", "RUN001", "open")]
RESOLVED = [("resolved", "RUN001", "resolved")]


def test_a_run_that_never_reports_has_a_limit_of_its_own(engine: sa.Engine) -> None:
    _open(engine)
    assert _run(engine).deadline == _at(4 * HOUR)
    assert not _is_due(engine, 4 * HOUR - 1)
    assert _look(engine, 4 * HOUR - 1).changes == ()
    assert _is_due(engine, 4 * HOUR)
    result = _look(engine, 4 * HOUR)
    assert _told(result.changes) == OPENED
    assert "No record" in result.changes[0].alert.title
    assert _run(engine).health == "critical"


def test_a_run_that_stops_is_told_once_and_resolves_when_it_speaks(engine: sa.Engine) -> None:
    _open(engine)
    _talk(engine, 10, 20, 30, 400, 410)  # an evaluation in between
    assert _run(engine).deadline == _at(410 + 1800)
    assert _look(engine, 2209).changes == ()
    result = _look(engine, 2210)
    assert _told(result.changes) == OPENED
    alert = result.changes[0].alert
    assert alert.opened == Position(410)
    assert alert.opened_at == _at(2210)
    assert alert.evidence["longest_pause_s"] == 370
    assert not _is_due(engine, 99999)
    assert _look(engine, 99999).changes == ()

    answer = _post(engine, 5000)
    assert _told(answer.changes) == RESOLVED
    assert answer.changes[0].alert.resolved == Position(5000)
    assert _run(engine).health == "ok"
    assert _run(engine).deadline == _at(5000 + 3 * 4590)  # the pause is known now
    assert _told(_look(engine, 5000 + 3 * 4590).changes) == OPENED
    with read_transaction(engine) as connection:
        assert [alert.episode for alert in alerts.of_run(connection, RUN)] == [1, 2]


def test_the_time_in_which_the_service_was_down_is_no_pause_of_the_run(engine: sa.Engine) -> None:
    _open(engine)
    _talk(engine, 10, 20, 30, 400, 410)
    limit = timedelta(seconds=1800)
    with write_transaction(engine) as connection:
        record = Record({"train_loss": 1.0}, step=500)
        monitor.record(connection, RUN, "a", [record], now=_at(8 * HOUR), listening_since=_at(8 * HOUR - 30))
    assert _run(engine).deadline == _at(8 * HOUR) + limit
    # What it heard with its own ears counts, and so does a pause that began before it was restarted, from there on.
    with write_transaction(engine) as connection:
        monitor.record(connection, RUN, "a", [], now=_at(9 * HOUR), listening_since=_at(8.5 * HOUR))
    assert _run(engine).deadline == _at(9 * HOUR + 3 * HOUR / 2)


def test_pauses_in_which_the_service_was_restarted_are_not_known_from_it(engine: sa.Engine) -> None:
    _open(engine)
    for number in range(1, 8):
        at_s = number * 2 * HOUR
        with write_transaction(engine) as connection:
            record = Record({"train_loss": 1.0}, step=number)
            monitor.record(connection, RUN, "a", [record], now=_at(at_s), listening_since=_at(at_s - 60))
    # Half an hour, learned from seven minutes of its own, would call each of its epochs a silence.
    assert _look(engine, 16 * HOUR).changes == ()


def test_a_clock_that_was_ahead_and_is_set_right_hides_no_silence(engine: sa.Engine) -> None:
    _open(engine, BEATING)
    _post(engine, 24 * HOUR)
    _post(engine, 10)
    assert _run(engine).deadline == _at(70)
    assert _is_due(engine, 70)
    assert _told(_look(engine, 70).changes) == OPENED
    # The clocks of two services are never quite the same.
    _post(engine, 100)
    _post(engine, 95)
    assert _run(engine).deadline == _at(160)


def test_a_post_without_news_says_that_the_run_lives(engine: sa.Engine) -> None:
    _open(engine, BEATING)
    _post(engine, 10)
    for at_s in (60, 110, 160):
        assert _beat(engine, at_s).changes == ()
    assert _run(engine).deadline == _at(220)
    assert _told(_look(engine, 220).changes) == OPENED
    assert _told(_beat(engine, 300).changes) == RESOLVED
    assert _told(_look(engine, 360).changes) == OPENED
    repeated = Record({"train_loss": 1.0}, step=10)
    with write_transaction(engine) as connection:
        answer = monitor.record(connection, RUN, "a", [repeated], now=_at(400))
    assert (answer.accepted, _told(answer.changes)) == (0, RESOLVED)


def test_posts_leave_the_deadline_and_a_look_sets_the_next(engine: sa.Engine) -> None:
    _open(engine)
    _talk(engine, 10, 20, 30, 40, 50)
    _talk(engine, 60, 1000)
    assert not _is_due(engine, 1849)
    assert _is_due(engine, 1850)  # 30 minutes after the pauses were known
    assert _look(engine, 1850).changes == ()
    assert _run(engine).deadline == _at(1000 + 3 * 940)
    assert not _is_due(engine, 1000 + 3 * 940 - 1)
    assert _is_due(engine, 1000 + 3 * 940)


def test_a_service_that_did_not_listen_says_nothing(engine: sa.Engine) -> None:
    _open(engine, BEATING)
    _post(engine, 10)
    assert _look(engine, 500, listening_since=_at(450)).changes == ()
    assert _told(_look(engine, 510, listening_since=_at(450)).changes) == OPENED


@pytest.mark.parametrize("status", ["finished", "failed", "killed"])
def test_a_run_that_has_ended_is_not_waited_for(engine: sa.Engine, status: str) -> None:
    _open(engine, BEATING)
    _post(engine, 10)
    _finish(engine, 20, status)
    assert _run(engine).deadline is None
    _post(engine, 30)  # late, and it does not begin again
    assert not _is_due(engine, 99999)
    assert _look(engine, 99999).changes == ()
    assert _run(engine).status == status


def test_an_end_and_a_new_process_answer_a_silence(engine: sa.Engine) -> None:
    _open(engine, BEATING)
    _post(engine, 10)
    assert _told(_look(engine, 70).changes) == OPENED
    ended = _finish(engine, 80, "failed")
    assert _told(ended.changes) == [*RESOLVED, ("opened", "RUN002", "ended")]
    assert [change.alert.cause_id for change in ended.changes] == [None, None]
    assert ("resolved", "RUN002", "resolved") in _told(_open(engine, BEATING, "b", 90).changes)
    assert _run(engine).deadline == _at(90 + 4 * HOUR)  # it has to start first
    _post(engine, 8000, "b")
    assert _told(_look(engine, 8060).changes) == OPENED
    assert _told(_open(engine, BEATING, "c", 9000).changes) == RESOLVED


def test_an_old_log_that_is_sent_in_is_neither_waited_for_nor_a_sign_of_life(engine: sa.Engine) -> None:
    _open(engine, BEATING)
    _post(engine, 10, time=_at(10 - 2 * HOUR))
    assert _run(engine).deadline is None
    assert not _is_due(engine, 99999)
    _post(engine, 20, time=_at(20))
    assert _told(_look(engine, 80).changes) == OPENED
    assert _post(engine, 90, time=_at(90 - 2 * HOUR)).changes == ()
    assert _told(_post(engine, 100, time=_at(100)).changes) == RESOLVED


def test_the_rule_is_set_and_switched_off_like_any_other(engine: sa.Engine) -> None:
    _open(engine, RunSpec("v", "n", rules={"RUN001": RuleSetting(severity="warning", params={"start_s": 5.0})}))
    assert [change.alert.severity for change in _look(engine, 5).changes] == ["warning"]
    _open(engine, RunSpec("v", "n", rules={"RUN001": RuleSetting(enabled=False)}), process="b", at_s=6)
    assert _run(engine).deadline is None
    _post(engine, 10, "b")
    assert not _is_due(engine, 99999)


def test_racing_looks_and_posts_tell_it_once(engine: sa.Engine) -> None:
    _open(engine, BEATING)
    _post(engine, 10)
    start = threading.Barrier(6)

    def look(_: int) -> LookResult:
        start.wait()
        return _look(engine, 100)

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(look, range(6)))
    assert [_told(result.changes) for result in results if result.changes] == [OPENED]

    start = threading.Barrier(6)

    def speak(number: int) -> LookResult | RecordResult:
        start.wait()
        return _look(engine, 500) if number % 2 else _beat(engine, 500)

    with ThreadPoolExecutor(6) as pool:
        told = [result.changes for result in pool.map(speak, range(6)) if result.changes]
    assert [_told(changes) for changes in told] == [RESOLVED]
