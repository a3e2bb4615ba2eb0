"""A metric's history thinned for a picture: few points, none of the extremes lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from trackside_service.domain.numbers import join
from trackside_service.storage import lives
from trackside_service.storage.engine import is_sqlite
from trackside_service.storage.points import Point
from trackside_service.storage.tables import metrics, points

MIN_POINTS: Final = 10
FINITE: Final = "finite"


def thinned(connection: sa.Connection, run_id: UUID, metric: str, limit: int) -> list[Point]:
    """Return at most `limit` (10 or more) points of a metric, in arrival order; all of them where they are that few.

    The history is cut into stretches of equal length, and of each the least and the greatest value and the first of
    each non-finite kind stay; so do the first and the last point. Of several values at one place (a re-log) the latest
    counts; what a resumed process counts anew lies elsewhere though its numbers are the same. The database does the
    work; only what is shown is read. Raises `ValueError` on a smaller `limit`.
    """
    if limit < MIN_POINTS:
        raise ValueError(f"a history is thinned to {MIN_POINTS} points or more")
    known = connection.execute(
        sa.select(metrics.c.metric_id, metrics.c.points, metrics.c.ordered).where(
            metrics.c.run_id == run_id, metrics.c.name == metric
        )
    ).one_or_none()
    if known is None:
        return []
    # A metric whose places only ever rose has one value at each.
    shown = _shown(run_id, known.metric_id, None if known.ordered else lives.counted_anew(connection, run_id))
    if known.points <= limit:
        return _read(connection, run_id, metric, known.metric_id, sa.select(shown.c.ordinal))
    first, last = connection.execute(sa.select(sa.func.min(shown.c.ordinal), sa.func.max(shown.c.ordinal))).one()
    # Two points a stretch; five, if the first attempt shows that non-finite values come on top.
    ordinals: set[int] = set()
    for each in (2, 5):
        stretches = (limit - 2) // each
        stretch = (shown.c.ordinal - first) * stretches // (last - first + 1)
        ordinals = {first, last, *_finite(connection, shown, stretch), *_others(connection, shown, stretch)}
        if len(ordinals) <= limit:
            break
    return _read(connection, run_id, metric, known.metric_id, sorted(ordinals))


def _shown(run_id: UUID, metric_id: int, apart: Sequence[int] | None) -> sa.Subquery:
    """The points of a metric that no later one at the same place replaces (None: none does); the places of the lives
    `apart` are their own.
    """
    own = sa.select(points.c.ordinal, points.c.value, points.c.kind).where(
        points.c.run_id == run_id, points.c.metric_id == metric_id
    )
    if apart is None:
        return own.subquery()
    # A point without any place stands for itself.
    alone = sa.case((points.c.step.is_(None) & points.c.epoch.is_(None), points.c.ordinal))
    own_life = sa.case((points.c.life.in_(apart), points.c.life)) if apart else sa.null()
    place = (points.c.step, points.c.epoch, alone, own_life)
    later = sa.func.row_number().over(partition_by=place, order_by=points.c.ordinal.desc())
    ranked = own.add_columns(later.label("later")).subquery()
    return sa.select(ranked.c.ordinal, ranked.c.value, ranked.c.kind).where(ranked.c.later == 1).subquery()


def _finite(connection: sa.Connection, shown: sa.Subquery, stretch: sa.ColumnElement[int]) -> set[int]:
    """Where each stretch has its least and its greatest value."""
    if is_sqlite(connection):
        # Beside a lone min() or max(), SQLite gives the other columns of that row: documented, and one pass each.
        found: set[int] = set()
        for extreme in (sa.func.min, sa.func.max):
            query = sa.select(shown.c.ordinal, extreme(shown.c.value)).where(shown.c.kind == FINITE).group_by(stretch)
            found.update(row.ordinal for row in connection.execute(query))
        return found
    # Arrays compare by their first element, and the second says where it was.
    pair = postgresql.array([shown.c.value, sa.cast(shown.c.ordinal, sa.Double)])
    query = sa.select(sa.func.min(pair), sa.func.max(pair)).where(shown.c.kind == FINITE).group_by(stretch)
    return {int(place) for row in connection.execute(query) for _, place in row}


def _others(connection: sa.Connection, shown: sa.Subquery, stretch: sa.ColumnElement[int]) -> set[int]:
    """Where each stretch has its first NaN and its first infinity of either sign."""
    query = sa.select(sa.func.min(shown.c.ordinal)).where(shown.c.kind != FINITE).group_by(stretch, shown.c.kind)
    return set(connection.scalars(query))


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
