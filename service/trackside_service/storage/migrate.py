"""Bringing a database to the revision that this version of the service works with."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from trackside_service.storage.engine import read_transaction

# Alembic keeps what it works on in its module; across processes the database's own lock does the same.
_one_at_a_time: Final = Lock()


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside the installed package, else beside the sources of a checkout."""
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "_migrations", here.parents[3] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise FileNotFoundError("the migrations are missing from this installation")


def alembic_config(url: sa.URL | str) -> Config:
    """Return Alembic's configuration for the database at `url`."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["url"] = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    return config


@cache
def head() -> str:
    """Return the newest revision."""
    revision = ScriptDirectory(str(migrations_folder())).get_current_head()
    if revision is None:
        raise FileNotFoundError("there are no migrations")
    return revision


def current(engine: sa.Engine) -> str | None:
    """Return the revision that the database is at; None where it is empty. Raises `StorageUnavailableError`."""
    with read_transaction(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_current(engine: sa.Engine) -> bool:
    """Say whether the database is at the newest revision. Raises `StorageUnavailableError`."""
    return current(engine) == head()


def upgrade(engine: sa.Engine) -> None:
    """Bring the database to the newest revision. Several processes may do so at once: one works, the others wait."""
    with _one_at_a_time:
        command.upgrade(alembic_config(engine.url), "head")
