"""What a schedule does, and why a log differs from it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse

from trackside_service import schedules
from trackside_service.api import examples
from trackside_service.api.bodies import read_json
from trackside_service.api.documents import operation
from trackside_service.api.pointing import at
from trackside_service.api.schemas.schedules import (
    ExplainBody,
    Explanation,
    Identification,
    IdentifyBody,
    ObservedLr,
    Preview,
    PreviewBody,
)
from trackside_service.api.validation import validate
from trackside_service.api.written import PIECE, previewed
from trackside_service.conformance import (
    GIVEN,
    LrPoint,
    as_wire,
    contradicts,
    explain,
    identification_as_wire,
    identify,
)
from trackside_service.domain.numbers import from_wire
from trackside_service.errors import Fault, InvalidInputError, ScheduleError

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])
_PREVIEWS: Final = asyncio.Semaphore(4)
"""Previews that are computed at the same time: one of millions of values takes some hundred megabytes meanwhile."""


@router.post(
    "/preview",
    **operation(
        summary="Preview a schedule",
        says="The learning rate at each update.",
        answer=Preview,
        example=examples.PREVIEWED,
        body=PreviewBody,
        bodies={"one cycle": examples.PREVIEW, "a constant": examples.PREVIEW_TOTAL},
        problems=(ScheduleError,),
        stored=False,
    ),
)
async def preview_schedule(request: Request) -> Any:
    """Return the learning rate in use at each update (counted from 0), exactly as the library itself would have
    produced it.

    Give either `steps`, the updates you want, or `total`, for the first so many.
    """
    body = validate(PreviewBody, await read_json(request))
    if (body.steps is None) == (body.total is None):
        raise InvalidInputError(
            "Give exactly one of steps and total.", faults=[Fault("", "exactly one of steps and total")]
        )
    metric = None if body.metric is None else _numbers(body.metric, "/metric")
    async with _PREVIEWS:
        groups = await run_in_threadpool(_preview, body, metric)
    listed = len(groups) > 1 or isinstance(body.schedule.get("base_lr"), list)
    pieces = previewed(groups, listed=listed)
    if groups[0].size * len(groups) > PIECE:
        return StreamingResponse(iterate_in_threadpool(pieces), media_type="application/json")
    return Response(b"".join(pieces), media_type="application/json")


@router.post(
    "/explain",
    **operation(
        summary="Explain a log of learning rates",
        says="The verdict, and the causes that the log cannot rule out.",
        answer=Explanation,
        example=examples.EXPLANATION,
        body=ExplainBody,
        bodies={"ten times too low": examples.EXPLAIN},
        problems=(ScheduleError,),
        stored=False,
    ),
)
async def explain_schedule(request: Request) -> Any:
    """Compare logged learning rates with a schedule.

    A print stands for every number that prints so; give `lr_text` where you have it. How the log counts (from 0 or 1,
    read before or after the scheduler's step) is found unless the schedule's `reporting` states it. Where `base_lr` is
    a list, `group` says whose rates they are. A schedule that follows a metric (ReduceLROnPlateau) is replayed from
    the points' `metric`.
    """
    body = validate(ExplainBody, await read_json(request))
    return await run_in_threadpool(_explain, body)


@router.post(
    "/identify",
    **operation(
        summary="Identify the schedule behind a log",
        says="The simplest schedules that reproduce the learning rates, and what the log leaves open.",
        answer=Identification,
        example=examples.IDENTIFIED,
        body=IdentifyBody,
        bodies={"halved every two epochs": examples.IDENTIFY},
        problems=(),
        stored=False,
    ),
)
async def identify_schedule(request: Request) -> Any:
    """Name the schedules whose learning rates lie within every print, simplest first, where none was declared.

    Each comes as a declaration that explain and preview take: in the words of `framework` where it has them, else as a
    canonical kind. Where several families fit, or too little was logged, the answer says so.
    """
    body = validate(IdentifyBody, await read_json(request))
    return await run_in_threadpool(_identify, body)


def _preview(body: PreviewBody, metric: list[float] | None) -> list[npt.NDArray[np.float64]]:
    with at("/schedule", ScheduleError):
        return schedules.preview_arrays(body.schedule, steps=body.steps, total=body.total, metric=metric)


def _explain(body: ExplainBody) -> dict[str, Any]:
    points = _points(body.observed)
    with at("/schedule", ScheduleError):
        compiled = schedules.compile_schedule(body.schedule)
    count = len(compiled.groups)
    if body.group >= count:
        raise InvalidInputError(
            "The schedule has no such parameter group.",
            faults=[Fault("/group", f"below {count}: base_lr names one LR a group")],
        )
    return as_wire(explain(compiled.of_group(body.group), points, run_updates=body.run_updates))


def _identify(body: IdentifyBody) -> dict[str, Any]:
    found = identify(
        _points(body.observed),
        framework=body.framework,
        total_epochs=body.total_epochs,
        steps_per_epoch=body.steps_per_epoch,
    )
    return identification_as_wire(found)


def _points(observed: list[ObservedLr]) -> list[LrPoint]:
    lrs = _numbers([each.lr for each in observed], "/observed", "/lr")
    given = [0 if each.metric is None else each.metric for each in observed]
    metrics = _numbers(given, "/observed", "/metric")
    texts = [each.lr_text for each in observed]
    faults = [
        Fault(
            f"/observed/{index}/lr_text",
            "it is another number than lr: give the print of the same one, or leave it out",
        )
        for index, (lr, text) in enumerate(zip(lrs, texts, strict=True))
        if text is not None and contradicts(lr, text)
    ]
    if faults:
        raise InvalidInputError("Some prints are not those of their numbers.", faults=faults[:20])
    return [
        LrPoint(
            lr=lr,
            step=each.step,
            epoch=each.epoch,
            text=each.lr_text,
            metrics=() if each.metric is None else ((GIVEN, metric),),
        )
        for lr, metric, each in zip(lrs, metrics, observed, strict=True)
    ]


def _numbers(values: list[Any], pointer: str, below: str = "") -> list[float]:
    numbers: list[float] = []
    faults: list[Fault] = []
    for index, value in enumerate(values):
        try:
            if isinstance(value, bool) or not isinstance(value, (int, float, str)):
                raise ValueError('a number, "NaN", "Infinity" or "-Infinity" is wanted')
            numbers.append(from_wire(value))
        except (ValueError, OverflowError) as error:
            faults.append(Fault(f"{pointer}/{index}{below}", str(error)))
    if faults:
        raise InvalidInputError("Some numbers are not acceptable.", faults=faults[:20])
    return numbers
