"""The answer: verdict, first point off, causes; and its form on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from trackside_service.domain.numbers import wire_safe

Verdict: TypeAlias = Literal["on_schedule", "off_schedule", "undetermined"]
Family: TypeAlias = Literal[
    "frozen", "shift", "time_scale", "scale", "warmup", "total", "restart", "level_change", "other_schedule"
]


@dataclass(frozen=True, slots=True)
class FirstOff:
    """The first point that the schedule does not explain.

    `index` counts from 0 among the points that carry the LR; `expected` is None where the real library would
    have raised.
    """

    index: int
    step: int | None
    epoch: float | None
    expected: float | None
    observed: float


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause that the log cannot rule out. Numeric `params` are {"value", "low", "high"} where an interval is
    known.
    """

    cause: str
    family: Family
    params: Mapping[str, Any]
    statement: str
    advice: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict on `points` observed LRs; `convention` is the index convention that it is given in, with `prints`
    where the log bears out that they are cut off, not rounded.
    """

    verdict: Verdict
    reason: str | None = None
    first_off: FirstOff | None = None
    causes: tuple[Cause, ...] = ()
    convention: Mapping[str, Any] | None = field(default=None)
    points: int = 0


def as_wire(explanation: Explanation) -> dict[str, Any]:
    """Return the explanation as the API gives it: `reason` only where undetermined, `first_off` only where off."""
    wire: dict[str, Any] = {"verdict": explanation.verdict}
    if explanation.reason is not None:
        wire["reason"] = explanation.reason
    if explanation.first_off is not None:
        off = explanation.first_off
        wire["first_off"] = wire_safe(
            {
                "index": off.index,
                "step": off.step,
                "epoch": off.epoch,
                "expected": off.expected,
                "observed": off.observed,
            }
        )
    wire["causes"] = [
        {
            "cause": cause.cause,
            "family": cause.family,
            "params": wire_safe(dict(cause.params)),
            "statement": cause.statement,
            "advice": cause.advice,
        }
        for cause in explanation.causes
    ]
    wire["convention"] = None if explanation.convention is None else dict(explanation.convention)
    wire["points"] = explanation.points
    return wire
