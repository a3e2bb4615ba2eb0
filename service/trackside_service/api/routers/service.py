"""The service about itself: alive, ready, its meters."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from trackside_service.api.context import context
from trackside_service.api.documents import operation
from trackside_service.api.schemas.service import Alive, Ready
from trackside_service.errors import StorageUnavailableError, TracksideError
from trackside_service.storage import census, migrate
from trackside_service.storage.census import Census
from trackside_service.storage.engine import read_transaction

router = APIRouter(tags=["service"])
_log: Final = logging.getLogger(__name__)
_METERS: Final = "text/plain; version=0.0.4; charset=utf-8"
_VERSION: Final = version("trackside-service")


@router.get(
    "/healthz",
    **operation(
        summary="Is it alive?",
        says="The process answers.",
        answer=Alive,
        example={"status": "ok", "version": "0.1.0"},
        stored=False,
        is_open=True,
    ),
)
@router.head("/healthz", include_in_schema=False)
async def is_alive() -> Any:
    """Answer as long as the process runs; the database is not asked. No key is needed."""
    return {"status": "ok", "version": _VERSION}


@router.get(
    "/readyz",
    **operation(
        summary="Is it ready?",
        says="The database answers and has the revision that this version works with.",
        answer=Ready,
        example={"status": "ready"},
        is_open=True,
    ),
)
@router.head("/readyz", include_in_schema=False)
def is_ready(request: Request) -> Any:
    """Answer 200 when the service can take posts, else 503 with the reason. No key is needed."""
    if not migrate.is_current(context(request).engine):
        raise StorageUnavailableError("The database is at another revision than this version: run 'trackside migrate'.")
    return {"status": "ready"}


@router.get(
    "/metrics",
    **operation(
        summary="Read the service's meters",
        says="Prometheus text.",
        other={"text/plain": "trackside_points_total 120.0\n"},
        stored=False,
    ),
)
def read_meters(request: Request) -> Any:
    """Return counters of this process in Prometheus' text format: posts, points, alerts and rule faults by code,
    deliveries, the writer's queue; and of the database channels that are on and off, deliveries that wait, how late
    they are, and those that were given up. Where the database does not answer, these are NaN.
    """
    here = context(request)
    counted: Census | None = None
    try:
        with read_transaction(here.engine) as connection:
            counted = census.take(connection, here.now())
    except (TracksideError, SQLAlchemyError):
        _log.info("the outbox could not be counted")
    here.meters.counted(counted)
    return Response(here.meters.text(), media_type=_METERS)
