"""A run's declaration back in the form in which it was given: what is stored, compared and shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trackside_service.domain.numbers import wire_safe
from trackside_service.domain.runs import Expectation, RuleSetting, RunSpec

_BOUNDS: Final = ("epoch", "from_epoch", "until_epoch", "min", "max", "max_drop")


def declared(spec: RunSpec) -> dict[str, Any]:
    """Return the body of PUT (without `process`) that declares `spec`: what was left out stays out."""
    body: dict[str, Any] = {
        "project": spec.project,
        "name": spec.name,
        "framework": spec.framework,
        "total_epochs": spec.total_epochs,
        "steps_per_epoch": spec.steps_per_epoch,
        "num_classes": spec.num_classes,
        "optimizer": None
        if spec.optimizer is None
        else {"class": spec.optimizer.name, "params": dict(spec.optimizer.params)},
        "schedule": None if spec.schedule is None else dict(spec.schedule),
        "expectations": [_expectation(one) for one in spec.expectations],
        "rules": declared_rules(spec.rules),
        "metric_names": dict(spec.metric_names),
        "metric_units": dict(spec.metric_units),
        "params": dict(spec.params),
        "tags": list(spec.tags),
        "heartbeat_s": spec.heartbeat_s,
    }
    return {name: wire_safe(value) for name, value in body.items() if value is not None and value not in ([], {})}


def declared_rules(rules: Mapping[str, RuleSetting]) -> dict[str, Any]:
    """Return the `rules` of a run or a project as the wire has them."""
    return {
        code: {"enabled": rule.enabled, "severity": rule.severity, "params": wire_safe(dict(rule.params))}
        for code, rule in rules.items()
    }


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the fields in which two declarations differ."""
    return tuple(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))


def _expectation(expectation: Expectation) -> dict[str, Any]:
    body: dict[str, Any] = {"metric": expectation.metric}
    body |= {name: value for name in _BOUNDS if (value := getattr(expectation, name)) is not None}
    if expectation.max_above is not None:
        body["max_above"] = {"metric": expectation.max_above.metric, "by": expectation.max_above.by}
    return body
