"""What a process that is gone had left to say, when it comes after the process that took over from it has reported."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.support import states

from trackside_service import detection, monitor
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.monitor.memory import LOOKED, MEMORY
from trackside_service.storage import detectors, points, runs
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = UUID(int=11)
SPEC = RunSpec("p", "n", total_epochs=90, schedule={"kind": "constant", "lr": 0.1})
LATE = {
    "NaN": {"train_loss": math.nan},
    "diverged": {"train_loss": 30.0, "val_loss": 33.0, "val_acc": 10.0, "train_acc": 10.0},
    "off schedule": {"lr": 1e-4},
    "impossible LR": {"lr": -1.0},
}


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    MEMORY.clear()
    LOOKED.clear()


def _open(engine: sa.Engine, process: str) -> None:
    with write_transaction(engine) as connection:
        monitor.open_run(connection, RUN, SPEC, process=(process, None), now=NOW)


def _post(
    engine: sa.Engine, epochs: Iterable[int], process: str | None, metrics: dict[str, float] | None = None
) -> monitor.RecordResult:
    records = [
        Record(
            metrics or {"train_loss": 2 / epoch + 0.1, "val_loss": 2 / epoch, "lr": 0.1}, epoch=float(epoch), seq=epoch
        )
        for epoch in epochs
    ]
    with write_transaction(engine) as connection:
        return monitor.record(connection, RUN, process, records, now=NOW)


def _state(engine: sa.Engine) -> Any:
    with read_transaction(engine) as connection:
        return states.opened(detection.dump(monitor.look(connection, RUN).state))


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_what_a_dead_process_left_behind_is_stored_and_says_nothing_of_its_successor(
    engine: sa.Engine, late: dict[str, float], forgets: bool
) -> None:
    _open(engine, "a")
    _post(engine, range(1, 6), "a")
    _open(engine, "b")
    _post(engine, range(5, 31), "b")
    if forgets:
        _forget()
    result = _post(engine, range(6, 12), "a", late)
    assert (result.accepted, result.changes, result.health) == (6, (), "ok")
    if forgets:
        _forget()
    assert _post(engine, range(31, 40), "b").changes == ()
    # It is what was reported, and not where the run stands.
    with read_transaction(engine) as connection:
        stored = list(points.records(connection, RUN))
        assert monitor.look(connection, RUN).metrics["lr"].value == 0.1
    assert [(one.life, one.behind) for one in stored[31:37]] == [(0, True)] * 6
    # And whoever reads all of it again, or a part, comes to the same.
    kept = _state(engine)
    _forget()
    assert _state(engine) == kept
    with write_transaction(engine) as connection:
        detectors.save(connection, RUN, b"{}", 0)
        runs.update(connection, RUN, {})
    _forget()
    assert _state(engine) == kept
    assert _post(engine, [40], "b").changes == ()


def test_a_process_speaks_for_the_run_until_the_next_has_reported(engine: sa.Engine) -> None:
    _open(engine, "a")
    _post(engine, range(1, 6), "a")
    _open(engine, "b")
    result = _post(engine, [6], "a", LATE["NaN"])
    assert [(change.event, change.alert.code) for change in result.changes] == [("opened", "LOSS001")]


def test_a_log_without_a_process_goes_on_beside_one_that_has_a_name(engine: sa.Engine) -> None:
    _open(engine, "b")
    _post(engine, range(1, 3), None)
    _open(engine, "c")
    _post(engine, range(3, 6), "c")
    result = _post(engine, [7], None, LATE["NaN"])
    assert [(change.event, change.alert.code) for change in result.changes] == [("opened", "LOSS001")]
    _forget()
    kept = _state(engine)
    with write_transaction(engine) as connection:
        detectors.save(connection, RUN, b"{}", 0)
        runs.update(connection, RUN, {})
    _forget()
    assert _state(engine) == kept
