"""Posts through the writer: none twice, none lost, whoever posts and whoever dies."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.writer.poster import record_of

from trackside_service import monitor
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.errors import RunNotFoundError
from trackside_service.monitor import RecordResult
from trackside_service.storage import alerts, points
from trackside_service.storage.engine import open_engine, read_transaction, write_transaction
from trackside_service.writer import Writer

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = UUID(int=7)
ROOT = Path(__file__).parents[2]


@contextmanager
def writers(url: str, number: int) -> Iterator[list[Writer]]:
    engines = [open_engine(url) for _ in range(number)]
    writers = [Writer(engine) for engine in engines]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer, engine in zip(writers, engines, strict=True):
            writer.stop(30)
            engine.dispose()


def _open(engine: sa.Engine, run_id: UUID = RUN, process: str | None = None) -> None:
    with write_transaction(engine) as connection:
        named = None if process is None else (process, None)
        monitor.open_run(connection, run_id, RunSpec("p", "n"), process=named, now=NOW)


def _post(writer: Writer, records: list[Record], process: str | None = None, run_id: UUID = RUN) -> RecordResult:
    return writer.submit(
        lambda connection: monitor.record(connection, run_id, process, records, now=NOW), run_id
    ).result(60)


def _copies(engine: sa.Engine) -> dict[int | None, int]:
    with read_transaction(engine) as connection:
        return Counter(one.step for one in points.series(connection, RUN, ["train_loss"]))


def _alerts(engine: sa.Engine) -> list[tuple[str, str]]:
    with read_transaction(engine) as connection:
        return [(alert.code, alert.state) for alert in alerts.of_run(connection, RUN)]


@pytest.mark.parametrize("process", ["job", None])
@pytest.mark.parametrize("number", [1, 2])
def test_eight_threads_posting_the_same_leave_one_copy_and_one_alert(
    database_url: str, engine: sa.Engine, number: int, process: str | None
) -> None:
    _open(engine, process=process)
    batches = [[record_of(number) for number in range(start, start + 5)] for start in range(0, 40, 5)]
    with writers(database_url, number) as running, ThreadPoolExecutor(8) as pool:

        def post_all(thread: int) -> list[RecordResult]:
            return [_post(running[thread % number], batch, process) for batch in batches]

        results = [result for each in pool.map(post_all, range(8)) for result in each]
    assert _copies(engine) == dict.fromkeys(range(40), 1)
    assert sum(result.accepted for result in results) == 40
    assert sum(result.duplicates for result in results) == 7 * 40
    assert _alerts(engine) == [("LOSS001", "open")]
    assert [change.event for result in results for change in result.changes] == ["opened"]


def test_a_bad_post_among_good_ones_fails_alone(database_url: str, engine: sa.Engine) -> None:
    _open(engine)
    with writers(database_url, 1) as (writer,), ThreadPoolExecutor(8) as pool:
        good = [pool.submit(_post, writer, [record_of(number)]) for number in range(30)]
        bad = [pool.submit(_post, writer, [record_of(0)], None, UUID(int=1_000 + number)) for number in range(10)]
        assert sum(one.result(60).accepted for one in good) == 30
        for one in bad:
            assert isinstance(one.exception(60), RunNotFoundError)
    assert _copies(engine) == dict.fromkeys(range(30), 1)


@contextmanager
def _posters(url: str, process: str, threads: int, count: int, *, number: int) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.writer.poster", url, str(RUN), process, str(threads), str(count)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(number)
    ]
    try:
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        yield started
    finally:
        for one in started:
            one.kill()
            one.wait()
            for pipe in (one.stdin, one.stdout):
                if pipe is not None:
                    pipe.close()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.mark.parametrize("process", ["job", ""])
def test_two_processes_posting_the_same_leave_one_copy_and_one_alert(
    database_url: str, engine: sa.Engine, process: str
) -> None:
    _open(engine, process=process or None)
    with _posters(database_url, process, 4, 40, number=2) as posters:
        for poster in posters:
            _go(poster)
        for poster in posters:
            out, _ = poster.communicate(timeout=120)
            assert poster.returncode == 0
            assert len(out.split()) == 4 * 40
    assert _copies(engine) == dict.fromkeys(range(40), 1)
    assert _alerts(engine) == [("LOSS001", "open")]


def test_killing_the_service_loses_nothing_that_was_acknowledged(database_url: str, engine: sa.Engine) -> None:
    _open(engine, process="job")
    with _posters(database_url, "job", 4, 100_000, number=1) as (poster,):
        _go(poster)
        assert poster.stdout is not None
        seen = [int(poster.stdout.readline()) for _ in range(150)]
        poster.kill()  # SIGKILL, in the middle of posting
        rest = poster.stdout.read()
    acknowledged = {*seen, *(int(line) for line in rest.splitlines())}
    stored = _copies(engine)
    assert acknowledged <= set(stored)
    assert set(stored.values()) == {1}
    with writers(database_url, 1) as (writer,):
        # Another process takes over: what was stored is known there, and the alert stays one.
        again = _post(writer, [record_of(number) for number in sorted(acknowledged)], "job")
        assert (again.accepted, again.duplicates) == (0, len(acknowledged))
        after = _post(writer, [Record({"train_loss": math.nan}, step=200_000, seq=200_000)], "job")
        assert (after.accepted, after.changes) == (1, ())
    assert _alerts(engine) == [("LOSS001", "open")]
