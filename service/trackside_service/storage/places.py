"""What stands at a place already: one query for all the places of a post, and one short probe of an index a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.numbers import split
from trackside_service.domain.records import Position
from trackside_service.storage.engine import is_sqlite

NOT_THERE, ANYTHING, NAME, VALUE = range(4)
_CHUNK: Final = 500  # rows of a statement on SQLite, which takes 32,766 parameters


class Asked(NamedTuple):
    """Whether a value of a metric stands at a place. `metric_id` is None where the run has no such metric."""

    position: Position
    metric_id: int | None
    value: float


_ARRAYS: Final = (
    "SELECT * FROM unnest(%s::int[], %s::bigint[], %s::double precision[], %s::int[], %s::double precision[], "
    "%s::text[])"
)
# Whose points count: a life's, or those of all lives without a name.
_OF_LIFE: Final = "p.life = {one}"
_UNNAMED: Final = "p.life IN (SELECT l.number FROM process_lives l WHERE l.run_id = {one} AND l.process IS NULL)"
# How a stored place matches one that is asked for (`domain.lives.same_place`). Each is a range of the index, which goes
# on with metric and value: so what a look-up costs does not depend on how much stands at the place.
_SAME: Final = "p.step = a.step AND p.epoch = a.epoch"
_STEP_ALONE: Final = "p.step = a.step AND p.epoch IS NULL"
_STEP_WITH_ANY: Final = "p.step = a.step AND p.epoch IS NOT NULL"
_EPOCH_ALONE: Final = "p.step IS NULL AND p.epoch = a.epoch"


def at_places(connection: sa.Connection, run_id: UUID, life: int | None, asked: Iterable[Asked]) -> dict[Asked, int]:
    """Say of each of `asked` what was stored there without a sequence number: the value (`VALUE`), another value of the
    metric (`NAME`), other metrics only (`ANYTHING`), or nothing (`NOT_THERE`).

    `life`: see `domain.lives.Places.seen`.
    """
    groups: dict[tuple[str, ...], list[Asked]] = {}
    for one in asked:
        groups.setdefault(_matches(one.position), []).append(one)
    found: dict[Asked, int] = {}
    for matches, several in groups.items():
        for match in matches:
            for one, level in _probe(connection, run_id, life, match, several):
                found[one] = max(level, found.get(one, NOT_THERE))
    return found


def _matches(position: Position) -> tuple[str, ...]:
    if position.step is None:
        return (_EPOCH_ALONE,)
    return (_STEP_ALONE, _STEP_WITH_ANY if position.epoch is None else _SAME)


def _probe(
    connection: sa.Connection, run_id: UUID, life: int | None, match: str, asked: Sequence[Asked]
) -> Iterable[tuple[Asked, int]]:
    if is_sqlite(connection):
        rest = iter(asked)
        while chunk := list(islice(rest, _CHUNK)):
            values = [value for place, one in enumerate(chunk) for value in (place, *_row(one))]
            whose = (run_id.hex, run_id.hex if life is None else life) * 4
            query = _query(match, life, "?", ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(chunk)))
            for place, level in connection.exec_driver_sql(query, (*values, *whose)):
                yield chunk[place], level
    else:
        columns = [list(column) for column in zip(*(_row(one) for one in asked), strict=True)]
        whose_uuid = (run_id, run_id if life is None else life) * 4
        query = _query(match, life, "%s", None)
        for place, level in connection.exec_driver_sql(query, (list(range(len(asked))), *columns, *whose_uuid)):
            yield asked[place], level


def _row(one: Asked) -> tuple[Any, ...]:
    return (one.position.step, one.position.epoch, one.metric_id, *split(one.value))


def _query(match: str, life: int | None, one: str, rows: str | None) -> str:
    """Return the query: `one` is how the database writes a parameter, `rows` the rows that are asked for (None: six
    arrays).
    """
    source = f"VALUES {rows}" if rows is not None else _ARRAYS
    owner = (_UNNAMED if life is None else _OF_LIFE).format(one=one)
    # All that is put together here is constants of this file.
    # SQLite would take the primary key, and so read a metric's whole history.
    table = "points p" if rows is None else "points p INDEXED BY ix_points_by_place"
    there = f"EXISTS (SELECT 1 FROM {table} WHERE p.by_place AND p.run_id = {one} AND {owner} AND {match}"  # noqa: S608
    name = f"{there} AND p.metric_id = a.metric_id"
    # Finite or not apart: no index finds "equal, or both null".
    return (
        f"WITH a(place, step, epoch, metric_id, value, kind) AS ({source}) "  # noqa: S608
        f"SELECT a.place, CASE WHEN a.kind = 'finite' AND {name} AND p.value = a.value) THEN {VALUE} "
        f"WHEN a.kind <> 'finite' AND {name} AND p.value IS NULL AND p.kind = a.kind) THEN {VALUE} "
        f"WHEN {name}) THEN {NAME} WHEN {there}) THEN {ANYTHING} ELSE {NOT_THERE} END FROM a"
    )
