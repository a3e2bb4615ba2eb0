"""Alerts over all runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from trackside_service.api import examples
from trackside_service.api.context import context
from trackside_service.api.documents import operation
from trackside_service.api.pages import TEXT_PATTERN, Cursor, Limit, bad_cursor, decode_cursor, encode_cursor, page
from trackside_service.api.schemas.alerts import Alert, AlertPage
from trackside_service.domain.alerts import ShownState
from trackside_service.domain.findings import Severity
from trackside_service.domain.wire import alert_to_wire, time_to_wire
from trackside_service.errors import AlertNotFoundError
from trackside_service.storage import alerts
from trackside_service.storage.engine import read_transaction

Code = Annotated[str, Field(max_length=20, pattern=TEXT_PATTERN)]
router = APIRouter(prefix="/v1/alerts", tags=["alerts"])


@router.get(
    "",
    **operation(
        summary="List alerts",
        says="A page of alerts.",
        answer=AlertPage,
        example={"items": [examples.ALERT], "next_cursor": None},
    ),
)
def list_alerts(
    request: Request,
    *,
    project: Annotated[
        str | None, Query(max_length=200, pattern=TEXT_PATTERN, description="Only this project's.", examples=["vision"])
    ] = None,
    run_id: Annotated[UUID | None, Query(description="Only this run's.", examples=[examples.RUN_ID])] = None,
    code: Annotated[
        list[Code] | None, Query(description="Only these rules'; may be repeated.", examples=[["LOSS001"]])
    ] = None,
    state: Annotated[list[ShownState] | None, Query(description="Only these; may be repeated.")] = None,
    severity: Annotated[list[Severity] | None, Query(description="Only these; may be repeated.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """Return alerts, the latest opened first, each with the symptoms that follow from it: those are not listed beside
    it.
    """
    after = None if cursor is None else _after(cursor)
    with read_transaction(context(request).engine) as connection:
        found = alerts.page(
            connection,
            project=project,
            run_id=run_id,
            code=code,
            state=state,
            severity=severity,
            after=after,
            limit=limit + 1,
        )
        symptoms = alerts.symptoms(connection, found[:limit])
    more = None
    if len(found) > limit:
        last = found[limit - 1]
        more = encode_cursor([time_to_wire(last.opened_at), str(last.id)])
    return page([alert_to_wire(alert, symptoms[alert.id]) for alert in found[:limit]], more)


@router.get(
    "/{alert_id}",
    **operation(
        summary="Read an alert",
        says="The alert.",
        answer=Alert,
        example=examples.ALERT,
        problems=(AlertNotFoundError,),
    ),
)
def read_alert(
    request: Request, alert_id: Annotated[UUID, Path(description="The alert's id.", examples=[examples.ALERT_ID])]
) -> Any:
    """Return one alert: what was seen, with numbers, what to do, and the symptoms that follow from it."""
    with read_transaction(context(request).engine) as connection:
        found = alerts.get(connection, alert_id)
        if found is None:
            raise AlertNotFoundError("No alert has this id.")
        symptoms = alerts.symptoms(connection, [found])
    return alert_to_wire(found, symptoms[found.id])


def _after(cursor: str) -> tuple[datetime, UUID]:
    place = decode_cursor(cursor)
    try:
        opened_at, alert_id = place
        time = datetime.fromisoformat(opened_at)
        if time.tzinfo is None:
            raise ValueError
        return time, UUID(alert_id)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise bad_cursor() from None
