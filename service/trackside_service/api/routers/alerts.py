"""Alerts over all runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from trackside_service import monitor
from trackside_service.api import examples
from trackside_service.api.bodies import read_json
from trackside_service.api.context import Context, committed, context
from trackside_service.api.documents import operation
from trackside_service.api.errors import InvalidParameterError
from trackside_service.api.pages import TEXT_PATTERN, Cursor, Limit, decode_time_and_id, encode_cursor, page
from trackside_service.api.schemas.alerts import AcknowledgeBody, Alert, AlertPage
from trackside_service.api.shown import alert_shown
from trackside_service.api.validation import validate
from trackside_service.domain.alerts import ShownState
from trackside_service.domain.findings import Severity
from trackside_service.domain.wire import time_to_wire
from trackside_service.errors import AlertNotFoundError, AlertResolvedError, BusyError, Fault, RuleNotFoundError
from trackside_service.monitor import HandResult
from trackside_service.rules import codes_of
from trackside_service.storage import alerts, silenced
from trackside_service.storage.engine import read_transaction

Code = Annotated[str, Field(max_length=20, pattern=TEXT_PATTERN)]
AlertId = Annotated[UUID, Path(description="The alert's id.", examples=[examples.ALERT_ID])]
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
        list[Code] | None,
        Query(description="Only these rules', or families' (LOSS); may be repeated.", examples=[["LOSS001"]]),
    ] = None,
    state: Annotated[list[ShownState] | None, Query(description="Only these; may be repeated.")] = None,
    severity: Annotated[list[Severity] | None, Query(description="Only these; may be repeated.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """Return alerts, the latest opened first, each with the symptoms that follow from it: those are not listed beside
    it.
    """
    here = context(request)
    after = None if cursor is None else decode_time_and_id(cursor)
    with read_transaction(here.engine) as connection:
        found = alerts.page(
            connection,
            project=project,
            run_id=run_id,
            code=None if code is None else _codes(code),
            state=state,
            severity=severity,
            after=after,
            limit=limit + 1,
        )
        listed = found[:limit]
        symptoms = alerts.symptoms(connection, listed)
        until = silenced.until(connection, listed, here.now())
    more = None
    if len(found) > limit:
        last = listed[-1]
        more = encode_cursor([time_to_wire(last.opened_at), str(last.id)])
    return page([alert_shown(alert, symptoms[alert.id], until.get(alert.id)) for alert in listed], more)


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
def read_alert(request: Request, alert_id: AlertId) -> Any:
    """Return one alert: what was seen, with numbers, what to do, and the symptoms that follow from it."""
    here = context(request)
    with read_transaction(here.engine) as connection:
        found = alerts.get(connection, alert_id)
        if found is None:
            raise AlertNotFoundError("No alert has this id.")
        symptoms = alerts.symptoms(connection, [found])
        until = silenced.until(connection, [found], here.now())
    return alert_shown(found, symptoms[found.id], until.get(found.id))


@router.post(
    "/{alert_id}/acknowledge",
    **operation(
        summary="Acknowledge an alert",
        says="The alert, in hand.",
        answer=Alert,
        example=examples.ACKNOWLEDGED,
        body=AcknowledgeBody,
        bodies={"with a name": examples.ACKNOWLEDGE, "without": {}},
        body_required=False,
        problems=(AlertNotFoundError, AlertResolvedError, BusyError),
    ),
)
async def acknowledge_alert(request: Request, alert_id: AlertId) -> Any:
    """Say that somebody has an alert in hand: it is shown so, still counts for the run's health, and nobody is reminded
    of it. A body is not needed.

    A second time changes nothing but `by` and `note`, where it gives them. A higher severity takes it back.
    """
    body = validate(AcknowledgeBody, await read_json(request, empty={}))
    here = context(request)
    now = here.now()
    run_id = await run_in_threadpool(_run_of, here, alert_id)
    result = await committed(
        here.writer.submit(
            lambda connection: monitor.acknowledge(connection, run_id, alert_id, by=body.by, note=body.note, now=now),
            run_id,
        )
    )
    return await run_in_threadpool(_as_shown, here, result)


@router.delete(
    "/{alert_id}/acknowledge",
    **operation(
        summary="Take an acknowledgement back",
        says="The alert, in nobody's hand.",
        answer=Alert,
        example=examples.ALERT,
        problems=(AlertNotFoundError, AlertResolvedError, BusyError),
    ),
)
async def take_acknowledgement_back(request: Request, alert_id: AlertId) -> Any:
    """Say that nobody has an alert in hand any more. Where nobody had, nothing changes."""
    here = context(request)
    now = here.now()
    run_id = await run_in_threadpool(_run_of, here, alert_id)
    result = await committed(
        here.writer.submit(lambda connection: monitor.take_back(connection, run_id, alert_id, now=now), run_id)
    )
    return await run_in_threadpool(_as_shown, here, result)


def _codes(names: Sequence[str]) -> list[str]:
    """Return the codes that codes and families name. Raises `InvalidParameterError` on others."""
    found: list[str] = []
    for place, name in enumerate(names):
        try:
            found += codes_of(name)
        except RuleNotFoundError as error:
            raise InvalidParameterError(
                f"/code/{place}: {error.detail}", faults=[Fault(f"/code/{place}", error.detail)]
            ) from None
    return found


def _as_shown(here: Context, result: HandResult) -> dict[str, Any]:
    with read_transaction(here.engine) as connection:
        until = silenced.until(connection, [result.alert], here.now())
    return alert_shown(result.alert, result.symptoms, until.get(result.alert.id))


def _run_of(here: Context, alert_id: UUID) -> UUID:
    with read_transaction(here.engine) as connection:
        found = alerts.get(connection, alert_id)
    if found is None:
        raise AlertNotFoundError("No alert has this id.")
    return found.run_id
