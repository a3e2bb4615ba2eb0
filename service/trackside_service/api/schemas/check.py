"""Checking a finished log without storing it."""

from __future__ import annotations

from pydantic import Field

from trackside_service.api.schemas.alerts import CheckedAlert
from trackside_service.api.schemas.base import Body, Shown
from trackside_service.api.schemas.records import RecordBody
from trackside_service.api.schemas.runs import RunDeclaration
from trackside_service.api.schemas.schedules import Explanation


class CheckBody(Body):
    """The body of POST /v1/check."""

    run: RunDeclaration = Field(description="The run as PUT would declare it.")
    records: list[RecordBody] = Field(max_length=20_000, description="In the order of the log.")


class CheckReport(Shown):
    """What the log would have raised."""

    alerts: list[CheckedAlert] = Field(description="What the log raises.")
    lr: Explanation | None = Field(description="The verdict on the learning rate; null without schedule or LR.")
