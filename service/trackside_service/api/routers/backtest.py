"""One rule with other parameters over stored runs, before anyone switches it on."""

from __future__ import annotations

import difflib
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from trackside_service import detection, monitor
from trackside_service.api import examples
from trackside_service.api.bodies import read_json
from trackside_service.api.context import Context, context
from trackside_service.api.documents import operation
from trackside_service.api.errors import InvalidParameterError
from trackside_service.api.pages import encode_cursor
from trackside_service.api.routers.runs import after_of, place_of
from trackside_service.api.schemas.rules import BacktestBody, Backtested
from trackside_service.api.validation import summary, validate
from trackside_service.domain.declarations import parse_rules
from trackside_service.domain.runs import RuleSetting, Run
from trackside_service.domain.silences import Matchers
from trackside_service.domain.wire import replayed_alert_to_wire
from trackside_service.errors import Fault, InvalidInputError, RuleNotFoundError
from trackside_service.rules import Rule, rule
from trackside_service.storage import alerts, matching, runs
from trackside_service.storage.engine import read_transaction

router = APIRouter(prefix="/v1/rules", tags=["rules"])
# A call that has looked at so many records stops, and says where to go on; of one run it looks at no more either.
MAX_RECORDS: Final = 500_000
_SORT: Final = "-created_at"


@router.post(
    "/backtest",
    **operation(
        summary="Try a rule on stored runs",
        says="On which of the runs the rule would have spoken, where, and with what words.",
        answer=Backtested,
        example={
            "rule": "LOSS001",
            "runs": 20,
            "records": 1800,
            "fired": 1,
            "items": [
                {
                    "run_id": examples.RUN_ID,
                    "project": "vision",
                    "name": "resnet-a",
                    "status": "running",
                    "records": 90,
                    "raised": 1,
                    "alerts": [examples.REPLAYED],
                    "error": None,
                }
            ],
            "next_cursor": None,
        },
        body=BacktestBody,
        bodies={"weaker than it is": examples.BACKTEST},
    ),
)
async def backtest_rule(request: Request) -> Any:
    """Replay one rule under the given parameters over stored runs, the latest opened first, and say where it would have
    fired. Nothing is stored, and nobody is told.

    A call looks at `limit` runs, or at fewer where they are long; `next_cursor` leads to the runs before. Rules about a
    run's end or its silence see no records and are refused.
    """
    body = validate(BacktestBody, await read_json(request))
    return await run_in_threadpool(_backtest, context(request), body)


def _backtest(here: Context, body: BacktestBody) -> dict[str, Any]:
    chosen = _rule(body.rule)
    if not chosen.sees_records and chosen.plan is None:
        raise InvalidInputError(
            f"{chosen.code} judges no records: it tells of a run's end or of its silence.",
            faults=[Fault("/rule", "a rule that judges records or the declaration is wanted")],
        )
    setting = _setting(chosen.code, body)
    after = _after(body.cursor)
    looked = records = fired = 0
    items: list[dict[str, Any]] = []
    last: Run | None = None
    with read_transaction(here.engine) as connection:
        _refuse_unknown(connection, body)
        found = runs.page(
            connection,
            project=body.project,
            run_ids=body.run_ids,
            sort="created_at",
            descending=True,
            after=after,
            limit=body.limit + 1,
        )
        for run in found[: body.limit]:
            if records >= MAX_RECORDS:
                break
            result = monitor.backtest(connection, run, chosen.code, setting, most=MAX_RECORDS)
            looked, records, last = looked + 1, records + result.records, run
            fired += bool(result.alerts)
            if result.alerts or result.faults or not result.whole:
                items.append(_item(connection, run, chosen.code, result))
    more = last is not None and looked < len(found)
    return {
        "rule": chosen.code,
        "runs": looked,
        "records": records,
        "fired": fired,
        "items": items,
        "next_cursor": encode_cursor(place_of(last, _SORT)) if more and last is not None else None,
    }


def _after(cursor: str | None) -> tuple[Any, UUID] | None:
    try:
        return None if cursor is None else after_of(cursor, _SORT)
    except InvalidParameterError as error:
        raise InvalidInputError(error.detail, faults=error.faults) from None  # here it is part of the body


def _refuse_unknown(connection: sa.Connection, body: BacktestBody) -> None:
    """Raise `InvalidInputError` on a project or a run that is not stored: no answer may look like "fires nowhere"."""
    if body.project is None and body.run_ids is None:
        return
    wanted = Matchers(project=(body.project,) if body.project else (), run=tuple(map(str, body.run_ids or ())))
    known = matching.known(connection, wanted)
    faults = [
        Fault(f"/run_ids/{place}", "no run has this id")
        for place, run_id in enumerate(wanted.run)
        if run_id not in known["run"]
    ]
    if body.project and body.project not in known["project"]:
        close = difflib.get_close_matches(body.project, matching.like(connection, "project", wanted), n=1)
        faults.append(
            Fault("/project", "no run is of this project" + (f"; did you mean {close[0]!r}?" if close else ""))
        )
    if faults:
        raise InvalidInputError(summary(faults), faults=faults)


def _rule(code: str) -> Rule[Any, Any]:
    try:
        return rule(code)
    except RuleNotFoundError as error:
        raise InvalidInputError(error.detail, faults=[Fault("/rule", error.detail)]) from None


def _setting(code: str, body: BacktestBody) -> RuleSetting:
    """Return the setting that the body wants tried. Raises `InvalidInputError` with the body's own pointers."""
    try:
        setting = parse_rules({code: {"severity": body.severity, "params": body.params}})[code]
        detection.check_settings({code: setting})
    except InvalidInputError as error:
        own = [Fault(fault.pointer.removeprefix(f"/rules/{code}"), fault.message) for fault in error.faults]
        raise InvalidInputError(f"{code} cannot be set so: {own[0].message}", faults=own) from None
    return setting


def _item(connection: sa.Connection, run: Run, code: str, result: monitor.Backtest) -> dict[str, Any]:
    return {
        "run_id": str(run.id),
        "project": run.spec.project,
        "name": run.spec.name,
        "status": run.status,
        "records": result.records,
        "raised": sum(alert.code == code for alert in alerts.of_run(connection, run.id)),
        "alerts": [replayed_alert_to_wire(alert) for alert in result.alerts],
        "error": _error(result),
    }


def _error(result: monitor.Backtest) -> str | None:
    if result.faults:
        return result.faults[0].error
    return None if result.whole else f"only its first {result.records} records were looked at"
