"""An alert as it is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from trackside_service.api.schemas.base import Place, Severity, Shown


class AlertBase(Shown):
    """What an alert says."""

    code: str = Field(description="The rule's code; GET /v1/rules/{code} is its page.")
    subject: str = Field(description="What it is about: a metric, a group, an expectation.")
    severity: Severity
    state: Literal["open", "resolved", "ended"] = Field(
        description="open; resolved (the condition ended); ended (the run ended first: frozen, and it still counts)."
    )
    episode: int = Field(description="Counts the times that this defect appeared in the run.")
    opened: Place = Field(description="The first offending point; both null for a finding on the plan.")
    detected: Place = Field(description="The point at which it was seen.")
    resolved: Place | None
    title: str
    detail: str
    evidence: dict[str, Any] = Field(description="The numbers.")
    advice: str = Field(description="What to look at and what to change.")


class Alert(AlertBase):
    """One episode of a defect on a run."""

    id: UUID
    run_id: UUID
    opened_at: datetime
    changed_at: datetime
    resolved_at: datetime | None


class AlertNews(Alert):
    """What happened to an alert in one request."""

    event: Literal["opened", "changed", "resolved"]


class AlertPage(Shown):
    """A page of alerts, the latest first."""

    items: list[Alert]
    next_cursor: str | None = Field(description="For the next page; null on the last.")
