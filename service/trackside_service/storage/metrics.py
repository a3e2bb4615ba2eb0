"""Queries on `metrics`: the names that a run has reported, and the latest value of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from trackside_service.domain.numbers import join, split
from trackside_service.storage.engine import is_sqlite
from trackside_service.storage.tables import metrics


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a run: `points` stored so far, and the latest value (records that lie behind do not count)."""

    metric_id: int
    name: str
    points: int
    ordinal: int
    step: int | None
    epoch: float | None
    value: float


_COLUMNS: Final = [column.name for column in metrics.c]
_CHANGED: Final = [name for name in _COLUMNS if name not in ("run_id", "metric_id", "name")]


def _upsert(statement: Any) -> Any:
    return statement.on_conflict_do_update(
        index_elements=["run_id", "metric_id"], set_={name: statement.excluded[name] for name in _CHANGED}
    )


_SQLITE: Final = _upsert(sqlite.insert(metrics))
_POSTGRES: Final = _upsert(postgresql.insert(metrics))


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
    if changed:
        rows = [_row(run_id, metric) for metric in changed]
        connection.execute(_SQLITE if is_sqlite(connection) else _POSTGRES, rows)


def _row(run_id: UUID, metric: Metric) -> dict[str, Any]:
    value, kind = split(metric.value)
    return {
        "run_id": run_id,
        "metric_id": metric.metric_id,
        "name": metric.name,
        "points": metric.points,
        "last_ordinal": metric.ordinal,
        "last_step": metric.step,
        "last_epoch": metric.epoch,
        "last_value": value,
        "last_kind": kind,
    }


def _metric(row: sa.Row[Any]) -> Metric:
    return Metric(
        metric_id=row.metric_id,
        name=row.name,
        points=row.points,
        ordinal=row.last_ordinal,
        step=row.last_step,
        epoch=row.last_epoch,
        value=join(row.last_value, row.last_kind),
    )
