"""Runs are stored as declared, and listed in pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.cadence import Cadence, Watch
from trackside_service.domain.declarations import parse_run
from trackside_service.domain.declared import declared, differing
from trackside_service.domain.runs import RunSpec
from trackside_service.storage import runs
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FULL = {
    "project": "vision",
    "name": "mobilenet",
    "framework": "torch",
    "total_epochs": 10,
    "steps_per_epoch": 391,
    "num_classes": 100,
    "optimizer": {"class": "SGD", "params": {"momentum": 0.9, "weird": "NaN"}},
    "schedule": {"framework": "torch", "class": "StepLR", "params": {"step_size": 3}, "base_lr": 0.1, "unit": "epoch"},
    "expectations": [
        {"metric": "val_acc", "epoch": 3.0, "min": 50.0},
        {"metric": "val_acc", "from_epoch": 2.0, "max_drop": 5.0},
        {"metric": "val_loss", "max_above": {"metric": "train_loss", "by": 0.5}},
    ],
    "rules": {"LR001": {"enabled": True, "severity": "info", "params": {"factor": 3}}},
    "metric_names": {"top": "val_acc"},
    "metric_units": {"val_acc": "percent"},
    "params": {"batch_size": 128, "nested": {"list": [1, None, "ü"]}},
    "tags": ["a", "b"],
    "heartbeat_s": 60.0,
}


def _id(number: int) -> UUID:
    return UUID(int=number)


def test_a_declaration_comes_back_whole(engine: sa.Engine) -> None:
    spec = parse_run(FULL)
    assert declared(spec).keys() == FULL.keys()
    assert parse_run(declared(spec)) == spec
    with write_transaction(engine) as connection:
        assert runs.insert(connection, _id(1), spec, now=NOW)
        assert not runs.insert(connection, _id(1), spec, now=NOW)
    with read_transaction(engine) as connection:
        run = runs.get(connection, _id(1))
        assert runs.get(connection, _id(2)) is None
    assert run is not None
    assert run.spec == spec
    assert (run.status, run.health, run.created_at, run.last_seen_at, run.ended_at) == ("running", "ok", NOW, NOW, None)


def test_differing_fields_are_named() -> None:
    one, other = declared(RunSpec("p", "n")), declared(RunSpec("p", "m", tags=("x",)))
    assert differing(one, other) == ("name", "tags")
    assert differing(one, dict(one)) == ()


def test_pages_follow_each_other_in_both_directions(engine: sa.Engine) -> None:
    with write_transaction(engine) as connection:
        for number in range(25):
            # Several runs of one moment: the id decides among them.
            moment = NOW + timedelta(seconds=number // 4)
            runs.insert(connection, _id(number), RunSpec("p" if number % 5 else "q", f"run{number % 3}"), now=moment)
        runs.update(connection, _id(7), {"status": "failed", "health": "critical"})
    with read_transaction(engine) as connection:
        for descending in (False, True):
            for sort in runs.SORTS:
                found, after = [], None
                while page := runs.page(connection, sort=sort, descending=descending, after=after, limit=7):
                    found += page
                    last = page[-1]
                    after = (
                        {"created_at": last.created_at, "last_seen_at": last.last_seen_at, "name": last.spec.name}[
                            sort
                        ],
                        last.id,
                    )
                assert len({run.id for run in found}) == len(found) == 25
                if sort != "name":
                    assert [run.id.int for run in found] == sorted(range(25), reverse=descending)
        assert {run.id.int for run in runs.page(connection, project="q")} == {0, 5, 10, 15, 20}
        assert {run.id.int for run in runs.page(connection, project="p", name="run1")} == {1, 4, 7, 13, 16, 19, 22}
        assert [run.id.int for run in runs.page(connection, status=["failed"])] == [7]
        assert [run.id.int for run in runs.page(connection, health=["warning", "critical"])] == [7]
        assert runs.count_by_status(connection) == {"running": 24, "failed": 1}


def test_the_overdue_are_found_by_their_index(engine: sa.Engine) -> None:
    with write_transaction(engine) as connection:
        for number in range(1, 301):
            runs.insert(connection, _id(number), RunSpec("p", "n"), now=NOW)
            at = NOW + timedelta(seconds=number)
            watch = Watch(Cadence(3, 2.0), 60.0, at if number % 3 else None)
            runs.update(connection, _id(number), runs.watch_values(watch))
        runs.update(connection, _id(2), {"status": "finished"})
    with read_transaction(engine) as connection:
        found = runs.overdue(connection, NOW + timedelta(seconds=10))
        assert [each.run_id.int for each in found] == [1, 4, 5, 7, 8, 10]
        assert (found[0].deadline_at, found[0].limit_s) == (NOW + timedelta(seconds=1), 60.0)
        first = runs.overdue(connection, NOW + timedelta(seconds=10), limit=2)
        then = runs.overdue(connection, NOW + timedelta(seconds=10), after=first[-1], limit=3)
        assert [*first, *then] == found[:5]
        explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
        if engine.dialect.name != "sqlite":  # for a few rows it would rather read them all
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        query = f"{explain} SELECT run_id FROM runs WHERE deadline_at <= '2026-01-31' AND status = 'running' "
        plan = str(connection.execute(sa.text(query + "ORDER BY deadline_at, run_id")).all())
    assert "ix_runs_deadline_at" in plan
