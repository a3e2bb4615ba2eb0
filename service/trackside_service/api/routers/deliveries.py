"""Deliveries: what became of each message, and how what failed is sent again."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from trackside_service.api import examples
from trackside_service.api.bodies import read_json
from trackside_service.api.context import Context, context
from trackside_service.api.documents import operation
from trackside_service.api.pages import Cursor, Limit, bad_cursor, decode_cursor, encode_cursor, page
from trackside_service.api.routers.channels import ChannelId
from trackside_service.api.schemas.deliveries import DeliveryPage, DeliveryShown, ReplayBody, ReplayedShown
from trackside_service.api.shown import delivery_to_wire
from trackside_service.api.validation import validate
from trackside_service.errors import BusyError, ChannelNotFoundError, DeliveryNotFoundError
from trackside_service.storage import delivery_log
from trackside_service.storage.delivery_log import DeliveryStatus
from trackside_service.storage.engine import read_transaction, write_transaction

router = APIRouter(prefix="/v1", tags=["channels"])
DeliveryId = Annotated[UUID, Path(description="The delivery's id.", examples=[examples.DELIVERY_ID])]
Status = Annotated[Literal["pending", "delivered", "failed"] | None, Query(description="Only these.")]
_PAGE: Final = {"items": [examples.DELIVERY], "next_cursor": None}


@router.get(
    "/deliveries",
    **operation(
        summary="List deliveries",
        says="A page of deliveries, the latest first.",
        answer=DeliveryPage,
        example=_PAGE,
    ),
)
def list_deliveries(request: Request, status: Status = None, limit: Limit = 50, cursor: Cursor = None) -> Any:
    """Return what was sent anywhere and what became of it. `status=failed` are the dead letters: what was given up over
    all channels, to be sent again one by one or by `POST /v1/replays`.
    """
    return _page(context(request), None, status, limit, cursor)


@router.get(
    "/channels/{channel_id}/deliveries",
    **operation(
        summary="List a channel's deliveries",
        says="A page of deliveries, the latest first.",
        answer=DeliveryPage,
        example={"items": [examples.DELIVERY], "next_cursor": None},
        problems=(ChannelNotFoundError,),
    ),
)
def list_deliveries_of_channel(
    request: Request,
    channel_id: ChannelId,
    status: Status = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """Return what was sent to a channel and what became of it, each attempt with the receiver's status and its time."""
    return _page(context(request), channel_id, status, limit, cursor)


@router.get(
    "/deliveries/{delivery_id}",
    **operation(
        summary="Read a delivery",
        says="The delivery.",
        answer=DeliveryShown,
        example=examples.DELIVERY,
        problems=(DeliveryNotFoundError,),
    ),
)
def read_delivery(request: Request, delivery_id: DeliveryId) -> Any:
    """Return a delivery with every attempt: when, how long it took, the receiver's status, and what went wrong."""
    with read_transaction(context(request).engine) as connection:
        return delivery_to_wire(delivery_log.get(connection, delivery_id))


@router.post(
    "/replays",
    **operation(
        summary="Send what failed again",
        says="They are due now.",
        status=202,
        answer=ReplayedShown,
        example={"replayed": 12, "left": 0, "switched_off": 0},
        body=ReplayBody,
        bodies={"all of one channel": examples.REPLAY, "everything": {}},
        body_required=False,
        problems=(ChannelNotFoundError, BusyError),
    ),
)
async def replay_deliveries(request: Request) -> Any:
    """Make the deliveries due now that failed for good: all of them, those of a channel, or those given up in a time.
    Each keeps its id, so that a receiver can tell, and is tried by the whole retry schedule again. At most 10,000 a
    call; `left` says how many are left. Those of a channel that is switched off stay. A body is not needed.
    """
    body = validate(ReplayBody, await read_json(request, empty={}))
    return await run_in_threadpool(_replay, context(request), body)


@router.post(
    "/deliveries/{delivery_id}/retry",
    **operation(
        summary="Send a delivery again",
        says="It is due now.",
        status=202,
        answer=DeliveryShown,
        example={**examples.DELIVERY, "status": "pending", "due_at": "2026-01-31T12:09:00Z", "settled_at": None},
        problems=(DeliveryNotFoundError, BusyError),
    ),
)
def retry_delivery(
    request: Request,
    delivery_id: DeliveryId,
) -> Any:
    """Make a delivery due now, whether it failed, waits or even arrived. Its id stays the same, so that a receiver
    can tell. Where an attempt is under way, the further one is made after it, unless it arrives.
    """
    here = context(request)
    with write_transaction(here.engine) as connection:
        delivery = delivery_log.retry(connection, delivery_id, here.now())
    if here.courier is not None:
        here.courier.wake()
    return delivery_to_wire(delivery)


def _page(
    here: Context, channel_id: UUID | None, status: DeliveryStatus | None, limit: int, cursor: str | None
) -> dict[str, Any]:
    before = None if cursor is None else _before(cursor)
    with read_transaction(here.engine) as connection:
        found = delivery_log.page(connection, channel_id, limit=limit + 1, before=before, status=status)
    more = encode_cursor([found[limit - 1].number]) if len(found) > limit else None
    return page([delivery_to_wire(each) for each in found[:limit]], more)


def _replay(here: Context, body: ReplayBody) -> dict[str, Any]:
    with write_transaction(here.engine) as connection:
        done = delivery_log.replay(
            connection, here.now(), channel_id=body.channel_id, since=body.since, until=body.until
        )
    if here.courier is not None:
        here.courier.wake()
    return {"replayed": done.replayed, "left": done.left, "switched_off": done.switched_off}


def _before(cursor: str) -> int:
    place = decode_cursor(cursor)
    if len(place) != 1 or not isinstance(place[0], int) or isinstance(place[0], bool) or not 0 <= place[0] < 2**62:
        raise bad_cursor()
    return place[0]
