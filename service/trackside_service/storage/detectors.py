"""Queries on `detectors`: the rules' state of each run, as versioned bytes."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.storage.tables import detectors

_LOAD: Final = sa.select(detectors.c.state, detectors.c.ordinal).where(detectors.c.run_id == sa.bindparam("run_id"))
_SAVE: Final = (
    sa.update(detectors)
    .where(detectors.c.run_id == sa.bindparam("_run_id"))
    .values(state=sa.bindparam("state"), ordinal=sa.bindparam("ordinal"))
)


def insert(connection: sa.Connection, run_id: UUID, state: bytes) -> None:
    """Store the state of a new run."""
    connection.execute(sa.insert(detectors), {"run_id": run_id, "state": state, "ordinal": 0})


def load(connection: sa.Connection, run_id: UUID) -> tuple[bytes, int] | None:
    """Return the state of a run, and the ordinal of the first record that it does not hold."""
    row = connection.execute(_LOAD, {"run_id": run_id}).one_or_none()
    return None if row is None else (row.state, row.ordinal)


def save(connection: sa.Connection, run_id: UUID, state: bytes, ordinal: int) -> None:
    """Store the state of a run after the records before `ordinal`.

    The caller holds the run's lock and draws its version anew.
    """
    connection.execute(_SAVE, {"_run_id": run_id, "state": state, "ordinal": ordinal})
