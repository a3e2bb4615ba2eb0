"""Posts are stored in groups; each is answered after its own commit and fails alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from trackside_service.domain.runs import RunSpec
from trackside_service.errors import BusyError, RunNotFoundError, StorageUnavailableError
from trackside_service.storage import runs
from trackside_service.storage.engine import APART, read_transaction
from trackside_service.writer import CAREFUL, Writer

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
Job = Callable[[sa.Connection], Any]


def _id(number: int) -> UUID:
    return UUID(int=number)


def _insert(number: int) -> Job:
    return lambda connection: runs.insert(connection, _id(number), RunSpec("p", f"run{number}"), now=NOW)


def _stored(engine: sa.Engine) -> set[int]:
    with read_transaction(engine) as connection:
        return {run.id.int for run in runs.page(connection, limit=1_000)}


class Held:
    """Holds a lane until released, so that what is submitted meanwhile makes one group."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def __call__(self, _: sa.Connection) -> str:
        self.entered.set()
        assert self.released.wait(30)
        return "held"


@contextmanager
def _running(engine: sa.Engine, **options: Any) -> Iterator[Writer]:
    writer = Writer(engine, **{"lanes": 1, **options})
    writer.start()
    try:
        yield writer
    finally:
        writer.stop(30)


def _grouped(writer: Writer, jobs: Sequence[tuple[int, Job]], *, weight: int = 1) -> list[Future[Any]]:
    """Submit jobs (run, job) while the lane is busy, so that they go into one transaction."""
    held = Held()
    first = writer.submit(held, _id(0))
    assert held.entered.wait(30)
    futures = [writer.submit(job, _id(number), weight=weight) for number, job in jobs]
    held.released.set()
    assert first.result(30) == "held"
    return futures


def test_a_group_is_one_commit_and_answers_come_after_it(engine: sa.Engine) -> None:
    commits: list[int] = []
    sa.event.listen(engine, "commit", lambda _: commits.append(1))
    results: list[Sequence[Any]] = []
    with _running(engine, on_commit=results.append) as writer:
        futures = _grouped(writer, [(number, _insert(number)) for number in range(1, 21)])
        assert [future.result(30) for future in futures] == [True] * 20
    assert len(commits) == 2  # the held one's, and the group's
    assert results == [["held"], [True] * 20]
    assert _stored(engine) == set(range(1, 21))


def test_an_answer_is_not_given_before_the_commit(engine: sa.Engine) -> None:
    seen: list[bool] = []
    futures: list[Future[Any]] = []
    sa.event.listen(engine, "commit", lambda _: seen.extend(future.done() for future in futures))
    with _running(engine) as writer:
        held = Held()
        writer.submit(held, _id(0))
        assert held.entered.wait(30)
        futures += [writer.submit(_insert(number), _id(number)) for number in (1, 2)]
        held.released.set()
        for future in futures:
            future.result(30)
    assert seen == [False, False] * 2


def test_a_bad_post_fails_alone(engine: sa.Engine) -> None:
    def broken(connection: sa.Connection) -> None:
        runs.insert(connection, _id(99), RunSpec("p", "left behind"), now=NOW)
        raise RunNotFoundError("no such run")

    def refused(connection: sa.Connection) -> None:
        connection.execute(sa.text("INSERT INTO runs (run_id) VALUES (NULL)"))

    with _running(engine) as writer:
        good, bad, worse, also_good = _grouped(writer, [(1, _insert(1)), (2, broken), (3, refused), (4, _insert(4))])
        assert good.result(30) is True
        with pytest.raises(RunNotFoundError):
            bad.result(30)
        with pytest.raises(exc.IntegrityError):
            worse.result(30)
        assert also_good.result(30) is True
        with pytest.raises(RunNotFoundError):
            writer.submit(broken, _id(1)).result(30)  # alone in its group
    assert _stored(engine) == {1, 4}


