"""How a run is: as JSON, or as a screenful for a terminal."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse

from trackside_service.api import examples
from trackside_service.api.answers import TEXT
from trackside_service.api.context import context
from trackside_service.api.documents import operation
from trackside_service.api.found import RunId, run_of
from trackside_service.api.negotiation import preferred
from trackside_service.api.observed import explanation_of
from trackside_service.api.problems import status_of
from trackside_service.api.schemas.runs import RunHealth
from trackside_service.api.screen import screenful
from trackside_service.api.shown import alert_shown, last_seen, worst_first
from trackside_service.conformance import as_wire
from trackside_service.domain.alerts import under_causes
from trackside_service.domain.findings import rank
from trackside_service.errors import RunNotFoundError, RunUnhealthyError
from trackside_service.storage import alerts, lives, metrics, silenced
from trackside_service.storage.engine import read_transaction

router = APIRouter(prefix="/v1/runs", tags=["health"])


@router.get(
    "/{run_id}/health",
    **operation(
        summary="Ask how a run is",
        says="The run's health. With `Accept: text/plain`, a screenful for a terminal.",
        answer=RunHealth,
        example=examples.HEALTH,
        other={TEXT: examples.HEALTH_TEXT},
        problems=(RunNotFoundError, RunUnhealthyError),
        refused={409: {TEXT: examples.HEALTH_TEXT}},
    ),
)
def read_health(
    request: Request,
    run_id: RunId,
    fail_on: Annotated[
        Literal["info", "warning", "critical"] | None,
        Query(
            description="Answer 409 when the run is at least that bad: for `curl --fail` in a script. "
            "As text, the screenful stays the answer."
        ),
    ] = None,
) -> Any:
    """Return the run's health (the worst severity among its alerts that are open or were frozen by its end), those
    alerts with their advice, each with what follows from it, the verdict on the learning rate, and where the run is.
    """
    here = context(request)
    with read_transaction(here.engine) as connection:
        run = run_of(connection, run_id)
        counting, symptoms = under_causes(worst_first(alerts.of_run(connection, run_id, states=("open", "ended"))))
        values = metrics.of_run(connection, run_id)
        explanation = explanation_of(connection, run)
        lost = lives.lost(connection, run_id)
        until = silenced.until(connection, counting, here.now())
    fails = fail_on is not None and rank(run.health) >= rank(fail_on)
    if preferred(request.headers.get("accept"), ("application/json", TEXT)) == TEXT:
        return PlainTextResponse(
            screenful(run, counting, symptoms, values, explanation, silenced=until, lost=lost),
            status_of(RunUnhealthyError) if fails else HTTPStatus.OK,
        )
    if fails:
        listed = ", ".join(f"{alert.code} ({alert.severity})" for alert in counting)
        raise RunUnhealthyError(f"The run's health is {run.health}: {listed or 'no alert is open'}.")
    return {
        "run_id": str(run.id),
        "project": run.spec.project,
        "name": run.spec.name,
        "status": run.status,
        "health": run.health,
        "alerts": [alert_shown(alert, symptoms.get(alert.id, ()), until.get(alert.id)) for alert in counting],
        "lr": None if explanation is None else as_wire(explanation),
        "last": last_seen(run, values, lost),
    }
