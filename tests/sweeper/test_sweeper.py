"""The sweeper: finds what is overdue, says nothing of time in which it did not listen, and shares the work."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.support.outbox import add_channel, after, of_channel

from trackside_service import monitor
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.errors import BusyError, StorageUnavailableError
from trackside_service.monitor import LookResult
from trackside_service.storage import alerts, runs
from trackside_service.storage.engine import open_engine, read_transaction, write_transaction
from trackside_service.sweeper import Sweeper
from trackside_service.writer import Writer

ROOT = Path(__file__).parents[2]
SPEC = RunSpec("vision", "resnet", heartbeat_s=60)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> datetime:
        return after(self.seconds)


@pytest.fixture
def writer(engine: sa.Engine) -> Iterator[Writer]:
    one = Writer(engine)
    one.start()
    yield one
    one.stop()


def _ids(count: int) -> list[UUID]:
    return [UUID(int=number + 1) for number in range(count)]


def _talk(engine: sa.Engine, ids: Sequence[UUID], seconds: float = 0.0) -> None:
    with write_transaction(engine) as connection:
        for run_id in ids:
            monitor.open_run(connection, run_id, SPEC, process=("a", None), now=after(0))
            record = Record({"train_loss": 1.0}, step=int(seconds))
            monitor.record(connection, run_id, "a", [record], now=after(seconds))


def _silent(engine: sa.Engine, ids: Sequence[UUID]) -> dict[UUID, int]:
    with read_transaction(engine) as connection:
        found = {run_id: [alert.code for alert in alerts.of_run(connection, run_id)] for run_id in ids}
    assert {code for codes in found.values() for code in codes} <= {"RUN001"}
    return {run_id: len(codes) for run_id, codes in found.items()}


def test_what_is_overdue_is_told_by_the_same_way_as_a_post(engine: sa.Engine, writer: Writer) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    quiet, lively = _ids(2)
    _talk(engine, [quiet, lively])
    clock, told = Clock(), list[LookResult]()
    sweeper = Sweeper(engine, writer.submit, clock=clock, on_result=told.append)
    assert sweeper.sweep() == 0
    clock.seconds = 40
    _talk(engine, [lively], 40)
    assert sweeper.sweep() == 0
    clock.seconds = 60
    assert sweeper.sweep() == 2  # one is silent, the other gets a new deadline
    assert _silent(engine, [quiet, lively]) == {quiet: 1, lively: 0}
    assert [len(result.changes) for result in told] == [1, 0]
    assert [delivery.event for delivery in of_channel(engine, channel_id)] == ["alert.opened"]
    assert sweeper.sweep() == 0
    with read_transaction(engine) as connection:
        run = runs.get(connection, lively)
    assert run is not None
    assert run.deadline == after(100)


def test_time_in_which_it_did_not_listen_does_not_count(engine: sa.Engine, writer: Writer) -> None:
    (quiet,) = _ids(1)
    _talk(engine, [quiet])
    clock = Clock()
    clock.seconds = 5000  # the service was down
    sweeper = Sweeper(engine, writer.submit, clock=clock)
    for clock.seconds in (5000, 5030, 5059):
        assert sweeper.sweep() == 0
    clock.seconds = 5200  # the machine slept
    assert sweeper.sweep() == 0
    clock.seconds = 5100  # the clock was set back
    assert sweeper.sweep() == 0
    clock.seconds = 5159
    assert sweeper.sweep() == 0
    assert _silent(engine, [quiet]) == {quiet: 0}
    clock.seconds = 5160
    assert sweeper.sweep() == 1
    assert _silent(engine, [quiet]) == {quiet: 1}


def test_it_says_since_when_it_listens(engine: sa.Engine, writer: Writer) -> None:
    clock = Clock()
    sweeper = Sweeper(engine, writer.submit, clock=clock)
    assert sweeper.listens_since(after(3)) == after(3), "it has not begun"
    for clock.seconds in (5, 60, 110):
        sweeper.sweep()
    assert sweeper.listens_since(after(115)) == after(5)
    assert sweeper.listens_since(after(180)) == after(180), "it sleeps"
    assert sweeper.listens_since(after(100)) == after(100), "the clock was set back"


def test_a_long_sweep_listens_all_the_while(engine: sa.Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackside_service.sweeper.AT_ONCE", 1)
    clock = Clock()

    def slowly(job: Callable[[sa.Connection], LookResult], run_id: UUID) -> Future[LookResult]:
        clock.seconds += 40
        return writer.submit(job, run_id)

    *early, late = _ids(4)
    _talk(engine, early)
    sweeper = Sweeper(engine, slowly, clock=clock)
    assert sweeper.sweep() == 0
    clock.seconds = 60
    _talk(engine, [late], 100)
    assert sweeper.sweep() == 3
    assert clock.seconds == 180
    clock.seconds = 185
    assert sweeper.sweep() == 1
    assert _silent(engine, [*early, late]) == dict.fromkeys([*early, late], 1)


def test_a_machine_that_sleeps_in_the_middle_of_a_sweep_has_not_listened(
    engine: sa.Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackside_service.sweeper.AT_ONCE", 1)
    clock = Clock()
    pauses = iter((1000,))

    def asleep(job: Callable[[sa.Connection], LookResult], run_id: UUID) -> Future[LookResult]:
        clock.seconds += next(pauses, 0)
        return writer.submit(job, run_id)

    early, late = _ids(2)
    _talk(engine, [early])
    _talk(engine, [late], 30)
    sweeper = Sweeper(engine, asleep, clock=clock)
    for clock.seconds in (0, 50):
        assert sweeper.sweep() == 0
    clock.seconds = 61
    assert sweeper.sweep() == 1
    clock.seconds = 1066
    assert sweeper.sweep() == 0
    assert _silent(engine, [early, late]) == {early: 1, late: 0}
    clock.seconds = 1125
    assert sweeper.sweep() == 1
    assert _silent(engine, [early, late]) == {early: 1, late: 1}


def test_a_database_that_is_away_ends_the_listening(engine: sa.Engine, writer: Writer) -> None:
    (quiet,) = _ids(1)
    _talk(engine, [quiet])
    clock = Clock()
    sweeper = Sweeper(engine, writer.submit, clock=clock)
    assert sweeper.sweep() == 0
    aside = "ALTER TABLE runs RENAME TO runs_away"
    with write_transaction(engine) as connection:
        connection.execute(sa.text(aside))
    for clock.seconds in (30, 60, 90):
        with pytest.raises((StorageUnavailableError, sa.exc.DBAPIError)):
            sweeper.sweep()
    with write_transaction(engine) as connection:
        connection.execute(sa.text("ALTER TABLE runs_away RENAME TO runs"))
    clock.seconds = 120
    assert sweeper.sweep() == 0
    clock.seconds = 180
    assert sweeper.sweep() == 1
    assert _silent(engine, [quiet]) == {quiet: 1}


def test_those_who_wait_for_it_to_listen_hide_nobody(engine: sa.Engine, writer: Writer) -> None:
    ids = _ids(450)
    _talk(engine, ids)
    clock = Clock()
    clock.seconds = 5000
    sweeper = Sweeper(engine, writer.submit, clock=clock)
    assert sweeper.sweep() == 0
    spoke = [run_id for run_id in ids if run_id.int % 3 == 0]
    _talk(engine, spoke, 5010)
    clock.seconds = 5050
    assert sweeper.sweep() == len(spoke)  # their new deadline
    clock.seconds = 5060
    assert sweeper.sweep() == len(ids) - len(spoke)
    assert sum(_silent(engine, ids).values()) == len(ids) - len(spoke)


def test_a_full_queue_ends_the_turn_and_the_next_goes_on(engine: sa.Engine, writer: Writer) -> None:
    ids = _ids(2)
    _talk(engine, ids)
    full = [True]

    def submit(job: Callable[[sa.Connection], LookResult], run_id: UUID) -> Future[LookResult]:
        if full[0]:
            raise BusyError("full")
        return writer.submit(job, run_id)

    clock = Clock()
    sweeper = Sweeper(engine, submit, clock=clock)
    sweeper.sweep()
    clock.seconds = 60
    with pytest.raises(BusyError):
        sweeper.sweep()
    full[0] = False
    assert sweeper.sweep() == 2


def test_two_services_tell_it_once(engine: sa.Engine, database_url: str) -> None:
    ids = _ids(60)
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _talk(engine, ids)
    engines = [open_engine(database_url), open_engine(database_url)]
    writers = [Writer(each, group_limit=2) for each in engines]
    for each in writers:
        each.start()
    clock = Clock()
    sweepers = [Sweeper(each, one.submit, clock=clock) for each, one in zip(engines, writers, strict=True)]
    for one in sweepers:
        one.sweep()
    clock.seconds = 60
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda one: one.sweep(), sweepers)) >= 60
    assert _silent(engine, ids) == dict.fromkeys(ids, 1)
    assert len(of_channel(engine, channel_id)) == 60
    for each in writers:
        each.stop()
    for opened in engines:
        opened.dispose()


@contextmanager
def _process(database_url: str, seconds: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.support.sweeper_process", database_url, str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def test_killed_again_and_again_it_tells_each_once(engine: sa.Engine, writer: Writer, database_url: str) -> None:
    ids = _ids(90)
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    _talk(engine, ids)
    for round_ in range(2):
        with _process(database_url, round_ * 10_000.0) as running:
            assert running.stdout is not None
            for _ in range(20):
                assert running.stdout.readline() == "told\n"
    assert sum(_silent(engine, ids).values()) >= 40
    clock = Clock()
    clock.seconds = 50_000
    sweeper = Sweeper(engine, writer.submit, clock=clock)
    sweeper.sweep()
    clock.seconds = 50_060
    sweeper.sweep()
    assert _silent(engine, ids) == dict.fromkeys(ids, 1)
    assert len({delivery.alert_id for delivery in of_channel(engine, channel_id)}) == 90
    assert len(of_channel(engine, channel_id)) == 90


def test_it_runs_in_a_thread_of_its_own(engine: sa.Engine, writer: Writer) -> None:
    (quiet,) = _ids(1)
    _talk(engine, [quiet])
    seconds = iter(range(0, 10_000_000, 30))
    told = Future[LookResult]()

    def note(result: LookResult) -> None:
        if result.changes:
            told.set_result(result)

    sweeper = Sweeper(engine, writer.submit, every_s=0.01, clock=lambda: after(next(seconds)), on_result=note)
    sweeper.start()
    with pytest.raises(RuntimeError):
        sweeper.start()
    assert [change.alert.code for change in told.result(60).changes] == ["RUN001"]
    sweeper.stop()
    sweeper.stop()


def test_alerts_whose_time_has_come_are_looked_at(engine: sa.Engine, writer: Writer) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook", events=("opened", "reminder"))
    clock = Clock()
    sweeper = Sweeper(engine, writer.submit, clock=clock)
    ids = _ids(120)
    with write_transaction(engine) as connection:
        for run_id in ids:
            monitor.open_run(connection, run_id, RunSpec("vision", "resnet"), process=None, now=after(0))
            monitor.record(connection, run_id, None, [Record({"train_loss": math.nan}, step=1)], now=after(0))
            monitor.finish(connection, run_id, "finished", None, now=after(0)) if run_id == ids[0] else None
    clock.seconds = 3_599
    sweeper.sweep()
    assert len(of_channel(engine, channel_id)) == 120
    clock.seconds = 3_600
    sweeper.sweep()
    sweeper.sweep()
    reminders = [each for each in of_channel(engine, channel_id) if each.event == "alert.reminder"]
    assert {each.run_id for each in reminders} == set(ids[1:])
    assert len(reminders) == 119
