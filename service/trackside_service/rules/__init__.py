"""Floor 3: what Trackside looks for. One rule, one file; this table is the list of them.

`RULES` is in the order in which they run: what is not finite first, since every other comparison with NaN is false.
"""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any, Final

from trackside_service.domain.reading import nearest
from trackside_service.errors import RuleNotFoundError
from trackside_service.rules import (
    abrupt_plan,
    accuracy_collapse,
    broken_expectation,
    broken_resume,
    counters_back,
    cut_warmup,
    degrading_accuracy,
    diverging_loss,
    exploding_gradient,
    failed,
    generalization_gap,
    hidden_nan,
    idle_plan,
    impossible_lr,
    killed,
    loss_at_chance,
    missing_metric,
    mistaken_unit,
    no_progress,
    nonfinite_grad_norm,
    nonfinite_loss,
    nonfinite_metric,
    off_schedule,
    oscillating_loss,
    rebounding_plan,
    rising_plan,
    short_plan,
    silent,
    slow_start,
    slowed_down,
    stuck_accuracy,
    suspicious_accuracy,
    sustained_spike,
    unexpected_lr_drop,
    unexpected_lr_jump,
    unfinished_plan,
    unheeded_parameter,
    vanishing_gradient,
)
from trackside_service.rules.base import Ending, Reading, Rule, RuleConfig, RunContext, Silence

__all__ = [
    "RULES",
    "Ending",
    "Reading",
    "Rule",
    "RuleConfig",
    "RunContext",
    "Silence",
    "codes_of",
    "page",
    "rule",
]

RULES: Final[tuple[Rule[Any, Any], ...]] = (
    nonfinite_loss.RULE,
    impossible_lr.RULE,
    nonfinite_grad_norm.RULE,
    nonfinite_metric.RULE,
    diverging_loss.RULE,
    sustained_spike.RULE,
    oscillating_loss.RULE,
    no_progress.RULE,
    exploding_gradient.RULE,
    vanishing_gradient.RULE,
    hidden_nan.RULE,
    loss_at_chance.RULE,
    abrupt_plan.RULE,
    short_plan.RULE,
    unfinished_plan.RULE,
    idle_plan.RULE,
    rebounding_plan.RULE,
    cut_warmup.RULE,
    mistaken_unit.RULE,
    rising_plan.RULE,
    unheeded_parameter.RULE,
    off_schedule.RULE,
    unexpected_lr_drop.RULE,
    unexpected_lr_jump.RULE,
    accuracy_collapse.RULE,
    degrading_accuracy.RULE,
    slow_start.RULE,
    stuck_accuracy.RULE,
    suspicious_accuracy.RULE,
    generalization_gap.RULE,
    broken_expectation.RULE,
    silent.RULE,
    failed.RULE,
    killed.RULE,
    slowed_down.RULE,
    counters_back.RULE,
    missing_metric.RULE,
    broken_resume.RULE,
)
_BY_CODE: Final = {one.code: one for one in RULES}


def rule(code: str) -> Rule[Any, Any]:
    """Return the rule with this code (any case). Raises `RuleNotFoundError`."""
    try:
        return _BY_CODE[code.upper()]
    except KeyError:
        raise RuleNotFoundError(f"No rule has this code; {nearest(code.upper(), tuple(_BY_CODE))}") from None


def codes_of(name: str) -> tuple[str, ...]:
    """Return the codes that a code (LOSS001) or a family (LOSS) names, in any case. Raises `RuleNotFoundError`."""
    wanted = name.upper()
    found = tuple(code for code in _BY_CODE if wanted in (code, code.rstrip("0123456789")))
    if not found:
        families = dict.fromkeys(code.rstrip("0123456789") for code in _BY_CODE)
        raise RuleNotFoundError(f"no rule or family has this code; {nearest(wanted, (*_BY_CODE, *families))}")
    return found


def page(one: Rule[Any, Any]) -> str:
    """Return the rule's page in Markdown: what GET /v1/rules, `trackside rule CODE` and docs/rules.md show alike."""
    title, _, body = inspect.cleandoc(one.page).partition("\n")
    lines = [
        f"## {title.rstrip('.')}",
        "",
        f"*{one.name}; severity {one.severity} unless configured.*",
        "",
        body.strip(),
    ]
    parameters = fields(one.parameters)
    if parameters:
        about = inspect.getdoc(one.parameters) or ""
        lines += ["", "**Parameters.** " + " ".join(about.split()), "", "| parameter | default |", "|---|---|"]
        lines += [f"| `{field.name}` | {field.default} |" for field in parameters]
    return "\n".join(lines) + "\n"
