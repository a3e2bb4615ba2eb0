"""An alert as it is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from trackside_service.api.schemas.base import Body, Name, Place, Severity, Shown


class AcknowledgeBody(Body):
    """The body of POST /v1/alerts/{id}/acknowledge. All of it may be left out."""

    by: Name | None = Field(None, description="Who has it in hand.")
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = Field(
        None, description="What is known, or being done."
    )


class Acknowledged(Shown):
    """That a person has an alert in hand."""

    at: datetime = Field(description="Since when.")
    by: str | None = Field(description="Who, as they said.")
    note: str | None = Field(description="What they said.")


class AlertBase(Shown):
    """What an alert says."""

    code: str = Field(description="The rule's code; GET /v1/rules/{code} is its page.")
    subject: str = Field(description="What it is about: a metric, a group, an expectation.")
    severity: Severity = Field(description="As the rule or the run has it.")
    state: Literal["open", "acknowledged", "resolved", "ended"] = Field(
        description="open; acknowledged (open, and a person has it in hand); resolved (the condition ended); ended "
        "(the run ended first: frozen, and it still counts)."
    )
    episode: int = Field(description="Counts the times that this defect appeared in the run.")
    opened: Place = Field(description="The first offending point; both null for a finding on the plan.")
    detected: Place = Field(description="The point at which it was seen.")
    resolved: Place | None = Field(description="Where it ended; null unless it is resolved.")
    flapping: bool = Field(
        description="Whether it came and went several times in quick succession: it then stays open until its "
        "condition has been away for an hour."
    )
    title: str = Field(description="The defect in a few words.")
    detail: str = Field(description="What was seen, and where.")
    evidence: dict[str, Any] = Field(description="The numbers.")
    advice: str = Field(description="What to look at and what to change.")


class CheckedAlert(AlertBase):
    """What a log raises."""

    symptoms: list[AlertBase] = Field(description="What follows from it, and is not listed beside it.")


class Symptom(AlertBase):
    """One episode of a defect on a run, listed under the alert that it follows from."""

    id: UUID = Field(description="The alert's id.")
    run_id: UUID = Field(description="The run that it is about.")
    opened_at: datetime = Field(description="When the service raised it.")
    changed_at: datetime = Field(description="When it was last changed.")
    resolved_at: datetime | None = Field(description="When it was resolved; null unless it is.")
    acknowledged: Acknowledged | None = Field(description="Who has it in hand; null while nobody has.")
    cause_id: UUID | None = Field(description="The alert that it is a symptom of; null where it stands by itself.")


class Alert(Symptom):
    """One episode of a defect on a run."""

    silenced_until: datetime | None = Field(
        description="Until when a silence keeps back what there is to tell of it; null where none does."
    )
    symptoms: list[Symptom] = Field(description="What follows from it: listed here, and not beside it.")


class SymptomNews(Symptom):
    """A symptom of an alert, and what happened to it in one request."""

    event: Literal["opened", "changed", "resolved"] | None = Field(
        description="What happened to it in this request; null where nothing did."
    )


class AlertNews(Symptom):
    """What happened to an alert in one request."""

    event: Literal["opened", "changed", "resolved"] = Field(
        description="What happened to it in this request. What happens to a symptom is a change of its cause."
    )
    symptoms: list[SymptomNews] = Field(description="What follows from it: listed here, and not beside it.")


class AlertPage(Shown):
    """A page of alerts, the latest first."""

    items: list[Alert] = Field(description="The alerts.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")
