"""A run: what is declared when it is opened, and what is shown of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from trackside_service.api.schemas.alerts import Alert, AlertNews
from trackside_service.api.schemas.base import (
    Body,
    Health,
    JsonObject,
    MetricName,
    Name,
    RunStatus,
    Severity,
    Shown,
    WireNumber,
)
from trackside_service.api.schemas.schedules import Schedule


class Optimizer(Body):
    """The optimizer, as the training script builds it."""

    class_: str = Field(alias="class", min_length=1, max_length=200, description="Its class name.")
    params: JsonObject | None = Field(None, description="Its constructor's parameters.")


class MaxAbove(Body):
    """A bound relative to another metric."""

    metric: MetricName = Field(description="The other metric.")
    by: float = Field(description="How far above it at most, in the metric's own unit.")


class Expectation(Body):
    """What you expect of a metric; a broken one raises EXP001. At least one bound is given."""

    metric: MetricName = Field(description="The metric that is expected to behave.")
    epoch: float | None = Field(None, description="Judge this epoch only.")
    from_epoch: float | None = Field(None, description="Judge from this epoch on, inclusive.")
    until_epoch: float | None = Field(None, description="Judge up to this epoch, inclusive.")
    min: float | None = Field(None, description="At least this.")
    max: float | None = Field(None, description="At most this.")
    max_drop: float | None = Field(None, description="At most this far below the best so far.")
    max_above: MaxAbove | None = Field(None, description="At most so far above another metric.")


class RuleSetting(Body):
    """How a run, or the runs of a project, want a rule."""

    enabled: bool | None = Field(None, description="false turns it off.")
    severity: Severity | None = Field(None, description="Replaces the rule's own severity.")
    params: JsonObject | None = Field(None, description="Replaces some of the rule's parameters; see GET /v1/rules.")


class Process(Body):
    """The process that reports. A resumed job announces itself with a new id."""

    id: str = Field(min_length=1, max_length=200, description="Yours, and new for each start of the job.")
    resumed_from_step: int | None = Field(None, ge=0, description="The step of the checkpoint that it resumed from.")


class RunDeclarationWithoutProcess(Body):
    """What is declared about a run."""

    project: Name = Field(description="What it belongs to; never changes.")
    name: Name = Field(description="As people call it.")
    framework: str | None = Field(None, max_length=200, description='"torch", "paddle", ...')
    total_epochs: int | None = Field(None, ge=1, description="How many epochs are planned.")
    steps_per_epoch: int | None = Field(None, ge=1, description="Optimizer updates in one epoch.")
    num_classes: int | None = Field(None, ge=1, description="Of a classifier: what chance level is.")
    optimizer: Optimizer | None = Field(None, description="Rules and advice name its values.")
    schedule: Schedule | None = Field(
        None, description="The learning rate as configured: what the observed one is compared with."
    )
    expectations: list[Expectation] | None = Field(None, description="What you expect of its metrics.")
    rules: dict[str, RuleSetting] | None = Field(None, description="By rule code.")
    metric_names: dict[str, str] | None = Field(None, description='{"as reported": "canonical name"}')
    metric_units: dict[str, Literal["fraction", "percent"]] | None = Field(None, description="Of accuracies.")
    params: JsonObject | None = Field(None, description="Anything worth keeping about the run.")
    tags: list[str] | None = Field(None, description="To find it again by.")
    heartbeat_s: float | None = Field(
        None,
        gt=0,
        description="Seconds of silence that are normal once it reports; learned from its pauses if left out.",
    )


class RunDeclaration(RunDeclarationWithoutProcess):
    """The body of PUT /v1/runs/{run_id}."""

    process: Process | None = Field(
        None, description="The process that reports; a resumed job announces itself with a new id."
    )


class RunEnd(Body):
    """The body of PATCH /v1/runs/{run_id}: how the run ended."""

    status: Literal["finished", "failed", "killed"] = Field(description="How it ended.")
    reason: str | None = Field(None, max_length=2000, pattern=r"^[^\x00]*$", description="In your words.")


class LatestValue(Shown):
    """The latest value of a metric."""

    value: WireNumber = Field(description='A number, or "NaN", "Infinity", "-Infinity".')
    step: int | None = Field(description="Optimizer updates; null where none was given.")
    epoch: float | None = Field(description="The epoch as reported; null where none was given.")


class ProcessLife(Shown):
    """One process of the run; a resume is a new one."""

    number: int = Field(description="Counted from 0.")
    process: str | None = Field(description="The id that it gave, if any.")
    started_at: datetime = Field(description="When it was first heard of.")
    resumed_from_step: int | None = Field(
        description="The step of the checkpoint that it resumed from; null where it did not."
    )
    lost: int = Field(description="Records that it could neither send nor keep, as far as it came to say so.")


class RunSummary(Shown):
    """A run in a list."""

    id: UUID = Field(description="The run's id, made by the reporter.")
    project: str = Field(description="What it belongs to.")
    name: str = Field(description="As people call it.")
    status: RunStatus = Field(description="running, or how it ended.")
    health: Health = Field(description="The worst severity among its alerts that are open or were frozen by its end.")
    reason: str | None = Field(description="Why it ended, in the reporter's words.")
    tags: list[str] = Field(description="To find it again by.")
    created_at: datetime = Field(description="When it was opened.")
    ended_at: datetime | None = Field(description="When it ended; null while it runs.")
    last_seen_at: datetime | None = Field(description="When the service last heard of it.")
    metrics: dict[str, LatestValue] = Field(description="The latest value of each metric, by canonical name.")


class RunShown(RunSummary):
    """A run, whole."""

    declaration: dict[str, Any] = Field(description="What was declared when it was opened.")
    project_rules: dict[str, Any] = Field(description="Its project's settings of the rules when it was opened.")
    processes: list[ProcessLife] = Field(description="Its process lives, the first first; a resume is a new one.")


class RunOpened(RunShown):
    """A run, and what opening it (or ending it) did to its alerts."""

    alerts: list[AlertNews] = Field(description="Alerts that this request opened, changed or resolved.")


class RunPage(Shown):
    """A page of runs."""

    items: list[RunSummary] = Field(description="The runs.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class LastSeen(Shown):
    """Where the run is, and what of it is missing."""

    at: datetime | None = Field(description="When the service last heard of it.")
    deadline: datetime | None = Field(
        description="When it counts as silent (RUN001) unless it is heard of before; null where nobody waits for it."
    )
    step: int | None = Field(description="Optimizer updates; null where none was given.")
    epoch: float | None = Field(description="The epoch as reported; null where none was given.")
    metrics: dict[str, LatestValue] = Field(description="The latest value of each metric, by canonical name.")
    lost: int = Field(description="Records that its processes could neither send nor keep, as far as they say so.")


class RunHealth(Shown):
    """How a run is."""

    run_id: UUID = Field(description="The run's id.")
    project: str = Field(description="What it belongs to.")
    name: str = Field(description="As people call it.")
    status: RunStatus = Field(description="running, or how it ended.")
    health: Health = Field(description="The worst severity among its alerts that are open or were frozen by its end.")
    alerts: list[Alert] = Field(description="Open ones, and those that the run's end froze; the worst first.")
    lr: dict[str, Any] | None = Field(description="The verdict on the learning rate; null without schedule or LR.")
    last: LastSeen = Field(description="Where the run stands, as last heard.")
