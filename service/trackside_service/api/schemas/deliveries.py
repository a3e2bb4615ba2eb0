"""Deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from trackside_service.api.schemas.base import Body, Id, Shown, Time


class Attempt(Shown):
    """One attempt to send."""

    at: datetime = Field(description="When it began.")
    duration_ms: float = Field(description="How long it took, in milliseconds.")
    status_code: int | None = Field(description="The receiver's; null where no answer came.")
    error: str | None = Field(description="What went wrong; null where nothing did.")


class DeliveryShown(Shown):
    """One message to one channel."""

    id: UUID = Field(description="Travels as the message's id, the same on every attempt.")
    channel_id: UUID = Field(description="Where it goes.")
    run_id: UUID | None = Field(description="The run that it is about; null where it is about none.")
    alert_id: UUID | None = Field(description="The alert that it is about; null where it is about none.")
    event: str = Field(description="What it tells, such as alert.opened.")
    status: Literal["pending", "delivered", "failed"] = Field(
        description="pending (waits, or is being sent), delivered, or failed (given up)."
    )
    due_at: datetime | None = Field(description="When the next attempt is due; null once settled.")
    created_at: datetime = Field(description="When it was written, in the alert's transaction.")
    settled_at: datetime | None = Field(description="When it was delivered or given up; null until then.")
    attempts: list[Attempt] = Field(description="Every attempt, the first first.")


class DeliveryPage(Shown):
    """A page of deliveries, the latest first."""

    items: list[DeliveryShown] = Field(description="The deliveries.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class ReplayBody(Body):
    """The body of POST /v1/replays."""

    channel_id: Id | None = Field(None, description="Only this channel's.")
    since: Time | None = Field(None, description="Only those given up at this time or later.")
    until: Time | None = Field(None, description="Only those given up before this time.")


class ReplayedShown(Shown):
    """What is sent again."""

    replayed: int = Field(description="So many deliveries are due now.")
    left: int = Field(description="So many more would be: ask again.")
    switched_off: int = Field(description="So many stay, since their channel is switched off.")
