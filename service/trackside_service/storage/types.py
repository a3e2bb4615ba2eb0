"""Column types that behave alike on SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC. SQLite has no zones and would hand back a naive one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: its zone would be a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must carry its zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def sqlite_time(time: datetime | None) -> str | None:
    """Return a time in the form in which SQLAlchemy stores and reads it on SQLite, for statements beside it."""
    return None if time is None else time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def arrays_of(rows: Sequence[Sequence[Any]], width: int) -> list[str]:
    """Return rows of `width` values as columns, in the form in which Postgres reads arrays, as its `unnest` takes them;
    empty ones where there is no row.
    """
    return [array_of(column) for column in zip(*rows, strict=True)] if rows else ["{}"] * width


def array_of(values: Iterable[str | float | datetime | None]) -> str:
    """Return values as Postgres reads an array of them. The driver looks for the type of each, which took an eighth of
    a small post's time.
    """
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: str | float | datetime | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value) if not isinstance(value, datetime) else f'"{value.isoformat()}"'
