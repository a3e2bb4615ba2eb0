"""Rules as they are shown."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from trackside_service.api.schemas.base import Severity, Shown


class RuleSummary(Shown):
    """A rule in the list."""

    code: str = Field(description="Stable, such as LOSS001.")
    name: str = Field(description="Named after the defect.")
    summary: str = Field(description="What it looks for, in a sentence.")
    severity: Severity = Field(description="Unless a run configures another.")
    parameters: dict[str, Any] = Field(description="What a run may set under `rules`, with the defaults.")


class RuleShown(RuleSummary):
    """A rule with its page."""

    page: str = Field(description="Markdown: what it detects, why it matters, an example, what to try, its limits.")


class RuleList(Shown):
    """Every rule."""

    items: list[RuleSummary] = Field(description="The rules.")
