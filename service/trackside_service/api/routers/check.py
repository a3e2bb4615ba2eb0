"""A finished log through the same rules, storing nothing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from trackside_service import replay
from trackside_service.api import examples
from trackside_service.api.bodies import read_json
from trackside_service.api.context import context
from trackside_service.api.declarations import split_declaration
from trackside_service.api.documents import operation
from trackside_service.api.pointing import at
from trackside_service.api.schemas.check import CheckBody, CheckReport
from trackside_service.conformance import as_wire
from trackside_service.domain.declarations import parse_records
from trackside_service.domain.reading import Reader
from trackside_service.domain.wire import replayed_alert_to_wire
from trackside_service.errors import Fault, InvalidInputError, ScheduleError

router = APIRouter(prefix="/v1", tags=["check"])


@router.post(
    "/check",
    **operation(
        summary="Check a finished log",
        says="The alerts that the log raises, and the verdict on its learning rate.",
        answer=CheckReport,
        example={"alerts": [examples.REPLAYED], "lr": examples.EXPLANATION},
        body=CheckBody,
        bodies={"two epochs": examples.CHECK},
        problems=(ScheduleError,),
        stored=False,
    ),
)
async def check_log(request: Request) -> Any:
    """Replay a log through the rules that watch live runs, in the order given. Nothing is stored and no clock is read.

    At most 100,000 records a call; `trackside check` takes longer logs.
    """
    body = await read_json(request)
    return await run_in_threadpool(_check, body, context(request).options.max_checked)


def _check(body: Any, limit: int) -> dict[str, Any]:
    faults: list[Fault] = []
    if isinstance(body, list):
        faults.append(Fault("", 'an object is wanted: {"run": {...}, "records": [...]}'))
        raise InvalidInputError('A log is an object: {"run": {...}, "records": [...]}.', faults=faults)
    whole = Reader.of(body, "", ("run", "records"), faults)
    declaration = whole.mapping("run", required=True)
    records = whole.get("records", required=True)
    if faults:
        raise InvalidInputError("A log is an object with run and records.", faults=faults)
    with at("/run"):
        spec, process = split_declaration(declaration)
    parsed = parse_records(records, limit=limit, beyond="a call; check a longer log with `trackside check`")
    with at("/run"):
        report = replay.check(spec, parsed, process=process)
    return {
        "alerts": [replayed_alert_to_wire(alert, report.symptoms.get(alert.id, ())) for alert in report.alerts],
        "lr": None if report.lr is None else as_wire(report.lr),
    }
