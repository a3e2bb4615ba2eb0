"""What the rules on plans share: they judge the declaration once, before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from trackside_service.domain.findings import Finding, Severity
from trackside_service.rules.base import Rule, RunContext

P = TypeVar("P")


def plan_rule(
    *,
    code: str,
    name: str,
    summary: str,
    page: str,
    parameters: type[P],
    plan: Callable[[RunContext, P], Sequence[Finding]],
    severity: Severity = "info",
) -> Rule[P, None]:
    """Return a rule that has nothing but `plan`."""
    return Rule(
        code=code,
        name=name,
        summary=summary,
        severity=severity,
        page=page,
        parameters=parameters,
        plan=plan,
    )
