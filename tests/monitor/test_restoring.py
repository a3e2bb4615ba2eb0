"""What another process makes of a run in the database: its stored state, records behind it, another version's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.support import states

from trackside_service import detection, monitor
from trackside_service.detection import Inspection
from trackside_service.domain.alerts import AlertChange
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.monitor.memory import LOOKED, MEMORY
from trackside_service.rules import RULES
from trackside_service.storage import alerts, detectors, runs
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = UUID(int=7)
SPEC = RunSpec("p", "n", total_epochs=200, schedule={"kind": "constant", "lr": 0.1})


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    MEMORY.clear()
    LOOKED.clear()


def _open(
    engine: sa.Engine, spec: RunSpec = SPEC, process: str | None = None, run_id: UUID = RUN
) -> monitor.OpenResult:
    with write_transaction(engine) as connection:
        named = None if process is None else (process, None)
        return monitor.open_run(connection, run_id, spec, process=named, now=NOW)


def _post(
    engine: sa.Engine, records: Sequence[Record], process: str | None = None, run_id: UUID = RUN, now: datetime = NOW
) -> monitor.RecordResult:
    with write_transaction(engine) as connection:
        return monitor.record(connection, run_id, process, records, now=now)


def _finish(engine: sa.Engine) -> monitor.FinishResult:
    with write_transaction(engine) as connection:
        return monitor.finish(connection, RUN, "finished", None, now=NOW)


def _losses(value: float, start: int, stop: int) -> list[Record]:
    return [Record({"train_loss": value, "lr": 0.1}, step=step) for step in range(start, stop)]


def _told(changes: Sequence[AlertChange]) -> list[tuple[str, str, str]]:
    return [(change.event, change.alert.code, change.alert.state) for change in changes]


def _states(engine: sa.Engine) -> list[tuple[str, str]]:
    with read_transaction(engine) as connection:
        return [(alert.code, alert.state) for alert in alerts.of_run(connection, RUN)]


def _without(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the service be of a version that does not have a rule."""
    monkeypatch.setattr("trackside_service.detection.states.RULES", tuple(rule for rule in RULES if rule.code != code))


def _another_version(engine: sa.Engine, data: bytes = states.closed({"version": 0})) -> None:
    with write_transaction(engine) as connection:
        detectors.save(connection, RUN, data, 0)
        runs.update(connection, RUN, {})
    _forget()


@pytest.fixture
def upgraded(engine: sa.Engine) -> sa.Engine:
    """A run whose loss is NaN from step 5 on, stored by a version that had no rule about it."""
    with pytest.MonkeyPatch.context() as earlier:
        _without(earlier, "LOSS001")
        _open(engine, process="a")
        assert _post(engine, [*_losses(1.0, 0, 5), *_losses(math.nan, 5, 60)]).health == "ok"
    _forget()
    return engine


def _late(engine: sa.Engine) -> Sequence[AlertChange]:
    return _post(engine, _losses(math.nan, 60, 62)).changes


def _again(engine: sa.Engine) -> Sequence[AlertChange]:
    result = _post(engine, _losses(math.nan, 50, 60))
    assert (result.accepted, result.health) == (0, "critical")
    return result.changes


def _ended(engine: sa.Engine) -> Sequence[AlertChange]:
    return _finish(engine).changes


def _resumed(engine: sa.Engine) -> Sequence[AlertChange]:
    return _open(engine, process="b").changes


def _declared_anew(engine: sa.Engine) -> Sequence[AlertChange]:
    return _open(engine, replace(SPEC, total_epochs=300), process="b").changes


@pytest.mark.parametrize("act", [_late, _again, _ended, _resumed, _declared_anew])
def test_what_a_new_rule_finds_in_the_records_is_raised_at_the_next_occasion(
    upgraded: sa.Engine, act: Callable[[sa.Engine], Sequence[AlertChange]]
) -> None:
    state = "ended" if act is _ended else "open"
    assert _told(act(upgraded)) == [("opened", "LOSS001", state)]
    with read_transaction(upgraded) as connection:
        (alert,) = alerts.of_run(connection, RUN)
        run = runs.get(connection, RUN)
    assert run is not None
    assert alert.opened is not None
    assert (alert.opened.step, alert.episode, run.health) == (5, 1, "critical")
    _forget()
    assert _post(upgraded, _losses(math.nan, 62, 64)).changes == ()


def test_on_an_ended_run_what_a_new_rule_finds_is_frozen(engine: sa.Engine) -> None:
    with pytest.MonkeyPatch.context() as earlier:
        _without(earlier, "LOSS001")
        _open(engine)
        _post(engine, _losses(math.nan, 0, 60))
        _finish(engine)
    _forget()
    assert _told(_post(engine, _losses(math.nan, 60, 61)).changes) == [("opened", "LOSS001", "ended")]


def test_an_alert_that_the_rebuilt_state_does_not_hold_is_cleared(engine: sa.Engine) -> None:
    _open(engine, process="a")
    assert _post(engine, _losses(math.nan, 0, 2), "a").health == "critical"
    # The declaration changes elsewhere, so the rule goes on; then its state is lost, with what it was built from.
    _open(engine, replace(SPEC, total_epochs=300), process="b")
    _another_version(engine)
    result = _post(engine, _losses(1.0, 2, 10), "b")
    assert (_told(result.changes), result.health) == ([("resolved", "LOSS001", "resolved")], "ok")
    _forget()
    assert _post(engine, _losses(1.0, 10, 12), "b").changes == ()


