"""Opening the database, and the two kinds of transaction.

SQLite runs in WAL with one writer at a time: a writing transaction says so at its beginning (BEGIN IMMEDIATE), because
a reading one that turns into a writer half-way cannot wait for the lock. Postgres gets timeouts on everything, since a
network that swallows packets would otherwise hold a thread for minutes.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import NullPool, QueuePool

from trackside_service.domain.numbers import wire_safe
from trackside_service.errors import BusyError, InvalidInputError, StorageUnavailableError

log: Final = logging.getLogger(__name__)
WRITES: Final = "trackside_writes"
# Of a connection to a distributed Postgres: each statement writes one table.
APART: Final = "trackside_apart"
SQLITE_BUSY_S: Final = 15
STATEMENT_TIMEOUT_MS: Final = 30_000
_POSTGRES: Final[dict[str, Any]] = {
    "application_name": "trackside",
    "connect_timeout": 10,
    "tcp_user_timeout": 15_000,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


def to_json(value: object) -> str:
    """Write JSON that both databases take: non-finite floats in their wire form."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:  # the walk through all of it is paid only then
        return json.dumps(wire_safe(value), separators=(",", ":"), allow_nan=False)


def open_engine(
    url: str,
    *,
    pool_size: int = 5,
    foreign_keys: bool = True,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    keep_connections: bool = True,
) -> sa.Engine:
    """Open `sqlite:///file.db` or `postgresql://user@host/name`; nothing is connected yet.

    `foreign_keys=False` (SQLite), `statement_timeout_ms=0` (Postgres) and `keep_connections=False` are for migrations.
    Raises `InvalidInputError` on an address that is neither, and on a SQLite database in memory, which every
    connection would see differently.
    """
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError):  # the latter of a port that is no number
        raise InvalidInputError("the database URL is not a URL: sqlite:///trackside.db or postgresql://...") from None
    pool: dict[str, Any] = {"poolclass": NullPool}
    if keep_connections:
        pool = {"poolclass": QueuePool, "pool_size": pool_size, "max_overflow": 0, "pool_timeout": 30}
    common: dict[str, Any] = {"json_serializer": to_json, "hide_parameters": True, **pool}
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(parsed, foreign_keys, common)
    if backend in ("postgresql", "postgres"):
        arguments = {name: value for name, value in _POSTGRES.items() if name not in parsed.query}
        if "options" not in parsed.query:
            arguments["options"] = f"-c statement_timeout={statement_timeout_ms}"
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args=arguments,
            pool_pre_ping=keep_connections,
            **common,
        )
    raise InvalidInputError(f"Trackside stores in SQLite or Postgres, not in {backend}")


def _open_sqlite(url: sa.URL, foreign_keys: bool, common: dict[str, Any]) -> sa.Engine:
    if not url.database or url.database == ":memory:" or "mode=memory" in url.database:
        raise InvalidInputError("a SQLite database needs a file: sqlite:///trackside.db")
    engine = sa.create_engine(
        url.set(drivername="sqlite+pysqlite"),
        connect_args={"timeout": SQLITE_BUSY_S, "check_same_thread": False},
        **common,
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: object) -> None:
        # The driver would begin transactions by its own lights: late, and never for DDL.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # In WAL this loses nothing when a process dies; only a power cut can take the last commits.
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        cursor.execute("PRAGMA cache_size=-16000")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def is_sqlite(connection: sa.Connection | sa.Engine) -> bool:
    """Say whether this is SQLite (else it is Postgres)."""
    return connection.dialect.name == "sqlite"


@contextmanager
def write_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection in a writing transaction: committed at the end, rolled back on any exception.

    Raises `StorageUnavailableError` where the database cannot be reached, `BusyError` where no connection gets free.
    """
    with _named_errors(), engine.execution_options(**{WRITES: True}).connect() as connection:
        transaction = connection.begin()
        yield connection
        commit(connection, transaction)


def commit(connection: sa.Connection, transaction: sa.RootTransaction) -> None:
    """Commit. A connection whose commit failed is thrown away: on SQLite its transaction would still be open."""
    try:
        transaction.commit()
    except BaseException:
        connection.invalidate()
        raise


class Savepoint:
    """A place in a transaction to go back to, which moves on with each job that is kept.

    SQLAlchemy's own costs two ways to the server for each job, and as much again in this process.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._is_set = False
        self._behind = True  # something was kept since it was set

    def set(self) -> None:
        """Set it here, where it is not yet."""
        if not self._behind:
            return
        if self._is_set:
            self._move()
        else:
            self._connection.exec_driver_sql("SAVEPOINT post")
        self._is_set, self._behind = True, False

    def keep(self) -> None:
        """Keep what was done since it was set."""
        self._behind = True

    def roll_back(self) -> None:
        """Undo what was done since it was set; it stays where it is."""
        self._connection.exec_driver_sql("ROLLBACK TO SAVEPOINT post")

    def _move(self) -> None:
        # Each on top of the other would be a stack, and what Postgres looks up grows with its depth.
        if is_sqlite(self._connection):
            self._connection.exec_driver_sql("RELEASE SAVEPOINT post")
            self._connection.exec_driver_sql("SAVEPOINT post")
        else:
            # Without parameters the server takes two statements at once.
            once = {"no_parameters": True}
            self._connection.exec_driver_sql("RELEASE SAVEPOINT post; SAVEPOINT post", execution_options=once)


@contextmanager
def read_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection in a transaction that can only read, and of which every statement sees the same moment. Raises
    as `write_transaction`.
    """
    options: dict[str, Any] = {"postgresql_readonly": True}
    if not is_sqlite(engine):  # SQLite's WAL does so anyway
        options["isolation_level"] = "REPEATABLE READ"
    with _named_errors(), engine.execution_options(**options).begin() as connection:
        yield connection


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except exc.TimeoutError as error:
        raise BusyError("all connections to the database are in use; try again in a moment") from error
    except (exc.OperationalError, exc.InterfaceError) as error:
        raise unavailable(error) from error


def unavailable(error: exc.DBAPIError) -> StorageUnavailableError:
    """Return the refusal for whoever asked. What the driver said (where the database is, as whom) goes to the log."""
    log.warning("%s", unavailable_detail(error))
    return StorageUnavailableError("the database cannot be reached or does not work as it should; try again soon")


def unavailable_detail(error: exc.DBAPIError) -> str:
    """Say in one line what the database driver said, without the statement or its values: for whoever runs the
    service.
    """
    first = str(error.orig).strip().splitlines()
    return f"the database did not answer as it should: {first[0] if first else type(error.orig).__name__}"
