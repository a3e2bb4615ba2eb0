"""Rules as they are shown."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from trackside_service.api.schemas.base import Body, Severity, Shown
from trackside_service.api.schemas.runs import RuleSetting


class ProjectRulesBody(Body):
    """How the runs of a project want the rules."""

    rules: dict[str, RuleSetting] = Field(description="By rule code; none clears what was set.")


class ProjectRules(Shown):
    """The settings of a project."""

    project: str = Field(description="The project.")
    rules: dict[str, Any] = Field(description="By rule code: what differs from the rule's own defaults.")


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
