"""What a post leaves behind, on both databases."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.support import states

from trackside_service import detection, monitor
from trackside_service.domain.alerts import Alert
from trackside_service.domain.numbers import same_value
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.errors import InvalidInputError, RunNotFoundError
from trackside_service.monitor import RecordResult
from trackside_service.monitor.memory import MEMORY
from trackside_service.storage import alerts, detectors, lives, metrics, points, runs
from trackside_service.storage.engine import read_transaction, write_transaction
from trackside_service.storage.thinning import thinned

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = UUID(int=7)
SPEC = RunSpec("vision", "mobilenet", total_epochs=10, steps_per_epoch=100)


@pytest.fixture(params=["kept", "forgotten"], autouse=True)
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test runs with what a process remembers of a run between posts, and as if each post met a new process."""
    MEMORY.clear()
    if request.param == "forgotten":
        monkeypatch.setattr(type(MEMORY), "keep", lambda *_: None)
    yield
    MEMORY.clear()


def _open(engine: sa.Engine, spec: RunSpec = SPEC, process: str | None = None) -> None:
    with write_transaction(engine) as connection:
        named = None if process is None else (process, None)
        assert monitor.open_run(connection, RUN, spec, process=named, now=NOW).created


def _post(
    engine: sa.Engine, records: Sequence[Record], process: str | None = None, now: datetime = NOW
) -> RecordResult:
    with write_transaction(engine) as connection:
        return monitor.record(connection, RUN, process, records, now=now)


def _stored(engine: sa.Engine) -> list[tuple[int, str, float]]:
    with read_transaction(engine) as connection:
        return [(one.ordinal, one.metric, one.value) for one in points.series(connection, RUN)]


def _alerts(engine: sa.Engine) -> list[Alert]:
    with read_transaction(engine) as connection:
        return alerts.of_run(connection, RUN)


def _epochs(*values: float, start: int = 1, name: str = "train_loss", seq: int | None = None) -> list[Record]:
    return [
        Record({name: value}, epoch=float(start + index), seq=None if seq is None else seq + index)
        for index, value in enumerate(values)
    ]


def test_an_unknown_run_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(RunNotFoundError):
        _post(engine, _epochs(1.0))


def test_values_come_back_as_they_went_in(engine: sa.Engine) -> None:
    _open(engine)
    values = [1.0, math.nan, math.inf, -math.inf, 0.1]
    result = _post(engine, _epochs(*values, name="throughput"))
    assert (result.accepted, result.duplicates) == (5, 0)
    found = _stored(engine)
    assert [(ordinal, name) for ordinal, name, _ in found] == [(index, "throughput") for index in range(5)]
    assert all(same_value(one[2], value) for one, value in zip(found, values, strict=True))


def test_names_become_canonical(engine: sa.Engine) -> None:
    _open(engine, RunSpec("p", "n", metric_names={"hits": "val_acc"}))
    _post(engine, [Record({"loss": 1.0, "hits": 50.0, "learning_rate": 0.1, "own": 2.0}, epoch=1)])
    with read_transaction(engine) as connection:
        assert [metric.name for metric in metrics.of_run(connection, RUN)] == ["train_loss", "val_acc", "lr", "own"]


def test_the_latest_values_are_kept(engine: sa.Engine) -> None:
    _open(engine, process="a")
    _post(engine, _epochs(3.0, 2.0, seq=0), "a")
    _post(engine, _epochs(9.0, start=1, seq=5), "a")  # behind: it came late
    with read_transaction(engine) as connection:
        (latest,) = metrics.of_run(connection, RUN)
    assert (latest.value, latest.epoch, latest.ordinal, latest.points) == (2.0, 2.0, 1, 3)


@pytest.mark.parametrize("process", [None, "a"])
def test_posting_twice_changes_nothing(engine: sa.Engine, process: str | None) -> None:
    _open(engine, process=process)
    records = _epochs(3.0, 2.0, math.nan, 2.0, seq=None if process is None else 0)
    first = _post(engine, records, process)
    assert (first.accepted, first.duplicates, first.health) == (4, 0, "critical")
    before = _stored(engine), _alerts(engine)
    again = _post(engine, records, process)
    assert (again.accepted, again.duplicates, again.health, again.changes) == (0, 4, "critical", ())
    overlapping = _post(engine, [*records[2:], *_epochs(1.9, start=5, seq=None if process is None else 4)], process)
    assert (overlapping.accepted, overlapping.duplicates) == (1, 2)
    assert repr(_stored(engine)[:4]) == repr(before[0])
    assert [alert.id for alert in _alerts(engine)] == [alert.id for alert in before[1]]


def test_a_repetition_inside_a_post_is_found(engine: sa.Engine) -> None:
    _open(engine)
    result = _post(engine, [*_epochs(3.0, 2.0), *_epochs(3.0, 2.0)])
    assert (result.accepted, result.duplicates) == (2, 2)


