"""Rules as they are shown."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from trackside_service.api.schemas.alerts import CheckedAlert
from trackside_service.api.schemas.base import Body, JsonObject, Name, RunStatus, Severity, Shown
from trackside_service.api.schemas.runs import RuleSetting


class ProjectRulesBody(Body):
    """How the runs of a project want the rules."""

    rules: dict[str, RuleSetting] = Field(description="By rule code; none clears what was set.")


class ProjectRules(Shown):
    """The settings of a project."""

    project: str = Field(description="The project.")
    rules: dict[str, Any] = Field(description="By rule code: what differs from the rule's own defaults.")


class BacktestBody(Body):
    """One rule as it might be set, and the stored runs to try it on."""

    rule: str = Field(max_length=20, description="Its code.")
    severity: Severity | None = Field(None, description="Replaces the rule's own severity.")
    params: JsonObject | None = Field(None, description="Replaces some of the rule's parameters; see GET /v1/rules.")
    project: Name | None = Field(None, description="Only the runs of this project.")
    run_ids: list[Annotated[UUID, Field(strict=False)]] | None = Field(
        None, min_length=1, max_length=100, description="Only these runs."
    )
    limit: int = Field(20, ge=1, le=100, description="How many runs at most are looked at in one call.")
    cursor: str | None = Field(
        None, max_length=1000, pattern=r"^[A-Za-z0-9_-]*$", description="The `next_cursor` of the call before."
    )


class BacktestedRun(Shown):
    """A run that the rule would have spoken on, or could not judge."""

    run_id: str = Field(description="The run's id.")
    project: str = Field(description="Its project.")
    name: str = Field(description="Its name.")
    status: RunStatus = Field(description="Where it stands.")
    records: int = Field(description="How many of its records the rule was shown.")
    raised: int = Field(description="How many alerts of this rule the run has really had.")
    alerts: list[CheckedAlert] = Field(description="What the rule would have raised, the first first.")
    error: str | None = Field(description="Why the rule did not judge all of it, if so.")


class Backtested(Shown):
    """What a rule would have raised on stored runs, the latest opened first."""

    rule: str = Field(description="Its code.")
    runs: int = Field(description="How many runs were looked at.")
    records: int = Field(description="How many records they have.")
    fired: int = Field(description="On how many of them the rule would have spoken.")
    items: list[BacktestedRun] = Field(description="Those, and those that it could not judge.")
    next_cursor: str | None = Field(description="Pass it to look at the runs before; null where there are none.")


class RuleSummary(Shown):
    """A rule in the list."""

    code: str = Field(description="Stable, such as LOSS001.")
    name: str = Field(description="Named after the defect.")
    summary: str = Field(description="What it looks for, in a sentence.")
    severity: Severity = Field(description="Unless a run or its project configures another.")
    parameters: dict[str, Any] = Field(description="What a run or a project may set under `rules`, with the defaults.")


class RuleShown(RuleSummary):
    """A rule with its page."""

    page: str = Field(description="Markdown: what it detects, why it matters, an example, what to try, its limits.")


class RuleList(Shown):
    """Every rule."""

    items: list[RuleSummary] = Field(description="The rules.")
