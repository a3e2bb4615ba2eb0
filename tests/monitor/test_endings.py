"""How a run ended, as its alerts have it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from trackside_service import monitor
from trackside_service.domain.alerts import AlertChange
from trackside_service.domain.records import Position, Record
from trackside_service.domain.runs import RunSpec
from trackside_service.monitor import FinishResult, OpenResult
from trackside_service.monitor.memory import MEMORY
from trackside_service.storage import alerts, detectors
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = UUID(int=8)
SPEC = RunSpec("vision", "mobilenet")


def _open(engine: sa.Engine, process: str, after_s: float = 0.0) -> OpenResult:
    with write_transaction(engine) as connection:
        return monitor.open_run(connection, RUN, SPEC, process=(process, None), now=NOW + timedelta(seconds=after_s))


def _post(engine: sa.Engine, step: int, process: str = "a") -> None:
    with write_transaction(engine) as connection:
        monitor.record(connection, RUN, process, [Record({"train_loss": 1.0}, step=step)], now=NOW)


def _finish(engine: sa.Engine, status: Any, reason: str | None = None) -> FinishResult:
    with write_transaction(engine) as connection:
        return monitor.finish(connection, RUN, status, reason, now=NOW + timedelta(minutes=5))


def _told(changes: Sequence[AlertChange]) -> list[tuple[str, str, str]]:
    return [(change.event, change.alert.code, change.alert.state) for change in changes]


def _stored(engine: sa.Engine) -> list[tuple[str, str, int]]:
    with read_transaction(engine) as connection:
        return [(alert.code, alert.state, alert.episode) for alert in alerts.of_run(connection, RUN)]


def test_a_failure_opens_an_alert_that_the_end_freezes_and_the_next_process_resolves(engine: sa.Engine) -> None:
    _open(engine, "a")
    _post(engine, 40)
    result = _finish(engine, "failed", "RuntimeError: no")
    assert _told(result.changes) == [("opened", "RUN002", "ended")]
    assert result.changes[0].alert.opened == Position(40)
    assert result.run.health == "critical"

    resumed = _open(engine, "b", 900)
    assert _told(resumed.changes) == [("resolved", "RUN002", "resolved")]
    assert resumed.run.health == "ok"

    _post(engine, 41, "b")
    assert _told(_finish(engine, "killed", "SIGTERM").changes) == [("opened", "RUN003", "ended")]
    _open(engine, "c", 1800)
    assert _told(_finish(engine, "failed").changes) == [("opened", "RUN002", "ended")]
    assert sorted(_stored(engine)) == [("RUN002", "ended", 2), ("RUN002", "resolved", 1), ("RUN003", "resolved", 1)]


def test_a_state_of_another_version_does_not_take_it_back(engine: sa.Engine) -> None:
    _open(engine, "a")
    _post(engine, 40)
    _finish(engine, "failed", "RuntimeError: no")
    with write_transaction(engine) as connection:
        detectors.save(connection, RUN, b"{}", 0)  # every rule is rebuilt
    MEMORY.clear()
    _post(engine, 41)
    assert _stored(engine) == [("RUN002", "ended", 1)]
