"""What is kept of runs between their posts: of as many as a sweep has at once, and not of those that are over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from trackside_service import detection, monitor
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RuleSetting, Run, RunSpec
from trackside_service.monitor import memory as kept
from trackside_service.monitor.memory import KEPT_FOR, MEMORY, Known, Memory
from trackside_service.rules import RULES
from trackside_service.storage.engine import read_transaction, write_transaction
from trackside_service.storage.metrics import Metric

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SPEC = RunSpec("vision", "resnet")
CONTEXT = detection.configure(SPEC)


def _known(number: int, seen: datetime) -> Known:
    run = Run(UUID(int=number), SPEC, "running", created_at=NOW, last_seen_at=seen)
    return Known(run=run, context=CONTEXT, state=detection.begin(CONTEXT), next_life=0)


def _kept(memory: Memory, count: int) -> list[int]:
    return [number for number in range(count) if memory.recall(UUID(int=number), 1) is not None]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The runs that are read anew, one each time."""
    found: list[UUID] = []
    read = kept._read

    def counted(connection: sa.Connection, run_id: UUID) -> Known:
        found.append(run_id)
        return read(connection, run_id)

    monkeypatch.setattr(kept, "_read", counted)
    return found


def test_the_run_that_was_used_longest_ago_gives_way() -> None:
    memory = Memory(2)
    for number in range(2):
        memory.keep(UUID(int=number), 1, _known(number, NOW))
    assert memory.recall(UUID(int=0), 1) is not None
    memory.keep(UUID(int=2), 1, _known(2, NOW))
    assert _kept(memory, 3) == [0, 2]


def test_what_was_not_heard_of_for_long_gives_way_and_a_clock_set_back_costs_nothing() -> None:
    memory = Memory(10, kept_for=KEPT_FOR)
    for number, hours in enumerate((0, 1, 6.5)):
        memory.keep(UUID(int=number), 1, _known(number, NOW + timedelta(hours=hours)))
    assert _kept(memory, 3) == [1, 2]
    memory.keep(UUID(int=3), 1, _known(3, NOW))
    assert _kept(memory, 4) == [1, 2, 3]
    unseen = _known(4, NOW)
    memory.keep(UUID(int=4), 1, replace(unseen, run=replace(unseen.run, last_seen_at=None)))
    assert _kept(memory, 5) == [1, 2, 3, 4]


def test_a_long_table_and_many_metrics_count_as_what_they_take() -> None:
    table = {"kind": "table", "values": [0.1] * 100_000, "unit": "step"}
    of_groups = {"groups": [{"kind": "constant", "lr": 0.1}, table]}
    usual, tabled, grouped, rich = _known(0, NOW), _known(1, NOW), _known(2, NOW), _known(3, NOW)
    tabled = replace(tabled, run=replace(tabled.run, spec=replace(SPEC, schedule=table)))
    grouped = replace(grouped, run=replace(grouped.run, spec=replace(SPEC, schedule=of_groups)))
    names = [f"layer{number}" for number in range(800)]
    rich = replace(rich, metrics={name: Metric(n, name, 1, 0, 0, None, 0.0) for n, name in enumerate(names)})
    assert [kept.weight_of(one) for one in (usual, tabled, grouped, rich)] == [1, 51, 51, 11]

    memory = Memory(100)
    for number in range(60):
        memory.keep(UUID(int=number), 1, replace(_known(number, NOW), run=replace(usual.run, id=UUID(int=number))))
    memory.keep(UUID(int=60), 1, tabled)
    memory.keep(UUID(int=60), 1, tabled)  # again: it counts once
    assert _kept(memory, 61) == list(range(11, 61))
    memory.keep(UUID(int=60), 1, replace(usual, context=detection.configure(SPEC)))  # declared anew
    memory.keep(UUID(int=61), 1, rich)
    memory.keep(UUID(int=62), 1, usual)
    assert _kept(memory, 63) == list(range(11, 63))
    heavy = Memory(3)
    heavy.keep(UUID(int=0), 1, tabled)
    assert _kept(heavy, 1) == [0]
    heavy.keep(UUID(int=1), 1, usual)
    assert _kept(heavy, 2) == [1]


def test_a_sweep_of_many_runs_in_turn_reads_none_anew(engine: sa.Engine, reads: list[UUID]) -> None:
    MEMORY.clear()
    spec = replace(SPEC, rules={rule.code: RuleSetting(enabled=False) for rule in RULES})
    ids = [UUID(int=number + 1) for number in range(600)]
    with write_transaction(engine) as connection:
        for run_id in ids:
            monitor.open_run(connection, run_id, spec, process=None, now=NOW)
    for step in range(2):
        with write_transaction(engine) as connection:
            for run_id in ids:
                monitor.record(connection, run_id, None, [Record({"train_loss": 1.0}, step=step)], now=NOW)
    assert reads == []


def test_what_a_rollback_undid_is_still_known_as_it_was(engine: sa.Engine, reads: list[UUID]) -> None:
    """A group of posts that is begun again would otherwise read every run of it, at thirty times the posts' cost."""
    MEMORY.clear()
    ids = [UUID(int=number + 1) for number in range(3)]
    with write_transaction(engine) as connection:
        for run_id in ids:
            monitor.open_run(connection, run_id, SPEC, process=None, now=NOW)

    def post(connection: sa.Connection, steps: Iterable[int]) -> None:
        for run_id in ids:
            for step in steps:
                result = monitor.record(connection, run_id, None, [Record({"lr": 0.1}, step=step)], now=NOW)
                assert (result.accepted, result.duplicates) == (1, 0)

    with write_transaction(engine) as connection:
        post(connection, [0])
    for _ in range(2):  # the second time begins where the first did
        with engine.connect() as connection:
            post(connection, [1, 2, 3])
            connection.rollback()
    with write_transaction(engine) as connection:
        post(connection, [1, 2, 3])
    assert reads == []
    MEMORY.clear()
    with engine.connect() as connection:
        post(connection, [4])
        connection.rollback()
    with write_transaction(engine) as connection:  # read by the first, and known to the second
        post(connection, [4])
    assert reads == ids


def test_who_reads_meanwhile_sees_what_is_committed_and_takes_nothing_away(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    MEMORY.clear()
    run_id = UUID(int=1)
    with write_transaction(engine) as connection:
        monitor.open_run(connection, run_id, SPEC, process=None, now=NOW)
    monkeypatch.setattr(kept, "_read", lambda *_: pytest.fail("read anew"))
    for step in (0, 1):
        with write_transaction(engine) as connection:
            monitor.record(connection, run_id, None, [Record({"lr": 0.1}, step=step)], now=NOW)
            with read_transaction(engine) as other:
                seen = kept.look(other, run_id)
            assert len(seen.metrics) == step
    assert seen.metrics["lr"].step == 0
