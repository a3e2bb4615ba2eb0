"""Queries on `detectors`: the rules' state of each run, as versioned bytes."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service.storage.tables import detectors

_LOAD: Final = sa.select(detectors.c.state).where(detectors.c.run_id == sa.bindparam("run_id"))
_SAVE: Final = (
    sa.update(detectors).where(detectors.c.run_id == sa.bindparam("_run_id")).values(state=sa.bindparam("state"))
)


def insert(connection: sa.Connection, run_id: UUID, state: bytes) -> None:
    """Store the state of a new run."""
    connection.execute(sa.insert(detectors), {"run_id": run_id, "state": state})


def load(connection: sa.Connection, run_id: UUID) -> bytes | None:
    """Return the state of a run."""
    return connection.scalar(_LOAD, {"run_id": run_id})


def save(connection: sa.Connection, run_id: UUID, state: bytes) -> None:
    """Store the state of a run. The caller holds the run's lock and draws its version anew."""
    connection.execute(_SAVE, {"_run_id": run_id, "state": state})
