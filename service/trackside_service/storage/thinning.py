"""A metric's history thinned for a picture: few points, none of the extremes lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.numbers import join
from trackside_service.storage.points import Point
from trackside_service.storage.tables import metrics, points

MIN_POINTS: Final = 10
_FINITE: Final = "finite"


def thinned(connection: sa.Connection, run_id: UUID, metric: str, limit: int) -> list[Point]:
    """Return at most `limit` (10 or more) points of a metric, in arrival order; all of them where they are that few.

    The history is cut into stretches of equal length, and of each the least and the greatest value and the first of
    each non-finite kind stay; so do the first and the last point. Of several values at one place (a re-log) the latest
    counts. The database does the work; only what is shown is read. Raises `ValueError` on a smaller `limit`.
    """
    if limit < MIN_POINTS:
        raise ValueError(f"a history is thinned to {MIN_POINTS} points or more")
    known = connection.execute(
        sa.select(metrics.c.metric_id, metrics.c.points).where(metrics.c.run_id == run_id, metrics.c.name == metric)
    ).one_or_none()
    if known is None:
        return []
    shown = _shown(run_id, known.metric_id)
    if known.points <= limit:
        return _read(connection, run_id, metric, known.metric_id, sa.select(shown.c.ordinal))
    first, last = connection.execute(sa.select(sa.func.min(shown.c.ordinal), sa.func.max(shown.c.ordinal))).one()
    ordinals: set[int] = set()
    # Two points a stretch; five, if the first attempt shows that non-finite values come on top.
    for each in (2, 5):
        ordinals = {first, last, *_extremes(connection, shown, first, last, (limit - 2) // each)}
        if len(ordinals) <= limit:
            break
    return _read(connection, run_id, metric, known.metric_id, sorted(ordinals))


def _shown(run_id: UUID, metric_id: int) -> sa.CTE:
    """The points of a metric that no later one at the same place replaces."""
    own = (points.c.run_id == run_id) & (points.c.metric_id == metric_id)
    later = sa.func.row_number().over(partition_by=(points.c.step, points.c.epoch), order_by=points.c.ordinal.desc())
    ranked = sa.select(points.c.ordinal, points.c.value, points.c.kind, later.label("later")).where(own).subquery()
    shown = sa.select(ranked.c.ordinal, ranked.c.value, ranked.c.kind).where(ranked.c.later == 1)
    return shown.cte("shown")


def _extremes(connection: sa.Connection, shown: sa.CTE, first: int, last: int, stretches: int) -> Iterable[int]:
    number = (shown.c.ordinal - first) * stretches // (last - first + 1)
    placed = sa.select(number.label("stretch"), shown.c.ordinal, shown.c.value, shown.c.kind).cte("placed")
    ends = (
        sa.select(
            placed.c.stretch,
            placed.c.kind,
            sa.func.min(placed.c.value).label("least"),
            sa.func.max(placed.c.value).label("greatest"),
        )
        .group_by(placed.c.stretch, placed.c.kind)
        .cte("ends")
    )
    same = (placed.c.stretch == ends.c.stretch) & (placed.c.kind == ends.c.kind)
    at = sa.case((placed.c.kind != _FINITE, placed.c.kind), (placed.c.value == ends.c.least, "least"), else_="greatest")
    query = (
        sa.select(sa.func.min(placed.c.ordinal))
        .select_from(placed.join(ends, same))
        .where((placed.c.kind != _FINITE) | (placed.c.value == ends.c.least) | (placed.c.value == ends.c.greatest))
        .group_by(placed.c.stretch, at)
    )
    return connection.scalars(query)


def _read(
    connection: sa.Connection, run_id: UUID, metric: str, metric_id: int, ordinals: Sequence[int] | sa.Select[Any]
) -> list[Point]:
    query = (
        sa.select(
            points.c.ordinal, points.c.life, points.c.step, points.c.epoch, points.c.time, points.c.value, points.c.kind
        )
        .where(points.c.run_id == run_id, points.c.metric_id == metric_id, points.c.ordinal.in_(ordinals))
        .order_by(points.c.ordinal)
    )
    return [
        Point(metric, row.ordinal, row.life, row.step, row.epoch, row.time, join(row.value, row.kind))
        for row in connection.execute(query)
    ]
