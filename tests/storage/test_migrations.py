"""One tree of migrations for both databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from alembic import command

from trackside_service.domain.alerts import Telling
from trackside_service.domain.routing import Route
from trackside_service.storage import alerts, channels, delivery_log, migrate
from trackside_service.storage.engine import open_engine
from trackside_service.storage.tables import metadata

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
# Columns of runs and alerts that came after the first revision.
LATER = {
    "project_rules",
    "posts",
    "longest_pause_s",
    "silence_limit_s",
    "deadline_at",
    "acknowledged_at",
    "acknowledged_by",
    "acknowledged_note",
    "cause_id",
    "flaps",
    "calm_since",
    "told",
    "withheld_until",
    "remind_at",
    "reminders",
    "due_at",
}


def _tables(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    config = migrate.alembic_config(engine.url)
    assert migrate.current(engine) is None
    migrate.upgrade(engine)
    assert migrate.is_current(engine)
    assert _tables(engine) == set(metadata.tables)
    command.downgrade(config, "base")
    assert _tables(engine) == set()
    assert not migrate.is_current(engine)
    migrate.upgrade(engine)
    assert _tables(engine) == set(metadata.tables)
    engine.dispose()


def test_alerts_of_before_their_life_was_stored_are_kept(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    config = migrate.alembic_config(engine.url)
    command.upgrade(config, "0001")
    run_id, alert_id = UUID(int=1), UUID(int=2)
    run = {
        "run_id": run_id,
        "project": "p",
        "name": "n",
        "status": "running",
        "health": "critical",
        "declaration": {"project": "p", "name": "n"},
        "created_at": NOW,
        "last_seen_at": NOW,
        "next_ordinal": 1,
        "version": 1,
    }
    alert = {
        "run_id": run_id,
        "alert_id": alert_id,
        "code": "LOSS001",
        "subject": "train_loss",
        "episode": 1,
        "severity": "critical",
        "state": "open",
        "title": "t",
        "detail": "d",
        "advice": "a",
        "evidence": {"value": "NaN"},
        "opened": {"step": 1, "epoch": None},
        "opened_at": NOW,
        "changed_at": NOW,
    }
    with engine.begin() as connection:
        connection.execute(sa.insert(_first("runs")), run)
        connection.execute(sa.insert(_first("alerts")), alert)
    migrate.upgrade(engine)
    with engine.begin() as connection:
        (stored,) = alerts.of_run(connection, run_id)
        assert (stored.id, stored.evidence, stored.opened_at) == (alert_id, {"value": "NaN"}, NOW)
        # It was told when it opened; nobody is reminded of what stood before.
        assert (stored.telling, stored.acknowledgement, stored.cause_id) == (Telling(told="critical"), None, None)
        assert alerts.due(connection, NOW + timedelta(days=9), limit=9) == []
    command.downgrade(config, "0001")
    with engine.begin() as connection:
        kept = connection.execute(sa.select(_first("alerts"))).mappings().one()
        assert {name: kept[name] for name in alert} == alert
        assert connection.execute(sa.select(sa.func.count()).select_from(_first("runs"))).scalar_one() == 1
    engine.dispose()


def test_channels_and_deliveries_of_before_their_standing_are_kept(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    config = migrate.alembic_config(engine.url)
    command.upgrade(config, "0005")
    channel_id, delivery_id = UUID(int=1), UUID(int=2)
    channel = {
        "channel_id": channel_id,
        "kind": "slack",
        "name": "team",
        "project": "vision",
        "min_severity": "critical",
        "events": ["opened", "reminder"],
        "url": b"sealed",
        "target": "https://hooks.slack.com",
        "created_at": NOW,
    }
    delivery = {
        "delivery_id": delivery_id,
        "channel_id": channel_id,
        "event": "alert.opened",
        "snapshot": {"alert": {"severity": "critical"}},
        "status": "failed",
        "attempts": 10,
        "due_at": NOW,
        "created_at": NOW,
        "settled_at": NOW,
    }
    with engine.begin() as connection:
        connection.execute(sa.insert(_only("channels", channel)), channel)
        connection.execute(sa.insert(_only("deliveries", delivery)), delivery)
    migrate.upgrade(engine)
    with engine.begin() as connection:
        stored = channels.get(connection, channel_id)
        assert stored.route == Route("vision", "critical", events=("opened", "reminder"))
        assert (stored.max_per_minute, stored.ready_at, stored.failing_since, stored.digest_at) == (None,) * 4
        assert [each.id for each in delivery_log.page(connection, None, limit=9, status="failed")] == [delivery_id]
        assert delivery_log.replay(connection, NOW).replayed == 1
    command.downgrade(config, "0005")
    with engine.begin() as connection:
        kept = connection.execute(sa.select(_only("channels", channel))).mappings().one()
        assert dict(kept) == channel
        kept = connection.execute(sa.select(_only("deliveries", delivery))).mappings().one()
        assert dict(kept) == {**delivery, "status": "pending", "settled_at": None}
    engine.dispose()


def _only(name: str, row: Mapping[str, object]) -> sa.Table:
    """A table with the columns of `row`."""
    columns = [column for column in metadata.tables[name].columns if column.name in row]
    return sa.Table(name, sa.MetaData(), *(sa.Column(column.name, column.type) for column in columns))


def _first(name: str) -> sa.Table:
    """A table with the columns that it had in the first revision."""
    columns = [column for column in metadata.tables[name].columns if column.name not in LATER]
    return sa.Table(name, sa.MetaData(), *(sa.Column(column.name, column.type) for column in columns))


def test_check_finds_nothing_to_do(database_url: str) -> None:
    command.check(migrate.alembic_config(database_url))


def test_constraints_are_those_of_the_tables(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    for table in metadata.tables.values():
        # Alembic compares neither checks nor the names of keys.
        declared = {str(constraint.name) for constraint in table.constraints}
        found = {check["name"] for check in inspector.get_check_constraints(table.name)}
        found |= {unique["name"] for unique in inspector.get_unique_constraints(table.name)}
        found |= {key["name"] for key in inspector.get_foreign_keys(table.name)}
        found.add(inspector.get_pk_constraint(table.name)["name"])
        assert found == declared, table.name
        indexes = {index["name"] for index in inspector.get_indexes(table.name)}
        assert indexes - declared == {index.name for index in table.indexes}, table.name


def test_several_processes_may_migrate_at_once(empty_database_url: str) -> None:
    code = (
        "import sys\n"
        "from trackside_service.storage import engine, migrate\n"
        "opened = engine.open_engine(sys.argv[1])\n"
        "sys.stdin.readline()\n"
        "migrate.upgrade(opened)\n"
        "assert migrate.is_current(opened)\n"
        "opened.dispose()\n"
    )
    command_line = [sys.executable, "-c", code, empty_database_url]
    processes = [subprocess.Popen(command_line, stdin=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()  # all have been started: go
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
