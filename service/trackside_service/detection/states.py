"""What detection works with: the state of every rule, what an inspection brought, and the rules that raised."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from trackside_service.domain.findings import Outcome
from trackside_service.rules import RULES, Rule, RuleConfig, RunContext

__all__ = ["RULES", "DetectorState", "Inspection", "RuleFault", "fault_of", "note", "running"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A rule that raised: its code, and the error's type and text."""

    code: str
    error: str


@dataclass(frozen=True, slots=True)
class DetectorState:
    """The state of every rule that runs on this run, by code; a rule without one stands aside."""

    rules: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What some readings brought: the state after them, the outcomes in their order, and the rules that raised."""

    state: DetectorState
    outcomes: tuple[Outcome, ...] = ()
    faults: tuple[RuleFault, ...] = ()


def running(context: RunContext) -> list[tuple[Rule[Any, Any], RuleConfig]]:
    """Return the rules that are not off, and how they run, in the order of the table."""
    return [(rule, config) for rule in RULES if (config := context.rules.get(rule.code)) is not None and config.enabled]


def fault_of(rule: Rule[Any, Any], error: Exception) -> RuleFault:
    """Return the fault of a rule that raised, and log it."""
    _log.exception("rule %s raised; the other rules go on", rule.code)
    return RuleFault(rule.code, f"{type(error).__name__}: {error}")


def note(faults: list[RuleFault] | None, rule: Rule[Any, Any], error: Exception) -> None:
    """Log that a rule raised, and add it to `faults` where they are collected."""
    fault = fault_of(rule, error)
    if faults is not None:
        faults.append(fault)
