"""What a silence's matchers match among the stored runs and alerts, and which of their values are of no run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.domain.silences import Matchers
from trackside_service.storage.engine import is_sqlite
from trackside_service.storage.tables import alerts, runs

# What is offered in place of a value that is of no run is looked for among so many, the latest first.
_LOOKED_AT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Matching:
    """How many `runs` the matchers on project, run and tag fit, and how many open `alerts` of them all matchers fit."""

    runs: int
    alerts: int


def count(connection: sa.Connection, matchers: Matchers) -> Matching:
    """Count what the matchers match now; symptoms count as alerts of their own."""
    of_runs = _conditions(connection, matchers)
    of_alerts = [alerts.c.state == "open"]
    if matchers.code:
        family = sa.func.rtrim(alerts.c.code, "0123456789")
        of_alerts.append(sa.or_(alerts.c.code.in_(matchers.code), family.in_(matchers.code)))
    if matchers.severity:
        of_alerts.append(alerts.c.severity.in_(matchers.severity))
    counted = sa.select(sa.func.count()).select_from(alerts.join(runs, runs.c.run_id == alerts.c.run_id))
    return Matching(
        runs=connection.execute(sa.select(sa.func.count()).select_from(runs).where(*of_runs)).scalar_one(),
        alerts=connection.execute(counted.where(*of_runs, *of_alerts)).scalar_one(),
    )


def known(connection: sa.Connection, matchers: Matchers) -> dict[str, set[str]]:
    """Return which of the values of `project`, `run` and `tag` some stored run has, by field."""
    tag = _tags(connection)
    ids = _ids(matchers.run)
    with_ids = connection.execute(sa.select(runs.c.run_id).where(runs.c.run_id.in_(ids))).scalars() if ids else ()
    found_ids = set(with_ids)
    return {
        "project": _among(connection, runs.c.project, runs, matchers.project),
        "run": _among(connection, runs.c.name, runs, matchers.run)
        | {value for value in matchers.run if _as_id(value) in found_ids},
        "tag": _among(connection, tag.c.value, sa.join(runs, tag, sa.true()), matchers.tag),
    }


def like(connection: sa.Connection, field: str, matchers: Matchers) -> list[str]:
    """Return what stored runs have in a field (of `project`, `run`, `tag`), to be offered where a value is of none: of
    the runs that the matcher on the project leaves, where that leaves any.
    """
    tag = _tags(connection)
    columns: dict[str, tuple[sa.ColumnElement[str], Any]] = {
        "project": (runs.c.project, runs),
        "run": (runs.c.name, runs),
        "tag": (tag.c.value, sa.join(runs, tag, sa.true())),
    }
    column, source = columns[field]
    query = sa.select(column).select_from(source).group_by(column)
    query = query.order_by(sa.func.max(runs.c.created_at).desc()).limit(_LOOKED_AT)
    if matchers.project and field != "project":
        inside = list(connection.execute(query.where(runs.c.project.in_(matchers.project))).scalars())
        if inside:
            return inside
    return list(connection.execute(query).scalars())


def _conditions(connection: sa.Connection, matchers: Matchers) -> list[sa.ColumnElement[bool]]:
    """The conditions that a run has to meet."""
    conditions: list[sa.ColumnElement[bool]] = []
    if matchers.project:
        conditions.append(runs.c.project.in_(matchers.project))
    if matchers.run:
        conditions.append(sa.or_(runs.c.name.in_(matchers.run), runs.c.run_id.in_(_ids(matchers.run))))
    if matchers.tag:
        tag = _tags(connection)
        conditions.append(sa.exists(sa.select(1).select_from(tag).where(tag.c.value.in_(matchers.tag))))
    return conditions


def _tags(connection: sa.Connection) -> Any:
    """A run's tags as a table of one column, for a join or a subquery beside `runs`."""
    if is_sqlite(connection):
        return sa.func.json_each(runs.c.declaration, "$.tags").table_valued("value")
    listed = sa.func.json_array_elements_text(runs.c.declaration["tags"])
    return listed.table_valued("value").render_derived()


def _among(connection: sa.Connection, column: sa.ColumnElement[str], source: Any, values: Sequence[str]) -> set[str]:
    if not values:
        return set()
    query = sa.select(column).select_from(source).where(column.in_(values)).distinct()
    return set(connection.execute(query).scalars())


def _ids(values: Sequence[str]) -> list[UUID]:
    return [one for value in values if (one := _as_id(value)) is not None]


def _as_id(value: str) -> UUID | None:
    """The id that a value spells as an alert's run spells it; `Matchers.match` compares text."""
    try:
        found = UUID(value)
    except ValueError:
        return None
    return found if str(found) == value else None
