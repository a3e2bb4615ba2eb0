"""Records: what a training job reports, and how its history is shown."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from trackside_service.api.schemas.alerts import AlertNews
from trackside_service.api.schemas.base import Body, Health, Shown, WireNumber


class RecordBody(Body):
    """One report: metrics at a place. Give `step`, `epoch`, or both."""

    metrics: dict[str, WireNumber] = Field(
        min_length=1, description="By name, at least one; usual aliases are understood."
    )
    step: int | None = Field(None, ge=0, description="Optimizer updates so far, as you count them.")
    epoch: float | None = Field(None, ge=0, description="As you print it; may be fractional.")
    time: str | None = Field(None, description="When it was seen: RFC 3339 with a zone.")
    seq: int | None = Field(
        None, ge=0, description="The process's own count of its records: makes a repetition harmless."
    )


class RecordsBody(Body):
    """The body of POST /v1/runs/{run_id}/records."""

    records: list[RecordBody] = Field(max_length=20_000, description="In the order in which they were seen.")
    process: str | None = Field(None, min_length=1, max_length=200, description="The id given in PUT's `process`.")
    lost: int | None = Field(
        None,
        ge=0,
        description="Records that the process could neither send nor keep, in all so far; names the process.",
    )


class RecordsTaken(Shown):
    """What became of a post."""

    accepted: int = Field(description="Records that were stored.")
    duplicates: int = Field(description="Records that were stored before.")
    health: Health = Field(description="The run's health now: a script can stop a doomed run on it.")
    alerts: list[AlertNews] = Field(description="Alerts that this post opened, changed or resolved.")


class RecordShown(Shown):
    """A stored record."""

    ordinal: int = Field(description="The service's count of the run's records, from 0.")
    life: int = Field(description="The process life that it belongs to.")
    step: int | None = Field(description="Optimizer updates; null where none was given.")
    epoch: float | None = Field(description="The epoch as reported; null where none was given.")
    time: datetime | None = Field(description="When it was seen; null where that was not said.")
    metrics: dict[str, WireNumber] = Field(description="By canonical name.")


class RecordPage(Shown):
    """A page of records in the order of their arrival."""

    items: list[RecordShown] = Field(description="The records.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class Series(Shown):
    """One metric over the run: columns of equal length."""

    points: int = Field(description="How many are stored.")
    ordinal: list[int] = Field(description="The service's count of the run's records, of each point.")
    life: list[int] = Field(description="The process life of each point.")
    step: list[int | None] = Field(description="The step of each point; null where none was given.")
    epoch: list[float | None] = Field(description="The epoch of each point; null where none was given.")
    value: list[WireNumber] = Field(description="The value of each point.")


class History(Shown):
    """Metrics over the run, thinned: every bucket keeps its least and its greatest value."""

    metrics: dict[str, Series] = Field(description="By canonical name.")
