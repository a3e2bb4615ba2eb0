"""How Alembic meets the database: over a connection of its own, with foreign keys off on SQLite.

On SQLite a table is altered by copying it, and dropping the old one with foreign keys on would delete the rows that
point to it. Both databases take a lock before the revision is read, so that of several processes that migrate at once
one works and the others wait.
"""

from __future__ import annotations

import os

import sqlalchemy as sa
from alembic import context

from trackside_service.storage.engine import WRITES, is_sqlite, open_engine
from trackside_service.storage.tables import metadata

# Any constant that nothing else in the database uses.
LOCK = 7_240_193


def database_url() -> str:
    """Return the URL from the caller, from `-x url=...`, or from the environment."""
    url = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True).get("url")
    url = url or os.environ.get("TRACKSIDE_DATABASE_URL")
    if not url:
        raise SystemExit("name the database: -x url=sqlite:///trackside.db, or TRACKSIDE_DATABASE_URL")
    return str(url)


def run(connection: sa.Connection) -> None:
    """Migrate inside the open transaction."""
    sqlite = is_sqlite(connection)
    if not sqlite:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, render_as_batch=sqlite)
    context.run_migrations()
    if sqlite:
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise RuntimeError(f"the migration would leave {len(broken)} rows without the row they belong to")


engine = open_engine(database_url(), foreign_keys=False, statement_timeout_ms=0, keep_connections=False)
try:
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        run(connection)
finally:
    engine.dispose()