def test_new_names_at_a_place_are_added_and_another_value_is_kept_beside(engine: sa.Engine) -> None:
    _open(engine)
    _post(engine, _epochs(3.0, 2.0))
    added = _post(engine, [Record({"train_loss": 2.0, "val_loss": 2.5}, epoch=2)])
    assert (added.accepted, added.duplicates) == (1, 0)
    changed = _post(engine, [Record({"train_loss": 1.5}, epoch=2)])
    assert (changed.accepted, changed.duplicates) == (1, 0)
    assert _stored(engine) == [
        (0, "train_loss", 3.0),
        (1, "train_loss", 2.0),
        (2, "val_loss", 2.5),
        (3, "train_loss", 1.5),
    ]
    again = _post(engine, [Record({"train_loss": 2.0, "val_loss": 2.5}, epoch=2)])
    assert (again.accepted, again.duplicates) == (0, 1)


def test_a_relog_is_known_so_that_pictures_show_the_later_value(engine: sa.Engine) -> None:
    _open(engine, process="a")
    _post(engine, [Record({"a": 1.0, "b": 1.0}, step=step, seq=step) for step in range(20)], "a")
    # The job logs step 19 a second time, and its resume logs from step 15 on again.
    _post(engine, [Record({"a": 2.0}, step=19, seq=20)], "a")
    _post(engine, [Record({"a": 3.0}, step=step, seq=step) for step in range(15, 18)], "b")
    with read_transaction(engine) as connection:
        assert {metric.name: metric.ordered for metric in metrics.of_run(connection, RUN)} == {"a": False, "b": True}
        shown = {one.step: one.value for one in thinned(connection, RUN, "a", 100)}
        assert len(thinned(connection, RUN, "a", 100)) == 20
    assert shown == {**dict.fromkeys(range(20), 1.0), 15: 3.0, 16: 3.0, 17: 3.0, 19: 2.0}


def test_lives_begin_where_they_should(engine: sa.Engine) -> None:
    _open(engine)
    _post(engine, _epochs(3.0, 2.0, 1.0))
    _post(engine, _epochs(2.5, start=2))  # falls back without a name: a new life
    _post(engine, _epochs(9.0, seq=0), "job-2")  # a name nobody announced: a new life as well
    _post(engine, _epochs(1.1, start=3))  # the unnamed one goes on
    with read_transaction(engine) as connection:
        found = lives.of_run(connection, RUN)
        where = [one.life for one in points.series(connection, RUN)]
    assert [(one.life.number, one.life.process) for one in found] == [(0, None), (1, None), (2, "job-2")]
    assert where == [0, 0, 0, 1, 2, 1]


def test_a_long_post_repeated_or_all_at_one_place_is_one_question(engine: sa.Engine) -> None:
    _open(engine)
    forward = [Record({"train_loss": 1.0, "lr": 0.1}, step=step) for step in range(4_000)]
    here = [Record({"own": float(value)}, step=4_000) for value in range(4_000)]
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for records in (forward, here):
        assert _post(engine, records).accepted == 4_000
        statements.clear()
        began = time.perf_counter()
        again = _post(engine, records)
        assert (again.accepted, again.duplicates) == (0, 4_000)
        assert len([one for one in statements if "EXISTS" in one]) <= 40  # on SQLite 500 values each; else two
        assert time.perf_counter() - began < 15  # half a second; a look-up without its index takes a minute