def test_savepoints_are_paid_for_only_where_a_post_failed_lately(engine: sa.Engine) -> None:
    said: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: said.append(args[2]))

    def broken(_: sa.Connection) -> None:
        raise RunNotFoundError("no such run")

    def savepoints() -> int:
        found = sum(each.startswith(("SAVEPOINT", "RELEASE")) for each in said)
        said.clear()
        return found

    with _running(engine) as writer:
        for future in _grouped(writer, [(number, _insert(number)) for number in (1, 2)]):
            assert future.result(30) is True
        assert savepoints() == 0
        bad, good = _grouped(writer, [(3, broken), (4, _insert(4))])
        assert good.result(30) is True
        assert isinstance(bad.exception(30), RunNotFoundError)
        assert savepoints() > 0
        rounds = 0
        while not rounds or savepoints():  # each time two groups: the held one, and that of the two
            assert rounds <= CAREFUL
            for future in _grouped(
                writer, [(10 + 2 * rounds + each, _insert(10 + 2 * rounds + each)) for each in (0, 1)]
            ):
                assert future.result(30) is True
            rounds += 1
        assert rounds > 1
    assert _stored(engine) == {1, 2, 4, *range(10, 10 + 2 * rounds)}


def test_what_a_group_wrote_before_it_was_begun_again_is_stored_once(engine: sa.Engine) -> None:
    begun: list[int] = []

    def counted(connection: sa.Connection) -> bool:
        begun.append(1)
        return runs.insert(connection, _id(1), RunSpec("p", "run1"), now=NOW)

    def broken(_: sa.Connection) -> None:
        raise RunNotFoundError("no such run")

    with _running(engine) as writer:
        good, bad = _grouped(writer, [(1, counted), (2, broken)])
        assert good.result(30) is True  # False would say that the first time had left it behind
        assert isinstance(bad.exception(30), RunNotFoundError)
    assert len(begun) == 2
    assert _stored(engine) == {1}


def test_runs_are_locked_in_order_and_the_posts_of_a_run_keep_theirs(engine: sa.Engine) -> None:
    order: list[tuple[int, int]] = []

    def job(number: int, index: int) -> Job:
        return lambda _: order.append((number, index))

    with _running(engine) as writer:
        futures = _grouped(writer, [(number, job(number, index)) for index in range(3) for number in (7, 3, 5)])
        for future in futures:
            future.result(30)
    assert order == [(number, index) for number in (3, 5, 7) for index in range(3)]


def test_the_limit_of_a_group_is_kept(engine: sa.Engine) -> None:
    results: list[Sequence[Any]] = []
    with _running(engine, group_limit=1, on_commit=results.append) as writer:
        for future in _grouped(writer, [(number, _insert(number)) for number in range(1, 5)]):
            future.result(30)
    assert [len(result) for result in results] == [1] * 5


def test_where_a_group_is_one_run_each_statement_writes_one_table(engine: sa.Engine) -> None:
    def apart(connection: sa.Connection) -> bool:
        return bool(connection.get_execution_options()[APART])

    for limit, expected in ((1, True), (2, False)):
        with _running(engine, group_limit=limit) as writer:
            assert writer.submit(apart, _id(1)).result(30) is expected


def test_a_group_is_bounded_in_records(engine: sa.Engine) -> None:
    results: list[Sequence[Any]] = []
    with _running(engine, group_weight=10, on_commit=results.append) as writer:
        for future in _grouped(writer, [(number, _insert(number)) for number in range(1, 8)], weight=4):
            assert future.result(30) is True
        for future in _grouped(writer, [(number, _insert(number)) for number in (8, 9)], weight=99):
            assert future.result(30) is True  # a post heavier than a group is one of its own
    assert [len(result) for result in results] == [1, 2, 2, 2, 1, 1, 1, 1]


def test_a_queue_is_bounded_in_records(engine: sa.Engine) -> None:
    held = Held()
    with _running(engine, queue_weight=10) as writer:
        writer.submit(held, _id(0))
        assert held.entered.wait(30)
        waiting = [writer.submit(_insert(1), _id(1), weight=50)]  # heavier than the queue, but the first
        with pytest.raises(BusyError):
            writer.submit(_insert(2), _id(2))
        held.released.set()
        assert waiting[0].result(30) is True
        for number in (3, 4):  # what was stored weighs no more
            assert writer.submit(_insert(number), _id(number), weight=10).result(30) is True


def test_a_full_queue_refuses(engine: sa.Engine) -> None:
    held = Held()
    with _running(engine, queue_limit=2) as writer:
        writer.submit(held, _id(0))
        assert held.entered.wait(30)
        waiting = [writer.submit(_insert(number), _id(number)) for number in (1, 2)]
        assert writer.waiting == 2
        with pytest.raises(BusyError):
            writer.submit(_insert(3), _id(3))
        held.released.set()
        for future in waiting:
            future.result(30)


