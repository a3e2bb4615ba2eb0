"""A run's learning rate: expected and observed."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from trackside_service.api import examples
from trackside_service.api.context import context
from trackside_service.api.documents import operation
from trackside_service.api.found import RunId, run_of
from trackside_service.api.observed import (
    expected_at,
    explanations_of,
    groups_of,
    identified_in,
    level_of,
    reported,
)
from trackside_service.api.schemas.schedules import LrShown
from trackside_service.conformance import Explanation, as_wire
from trackside_service.domain.metrics import LR, LRS
from trackside_service.domain.numbers import to_wire
from trackside_service.errors import RunNotFoundError
from trackside_service.storage import lives, thinning
from trackside_service.storage.engine import read_transaction

router = APIRouter(prefix="/v1/runs", tags=["health"])
_NOT_COMPARED: Final[dict[str, Any]] = {
    "verdict": "undetermined",
    "reason": "No schedule was declared for it, or no learning rate reported.",
    "causes": [],
    "convention": None,
    "points": 0,
}


@router.get(
    "/{run_id}/lr",
    **operation(
        summary="Compare a run's learning rate with its schedule",
        says="The verdict, the causes that the log cannot rule out, and both curves.",
        answer=LrShown,
        example=examples.LR,
        problems=(RunNotFoundError,),
    ),
)
def read_lr(
    request: Request,
    run_id: RunId,
    points: Annotated[
        int, Query(ge=thinning.MIN_POINTS, le=10_000, description="How many points at most.", examples=[500])
    ] = 500,
) -> Any:
    """Return the expected and the observed learning rate at the places where it was reported (thinned, keeping the
    extremes), the verdict, the first point off schedule, and every cause that the log cannot rule out.

    `expected` is given in the index convention that was stated or found. Of a run without a declared schedule,
    `identified` names the schedules that the series shows.

    All this is of the first parameter group;
    where several are declared or reported, `groups` has the verdict on each.
    """
    with read_transaction(context(request).engine) as connection:
        run = run_of(connection, run_id)
        explanations = explanations_of(connection, run, groups_of(connection, run))
        known = lives.of_run(connection, run.id)
        observed = thinning.thinned(connection, run_id, LR, points)
        level = level_of(connection, run)
        stored = reported(connection, run)
    expected = expected_at(run, explanations[0], observed, level, known)
    answer = {
        **_shown(explanations[0]),
        "schedule": None if run.spec.schedule is None else dict(run.spec.schedule),
        "series": [
            {"step": point.step, "epoch": point.epoch, "observed": to_wire(point.value), "expected": lr}
            for point, lr in zip(observed, expected, strict=True)
        ],
        "identified": identified_in(run, observed, stored, context(request).identified, known),
    }
    if len(explanations) > 1:
        answer["groups"] = [
            {"group": group, "metric": LRS[group], **_shown(explanation)}
            for group, explanation in enumerate(explanations)
        ]
    return answer


def _shown(explanation: Explanation | None) -> dict[str, Any]:
    return _NOT_COMPARED if explanation is None else as_wire(explanation)