def test_the_lives_of_a_run_are_bounded(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackside_service.monitor.placing.MAX_LIVES", 3)
    _open(engine, process="a")
    for process in ("b", "c"):
        assert _post(engine, _epochs(1.0, seq=0), process).accepted == 1
    with pytest.raises(InvalidInputError, match="3 process lives"):
        _post(engine, _epochs(1.0, seq=0), "d")
    with pytest.raises(InvalidInputError, match="3 process lives"), write_transaction(engine) as connection:
        monitor.open_run(connection, RUN, SPEC, process=("d", None), now=NOW)
    assert _post(engine, _epochs(2.0, start=2, seq=1), "c").accepted == 1
    with read_transaction(engine) as connection:
        assert len(lives.of_run(connection, RUN)) == 3


def test_a_repetition_is_told_by_its_process_where_numbers_are_missing(engine: sa.Engine) -> None:
    _open(engine, process="a")
    record = [Record({"train_loss": 1.0}, step=5)]
    assert _post(engine, record, "a").accepted == 1
    assert _post(engine, record, "b").accepted == 1  # another's report
    assert _post(engine, record).accepted == 1
    for process in ("a", "b", None):
        assert _post(engine, record, process).duplicates == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trackside_service.domain.lives.MAX_INTERVALS", 3)
        _post(engine, [Record({"train_loss": 1.0}, step=seq, seq=seq) for seq in (10, 20, 30, 40)], "a")
    late = [Record({"train_loss": 2.0}, step=15, seq=15)]  # lies in a gap that was forgotten
    assert [_post(engine, late, "a").accepted for _ in range(3)] == [1, 0, 0]


def test_an_alert_opens_once_and_is_told_once(engine: sa.Engine) -> None:
    _open(engine)
    result = _post(engine, _epochs(3.0, math.nan, math.nan))
    assert [(change.event, change.alert.code) for change in result.changes] == [("opened", "LOSS001")]
    assert result.health == "critical"
    assert _post(engine, _epochs(math.nan, start=4)).changes == ()
    (alert,) = _alerts(engine)
    assert alert.opened is not None
    assert (alert.state, alert.opened.epoch, alert.opened_at) == ("open", 2, NOW)
    with read_transaction(engine) as connection:
        run = runs.get(connection, RUN)
    assert run is not None
    assert run.health == "critical"


def test_an_alert_resolves_and_opens_again_as_another_episode(engine: sa.Engine) -> None:
    _open(engine)
    events = []
    for epoch, value in enumerate([3.0, math.nan, *(2.0 - 0.05 * each for each in range(30)), math.inf], start=1):
        result = _post(engine, _epochs(value, start=epoch))
        events += [(change.event, change.alert.code, change.alert.episode) for change in result.changes]
    assert events == [("opened", "LOSS001", 1), ("resolved", "LOSS001", 1), ("opened", "LOSS001", 2)]
    assert [alert.state for alert in _alerts(engine)] == ["resolved", "open"]
    assert result.health == "critical"


def test_last_seen_never_goes_back_and_an_empty_post_is_a_sign_of_life(engine: sa.Engine) -> None:
    _open(engine)
    _post(engine, [], now=NOW + timedelta(minutes=5))
    _post(engine, _epochs(1.0), now=NOW + timedelta(minutes=1))
    with read_transaction(engine) as connection:
        run = runs.get(connection, RUN)
    assert run is not None
    assert run.last_seen_at == NOW + timedelta(minutes=5)


def _mixed(count: int) -> list[tuple[str, Record]]:
    """A run with a resume, late records, NaN and a lowered rate, one record a post."""
    found = []
    for number in range(count):
        loss = math.nan if number == 7 else 3.0 - number / count
        epoch = float(number - 5 if number % 10 == 9 else number)
        values = {"train_loss": loss, "lr": 0.1 if number < count // 2 else 0.01}
        found.append(("a" if number < 35 else "b", Record(values, epoch=epoch, seq=number)))
    return found


@pytest.mark.parametrize("lost", [False, True], ids=["stored", "another version"])
def test_another_process_knows_the_rules_state_by_the_points(engine: sa.Engine, lost: bool) -> None:
    spec = RunSpec("p", "n", total_epochs=200, schedule={"kind": "constant", "lr": 0.1})
    _open(engine, spec, process="a")
    told = []
    for process, record in _mixed(90):
        told += [(change.event, change.alert.code) for change in _post(engine, [record], process).changes]
    with read_transaction(engine) as connection:
        whole = monitor.look(connection, RUN)
        stored = detectors.load(connection, RUN)
    assert stored is not None
    assert 0 < stored[1] < 90  # small posts leave the state behind, which is the point
    if lost:
        with write_transaction(engine) as connection:
            detectors.save(connection, RUN, states.closed({"version": 0}), stored[1])
            runs.update(connection, RUN, {})
    MEMORY.clear()
    with read_transaction(engine) as connection:
        again = monitor.look(connection, RUN)
    assert states.opened(detection.dump(again.state)) == states.opened(detection.dump(whole.state))
    before = _alerts(engine)
    result = _post(engine, [Record({"lr": 0.01, "train_loss": 1.0}, epoch=90.0, seq=90)], "b")
    assert (result.accepted, result.changes) == (1, ())  # nothing is raised a second time
    assert [(alert.id, alert.state) for alert in _alerts(engine)] == [(alert.id, alert.state) for alert in before]
    assert told.count(("opened", "LR001")) == 1


def test_a_rolled_back_post_leaves_nothing_behind(engine: sa.Engine) -> None:
    _open(engine)
    _post(engine, _epochs(3.0))
    with engine.connect() as connection, connection.begin() as transaction:
        assert monitor.record(connection, RUN, None, _epochs(math.nan, start=2), now=NOW).changes
        transaction.rollback()
    assert _alerts(engine) == []
    result = _post(engine, _epochs(2.0, start=2))
    assert (result.accepted, result.health, result.changes) == (1, "ok", ())
    assert _stored(engine) == [(0, "train_loss", 3.0), (1, "train_loss", 2.0)]