def test_stopping_stores_what_waits_and_then_refuses(engine: sa.Engine) -> None:
    held = Held()
    writer = Writer(engine, lanes=1)
    with pytest.raises(StorageUnavailableError):
        writer.submit(_insert(1), _id(1))
    writer.start()
    writer.submit(held, _id(0))
    assert held.entered.wait(30)
    waiting = [writer.submit(_insert(number), _id(number)) for number in range(1, 10)]
    stopping = threading.Thread(target=writer.stop)
    stopping.start()
    held.released.set()
    stopping.join(30)
    assert all(future.result(0) for future in waiting)
    assert _stored(engine) == set(range(1, 10))
    with pytest.raises(StorageUnavailableError):
        writer.submit(_insert(1), _id(1))


def test_what_follows_a_commit_may_fail(engine: sa.Engine, caplog: pytest.LogCaptureFixture) -> None:
    def fails(results: Sequence[Any]) -> None:
        raise RuntimeError("the courier is not there")

    with _running(engine, on_commit=fails) as writer:
        assert writer.submit(_insert(1), _id(1)).result(30) is True
        assert writer.submit(_insert(2), _id(2)).result(30) is True
    assert "the commit stands" in caplog.text


def test_a_failing_commit_fails_every_post_and_the_next_group_works(engine: sa.Engine) -> None:
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            key = "ALTER TABLE attempts ALTER CONSTRAINT fk_attempts_delivery_number_deliveries DEFERRABLE"
            connection.execute(sa.text(key))

    def breaks_at_commit(connection: sa.Connection) -> None:
        later = "PRAGMA defer_foreign_keys=ON" if engine.dialect.name == "sqlite" else "SET CONSTRAINTS ALL DEFERRED"
        connection.execute(sa.text(later))
        orphan = "INSERT INTO attempts (delivery_number, attempt, at, duration_ms) VALUES (1, 1, '2026-01-31', 1.0)"
        connection.execute(sa.text(orphan))

    with _running(engine) as writer:
        futures = _grouped(writer, [(1, _insert(1)), (2, breaks_at_commit), (3, _insert(3))])
        for future in futures:
            with pytest.raises(exc.IntegrityError):
                future.result(30)
        assert _stored(engine) == set()
        assert writer.submit(_insert(1), _id(1)).result(30) is True
    assert _stored(engine) == {1}


def _terminate(connection: sa.Connection) -> None:
    """Have the server cut this very connection."""
    connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_lost_connection_costs_no_post(engine: sa.Engine) -> None:
    cut = iter([True, False])

    def once(connection: sa.Connection) -> str:
        if next(cut):
            _terminate(connection)
        return "done"

    with _running(engine) as writer:
        futures = _grouped(writer, [(1, _insert(1)), (2, once), (3, _insert(3))])
        assert [future.result(30) for future in futures] == [True, "done", True]
        with pytest.raises(StorageUnavailableError):
            writer.submit(_terminate, _id(5)).result(30)  # cuts its second connection too
        assert writer.submit(_insert(6), _id(6)).result(30) is True
    assert _stored(engine) == {1, 3, 6}


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_deadlock_with_somebody_else_is_tried_again(engine: sa.Engine) -> None:
    with _running(engine) as writer:
        for number in (1, 2):
            writer.submit(_insert(number), _id(number)).result(30)
        has_first, has_second, gone = threading.Event(), threading.Event(), threading.Event()
        tries: list[int] = []

        def first_then_second(connection: sa.Connection) -> int:
            tries.append(1)
            # The server may give a lock that is let go to who asks anew, before the one that waited wakes up.
            assert len(tries) == 1 or gone.wait(30)
            runs.lock(connection, _id(1))
            has_first.set()
            assert has_second.wait(30)
            runs.lock(connection, _id(2))
            return len(tries)

        future = writer.submit(first_then_second, _id(1))
        with engine.begin() as other:
            other.execute(sa.text("SET LOCAL deadlock_timeout = '60s'"))  # so that the writer's side is the victim
            runs.lock(other, _id(2))
            assert has_first.wait(30)
            has_second.set()
            runs.lock(other, _id(1))
            gone.set()
        assert future.result(30) == 2
