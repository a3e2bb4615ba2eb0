"""Silences: nobody is told of some alerts until a time."""

from __future__ import annotations

import difflib
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from trackside_service.api import examples
from trackside_service.api.bodies import read_json
from trackside_service.api.context import Context, context
from trackside_service.api.documents import operation
from trackside_service.api.pages import Cursor, Limit, decode_time_and_id, encode_cursor, page
from trackside_service.api.rule_codes import unknown_codes, upper
from trackside_service.api.schemas.silences import SilenceBody, SilencePage, SilenceWithMatches
from trackside_service.api.shown import silence_to_wire
from trackside_service.api.validation import summary, validate
from trackside_service.domain.silences import FIELDS, Matchers, Silence
from trackside_service.domain.wire import time_to_wire
from trackside_service.errors import BusyError, Fault, InvalidInputError, SilenceNotFoundError
from trackside_service.storage import matching, silences
from trackside_service.storage.engine import read_transaction, write_transaction

router = APIRouter(prefix="/v1/silences", tags=["silences"])
SilenceId = Annotated[UUID, Path(description="The silence's id.", examples=[examples.SILENCE_ID])]
LONGEST: Final = timedelta(days=36_525)
_OF_RUNS: Final = {"project": "project", "run": "id or name", "tag": "tag"}


@router.post(
    "",
    **operation(
        summary="Make a silence",
        says="The silence.",
        status=201,
        answer=SilenceWithMatches,
        example=examples.SILENCE_WITH_MATCHES,
        body=SilenceBody,
        bodies={"a run that is known to be bad": examples.SILENCE},
        problems=(BusyError,),
    ),
)
async def make_silence(request: Request) -> Any:
    """Send nothing about the alerts that match, until a time. They are stored, shown, and count for their run's health.

    What opens meanwhile and is still open then is told once the silence is over; so is the end of an alert that was
    told before it. Alerts that match and are open already go on to be so, without reminders. `matching` says what it
    matches now, and which of its values are of no run: a silence may be made ahead of its runs, or be mistyped.
    """
    body = validate(SilenceBody, await read_json(request))
    return await run_in_threadpool(_make, context(request), body)


@router.get(
    "",
    **operation(
        summary="List silences",
        says="A page of silences.",
        answer=SilencePage,
        example={"items": [examples.SILENCE_SHOWN], "next_cursor": None},
    ),
)
def list_silences(
    request: Request,
    *,
    active: Annotated[
        bool | None, Query(description="Only those that are active, or only those that are over; both if left out.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """Return silences, the latest made first."""
    here = context(request)
    now = here.now()
    after = None if cursor is None else decode_time_and_id(cursor)
    with read_transaction(here.engine) as connection:
        expired = None if active is None else not active
        found = silences.page(connection, now=now, expired=expired, after=after, limit=limit + 1)
    more = None
    if len(found) > limit:
        last = found[limit - 1]
        more = encode_cursor([time_to_wire(last.created_at), str(last.id)])
    return page([silence_to_wire(each, now) for each in found[:limit]], more)


@router.get(
    "/{silence_id}",
    **operation(
        summary="Read a silence",
        says="The silence.",
        answer=SilenceWithMatches,
        example=examples.SILENCE_WITH_MATCHES,
        problems=(SilenceNotFoundError,),
    ),
)
def read_silence(request: Request, silence_id: SilenceId) -> Any:
    """Return a silence, active or over."""
    here = context(request)
    with read_transaction(here.engine) as connection:
        return _with_matches(connection, silences.get(connection, silence_id), here.now())


@router.delete(
    "/{silence_id}",
    **operation(
        summary="End a silence",
        says="It is over. It stays in the list of those that are.",
        status=204,
        problems=(SilenceNotFoundError, BusyError),
    ),
)
def end_silence(request: Request, silence_id: SilenceId) -> Any:
    """Let a silence end now. What it kept back and still stands is told within seconds. One that is over stays so."""
    here = context(request)
    with write_transaction(here.engine) as connection:
        silences.expire(connection, silence_id, here.now())
    return Response(status_code=204)


def _make(here: Context, body: SilenceBody) -> dict[str, Any]:
    now = here.now()
    faults = _faults(body, now)
    if faults:
        raise InvalidInputError(summary(faults), faults=faults)
    given = {name: tuple(getattr(body.matchers, name) or ()) for name in FIELDS}
    given["code"] = upper(given["code"])
    given["run"] = tuple(_as_shown(value) for value in given["run"])
    silence = Silence(uuid4(), Matchers(**given), body.until, now, body.by, body.note)
    with write_transaction(here.engine) as connection:
        silence = silences.insert(connection, silence)
    # Outside of the writing: it may look at every run.
    with read_transaction(here.engine) as connection:
        return _with_matches(connection, silence, now)


def _with_matches(connection: sa.Connection, silence: Silence, now: datetime) -> dict[str, Any]:
    counted = matching.count(connection, silence.matchers)
    known = matching.known(connection, silence.matchers)
    unmatched = []
    for field, what in _OF_RUNS.items():
        values = getattr(silence.matchers, field)
        missing = [place for place, value in enumerate(values) if value not in known[field]]
        others = matching.like(connection, field, silence.matchers) if missing else []
        for place in missing:
            close = difflib.get_close_matches(values[place], others, n=1, cutoff=0.6)
            detail = f"no run has this {what} so far" + (f"; did you mean {close[0]!r}?" if close else "")
            unmatched.append({"pointer": f"/matchers/{field}/{place}", "detail": detail})
    found = {"runs": counted.runs, "alerts": counted.alerts, "unmatched": unmatched}
    return {**silence_to_wire(silence, now), "matching": found}


def _faults(body: SilenceBody, now: datetime) -> list[Fault]:
    found: list[Fault] = []
    if not any(getattr(body.matchers, name) for name in FIELDS):
        found.append(Fault("/matchers", f"at least one is needed: {', '.join(FIELDS)}"))
    found += unknown_codes(body.matchers.code, "/matchers/code")
    if body.until <= now:
        found.append(Fault("/until", "a time ahead is wanted"))
    elif body.until > now + LONGEST:
        found.append(Fault("/until", "at most a hundred years ahead"))
    return found


def _as_shown(value: str) -> str:
    """Return a run's id as it is shown, however it was written; a name stays as it is."""
    try:
        return str(UUID(value)) if len(value) == len(str(UUID(int=0))) else value
    except ValueError:
        return value
