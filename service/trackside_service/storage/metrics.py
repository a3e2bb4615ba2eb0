"""Queries on `metrics`: the names that a run has reported, and the latest value of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.numbers import join, split
from trackside_service.storage.engine import is_sqlite
from trackside_service.storage.tables import metrics
from trackside_service.storage.types import arrays_of


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a run: `points` stored so far, and the latest value (records that lie behind do not count).

    `ordered`: every point lies ahead of the one before it, so none stands at the place of another.
    """

    metric_id: int
    name: str
    points: int
    ordinal: int
    step: int | None
    epoch: float | None
    value: float
    ordered: bool = True


_COLUMNS: Final = tuple(column.name for column in metrics.c)
_UPSERT: Final = "ON CONFLICT (run_id, metric_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("run_id", "metric_id", "name")
)
_INTO: Final = f"INSERT INTO metrics ({', '.join(_COLUMNS)})"
SQLITE_SAVE: Final = f"{_INTO} VALUES ({', '.join('?' * len(_COLUMNS))}) {_UPSERT}"
_ARRAYS: Final = (
    "SELECT %s::uuid, * FROM unnest(%s::int[], %s::text[], %s::bigint[], %s::boolean[], %s::bigint[], "
    "%s::bigint[], %s::double precision[], %s::double precision[], %s::text[])"
)
POSTGRES_SAVE: Final = f"{_INTO} {_ARRAYS} {_UPSERT}"


def of_run(connection: sa.Connection, run_id: UUID) -> list[Metric]:
    """Return a run's metrics in the order in which they were first reported."""
    query = sa.select(metrics).where(metrics.c.run_id == run_id).order_by(metrics.c.metric_id)
    return [_metric(row) for row in connection.execute(query)]


def of_runs(connection: sa.Connection, run_ids: Sequence[UUID]) -> Mapping[UUID, list[Metric]]:
    """Return the metrics of several runs, for a list with the latest values."""
    found: dict[UUID, list[Metric]] = {run_id: [] for run_id in run_ids}
    query = sa.select(metrics).where(metrics.c.run_id.in_(run_ids)).order_by(metrics.c.run_id, metrics.c.metric_id)
    for row in connection.execute(query):
        found[row.run_id].append(_metric(row))
    return found


def save(connection: sa.Connection, run_id: UUID, changed: Sequence[Metric]) -> None:
    """Store metrics, new ones and those that have moved on."""
    if not changed:
        return
    if is_sqlite(connection):
        connection.exec_driver_sql(SQLITE_SAVE, sqlite_rows(run_id, changed))
    else:
        connection.exec_driver_sql(POSTGRES_SAVE, postgres_arrays(run_id, changed))


def sqlite_rows(run_id: UUID, changed: Sequence[Metric]) -> list[tuple[Any, ...]]:
    """Return the parameters of `SQLITE_SAVE`."""
    key = run_id.hex
    return [(key, *_row(one)) for one in changed]


def postgres_arrays(run_id: UUID, changed: Sequence[Metric]) -> tuple[Any, ...]:
    """Return the parameters of `POSTGRES_SAVE`."""
    return (run_id, *arrays_of([_row(one) for one in changed], POSTGRES_SAVE.count("[]")))


def _row(one: Metric) -> tuple[Any, ...]:
    return one.metric_id, one.name, one.points, one.ordered, one.ordinal, one.step, one.epoch, *split(one.value)


def _metric(row: sa.Row[Any]) -> Metric:
    return Metric(
        metric_id=row.metric_id,
        name=row.name,
        points=row.points,
        ordinal=row.last_ordinal,
        step=row.last_step,
        epoch=row.last_epoch,
        value=join(row.last_value, row.last_kind),
        ordered=row.ordered,
    )
