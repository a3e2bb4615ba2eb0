"""How the database is opened, and what it says when it cannot be reached."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from trackside_service.domain.runs import RunSpec
from trackside_service.errors import InvalidInputError, StorageUnavailableError
from trackside_service.storage import migrate, runs
from trackside_service.storage.engine import open_engine, read_transaction, write_transaction


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:", "postgresql://u@h:54x/x"]
)
def test_what_cannot_hold_the_data_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        open_engine(url)


def test_a_database_that_is_not_there_is_named_as_unavailable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        url = f"postgresql://secret:word@127.0.0.1:{taken.getsockname()[1]}/x"
        for address in (url, f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}"):
            engine = open_engine(address)
            with pytest.raises(StorageUnavailableError) as refused:
                migrate.is_current(engine)
            # Whoever posts learns nothing about the database's place; whoever runs the service does.
            for word in ("word", "127.0.0.1", "port", "unable to open", str(tmp_path)):
                assert word not in refused.value.detail
            engine.dispose()
    assert "127.0.0.1" in caplog.text
    assert "unable to open database file" in caplog.text
    assert "secret:word" not in caplog.text


def test_sqlite_is_set_up_for_several_readers_and_one_writer(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with read_transaction(engine) as connection:
        answers = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")]
    assert answers == ["wal", 1]
    with write_transaction(engine) as writing:
        writing.exec_driver_sql("CREATE TABLE t (x INTEGER)")
        with read_transaction(engine) as reading:  # neither waits for the other
            assert sa.inspect(reading).get_table_names() == []
    engine.dispose()


def test_reading_cannot_write_on_postgres_and_errors_undo(engine: sa.Engine) -> None:
    if engine.dialect.name == "postgresql":
        with pytest.raises(sa.exc.InternalError), read_transaction(engine) as connection:
            connection.execute(sa.text("DELETE FROM runs"))
    insert = sa.text("INSERT INTO channels (channel_id) VALUES (NULL)")
    with pytest.raises(sa.exc.IntegrityError), write_transaction(engine) as connection:
        connection.execute(insert)
    with write_transaction(engine) as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM channels")) == 0


def test_every_statement_of_a_reading_sees_the_same_moment(engine: sa.Engine) -> None:
    count = sa.text("SELECT count(*) FROM runs")
    with read_transaction(engine) as reading:
        assert reading.scalar(count) == 0
        with write_transaction(engine) as writing:
            runs.insert(writing, UUID(int=1), RunSpec("p", "n"), now=datetime(2026, 1, 31, tzinfo=UTC))
        assert reading.scalar(count) == 0
    with read_transaction(engine) as reading:
        assert reading.scalar(count) == 1


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_pooled_connection_that_died_is_replaced(engine: sa.Engine) -> None:
    with read_transaction(engine) as connection:
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    other = sa.create_engine(engine.url, poolclass=sa.NullPool)
    with other.connect() as killer:
        killer.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    other.dispose()
    with read_transaction(engine) as connection:
        assert connection.scalar(sa.text("SELECT pg_backend_pid()")) != pid
