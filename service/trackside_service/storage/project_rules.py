"""Queries on `project_rules`: how the runs of a project want the rules, unless a run says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from trackside_service.domain.declarations import parse_rules
from trackside_service.domain.declared import declared_rules
from trackside_service.domain.runs import RuleSetting
from trackside_service.storage.engine import is_sqlite
from trackside_service.storage.tables import project_rules


def get(connection: sa.Connection, project: str) -> dict[str, RuleSetting]:
    """Return the project's settings, by rule; none where it has set none."""
    query = sa.select(project_rules.c.rules).where(project_rules.c.project == project)
    found = connection.execute(query).scalar_one_or_none()
    return {} if found is None else parse_rules(found)


def save(connection: sa.Connection, project: str, rules: Mapping[str, RuleSetting], *, now: datetime) -> None:
    """Replace the project's settings."""
    if not rules:
        connection.execute(sa.delete(project_rules).where(project_rules.c.project == project))
        return
    values = {"rules": declared_rules(rules), "changed_at": now}
    statement: Any = sqlite.insert(project_rules) if is_sqlite(connection) else postgresql.insert(project_rules)
    statement = statement.values(project=project, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["project"], set_=values))
