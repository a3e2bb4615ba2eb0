"""Records: taken in, and shown as pages, as a stream, or thinned."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import StreamingResponse

from trackside_service import monitor
from trackside_service.api import examples
from trackside_service.api.answers import CSV, NDJSON, Answer, encode
from trackside_service.api.bodies import read_json
from trackside_service.api.context import Context, committed, context
from trackside_service.api.direct import Direct
from trackside_service.api.documents import operation
from trackside_service.api.found import RunId, run_of
from trackside_service.api.negotiation import preferred
from trackside_service.api.pages import MAX_LIMIT, Cursor, Limit, bad_cursor, decode_cursor, encode_cursor, page
from trackside_service.api.schemas.records import History, RecordPage, RecordsBody, RecordsTaken
from trackside_service.api.shown import news
from trackside_service.domain.declarations import name_problem, parse_records
from trackside_service.domain.metrics import canonical
from trackside_service.domain.numbers import to_wire
from trackside_service.domain.reading import Reader
from trackside_service.domain.records import MAX_LOST
from trackside_service.domain.wire import time_to_wire
from trackside_service.errors import BusyError, Fault, InvalidInputError, RunNotFoundError
from trackside_service.storage import metrics, points, thinning
from trackside_service.storage.engine import read_transaction
from trackside_service.storage.points import Point, StoredRecord

router = APIRouter(prefix="/v1/runs", tags=["records"])
_BLOCK: Final = 500  # records that a stream reads and sends at a time
_MAX_METRICS: Final = 50


@router.post(
    "/{run_id}/records",
    **operation(
        summary="Report records",
        says="They are stored, and the rules have seen them.",
        answer=RecordsTaken,
        example=examples.TAKEN,
        body=RecordsBody,
        bodies={"two epochs": examples.RECORDS, "by the client": examples.RECORDS_OF_PROCESS},
        problems=(RunNotFoundError, BusyError),
    ),
)
async def post_records(request: Request, run_id: RunId) -> Any:
    """Store records and judge them; the answer comes after the commit and says what the rules made of them.

    Posting the same records twice changes nothing. With `process` and `seq` that holds by number; without them a
    record at the same place with the same values is a repetition, new metrics there are added, and another value of a
    metric is a correction (both are kept, the later one is shown). A post without records says that the run is alive.
    `lost` says how many records the process could neither send nor keep so far; the run shows it.
    """
    here = context(request)
    process, records, lost = _parse(await read_json(request), here.options.max_records)
    now, began = here.now(), time.perf_counter()
    since = here.listening_since(now)
    result = await committed(
        here.writer.submit(
            lambda connection: monitor.record(
                connection, run_id, process, records, now=now, lost=lost, listening_since=since
            ),
            run_id,
            weight=max(1, len(records)),
        )
    )
    here.meters.posted(result, time.perf_counter() - began)
    return Answer(
        {
            "accepted": result.accepted,
            "duplicates": result.duplicates,
            "health": result.health,
            "alerts": news(result.changes, result.alerts),
        }
    )


async def _post_records(request: Request) -> Answer:
    return cast(Answer, await post_records(request, request.path_params["run_id"]))


DIRECT: Final = Direct(
    f"{router.prefix}/{{run_id:uuid}}/records", _post_records, methods=["POST"], include_in_schema=False
)


@router.get(
    "/{run_id}/records",
    **operation(
        summary="Read records",
        says="A page of records; or all of them as a stream, where Accept asks for ndjson or csv.",
        answer=RecordPage,
        example={"items": [examples.STORED_RECORD], "next_cursor": None},
        other={
            NDJSON: encode(examples.STORED_RECORD).decode() + "\n",
            CSV: "ordinal,life,step,epoch,time,lr,train_loss,val_acc\r\n0,0,,0.0,,0.01,2.1,41.0\r\n",
        },
        problems=(RunNotFoundError,),
    ),
)
async def read_records(request: Request, run_id: RunId, limit: Limit = 100, cursor: Cursor = None) -> Any:
    """Return records in the order of their arrival, under the canonical names of their metrics.

    As a stream (`Accept: application/x-ndjson`, one record a line, or `text/csv`) the whole history comes in one
    answer, however long it is; `limit` and `cursor` do not count then.
    """
    here = context(request)
    kind = preferred(request.headers.get("accept"), ("application/json", NDJSON, CSV))
    if kind == "application/json":
        after = None if cursor is None else _after(cursor)
        return await run_in_threadpool(_page, here, run_id, after, limit)
    names = await run_in_threadpool(_metric_names, here, run_id)
    blocks = _as_csv(here, run_id, names) if kind == CSV else _as_lines(here, run_id)
    return StreamingResponse(iterate_in_threadpool(blocks), media_type=kind)


@router.get(
    "/{run_id}/history",
    **operation(
        summary="Read metrics thinned for a plot",
        says="Each metric, thinned.",
        answer=History,
        example=examples.HISTORY,
        problems=(RunNotFoundError,),
    ),
)
def read_history(
    request: Request,
    run_id: RunId,
    metric: Annotated[
        list[str] | None,
        Query(
            max_length=_MAX_METRICS, description="Which metrics; may be repeated. All, if left out.", examples=[["lr"]]
        ),
    ] = None,
    points: Annotated[
        int, Query(ge=thinning.MIN_POINTS, le=10_000, description="How many points of each at most.", examples=[500])
    ] = 500,
) -> Any:
    """Return metrics over the run as columns, at most `points` of each.

    A longer history is cut into stretches of equal length, and of each the least and the greatest value stay, so that
    no spike is lost; the first non-finite value of a stretch stays too. Where a value was reported again at the same
    place, the later one is shown.
    """
    wanted = [name for name in metric or [] if name_problem(name) is None]
    with read_transaction(context(request).engine) as connection:
        run = run_of(connection, run_id)
        stored = {each.name: each for each in metrics.of_run(connection, run_id)}
        names = [canonical(name, run.spec.metric_names) for name in wanted] if metric else list(stored)[:_MAX_METRICS]
        shown = {
            name: _series(stored[name].points, thinning.thinned(connection, run_id, name, points))
            for name in dict.fromkeys(names)
            if name in stored
        }
    return {"metrics": shown}


def _parse(body: Any, limit: int) -> tuple[str | None, Any, int]:
    faults: list[Fault] = []
    if isinstance(body, list):
        faults.append(Fault("", 'an object is wanted: {"records": [...]}'))
        raise InvalidInputError('A post is an object: {"records": [...]}.', faults=faults)
    whole = Reader.of(body, "", ("process", "records", "lost"), faults)
    process = whole.text("process")
    records = whole.get("records", required=True)
    lost = whole.whole("lost", low=0, high=MAX_LOST)
    if lost and process is None and not faults:
        whole.fault("process", "name the process that lost records")
    if faults:
        raise InvalidInputError(
            "A post is an object with records, process if you name it, and how many it lost if any.", faults=faults
        )
    return process, parse_records(records, limit=limit), lost or 0


def _page(here: Context, run_id: UUID, after: int | None, limit: int) -> dict[str, Any]:
    with read_transaction(here.engine) as connection:
        run_of(connection, run_id)
        found = points.page(connection, run_id, after=after, limit=min(limit, MAX_LIMIT) + 1)
    more = encode_cursor([found[limit - 1].ordinal]) if len(found) > limit else None
    return page([_record(each) for each in found[:limit]], more)


def _after(cursor: str) -> int:
    place = decode_cursor(cursor)
    if len(place) != 1 or not isinstance(place[0], int) or isinstance(place[0], bool) or not 0 <= place[0] < 2**62:
        raise bad_cursor()
    return place[0]


def _metric_names(here: Context, run_id: UUID) -> list[str]:
    with read_transaction(here.engine) as connection:
        run_of(connection, run_id)
        return [each.name for each in metrics.of_run(connection, run_id)]


def _blocks(here: Context, run_id: UUID) -> Iterator[list[StoredRecord]]:
    # A transaction a block: a slow reader must not hold one open for as long as it reads.
    after: int | None = None
    while True:
        with read_transaction(here.engine) as connection:
            found = points.page(connection, run_id, after=after, limit=_BLOCK)
        if not found:
            return
        yield found
        after = found[-1].ordinal


def _as_lines(here: Context, run_id: UUID) -> Iterator[bytes]:
    for block in _blocks(here, run_id):
        yield b"".join(encode(_record(each)) + b"\n" for each in block)


def _as_csv(here: Context, run_id: UUID, names: list[str]) -> Iterator[bytes]:
    yield _csv([["ordinal", "life", "step", "epoch", "time", *names]])
    for block in _blocks(here, run_id):
        yield _csv(
            [each.ordinal, each.life, each.step, each.epoch, time_to_wire(each.time)]
            + [to_wire(each.metrics[name]) if name in each.metrics else None for name in names]
            for each in block
        )


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(errors="replace")


def _record(record: StoredRecord) -> dict[str, Any]:
    return {
        "ordinal": record.ordinal,
        "life": record.life,
        "step": record.step,
        "epoch": record.epoch,
        "time": time_to_wire(record.time),
        "metrics": {name: to_wire(value) for name, value in record.metrics.items()},
    }


def _series(stored: int, shown: list[Point]) -> dict[str, Any]:
    return {
        "points": stored,
        "ordinal": [point.ordinal for point in shown],
        "life": [point.life for point in shown],
        "step": [point.step for point in shown],
        "epoch": [point.epoch for point in shown],
        "value": [to_wire(point.value) for point in shown],
    }
