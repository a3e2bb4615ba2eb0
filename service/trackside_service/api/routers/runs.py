"""Runs: open, read, list, end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from trackside_service import monitor
from trackside_service.api import examples
from trackside_service.api.answers import Answer
from trackside_service.api.bodies import read_json
from trackside_service.api.context import Context, committed, context
from trackside_service.api.declarations import split_declaration
from trackside_service.api.documents import operation
from trackside_service.api.found import RunId, run_of
from trackside_service.api.pages import TEXT_PATTERN, Cursor, Limit, bad_cursor, decode_cursor, encode_cursor, page
from trackside_service.api.schemas.runs import RunDeclaration, RunEnd, RunOpened, RunPage, RunShown
from trackside_service.api.shown import news, run_summary, run_whole
from trackside_service.api.validation import validate
from trackside_service.domain.findings import Health
from trackside_service.domain.runs import Run, RunStatus
from trackside_service.domain.wire import time_to_wire
from trackside_service.errors import BusyError, RunConflictError, RunEndedError, RunNotFoundError, ScheduleError
from trackside_service.storage import lives, metrics, runs
from trackside_service.storage.engine import read_transaction
from trackside_service.storage.runs import Sort

router = APIRouter(prefix="/v1/runs", tags=["runs"])
_SORTS: Final = get_args(Sort)
SortBy = Literal["created_at", "-created_at", "last_seen_at", "-last_seen_at", "name", "-name"]


@router.put(
    "/{run_id}",
    **operation(
        summary="Open a run",
        says="The run was open with this declaration already, or it was reopened by a new process.",
        also={201: "The run is open."},
        answer=RunOpened,
        example={**examples.SHOWN, "alerts": []},
        body=RunDeclaration,
        bodies={
            "with a schedule": examples.RUN,
            "resumed from a checkpoint": examples.RUN_RESUMED,
        },
        problems=(RunConflictError, ScheduleError, BusyError),
    ),
)
async def open_run(request: Request, run_id: RunId) -> Any:
    """Open a run under an id that you make (a UUID), and declare what it should do.

    Doing so twice with the same body changes nothing. A resumed job sends a new `process.id`: that reopens an ended
    run as a new process life, and may change the schedule from there on. Another body without a new process is a
    conflict.
    """
    spec, process = split_declaration(await read_json(request))
    here = context(request)
    now = here.now()
    named = None if process is None else (process.id, process.resumed_from_step)
    result = await committed(
        here.writer.submit(
            lambda connection: monitor.open_run(connection, run_id, spec, process=named, now=now), run_id
        )
    )
    here.meters.judged(result)
    shown = await run_in_threadpool(_show, here, run_id)
    return Answer({**shown, "alerts": news(result.changes, result.alerts)}, status_code=201 if result.created else 200)


@router.get(
    "/{run_id}",
    **operation(
        summary="Read a run",
        says="The run.",
        answer=RunShown,
        example=examples.SHOWN,
        problems=(RunNotFoundError,),
    ),
)
def read_run(request: Request, run_id: RunId) -> Any:
    """Return a run: its declaration, its processes, where it stands, and the latest value of each metric."""
    return _show(context(request), run_id)


@router.patch(
    "/{run_id}",
    **operation(
        summary="End a run",
        says="The run, and what its end did to its alerts.",
        answer=RunOpened,
        example={**examples.SHOWN, "status": "finished", "ended_at": "2026-01-31T12:30:00Z", "alerts": []},
        body=RunEnd,
        bodies={"it finished": examples.END, "it failed": examples.FAILED},
        problems=(RunNotFoundError, RunEndedError, BusyError),
    ),
)
async def end_run(request: Request, run_id: RunId) -> Any:
    """Say that a run finished, failed or was killed. What waited for the end is judged now; open alerts freeze as
    ended and still count.
    """
    body = validate(RunEnd, await read_json(request))
    here = context(request)
    now = here.now()
    result = await committed(
        here.writer.submit(
            lambda connection: monitor.finish(connection, run_id, body.status, body.reason, now=now), run_id
        )
    )
    here.meters.judged(result)
    shown = await run_in_threadpool(_show, here, run_id)
    return {**shown, "alerts": news(result.changes, result.alerts)}


@router.get(
    "",
    **operation(
        summary="List runs",
        says="A page of runs.",
        answer=RunPage,
        example={"items": [examples.SUMMARY], "next_cursor": None},
    ),
)
def list_runs(
    request: Request,
    *,
    project: Annotated[
        str | None, Query(max_length=200, pattern=TEXT_PATTERN, description="Only this project's.", examples=["vision"])
    ] = None,
    name: Annotated[
        str | None,
        Query(max_length=200, pattern=TEXT_PATTERN, description="Only runs of this name.", examples=["resnet-a"]),
    ] = None,
    status: Annotated[list[RunStatus] | None, Query(description="Only these; may be repeated.")] = None,
    health: Annotated[list[Health] | None, Query(description="Only these; may be repeated.")] = None,
    sort: Annotated[SortBy, Query(description="By what; a minus puts the latest or last first.")] = "-created_at",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """Return runs with the latest value of each metric, the latest opened first."""
    column, descending = sort.lstrip("-"), sort.startswith("-")
    after = None if cursor is None else after_of(cursor, sort)
    with read_transaction(context(request).engine) as connection:
        found = runs.page(
            connection,
            project=project,
            name=name,
            status=status,
            health=health,
            sort=column,  # type: ignore[arg-type]
            descending=descending,
            after=after,
            limit=limit + 1,
        )
        shown = found[:limit]
        values = metrics.of_runs(connection, [run.id for run in shown])
    more = encode_cursor(place_of(shown[-1], sort)) if len(found) > limit else None
    return page([run_summary(run, values[run.id]) for run in shown], more)


def _show(here: Context, run_id: UUID) -> dict[str, Any]:
    with read_transaction(here.engine) as connection:
        run = run_of(connection, run_id)
        return run_whole(
            run, metrics.of_run(connection, run_id), [each.life for each in lives.of_run(connection, run_id)]
        )


def place_of(run: Run, sort: str) -> list[Any]:
    """Return a run's place in a list sorted so, for a cursor."""
    column = sort.lstrip("-")
    value = run.spec.name if column == "name" else time_to_wire(getattr(run, column))
    return [sort, value, str(run.id)]


def after_of(cursor: str, sort: str) -> tuple[Any, UUID]:
    """Undo `place_of`. Raises `InvalidParameterError` on a cursor of another list or order."""
    place = decode_cursor(cursor)
    try:
        made_for, value, run_id = place
        if made_for != sort or not isinstance(value, str):
            raise ValueError
        return (value if sort.lstrip("-") == "name" else datetime.fromisoformat(value)), UUID(run_id)
    except (ValueError, TypeError, AttributeError):
        raise bad_cursor() from None
