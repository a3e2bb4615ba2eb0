"""Arrays in the text form that Postgres reads say what the driver's own arrays say, whatever is in them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from trackside_service.storage.types import array_of, arrays_of

TEXTS = ["", " ", "NULL", "null", '"', "\\", "\\\\", "{", "}", "{}", ",", 'a,"b"', 'a\\"b', "'", "\n", "\t", "\x01"]
TEXTS += [
    " before",
    "after ",
    "%s",
    "%%",
    "$1",
    "\\N",
    "é",
    "日本",
    "😀",
    "\u2028",
    '{"reach":["x\\\\\\"y",null]}',
    "x" * 100_000,
]
FLOATS = [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 1e22, 0.1 + 0.2, 2.0**53 + 2]
TIMES = [
    datetime(2026, 1, 31, 12, tzinfo=UTC),
    datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(2026, 1, 31, 12, tzinfo=timezone(-timedelta(hours=9, minutes=15, seconds=17))),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", TEXTS),
        ("double precision", FLOATS),
        ("bigint", [0, -1, 2**63 - 1, -(2**63)]),
        ("smallint", [0, 2**15 - 1, -(2**15)]),
        ("boolean", [True, False]),
        ("timestamptz", TIMES),
    ],
)
def test_postgres_reads_what_the_driver_would_send(engine: sa.Engine, kind: str, values: list[Any]) -> None:
    # Compared byte by byte: NaN is equal to nothing, and 0.0 to -0.0.
    query = f"SELECT array_send(%s::{kind}[]) = array_send(%s::{kind}[])"
    with engine.connect() as connection:
        for some in ([], *([value] for value in values), [*values, None], [None, *values, None]):
            assert connection.exec_driver_sql(query, (array_of(some), some)).scalar_one() is True, some


def test_rows_become_as_many_columns_as_there_are() -> None:
    assert arrays_of([(1, "a", None), (2, 'b"', 0.5)], 3) == ["{1,2}", '{"a","b\\""}', "{NULL,0.5}"]
    assert arrays_of([], 3) == ["{}", "{}", "{}"]
