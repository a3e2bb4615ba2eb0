"""Channels and deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
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
EventName = Literal["opened", "changed", "resolved"]


class ChannelBody(Body):
    """The body of POST /v1/channels."""

    kind: Kind
    name: Name
    url: Annotated[str, Field(min_length=1, max_length=2000, description="Kept encrypted; never shown again.")]
    secret: str | None = Field(
        None, max_length=200, description="A webhook's signing secret; made for you if left out."
    )
    project: Name | None = Field(None, description="Only this project's alerts; all projects if left out.")
    min_severity: Severity | None = Field(None, description="Only alerts at least that bad; warning if left out.")
    events: list[EventName] | None = Field(None, description="All three if left out; changed only when it got worse.")


class ChannelShown(Shown):
    """A channel. Its address is shown only as scheme and host."""

    id: UUID
    kind: str
    name: str
    target: str = Field(description="Scheme and host of the address.")
    project: str | None
    min_severity: Severity
    events: list[EventName]
    disabled_reason: str | None
    created_at: datetime


class ChannelMade(ChannelShown):
    """A channel just made."""

    secret: str | None = Field(None, description="A webhook's signing secret: shown here, once.")


class ChannelList(Shown):
    """Every channel."""

    items: list[ChannelShown]


class Attempt(Shown):
    """One attempt to send."""

    at: datetime
    duration_ms: float
    status_code: int | None
    error: str | None


class DeliveryShown(Shown):
    """One message to one channel."""

    id: UUID = Field(description="Travels as the message's id, the same on every attempt.")
    channel_id: UUID
    run_id: UUID | None
    alert_id: UUID | None
    event: str
    status: Literal["pending", "delivered", "failed"]
    due_at: datetime | None = Field(description="When the next attempt is due; null once settled.")
    created_at: datetime
    settled_at: datetime | None
    attempts: list[Attempt]


class DeliveryPage(Shown):
    """A page of deliveries, the latest first."""

    items: list[DeliveryShown]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class TestSent(Shown):
    """How a test message fared."""

    __test__ = False  # the name is the field's; pytest need not collect it

    delivered: bool
    status_code: int | None = Field(description="The receiver's; null where no answer came.")
    duration_ms: float
    said: str | None = Field(description="The beginning of what the receiver answered.")
    error: str | None = Field(description="What went wrong.")
