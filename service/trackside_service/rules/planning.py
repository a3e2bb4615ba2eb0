"""What the rules on plans share: they judge the declaration once, before training, and records tell them nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from trackside_service.domain.findings import Finding, Outcome, Severity
from trackside_service.rules.base import Reading, Rule, RunContext

P = TypeVar("P")


def start(_context: RunContext, _parameters: Any) -> None:
    """No state: the plan is judged once."""


def check(_context: RunContext, _parameters: Any, _state: None, _reading: Reading) -> tuple[None, Sequence[Outcome]]:
    """Records say nothing about the plan."""
    return None, ()


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
        start=start,
        check=check,
        plan=plan,
    )