@pytest.mark.parametrize("ended", [False, True])
def test_a_state_of_another_version_alone_changes_no_alert(engine: sa.Engine, ended: bool) -> None:
    _open(engine, process="a")
    _post(
        engine, [Record({"lr": 0.1 if step < 20 else 0.001, "train_loss": math.nan}, step=step) for step in range(99)]
    )
    if ended:
        _finish(engine)
    before = _states(engine)
    assert len(before) == 2
    _another_version(engine)
    assert _post(engine, [Record({"lr": 0.001}, step=99)]).changes == ()
    assert _states(engine) == before


def test_only_the_rules_of_another_version_see_the_records_again(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open(engine)
    _post(engine, _losses(1.0, 0, 100))
    with read_transaction(engine) as connection:
        whole = detection.dump(monitor.look(connection, RUN).state)
        data, saved = detectors.load(connection, RUN) or (b"", 0)
    assert saved == 100
    body = states.opened(data)
    body["rules"]["LOSS001"][0] = "another"
    with write_transaction(engine) as connection:
        detectors.save(connection, RUN, states.closed(body), saved)
        runs.update(connection, RUN, {})
    _forget()
    seen: list[set[str]] = []
    inspect = detection.inspect

    def noted(context: Any, state: Any, readings: Any) -> Inspection:
        seen.append(set(state.rules))
        return inspect(context, state, readings)

    monkeypatch.setattr(detection, "inspect", noted)
    with read_transaction(engine) as connection:
        assert detection.dump(monitor.look(connection, RUN).state) == whole
    assert seen == [{"LOSS001"}]


def test_looking_twice_at_a_run_reads_it_once(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    _open(engine)
    _post(engine, _losses(1.0, 0, 100))
    _finish(engine)
    _another_version(engine)
    shown: list[int] = []
    inspect = detection.inspect

    def noted(context: Any, state: Any, readings: Any) -> Inspection:
        shown.append(len(readings))
        return inspect(context, state, readings)

    monkeypatch.setattr(detection, "inspect", noted)
    for _ in range(3):
        with read_transaction(engine) as connection:
            known = monitor.look(connection, RUN)
        assert known.run.status == "finished"
    assert shown == [100]
    _post(engine, _losses(1.0, 100, 101))  # and a write makes it another
    with read_transaction(engine) as connection:
        assert monitor.look(connection, RUN).metrics["lr"].points == 101


@pytest.mark.parametrize("forgotten", [False, True])
def test_results_carry_the_run_as_it_is_now(engine: sa.Engine, forgotten: bool) -> None:
    _open(engine, process="a")
    minutes = [NOW + timedelta(minutes=minute) for minute in range(4)]

    def run_now() -> tuple[str, datetime | None]:
        if forgotten:
            _forget()
        result = _open(engine, process="a")
        with read_transaction(engine) as connection:
            looked = monitor.look(connection, RUN).run
            stored = runs.get(connection, RUN)
        assert result.run == looked == stored
        return looked.health, looked.last_seen_at

    _post(engine, _losses(math.nan, 0, 2), now=minutes[1])
    assert run_now() == ("critical", minutes[1])
    _post(engine, [], now=minutes[2])
    assert run_now() == ("critical", minutes[2])
    with read_transaction(engine) as connection:
        monitor.look(connection, RUN)
    _post(engine, _losses(math.nan, 0, 2), now=minutes[3])
    assert run_now() == ("critical", minutes[3])
    _finish(engine)
    again = _finish(engine)
    assert (again.ended, again.run.health, again.run.last_seen_at) == (False, "critical", minutes[3])


def _told_and_state(
    engine: sa.Engine, run_id: UUID, posts: Sequence[tuple[RunSpec | None, str, list[Record]]], *, forget: bool
) -> tuple[list[Any], Any]:
    told: list[Any] = []
    for spec, process, records in posts:
        if spec is not None:
            told += _told(_open(engine, spec, process, run_id).changes)
            if forget:
                _forget()
        for record in records:
            told += _told(_post(engine, [record], process, run_id).changes)
            if forget:
                _forget()
    with read_transaction(engine) as connection:
        return told, states.opened(detection.dump(monitor.look(connection, run_id).state))


def _resume(spec: RunSpec, then: RunSpec | None) -> list[tuple[RunSpec | None, str, list[Record]]]:
    """Thirty records of a process, of which the second half has another rate, and twenty of its resume, on another
    one."""
    first = [
        Record({"lr": 0.1 if n < 15 else 1e-4, "val_acc": 50.0 + n % 3, "train_loss": 1.0}, epoch=float(n), seq=n)
        for n in range(30)
    ]
    second = [
        Record({"lr": 0.1, "val_acc": 50.0 if n > 9 else 10.0, "train_loss": 1.0}, epoch=float(20 + n), seq=n)
        for n in range(20)
    ]
    return [(spec, "a", first), (then, "b", second)]


@pytest.mark.parametrize(
    ("spec", "then"),
    [
        (SPEC, replace(SPEC, schedule={"kind": "constant", "lr": 1e-4})),
        (SPEC, SPEC),
        (SPEC, None),  # unannounced
        (replace(SPEC, schedule=None), None),
    ],
)
def test_a_resume_is_judged_alike_by_who_was_there_and_who_was_not(
    engine: sa.Engine, spec: RunSpec, then: RunSpec | None
) -> None:
    kept = _told_and_state(engine, UUID(int=1), _resume(spec, then), forget=False)
    assert kept == _told_and_state(engine, UUID(int=2), _resume(spec, then), forget=True)
    assert kept[0]


def test_state_and_alerts_are_stored_together(engine: sa.Engine) -> None:
    _open(engine)
    ordinals = []
    for step in range(6):
        _post(engine, _losses(math.nan if step > 2 else 1.0, step, step + 1))
        with read_transaction(engine) as connection:
            ordinals.append((detectors.load(connection, RUN) or (b"", -1))[1])
    assert ordinals == [0, 0, 0, 4, 4, 4]
