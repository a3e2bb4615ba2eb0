"""What a post writes each time comes back as it was written, in one statement where the server is far."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
import sqlalchemy as sa

from trackside_service.domain.cadence import Cadence, Watch
from trackside_service.domain.lives import Progress, Reach
from trackside_service.domain.runs import ProcessLife, RunSpec
from trackside_service.storage import lives, metrics, points, posts, runs
from trackside_service.storage.engine import APART, is_sqlite, read_transaction, write_transaction
from trackside_service.storage.metrics import Metric
from trackside_service.storage.points import Row
from trackside_service.storage.posts import RunRow

NOW = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
THERE = NOW.astimezone(timezone(timedelta(hours=-5)))
RUN, OTHER = UUID(int=7), UUID(int=8)
WATCH = Watch(Cadence(5, 12.5), 1800.0, NOW + timedelta(minutes=30))
MOVED = Progress(1, "b", started=True, reach=Reach(step=3), seqs=((0, 4), (7, 9)))
METRICS = (
    Metric(0, "train_loss", 3, 2, 3, None, math.nan, ordered=False),
    Metric(1, 'a%s, {"b\\}?', 1, 2, None, 0.1, 1e-300),
)
ROWS = (Row(0, 2, 1, 3, None, THERE, math.nan, False, False), Row(1, 2, 1, None, 0.1, THERE, 1e-300, True, True))


def _open(engine: sa.Engine) -> None:
    with write_transaction(engine) as connection:
        for run_id in (RUN, OTHER):
            runs.insert(connection, run_id, RunSpec("p", "n"), now=NOW)
            for number in (0, 1):
                name = "ab"[number]
                lives.insert(connection, run_id, ProcessLife(number, name, NOW), Progress(number, name))


@pytest.mark.parametrize("apart", [False, True])
def test_it_comes_back_as_it_was_written_and_touches_no_other_run(engine: sa.Engine, apart: bool) -> None:
    _open(engine)
    engine = engine.execution_options(**{APART: apart})
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with write_transaction(engine) as connection:
        statements.clear()
        row = RunRow(3, 2**61, "critical", THERE, WATCH)
        posts.write(connection, RUN, row, moved=[MOVED], changed=METRICS, rows=ROWS)
        assert len(statements) == (4 if apart or is_sqlite(engine) else 1)
        locked = runs.lock(connection, RUN)
    assert locked == runs.Locked(RUN, "running", "critical", 3, 2**61, NOW, WATCH)
    with read_transaction(engine) as connection:
        assert [one.progress for one in lives.of_run(connection, RUN)] == [Progress(0, "a"), MOVED]
        assert [one.progress for one in lives.of_run(connection, OTHER)] == [Progress(0, "a"), Progress(1, "b")]
        assert repr(metrics.of_run(connection, RUN)) == repr(list(METRICS))
        (stored,) = points.records(connection, RUN)
        first = connection.execute(sa.text("SELECT count(*) FROM points")).scalar_one()
        run = runs.get(connection, RUN)
    assert repr(stored.metrics) == repr({"train_loss": math.nan, 'a%s, {"b\\}?': 1e-300})
    assert (first, stored.time, None if run is None else run.last_seen_at) == (2, NOW, NOW)


def test_parts_of_it_may_be_empty(engine: sa.Engine) -> None:
    _open(engine)
    with write_transaction(engine) as connection:
        nobody_waits = RunRow(0, 1, "ok", NOW, Watch())
        posts.write(connection, RUN, nobody_waits, moved=[], changed=[], rows=[])
        assert runs.lock(connection, RUN) == runs.Locked(RUN, "running", "ok", 0, 1, NOW, Watch())
        posts.write(connection, RUN, RunRow(0, 2, "ok", NOW, Watch()), moved=[MOVED], changed=[], rows=[])
        posts.write(connection, OTHER, RunRow(3, 3, "ok", NOW, Watch()), moved=[], changed=METRICS, rows=ROWS)
    with read_transaction(engine) as connection:
        assert [one.progress for one in lives.of_run(connection, RUN)] == [Progress(0, "a"), MOVED]
        assert len(list(points.records(connection, OTHER))) == 1
