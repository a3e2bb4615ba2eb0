"""Looking up the thing that a path names, or refusing."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import Path

from trackside_service.api import examples
from trackside_service.domain.runs import Run
from trackside_service.errors import RunNotFoundError
from trackside_service.storage import runs

RunId = Annotated[UUID, Path(description="The run's id: a UUID that the reporter makes.", examples=[examples.RUN_ID])]


def run_of(connection: sa.Connection, run_id: UUID) -> Run:
    """Return a run. Raises `RunNotFoundError`."""
    run = runs.get(connection, run_id)
    if run is None:
        raise no_run()
    return run


def no_run() -> RunNotFoundError:
    """Return the refusal of an id that no run has."""
    return RunNotFoundError("No run has this id. PUT /v1/runs/{run_id} opens one.")
