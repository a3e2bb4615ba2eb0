"""People, posts and sweeps at the same moment: an alert opens once, is told once, and no word is lost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from tests.support.outbox import add_channel, of_channel
from tests.writer.test_posts import writers

from trackside_service import monitor
from trackside_service.domain.alerts import Alert
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.domain.silences import Matchers, Silence
from trackside_service.errors import AlertResolvedError
from trackside_service.storage import alerts, silences
from trackside_service.storage.engine import read_transaction, write_transaction
from trackside_service.writer import Writer

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ROUNDS = 8


def _open(engine: sa.Engine, run_id: UUID) -> None:
    with write_transaction(engine) as connection:
        monitor.open_run(connection, run_id, RunSpec("p", "n"), process=None, now=NOW)


def _post(writer: Writer, run_id: UUID, step: int, loss: float) -> Any:
    def record(connection: sa.Connection) -> monitor.RecordResult:
        return monitor.record(connection, run_id, None, [Record({"train_loss": loss}, step=step)], now=NOW)

    return writer.submit(record, run_id).result(60)


def _acknowledge(writer: Writer, run_id: UUID, alert_id: UUID, by: str) -> monitor.HandResult | None:
    try:
        return writer.submit(
            lambda connection: monitor.acknowledge(connection, run_id, alert_id, by=by, note=None, now=NOW), run_id
        ).result(60)
    except AlertResolvedError:
        return None


def _look(writer: Writer, run_id: UUID, alert_id: UUID) -> monitor.LookResult:
    return writer.submit(
        lambda connection: monitor.look_at_alerts(connection, run_id, [alert_id], now=LATER), run_id
    ).result(60)


def _at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Run the jobs, each in a thread, all from the same moment on."""
    barrier = Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def _only(engine: sa.Engine, run_id: UUID) -> Alert:
    with read_transaction(engine) as connection:
        (alert,) = alerts.of_run(connection, run_id)
    return alert


def _events(engine: sa.Engine, channel_id: UUID, run_id: UUID) -> dict[str, int]:
    return Counter(each.event for each in of_channel(engine, channel_id) if each.run_id == run_id)


def _ids() -> Sequence[UUID]:
    return [uuid4() for _ in range(ROUNDS)]


def test_an_acknowledgement_races_the_end_of_its_alert(database_url: str, engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook", events=("opened", "resolved", "acknowledged"))
    with writers(database_url, 2) as (one, other):
        for run_id in _ids():
            _open(engine, run_id)
            for step, loss in enumerate((math.nan, 1.0, 1.0)):
                _post(one, run_id, step, loss)
            alert_id = _only(engine, run_id).id
            results = _at_once(
                lambda: _post(one, run_id, 3, 1.0),  # noqa: B023 - the jobs are done before the next round
                lambda: _acknowledge(other, run_id, alert_id, "ada"),  # noqa: B023
                lambda: _acknowledge(one, run_id, alert_id, "ada"),  # noqa: B023
            )
            alert = _only(engine, run_id)
            in_time = any(result is not None for result in results[1:])
            # Either the person was first, and the alert says so for good, or was told that it is over.
            assert (alert.state, alert.acknowledgement is not None) == ("resolved", in_time)
            expected = {"alert.opened": 1, "alert.resolved": 1}
            assert _events(engine, channel_id, run_id) == {**expected, **({"alert.acknowledged": 1} if in_time else {})}


def test_a_silence_races_the_alerts_that_it_matches(database_url: str, engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook")
    with writers(database_url, 2) as running:
        for run_id in _ids():
            _open(engine, run_id)
            silence = Silence(uuid4(), Matchers(run=(str(run_id),)), LATER, NOW)

            def make(silence: Silence = silence) -> None:
                with write_transaction(engine) as connection:
                    silences.insert(connection, silence)

            def end(silence: Silence = silence) -> None:
                with write_transaction(engine) as connection:
                    silences.expire(connection, silence.id, NOW)

            _at_once(make, *(lambda each=each: _post(each, run_id, 0, math.nan) for each in running))  # noqa: B023
            alert = _only(engine, run_id)
            kept_back = alert.telling.told is None
            assert (alert.telling.withheld_until == LATER) is kept_back
            assert _events(engine, channel_id, run_id) == ({} if kept_back else {"alert.opened": 1})
            # The silence ends while its alert changes hands; then everybody looks: it is told once, by whomever.
            _at_once(end, lambda: _acknowledge(running[0], run_id, alert.id, "ada"))  # noqa: B023
            with read_transaction(engine) as connection:
                due = alerts.due(connection, NOW, limit=99)
            told = bool(_events(engine, channel_id, run_id))
            assert told or (run_id, alert.id) in due
            _at_once(*(lambda each=each: _look(each, run_id, alert.id) for each in running * 2))  # noqa: B023
            assert _events(engine, channel_id, run_id) == {"alert.opened": 1}


def test_racing_sweeps_remind_once(database_url: str, engine: sa.Engine) -> None:
    channel_id, _ = add_channel(engine, "http://127.0.0.1:9/hook", events=("opened", "reminder"))
    with writers(database_url, 2) as running:
        for run_id in _ids():
            _open(engine, run_id)
            _post(running[0], run_id, 0, math.nan)
            alert_id = _only(engine, run_id).id
            results = _at_once(*(lambda each=each: _look(each, run_id, alert_id) for each in running * 2))  # noqa: B023
            assert sorted(len(result.changes) for result in results) == [0, 0, 0, 1]
            assert _events(engine, channel_id, run_id) == {"alert.opened": 1, "alert.reminder": 1}
            assert _only(engine, run_id).telling.reminders == 1
