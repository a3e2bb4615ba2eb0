"""What was stored comes back: every value as it was, in arrival order, whole, in pages or thinned."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from trackside_service.domain.numbers import same_value
from trackside_service.domain.records import Position
from trackside_service.domain.runs import RunSpec
from trackside_service.storage import metrics, points, runs
from trackside_service.storage.engine import read_transaction, write_transaction
from trackside_service.storage.places import ANYTHING, NAME, NOT_THERE, VALUE, Asked, at_places
from trackside_service.storage.thinning import thinned

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


def _store(engine: sa.Engine, columns: dict[str, list[float | None]], *, steps: list[int] | None = None) -> UUID:
    """Store one record for each index of the columns; None is a value that the record lacks."""
    run_id = uuid4()
    count = max(len(values) for values in columns.values())
    with write_transaction(engine) as connection:
        runs.insert(connection, run_id, RunSpec("p", "n"), now=NOW)
        rows = [
            points.Row(
                number,
                ordinal,
                0,
                steps[ordinal] if steps else ordinal,
                ordinal / 10,
                NOW + timedelta(seconds=ordinal),
                value,
                True,
                ordinal % 2 == 1,
            )
            for number, values in enumerate(columns.values())
            for ordinal, value in enumerate(values)
            if value is not None
        ]
        points.insert(connection, run_id, rows)
        for number, (name, values) in enumerate(columns.items()):
            known = [value for value in values if value is not None]
            metrics.save(
                connection, run_id, [metrics.Metric(number, name, len(known), 0, 0, 0.0, known[-1], steps is None)]
            )
        runs.update(connection, run_id, {"next_ordinal": count})
    return run_id


def test_values_that_no_database_likes_come_back(engine: sa.Engine) -> None:
    values = [1.0, math.nan, math.inf, -math.inf, 0.1, 5e-324, 1.7976931348623157e308]
    run_id = _store(engine, {"loss": list(values)})
    with read_transaction(engine) as connection:
        found = list(points.series(connection, run_id, ["loss"]))
        latest = metrics.of_run(connection, run_id)
    assert all(same_value(one.value, value) for one, value in zip(found, values, strict=True))
    assert [one.time for one in found] == [NOW + timedelta(seconds=index) for index in range(len(values))]
    assert latest[0].value == values[-1]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2.5])
def test_the_latest_value_comes_back(engine: sa.Engine, value: float) -> None:
    run_id = _store(engine, {"loss": [1.0, value]})
    with read_transaction(engine) as connection:
        (latest,) = metrics.of_run(connection, run_id)
        assert same_value(metrics.of_runs(connection, [run_id])[run_id][0].value, value)
    assert same_value(latest.value, value)


@pytest.mark.parametrize("window", [1, 3, 1000])
def test_a_stream_is_in_arrival_order_whatever_its_window(engine: sa.Engine, window: int) -> None:
    run_id = _store(engine, {"a": [1.0, None, 3.0, 4.0], "b": [10.0, 20.0, None, 40.0], "c": [None, None, None, 9.0]})
    with read_transaction(engine) as connection:
        whole = [(one.ordinal, one.metric, one.value) for one in points.series(connection, run_id, window=window)]
        some = [one.value for one in points.series(connection, run_id, ["b"], start=1, window=window)]
        records = list(points.records(connection, run_id, window=window))
        assert list(points.series(connection, run_id, ["unknown"])) == []
    assert whole == [
        (0, "a", 1.0),
        (0, "b", 10.0),
        (1, "b", 20.0),
        (2, "a", 3.0),
        (3, "a", 4.0),
        (3, "b", 40.0),
        (3, "c", 9.0),
    ]
    assert some == [20.0, 40.0]
    assert [dict(one.metrics) for one in records] == [
        {"a": 1.0, "b": 10.0},
        {"b": 20.0},
        {"a": 3.0},
        {"a": 4.0, "b": 40.0, "c": 9.0},
    ]
    assert [(one.ordinal, one.step, one.epoch, one.behind) for one in records] == [
        (0, 0, 0.0, False),
        (1, 1, 0.1, True),
        (2, 2, 0.2, False),
        (3, 3, 0.3, True),
    ]


@pytest.mark.parametrize("window", [1, 40, 20_000])
def test_a_stream_of_many_metrics_reported_one_a_record_takes_few_steps(engine: sa.Engine, window: int) -> None:
    # 100 metrics in turn, and then twenty records of all of them: from sparse to dense.
    columns = {
        f"m{number}": [float(at) if at % 100 == number or at >= 3_000 else None for at in range(3_020)]
        for number in range(100)
    }
    run_id = _store(engine, columns)
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with read_transaction(engine) as connection:
        found = [(one.ordinal, one.metric) for one in points.series(connection, run_id, window=window)]
    expected = [(at, f"m{at % 100}") for at in range(3_000)]
    expected += [(at, f"m{number}") for at in range(3_000, 3_020) for number in range(100)]
    assert found == expected
    if window == 20_000:
        assert len(statements) < 12  # each range is looked up once a metric


def test_pages_of_records_join_without_gap_or_overlap(engine: sa.Engine) -> None:
    run_id = _store(engine, {"a": [float(index) for index in range(25)]})
    found: list[int] = []
    with read_transaction(engine) as connection:
        after = None
        while page := points.page(connection, run_id, after=after, limit=10):
            found += [one.ordinal for one in page]
            after = found[-1]
    assert found == list(range(25))


def test_what_was_stored_at_a_place_is_found(engine: sa.Engine) -> None:
    run_id = _store(engine, {"a": [1.0, math.nan], "b": [None, 2.0]})
    both, step, other, epoch = Position(1, 0.1), Position(1), Position(1, 0.7), Position(None, 0.1)
    expected = {
        Asked(both, 0, math.nan): VALUE,
        Asked(both, 0, math.inf): NAME,
        Asked(both, 0, 1.0): NAME,
        Asked(both, 1, 2.0): VALUE,
        Asked(both, 7, 2.0): ANYTHING,
        Asked(both, None, 2.0): ANYTHING,
        Asked(step, 1, 2.0): VALUE,
        Asked(step, 1, 1.0): NAME,
        Asked(other, 1, 2.0): NOT_THERE,
        Asked(epoch, 1, 2.0): NOT_THERE,
        Asked(Position(0), 0, 1.0): VALUE,
    }
    with read_transaction(engine) as connection:
        assert at_places(connection, run_id, 0, expected) == expected
        nothing = dict.fromkeys(expected, NOT_THERE)
        assert at_places(connection, run_id, 1, expected) == nothing
        assert at_places(connection, run_id, None, expected) == nothing  # no life without a name
        many = [Asked(Position(step), 0, 1.0) for step in range(1_200)]
        assert [level for level in at_places(connection, run_id, 0, many).values() if level] == [VALUE, NAME]


def test_thinning_keeps_the_extremes(engine: sa.Engine) -> None:
    values: list[float | None] = [math.sin(index / 50) for index in range(5_000)]
    values[1_234], values[3_210] = 50.0, -50.0
    values[4_000], values[4_500], values[4_501] = math.nan, math.inf, -math.inf
    run_id = _store(engine, {"other": [0.0] * 5_000, "loss": values})
    with read_transaction(engine) as connection:
        thin = thinned(connection, run_id, "loss", 100)
        few = thinned(connection, run_id, "loss", 10)
        assert len(thinned(connection, run_id, "loss", 5_000)) == 5_000
        assert thinned(connection, run_id, "unknown", 100) == []
        with pytest.raises(ValueError, match="10 points"):
            thinned(connection, run_id, "loss", 9)
    assert 40 <= len(thin) <= 100
    ordinals = [one.ordinal for one in thin]
    assert ordinals == sorted(set(ordinals))
    assert {0, 1_234, 3_210, 4_000, 4_500, 4_501, 4_999} <= set(ordinals)
    assert {1_234, 3_210} <= {one.ordinal for one in few}
    assert len(few) <= 10
    assert all(same_value(one.value, values[one.ordinal] or 0.0) for one in thin)


def test_thinning_shows_the_later_of_two_values_at_a_place(engine: sa.Engine) -> None:
    steps = [*range(1_000), *range(500, 1_500)]
    values: list[float | None] = [*([1.0] * 500), *([99.0] * 500), *([2.0] * 1_000)]
    run_id = _store(engine, {"loss": values}, steps=steps)
    with read_transaction(engine) as connection, write_transaction(engine) as writing:
        writing.execute(sa.text("UPDATE points SET epoch = NULL"))
        del connection
    with read_transaction(engine) as connection:
        for limit in (50, 2_000):
            shown = thinned(connection, run_id, "loss", limit)
            assert {one.value for one in shown} == {1.0, 2.0}, limit
            assert max(one.step or 0 for one in shown) == 1_499


def test_thinning_keeps_points_that_have_no_place(engine: sa.Engine) -> None:
    run_id = _store(engine, {"loss": [float(index) for index in range(200)]}, steps=list(range(200)))
    with write_transaction(engine) as connection:
        connection.execute(sa.text("UPDATE points SET epoch = NULL, step = NULL"))
    with read_transaction(engine) as connection:
        assert [one.value for one in thinned(connection, run_id, "loss", 1_000)] == [float(n) for n in range(200)]
        assert 90 <= len(thinned(connection, run_id, "loss", 100)) <= 100
