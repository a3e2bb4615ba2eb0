"""Runs are opened, resumed and ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from trackside_service import monitor
from trackside_service.domain.alerts import AlertChange
from trackside_service.domain.records import Record
from trackside_service.domain.runs import Expectation, RunSpec
from trackside_service.errors import RunConflictError, RunEndedError, RunNotFoundError, ScheduleError
from trackside_service.monitor import FinishResult, OpenResult, RecordResult
from trackside_service.storage import alerts, lives, points, runs
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = UUID(int=7)
SPEC = RunSpec("vision", "mobilenet", total_epochs=10, schedule={"kind": "constant", "lr": 0.1})
# One tick of warm-up, and then the whole rate at once.
ABRUPT = {
    "framework": "paddle",
    "class": "LinearWarmup",
    "params": {"learning_rate": 0.5, "warmup_steps": 1, "start_lr": 0.005, "end_lr": 0.5},
    "unit": "epoch",
}


def _open(
    engine: sa.Engine, spec: RunSpec = SPEC, process: str | None = None, resumed: int | None = None
) -> OpenResult:
    with write_transaction(engine) as connection:
        named = None if process is None else (process, resumed)
        return monitor.open_run(connection, RUN, spec, process=named, now=NOW)


def _post(engine: sa.Engine, values: Sequence[float], *, start: int = 1, process: str | None = None) -> RecordResult:
    records = [
        Record({"lr": value, "train_loss": 1.0}, epoch=float(start + index)) for index, value in enumerate(values)
    ]
    with write_transaction(engine) as connection:
        return monitor.record(connection, RUN, process, records, now=NOW)


def _finish(engine: sa.Engine, status: Any = "finished", reason: str | None = None) -> FinishResult:
    with write_transaction(engine) as connection:
        return monitor.finish(connection, RUN, status, reason, now=NOW + timedelta(hours=1))


def _told(changes: Sequence[AlertChange]) -> list[tuple[str, str, str]]:
    return [(change.event, change.alert.code, change.alert.state) for change in changes]


def _states(engine: sa.Engine) -> list[tuple[str, str]]:
    with read_transaction(engine) as connection:
        return [(alert.code, alert.state) for alert in alerts.of_run(connection, RUN)]


def test_a_run_opens_once(engine: sa.Engine) -> None:
    assert _open(engine).created
    again = _open(engine)
    assert not again.created
    assert (again.run.spec, again.run.status, again.run.health, again.run.created_at) == (SPEC, "running", "ok", NOW)


def test_a_schedule_that_cannot_be_built_opens_nothing(engine: sa.Engine) -> None:
    with pytest.raises(ScheduleError):
        _open(engine, replace(SPEC, schedule={"kind": "no such"}))
    with read_transaction(engine) as connection:
        assert runs.get(connection, RUN) is None


def test_another_declaration_is_refused_and_names_the_fields(engine: sa.Engine) -> None:
    _open(engine, process="a", resumed=None)
    with pytest.raises(RunConflictError, match="name, tags") as refused:
        _open(engine, replace(SPEC, name="other", tags=("x",)))
    assert [fault.pointer for fault in refused.value.faults] == ["/name", "/tags"]
    with pytest.raises(RunConflictError, match="name"):
        _open(engine, replace(SPEC, name="other"), process="a")
    with pytest.raises(RunConflictError, match="resumed_from_step"):
        _open(engine, process="a", resumed=100)
    assert not _open(engine, process="a").created
    with read_transaction(engine) as connection:
        assert len(lives.of_run(connection, RUN)) == 1


def test_a_plan_that_is_wrong_is_told_at_once(engine: sa.Engine) -> None:
    spec = replace(SPEC, schedule=ABRUPT)
    result = _open(engine, spec)
    assert _told(result.changes) == [("opened", "PLAN001", "open")]
    assert result.run.health == "warning"
    again = _open(engine, spec)
    assert (again.changes, again.run.health) == ((), "warning")


def test_a_new_process_may_declare_anew_and_the_old_is_kept(engine: sa.Engine) -> None:
    _open(engine, process="a")
    assert _told(_post(engine, [0.1, 0.1, 0.01], process="a").changes) == [("opened", "LR001", "open")]
    new = replace(SPEC, schedule={"kind": "constant", "lr": 0.01}, params={"note": "lower"})
    result = _open(engine, new, process="b", resumed=300)
    assert not result.created
    assert _told(result.changes) == [("resolved", "LR001", "resolved")]  # what it spoke of is over
    assert result.run.spec == new
    assert result.run.health == "ok"
    assert _post(engine, [0.01, 0.01], start=4, process="b").changes == ()
    assert _told(_post(engine, [0.1], start=6, process="b").changes) == [("opened", "LR001", "open")]
    with read_transaction(engine) as connection:
        first, second = lives.of_run(connection, RUN)
        assert lives.first_of_declaration(connection, RUN) == 1
    assert first.declaration is not None
    assert first.declaration["schedule"] == SPEC.schedule
    assert (second.declaration, second.life.resumed_from_step) == (None, 300)
    assert not _open(engine, SPEC, process="a").created  # the first process may say again what held for it
    with pytest.raises(RunConflictError):
        _open(engine, SPEC, process="b", resumed=300)


def test_a_resume_that_changes_only_words_goes_on(engine: sa.Engine) -> None:
    _open(engine, process="a")
    _post(engine, [0.1, 0.1, 0.01], process="a")
    result = _open(engine, replace(SPEC, params={"resume": True}), process="b")
    assert (result.changes, result.run.health) == ((), "critical")


def test_a_run_stays_in_its_project(engine: sa.Engine) -> None:
    _open(engine)
    with pytest.raises(RunConflictError, match="project"):
        _open(engine, replace(SPEC, project="other"), process="b")


def test_the_end_freezes_alerts_and_is_told_once(engine: sa.Engine) -> None:
    _open(engine)
    _post(engine, [0.1, 0.1, 0.01])
    result = _finish(engine, "failed", "out of memory")
    assert result.ended
    assert (result.run.status, result.run.reason, result.run.health) == ("failed", "out of memory", "critical")
    assert _states(engine) == [("LR001", "ended"), ("RUN002", "ended")]
    again = _finish(engine, "failed", "another reason")
    assert (again.ended, again.run.reason, again.changes) == (False, "out of memory", ())
    with pytest.raises(RunEndedError, match="failed already"):
        _finish(engine, "finished")
    with read_transaction(engine) as connection:
        run = runs.get(connection, RUN)
    assert run is not None
    assert (run.status, run.ended_at, run.health) == ("failed", NOW + timedelta(hours=1), "critical")


def test_ending_an_unknown_run_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(RunNotFoundError):
        _finish(engine)


def test_what_the_end_reveals_is_told_and_frozen(engine: sa.Engine) -> None:
    spec = replace(SPEC, schedule=None, expectations=(Expectation("train_loss", epoch=3, max=0.5),))
    _open(engine, spec)
    with write_transaction(engine) as connection:
        # With steps, an epoch's last value counts, and only the end says which is the last.
        records = [Record({"train_loss": 1.0}, step=step, epoch=step / 10) for step in range(40)]
        assert monitor.record(connection, RUN, None, records, now=NOW).changes == ()
    result = _finish(engine)
    assert _told(result.changes) == [("opened", "EXP001", "ended")]
    assert result.run.health == "warning"
    assert _states(engine) == [("EXP001", "ended")]


def test_an_ended_run_keeps_late_records_and_does_not_flip(engine: sa.Engine) -> None:
    _open(engine)
    _post(engine, [0.1, 0.1])
    _finish(engine)
    with write_transaction(engine) as connection:
        late = [Record({"train_loss": math.nan, "lr": 0.1}, epoch=3)]
        result = monitor.record(connection, RUN, None, late, now=NOW)
    assert (result.accepted, result.health) == (1, "critical")
    assert _told(result.changes) == [("opened", "LOSS001", "ended")]
    with read_transaction(engine) as connection:
        run = runs.get(connection, RUN)
        assert len(list(points.series(connection, RUN, ["lr"]))) == 3
    assert run is not None
    assert run.status == "finished"


def test_a_new_process_reopens_an_ended_run_with_its_alerts(engine: sa.Engine) -> None:
    _open(engine, process="a")
    _post(engine, [0.1, 0.1, 0.01], process="a")
    _finish(engine, "killed")
    assert _open(engine, process="a").run.status == "killed"  # no new life
    result = _open(engine, process="b")
    assert (result.run.status, result.run.reason, result.run.ended_at) == ("running", None, None)
    assert _states(engine) == [("LR001", "open"), ("RUN003", "resolved")]
    assert _post(engine, [0.1], start=4, process="b").accepted == 1
    assert _finish(engine).run.status == "finished"
