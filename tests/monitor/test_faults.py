"""A rule that raises, wherever it does, costs nobody a post: the others go on, and the result says which it was."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

import pytest
import sqlalchemy as sa

from trackside_service import detection, monitor
from trackside_service.api.metrics import Meters
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RuleSetting, RunSpec
from trackside_service.monitor import FinishResult, OpenResult, RecordResult
from trackside_service.monitor.memory import MEMORY
from trackside_service.rules import RULES
from trackside_service.storage.engine import write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = UUID(int=9)
SPEC = RunSpec("vision", "mobilenet", total_epochs=10)
OTHER = replace(SPEC, total_epochs=20)
BROKEN = "ACC001"


@pytest.fixture(params=["kept", "forgotten"], autouse=True)
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With what a process remembers of a run between posts, and as if each post met a new process."""
    MEMORY.clear()
    if request.param == "forgotten":
        monkeypatch.setattr(type(MEMORY), "keep", lambda *_: None)
    yield
    MEMORY.clear()


def raises(*_: object) -> NoReturn:
    raise RuntimeError("oh")


def broken(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one rule raise in one of its functions."""
    changes: dict[str, Any] = {what: raises}
    table = tuple(replace(rule, **changes) if rule.code == BROKEN else rule for rule in RULES)
    monkeypatch.setattr("trackside_service.detection.states.RULES", table)


def a_whole_run(engine: sa.Engine) -> tuple[OpenResult, RecordResult, RecordResult, OpenResult, FinishResult]:
    """Open, lose the loss, go on, resume under another declaration, end."""
    dead = [Record({"train_loss": 1.0 if n < 3 else math.nan}, epoch=float(n)) for n in range(60)]
    with write_transaction(engine) as connection:
        opened = monitor.open_run(connection, RUN, SPEC, process=("a", None), now=NOW)
    with write_transaction(engine) as connection:
        first = monitor.record(connection, RUN, "a", dead, now=NOW)
    with write_transaction(engine) as connection:
        second = monitor.record(connection, RUN, "a", [Record({"train_loss": 1.0}, epoch=99.0)], now=NOW)
    with write_transaction(engine) as connection:
        resumed = monitor.open_run(connection, RUN, OTHER, process=("b", None), now=NOW)
    with write_transaction(engine) as connection:
        ended = monitor.finish(connection, RUN, "finished", None, now=NOW)
    return opened, first, second, resumed, ended


@pytest.mark.parametrize("what", ["start", "plan", "dump", "load", "check", "conclude"])
def test_a_rule_that_raises_costs_nobody_a_post(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, what: str, request: pytest.FixtureRequest
) -> None:
    broken(what, monkeypatch)
    results = a_whole_run(engine)
    _, first, second, _, ended = results
    assert [change.alert.code for change in first.changes] == ["LOSS001"]
    assert (first.accepted, second.accepted, ended.run.health) == (60, 1, "critical")
    faults = [[(fault.code, fault.error) for fault in result.faults] for result in results]
    fault = [(BROKEN, "RuntimeError: oh")]
    if what in ("start", "plan", "dump"):
        assert faults[0] == fault
    assert {each for some in faults for each in some} <= set(fault)
    kept = "kept" in request.node.callspec.id
    assert any(faults) or (what == "load" and kept), "nothing is read again where it is remembered"
    meters = Meters()
    for result in results:
        meters.judged(result)
    assert (f'trackside_rule_faults_total{{code="{BROKEN}"}}' in meters.text().decode()) is any(faults)


def test_it_is_in_its_place_again_once_it_is_mended(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    broken("load", monkeypatch)
    with write_transaction(engine) as connection:
        monitor.open_run(connection, RUN, SPEC, process=None, now=NOW)
    with write_transaction(engine) as connection:
        monitor.record(connection, RUN, None, [Record({"val_acc": 80.0}, epoch=1.0)], now=NOW)
    MEMORY.clear()
    monkeypatch.setattr("trackside_service.detection.states.RULES", RULES)
    with write_transaction(engine) as connection:
        result = monitor.record(connection, RUN, None, [Record({"val_acc": 0.0}, epoch=2.0)], now=NOW)
    assert [change.alert.code for change in result.changes] == [BROKEN]


def test_one_that_cannot_begin_stands_aside_without_a_rebuild(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken("start", monkeypatch)
    context = detection.configure(SPEC)
    faults: list[detection.RuleFault] = []
    state = detection.begin(context, faults)
    assert [fault.code for fault in faults] == [BROKEN]
    assert set(state.rules) == {rule.code for rule in RULES} - {BROKEN}
    assert detection.load(context, detection.dump(state)) == state


def test_one_that_cannot_begin_anew_resolves_nothing(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with write_transaction(engine) as connection:
        monitor.open_run(connection, RUN, SPEC, process=("a", None), now=NOW)
    collapse = [Record({"val_acc": 80.0}, epoch=1.0), Record({"val_acc": 0.0}, epoch=2.0)]
    with write_transaction(engine) as connection:
        monitor.record(connection, RUN, "a", collapse, now=NOW)
    broken("start", monkeypatch)
    with write_transaction(engine) as connection:
        result = monitor.open_run(connection, RUN, OTHER, process=("b", None), now=NOW)
    assert (result.changes, result.run.health) == ((), "critical")
    # One that is off has nothing more to say.
    monkeypatch.setattr("trackside_service.detection.states.RULES", RULES)
    off = replace(OTHER, rules={BROKEN: RuleSetting(enabled=False)})
    with write_transaction(engine) as connection:
        result = monitor.open_run(connection, RUN, off, process=("c", None), now=NOW)
    assert [(change.event, change.alert.code) for change in result.changes] == [("resolved", BROKEN)]
