"""One tree of migrations for both databases."""

from __future__ import annotations

import subprocess
import sys

import sqlalchemy as sa
from alembic import command

from trackside_service.storage import migrate
from trackside_service.storage.engine import open_engine
from trackside_service.storage.tables import metadata


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
