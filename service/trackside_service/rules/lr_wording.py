"""How LR001 says what it found, and how grave that is."""

from __future__ import annotations

import math
from typing import Any

from trackside_service import conformance
from trackside_service.conformance import Explanation, FirstOff
from trackside_service.domain.findings import Finding, Severity
from trackside_service.domain.metrics import LRS
from trackside_service.domain.numbers import said
from trackside_service.domain.records import Position
from trackside_service.rules.lr_groups import figures
from trackside_service.schedules import CompiledSchedule


def severity_of(
    schedule: CompiledSchedule, critical_factor: float, observed: float, expected: float | None
) -> Severity:
    """Return how grave it is: critical where off by that factor or more, either way."""
    if expected is None or not math.isfinite(observed):
        return "critical"
    # At the ends of a schedule both are next to nothing: there a ratio says nothing either.
    slack = 1e-4 * schedule.peak()
    low, high = sorted((abs(observed) + slack, abs(expected) + slack))
    return "critical" if high >= critical_factor * low else "warning"


def finding_of(
    code: str,
    schedule: CompiledSchedule,
    explanation: Explanation,
    off: FirstOff,
    *,
    severity: Severity,
    at: Position | None,
) -> Finding:
    """Return the finding on the schedule's first group, off from `off` on, as seen `at` a place."""
    where = str(Position(off.step, off.epoch))
    is_number = math.isfinite(off.observed)
    ratio = off.observed / off.expected if off.expected and is_number else None
    observed = said(off.observed) if is_number else f"not a finite number ({said(off.observed)})"
    # That no other schedule explains a NaN need not be said.
    causes = [each for each in explanation.causes if is_number or each.family != "other_schedule"]
    cause = causes[0] if causes else None
    expected = "nothing: the real scheduler would have refused" if off.expected is None else f"{off.expected:.6g}"
    number = schedule.first
    group = f" of group {number}" if number else ""
    detail = f"At {where} the learning rate{group} is {observed}; {schedule.name} gives {expected} there"
    detail += f" (a ratio of {ratio:.4g})." if ratio is not None else "."
    if cause is not None:
        detail += f" {cause.statement}"
    others = [other.cause for other in causes[1:]]
    if others:
        detail += f" The log cannot rule out: {', '.join(others)}."
    advice = (
        cause.advice
        if cause is not None
        else "Compare where the scheduler is built and stepped with what was declared."
    )
    evidence: dict[str, Any] = {
        **figures(off),
        "first_off": {"index": off.index, "step": off.step, "epoch": off.epoch},
        "causes": conformance.as_wire(explanation)["causes"],
        "convention": None if explanation.convention is None else dict(explanation.convention),
    }
    return Finding(
        code=code,
        subject=LRS[number],
        severity=severity,
        title=f"The LR{group} is off schedule from {where} on",
        detail=detail,
        advice=advice,
        opened=Position(off.step, off.epoch),
        detected=at,
        evidence=evidence,
    )
