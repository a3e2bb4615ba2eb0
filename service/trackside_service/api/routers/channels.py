"""Channels: where alerts are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from trackside_service.api import examples
from trackside_service.api.bodies import read_json
from trackside_service.api.context import Context, context
from trackside_service.api.documents import operation
from trackside_service.api.rule_codes import unknown_codes, upper
from trackside_service.api.schemas.channels import (
    ChannelBody,
    ChannelChange,
    ChannelList,
    ChannelMade,
    ChannelRotated,
    ChannelShown,
    RotateBody,
    RouteBody,
    TestSent,
)
from trackside_service.api.shown import channel_to_wire
from trackside_service.api.validation import summary, validate
from trackside_service.channels import channel, configure
from trackside_service.courier import send_test
from trackside_service.domain.digests import EVENT
from trackside_service.domain.routing import EVENTS, MIN_SEVERITY, ChannelEvent, Route
from trackside_service.domain.wire import time_to_wire
from trackside_service.errors import (
    BusyError,
    ChannelNotFoundError,
    Fault,
    InvalidInputError,
    SecretKeyMissingError,
    TargetRefusedError,
)
from trackside_service.storage import channels, standing
from trackside_service.storage.engine import read_transaction, write_transaction

router = APIRouter(prefix="/v1", tags=["channels"])
ChannelId = Annotated[UUID, Path(description="The channel's id.", examples=[examples.CHANNEL_ID])]
BY_HAND: Final = "switched off by hand"
_ROUTE: Final = {each.name for each in fields(Route)}


@router.post(
    "/channels",
    **operation(
        summary="Make a channel",
        says="The channel. A webhook's signing secret is in this answer, and in no other.",
        status=201,
        answer=ChannelMade,
        example={**examples.CHANNEL_SHOWN, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"},
        body=ChannelBody,
        bodies={
            "a signed webhook": examples.CHANNEL,
            "Slack": examples.SLACK,
            "Discord": examples.DISCORD,
            "Microsoft Teams": examples.TEAMS,
            "Alertmanager": examples.ALERTMANAGER,
            "mail": examples.EMAIL,
        },
        problems=(TargetRefusedError, SecretKeyMissingError, BusyError),
    ),
)
async def make_channel(request: Request) -> Any:
    """Send alerts somewhere. `slack`, `discord` and `teams` take the address of a webhook (of a workflow) there,
    `webhook` is signed after Standard Webhooks, `alertmanager` takes the address of an Alertmanager, `email` that of a
    mail server, with who is written to. docs/channels.md shows what each of them sends.

    The address is encrypted before it is stored and never shown again. Addresses on private networks are refused unless
    `TRACKSIDE_ALLOW_TARGETS` names them.
    """
    body = validate(ChannelBody, await read_json(request))
    return await run_in_threadpool(_make, context(request), body)


@router.get(
    "/channels",
    **operation(
        summary="List channels",
        says="Every channel.",
        answer=ChannelList,
        example={"items": [examples.CHANNEL_SHOWN]},
    ),
)
def list_channels(request: Request) -> Any:
    """Return every channel, in the order in which they were made."""
    now = context(request).now()
    with read_transaction(context(request).engine) as connection:
        return {"items": [channel_to_wire(each, now) for each in channels.listed(connection)]}


@router.get(
    "/channels/{channel_id}",
    **operation(
        summary="Read a channel",
        says="The channel.",
        answer=ChannelShown,
        example=examples.CHANNEL_SHOWN,
        problems=(ChannelNotFoundError,),
    ),
)
def read_channel(request: Request, channel_id: ChannelId) -> Any:
    """Return a channel; of its address, only scheme and host."""
    with read_transaction(context(request).engine) as connection:
        return channel_to_wire(channels.get(connection, channel_id), context(request).now())


@router.patch(
    "/channels/{channel_id}",
    **operation(
        summary="Change a channel",
        says="The channel as it is now.",
        answer=ChannelShown,
        example={**examples.CHANNEL_SHOWN, **examples.CHANNEL_CHANGE},
        body=ChannelChange,
        bodies={"gradients of nightly runs": examples.CHANNEL_CHANGE},
        problems=(ChannelNotFoundError, BusyError),
    ),
)
async def change_channel(request: Request, channel_id: ChannelId) -> Any:
    """Change a channel's name, what it is told of, its limit, or whether it is on. What is left out stays as it is, and
    null is what a new channel has. Another address is another channel; another secret is `rotate`'s.
    """
    body = validate(ChannelChange, await read_json(request))
    return await run_in_threadpool(_change, context(request), channel_id, body)


@router.delete(
    "/channels/{channel_id}",
    **operation(
        summary="Delete a channel",
        says="It is gone, with its deliveries.",
        status=204,
        problems=(ChannelNotFoundError, BusyError),
    ),
)
def delete_channel(request: Request, channel_id: ChannelId) -> Any:
    """Delete a channel and its deliveries; what waits to be sent is not sent."""
    with write_transaction(context(request).engine) as connection:
        channels.delete(connection, channel_id)
    return Response(status_code=204)


@router.post(
    "/channels/{channel_id}/test",
    **operation(
        summary="Send a test message",
        says="How it went: what the receiver answered, or why no answer came.",
        answer=TestSent,
        example={
            "delivered": False,
            "status_code": 404,
            "duration_ms": 81.3,
            "said": "no_service",
            "error": "the receiver answered 404",
        },
        problems=(ChannelNotFoundError,),
    ),
)
def test_channel(request: Request, channel_id: ChannelId) -> Any:
    """Send a test message now, once, and say plainly what the other side answered. Success switches a disabled
    channel on again.
    """
    here = context(request)
    sent = send_test(here.engine, here.secrets, here.outbound, channel_id, clock=here.now)
    return {
        "delivered": sent.delivered,
        "status_code": sent.status_code,
        "duration_ms": sent.duration_ms,
        "said": sent.said,
        "error": sent.error,
    }


@router.post(
    "/channels/{channel_id}/rotate",
    **operation(
        summary="Give a webhook another secret",
        says="The channel with its new secret, which is in this answer and in no other.",
        answer=ChannelRotated,
        example={
            **examples.CHANNEL_SHOWN,
            "secret": "whsec_9l2rT0mDq4lYQm1p3v8C5w7e6u2Zx1aB",
            "old_secret_until": "2026-01-31T13:00:00Z",
        },
        body=RotateBody,
        bodies={"within an hour": examples.ROTATE, "within a day": {}},
        body_required=False,
        problems=(ChannelNotFoundError, SecretKeyMissingError, BusyError),
    ),
)
async def rotate_secret(request: Request, channel_id: ChannelId) -> Any:
    """Let a new signing secret take over from a webhook's old one. Until `old_secret_until`, messages carry a signature
    by each, so that the receiver can change over when it likes. A body is not needed.
    """
    body = validate(RotateBody, await read_json(request, empty={}))
    return await run_in_threadpool(_rotate, context(request), channel_id, body)


def _make(here: Context, body: ChannelBody) -> dict[str, Any]:
    endpoint = configure(body.kind, body.url, body.secret, here.outbound.targets)
    route = _route(body, body.kind)
    with write_transaction(here.engine) as connection:
        made = channels.create(
            connection,
            here.secrets,
            channel_id=uuid4(),
            kind=body.kind,
            name=body.name,
            url=endpoint.url,
            secret=endpoint.secret,
            target=endpoint.target,
            now=here.now(),
            route=route,
            max_per_minute=body.max_per_minute,
            digest_at=body.digest_at,
        )
    shown = channel_to_wire(made, made.created_at)
    return {**shown, "secret": endpoint.secret} if channel(body.kind).shows_secret else shown


def _rotate(here: Context, channel_id: UUID, body: RotateBody) -> dict[str, Any]:
    now, overlap = here.now(), timedelta(seconds=body.overlap_s)
    with write_transaction(here.engine) as connection:
        shown = channels.get(connection, channel_id)
        kind = channel(shown.kind)
        sealed = channels.sealed(connection, channel_id, lock=True)
        if kind.rotate is None or sealed.secret is None:
            raise InvalidInputError(f"a channel of kind {shown.kind} has no secret of ours: make another channel")
        stored = kind.rotate(here.secrets.decrypt(sealed.secret), body.secret, now, overlap)
        channels.set_secret(connection, here.secrets, channel_id, stored)
    until = now.replace(microsecond=0) + overlap
    return {**channel_to_wire(shown, now), "secret": stored.split()[0], "old_secret_until": time_to_wire(until)}


def _change(here: Context, channel_id: UUID, body: ChannelChange) -> dict[str, Any]:
    given, now = body.model_fields_set, here.now()
    with write_transaction(here.engine) as connection:
        stored = channels.get(connection, channel_id, lock=True)
        wanted = _route(body, stored.kind)
        channels.change(
            connection,
            channel_id,
            name=body.name or stored.name,
            route=replace(stored.route, **{each: getattr(wanted, each) for each in given & _ROUTE}),
            max_per_minute=body.max_per_minute if "max_per_minute" in given else stored.max_per_minute,
            digest_at=body.digest_at if "digest_at" in given else stored.digest_at,
            now=now,
        )
        if body.enabled is False:
            standing.switch_off(connection, channel_id, BY_HAND, now, told=False)
        elif "enabled" in given and stored.disabled_reason is not None:
            standing.switch_on(connection, channel_id, now)
        return channel_to_wire(channels.get(connection, channel_id), now)


def _route(body: RouteBody, kind: str) -> Route:
    """Return what a body asks for, as for a new channel. Raises `InvalidInputError`."""
    if faults := unknown_codes(body.codes, "/codes"):
        raise InvalidInputError(summary(faults), faults=faults)
    return Route(
        project=body.project,
        min_severity=body.min_severity or MIN_SEVERITY,
        codes=upper(body.codes),
        tags=tuple(dict.fromkeys(body.tags or ())),
        events=_events(body.events, kind),
    )


def _events(given: Sequence[ChannelEvent] | None, kind: str) -> tuple[ChannelEvent, ...]:
    if given is None:
        return (*EVENTS, "reminder") if channel(kind).for_people else EVENTS
    if EVENT in given and not channel(kind).takes_digest:
        reason = f"a channel of kind {kind} takes no digest"
        raise InvalidInputError(reason, faults=[Fault(f"/events/{list(given).index(EVENT)}", reason)])
    return tuple(dict.fromkeys(given))
