"""Notices between processes that deliveries were written, where the database can send them (Postgres: NOTIFY).

They save a poll and are no more than that: a notice that is lost, as behind a pooler that shares connections between
transactions, costs a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import sqlalchemy as sa

from trackside_service.storage.engine import is_sqlite

NAME: Final = "trackside_deliveries"


def announce(connection: sa.Connection) -> None:
    """Say to all who listen, once this transaction is committed, that deliveries were written. On SQLite nobody can."""
    if not is_sqlite(connection):
        connection.execute(sa.select(sa.func.pg_notify(NAME, "")))


@contextmanager
def listening(engine: sa.Engine) -> Iterator[Callable[[float], bool]]:
    """Listen on a Postgres connection that is nobody else's; yield a function that waits at most so many seconds for
    a notice, and says whether one came. Raises the driver's errors, also from that function.
    """
    pooled = engine.raw_connection()
    connection = cast(Any, pooled.driver_connection)
    pooled.detach()
    try:
        connection.rollback()
        connection.autocommit = True
        connection.execute(f"LISTEN {NAME}")

        def wait(seconds: float) -> bool:
            return any(True for _ in connection.notifies(timeout=seconds, stop_after=1))

        yield wait
    finally:
        connection.close()
