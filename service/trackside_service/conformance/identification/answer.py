"""The answer of an identification: verdict, the schedules that reproduce the log, and its form on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from trackside_service.domain.numbers import wire_safe

ScheduleFamily: TypeAlias = Literal[
    "constant",
    "step",
    "multi_step",
    "exponential",
    "linear",
    "polynomial",
    "cosine",
    "warm_restarts",
    "one_cycle",
    "inverse_sqrt",
    "cyclic",
    "warmup_stable_decay",
]
Outcome: TypeAlias = Literal["identified", "ambiguous", "undetermined", "none"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule that lies within every print. Numbers in `params` are {"value", "low", "high"} where the prints bound
    them; `low` and `high` hold with the other parameters as found.

    `declaration` is the wire's S, in the framework's own words where `framework` is not None, else a canonical kind.
    """

    family: ScheduleFamily
    warmup: bool
    params: Mapping[str, Any]
    declaration: Mapping[str, Any]
    framework: str | None
    convention: Mapping[str, Any]
    statement: str


@dataclass(frozen=True, slots=True)
class Identification:
    """`candidates` are simplest first, at most six; `families` are all that the log does not rule out, those among them
    that it says nothing further about included; "plateau", a scheduler that a metric drives, is only ever one of those.

    "identified": one family is left. "ambiguous": several. "undetermined": the log says too little, for `reason`.
    "none": no listed family with plausible parameters reproduces it.
    """

    verdict: Outcome
    statement: str
    reason: str | None = None
    candidates: tuple[Candidate, ...] = ()
    families: tuple[str, ...] = ()
    points: int = 0


def identification_as_wire(found: Identification) -> dict[str, Any]:
    """Return the identification as the API gives it: `reason` only where there is one."""
    wire: dict[str, Any] = {"verdict": found.verdict, "statement": found.statement}
    if found.reason is not None:
        wire["reason"] = found.reason
    wire["families"] = list(found.families)
    wire["schedules"] = [
        {
            "family": each.family,
            "warmup": each.warmup,
            "params": wire_safe(dict(each.params)),
            "schedule": wire_safe(dict(each.declaration)),
            "framework": each.framework,
            "convention": dict(each.convention),
            "statement": each.statement,
        }
        for each in found.candidates
    ]
    wire["points"] = found.points
    return wire
