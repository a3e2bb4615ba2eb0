"""Channels and deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar
from uuid import UUID

from pydantic import Field, WithJsonSchema

from trackside_service.api.schemas.base import Body, Name, Severity, Shown
from trackside_service.channels import CHANNELS

Kind = Annotated[
    str,
    WithJsonSchema(
        {
            "enum": [each.kind for each in CHANNELS],
            "description": "What it speaks.",
        }
    ),
]
_LIMITS: Final = ", ".join(f"{each.kind} {each.per_minute or 'any number'}" for each in CHANNELS)
_Item = TypeVar("_Item")
Few = Annotated[list[_Item], Field(max_length=100)]
EventName = Literal["opened", "changed", "resolved", "acknowledged", "reminder", "digest"]


class RouteBody(Body):
    """What a channel is told of, and how often: what can be changed later as well."""

    project: Name | None = Field(None, description="Only this project's alerts; all projects if left out.")
    min_severity: Severity | None = Field(None, description="Only alerts at least that bad; warning if left out.")
    codes: Few[Name] | None = Field(
        None, description="Only alerts of these rules: codes (LOSS001) or families (LOSS); of all if left out."
    )
    tags: Few[Name] | None = Field(None, description="Only runs that have one of these tags; all if left out.")
    events: list[EventName] | None = Field(
        None,
        description="If left out: opened, changed (told only when it got worse), resolved; and where people read it, "
        "reminder (a critical alert that nobody acknowledged, after an hour, four more, then daily). Asked for: "
        "acknowledged, and digest (once a day what is open and what happened; none where there is nothing to tell).",
    )
    digest_at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = Field(
        None, description="The time of day (HH:MM, UTC) of the digest, where events has it; 08:00 if left out."
    )
    max_per_minute: Annotated[int, Field(ge=1, le=6000)] | None = Field(
        None,
        description=f"So many messages a minute at most, evenly spaced. If left out, as the kind has it: {_LIMITS}.",
    )


class ChannelBody(RouteBody):
    """The body of POST /v1/channels."""

    kind: Kind
    name: Name = Field(description="As people call it.")
    url: Annotated[str, Field(min_length=1, max_length=2000, description="Kept encrypted; never shown again.")]
    secret: str | None = Field(
        None,
        max_length=2000,
        description="A webhook's signing secret (made for you if left out), or what an Alertmanager asks for "
        "(user:password, or a token).",
    )


class ChannelChange(RouteBody):
    """The body of PATCH /v1/channels/{channel_id}: what is left out stays, what is null is as in a new channel."""

    name: Name | None = Field(None, description="As people call it.")
    enabled: bool | None = Field(
        None, description="false switches it off: what waits counts as failed. true switches it on."
    )


class ChannelShown(Shown):
    """A channel. Its address is shown only as scheme and host."""

    id: UUID = Field(description="The channel's id.")
    kind: str = Field(description="What it speaks.")
    name: str = Field(description="As people call it.")
    target: str = Field(description="Scheme and host of the address.")
    project: str | None = Field(description="Only this project's alerts; null: all projects'.")
    min_severity: Severity = Field(description="Only alerts at least that bad.")
    codes: list[str] = Field(description="Only alerts of these rules or families; of all if empty.")
    tags: list[str] = Field(description="Only runs that have one of these tags; all if empty.")
    events: list[EventName] = Field(description="Only these; changed is told only when it got worse.")
    max_per_minute: int | None = Field(description="So many messages a minute at most; null: any number.")
    digest_at: str | None = Field(description="When the digest is made (HH:MM, UTC); null: not asked for.")
    disabled_reason: str | None = Field(description="Why nothing is sent there; null while it is on.")
    paused_until: datetime | None = Field(
        description="Nothing is sent before: the receiver asked for a pause (429), or the limit does; null: none."
    )
    disabled_at: datetime | None = Field(description="When it was switched off; null while it is on.")
    failing_since: datetime | None = Field(
        description="The first attempt that failed with nothing delivered since; null where nothing fails."
    )
    delivered_at: datetime | None = Field(description="When a message last arrived, to about a minute; null: none has.")
    created_at: datetime = Field(description="When it was made.")


class ChannelMade(ChannelShown):
    """A channel just made."""

    secret: str | None = Field(None, description="A webhook's signing secret: shown here, once.")


class RotateBody(Body):
    """The body of POST /v1/channels/{channel_id}/rotate."""

    secret: str | None = Field(None, max_length=2000, description="The new signing secret; made for you if left out.")
    overlap_s: Annotated[int, Field(ge=0, le=604_800)] = Field(
        86_400, description="For how long the old secret signs as well, in seconds: a day if left out, a week at most."
    )


class ChannelRotated(ChannelShown):
    """A channel with a new secret."""

    secret: str = Field(description="The new signing secret: shown here, once.")
    old_secret_until: datetime = Field(description="Until then messages are signed with the old secret as well.")


class ChannelList(Shown):
    """Every channel."""

    items: list[ChannelShown] = Field(description="The channels, in the order in which they were made.")


class TestSent(Shown):
    """How a test message fared."""

    __test__ = False  # the name is the field's; pytest need not collect it

    delivered: bool = Field(description="Whether the receiver took it.")
    status_code: int | None = Field(description="The receiver's; null where no answer came.")
    duration_ms: float = Field(description="How long it took, in milliseconds.")
    said: str | None = Field(description="The beginning of what the receiver answered.")
    error: str | None = Field(description="What went wrong.")
