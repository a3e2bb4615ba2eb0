"""Advice with numbers from the run's own configuration: which parameter sets the peak, the warm-up, the first LR, and
what to try.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from trackside_service.rules.base import RunContext

_OWN_PEAK: Final = {
    ("torch", "OneCycleLR"): "max_lr",
    ("torch", "CyclicLR"): "max_lr",
    ("paddle", "LinearWarmup"): "end_lr",
}
_MORE_TICKS: Final = 5
_NAMED: Final = 3
_REGULARISERS: Final = frozenset(
    (
        *("weight_decay", "dropout", "drop_rate", "drop_path", "drop_path_rate", "stochastic_depth"),
        *("label_smoothing", "mixup", "mixup_alpha", "cutmix", "cutmix_alpha", "attention_dropout", "l1", "l2"),
    )
)


@dataclass(frozen=True, slots=True)
class Knob:
    """A parameter of the user's own and its value."""

    name: str
    value: float

    def to(self, value: float) -> str:
        """Say the change: "max_lr 0.01 to 0.005"."""
        return f"{self.name} {self.value:.6g} to {value:.6g}"


def peak_knob(context: RunContext) -> Knob | None:
    """Return the parameter that sets the highest LR of the run, as the user wrote it; None if nothing tells it."""
    source = context.spec.schedule
    if source is None:
        return _from_optimizer(context)
    params = _params(source)
    framework, name = source.get("framework"), source.get("class")
    own = _OWN_PEAK.get((str(framework), str(name)))
    if own is not None:
        return _knob(own, params.get(own))
    if framework == "paddle":
        return _knob("learning_rate", params.get("learning_rate"))
    if framework is not None:
        return _knob("lr", source.get("base_lr")) or _from_optimizer(context)
    return _knob("lr", source.get("lr")) or (
        _knob("the peak LR", context.schedule.peak()) if context.schedule else None
    )


def lower_peak(context: RunContext) -> str:
    """Say how to halve the highest LR."""
    knob = peak_knob(context)
    if knob is None:
        return "lower the peak: halve the learning rate"
    return f"lower the peak: {knob.to(knob.value / 2)}"


def gentler_peak(context: RunContext) -> str:
    """Say how to lower the highest LR by a third, where it is about right and not more."""
    knob = peak_knob(context)
    if knob is None:
        return "lower the peak: the learning rate by a third"
    return f"lower the peak: {knob.to(0.7 * knob.value)}"


def higher_end(context: RunContext) -> str | None:
    """Say how to raise the LR of the last epochs, where the schedule has such a parameter."""
    source = context.spec.schedule or {}
    params = _params(source)
    if source.get("class") == "OneCycleLR":
        knob, peak = (
            _knob("final_div_factor", params.get("final_div_factor", 1e4)),
            _knob("max_lr", params.get("max_lr")),
        )
        div = _knob("div_factor", params.get("div_factor", 25.0))
        if knob is None or peak is None or div is None or knob.value <= 10 or div.value <= 0:
            return None
        final = peak.value / div.value / (knob.value / 10)
        return f"{knob.to(knob.value / 10)}, so that the final LR becomes {final:.6g}"
    if source.get("class") in ("CosineAnnealingLR", "CosineAnnealingDecay", "CosineAnnealingWarmRestarts"):
        knob, peak = _knob("eta_min", params.get("eta_min", 0.0)), peak_knob(context)
        if knob is None or peak is None or knob.value >= peak.value / 100:
            return None
        return knob.to(peak.value / 100)
    return None


def regularisers(context: RunContext) -> list[str]:
    """Name what holds the weights back, as far as the declaration tells it: "weight_decay 0.05", "dropout 0.5"."""
    return [f"{name} {value:.6g}" for name, value in _regularisers(context)]


def _regularisers(context: RunContext) -> list[tuple[str, float]]:
    optimizer = context.spec.optimizer.params if context.spec.optimizer is not None else {}
    found: list[tuple[str, float]] = []
    for params in (optimizer, context.spec.params):
        for name, value in params.items():
            known = name.lower().replace("-", "_") in _REGULARISERS
            if known and isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
                found.append((name, float(value)))
    return list(dict.fromkeys(found))


def more_regularisation(context: RunContext) -> str:
    """Say how to hold the weights back more: "weight_decay 0.01 to 0.02, dropout 0.1 to 0.2", as far as the declaration
    tells what there is.
    """
    found = [Knob(name, value) for name, value in _regularisers(context)]
    raised = [knob.to(min(2 * knob.value, 0.5) if "drop" in knob.name.lower() else 2 * knob.value) for knob in found]
    if not raised:
        return "weight decay, dropout or label smoothing (none is declared)"
    return f"more of the regularisers ({', '.join(raised[:_NAMED])})"


def longer_warmup(context: RunContext) -> str | None:
    """Say how to make the LR rise more slowly, where the schedule has such a parameter."""
    source = context.spec.schedule or {}
    params = _params(source)
    name = source.get("class")
    if name == "OneCycleLR":
        knob = _knob("pct_start", params.get("pct_start", 0.3))
        return (
            None
            if knob is None or knob.value >= 0.5
            else knob.to(0.3 if knob.value < 0.3 else min(0.5, knob.value + 0.1))
        )
    if name == "LinearWarmup":
        knob = _knob("warmup_steps", params.get("warmup_steps"))
        return None if knob is None else knob.to(max(_MORE_TICKS, 2 * knob.value))
    if name == "LinearLR":
        knob = _knob("total_iters", params.get("total_iters", 5))
        return None if knob is None else knob.to(max(_MORE_TICKS, 2 * knob.value))
    return None


def higher_start(context: RunContext) -> str | None:
    """Say how to raise the LR of the first epoch, where the schedule has such a parameter."""
    source = context.spec.schedule or {}
    params = _params(source)
    name = source.get("class")
    if name == "OneCycleLR":
        knob, peak = _knob("div_factor", params.get("div_factor", 25.0)), _knob("max_lr", params.get("max_lr"))
        if knob is None or peak is None or knob.value <= 2:
            return None
        return f"{knob.to(knob.value / 2)}, so that the initial LR becomes {2 * peak.value / knob.value:.6g}"
    if name == "LinearWarmup":
        knob, end = _knob("start_lr", params.get("start_lr")), _knob("end_lr", params.get("end_lr"))
        if knob is None or end is None or 2 * knob.value > end.value:
            return None
        return knob.to(2 * knob.value if knob.value > 0 else end.value / 10)
    if name == "LinearLR":
        knob, base = _knob("start_factor", params.get("start_factor", 1 / 3)), _knob("lr", source.get("base_lr"))
        if knob is None or base is None or not 0 < knob.value <= 0.5:
            return None
        return f"{knob.to(2 * knob.value)}, so that the initial LR becomes {2 * knob.value * base.value:.6g}"
    return None


def _params(source: Mapping[str, Any]) -> Mapping[str, Any]:
    params = source.get("params")
    return params if isinstance(params, Mapping) else {}


def _knob(name: str, value: object) -> Knob | None:
    """A parameter that is a number, a list of numbers (the first group's), or a nested scheduler (its own peak)."""
    if isinstance(value, (list, tuple)) and value:
        return _knob(name, value[0])
    if isinstance(value, Mapping):
        inner = _params(value).get("learning_rate")
        return None if inner is None else _knob(name, inner)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Knob(name, float(value))
    return None


def _from_optimizer(context: RunContext) -> Knob | None:
    params = context.spec.optimizer.params if context.spec.optimizer is not None else {}
    return _knob("lr", params.get("lr")) or _knob("learning_rate", params.get("learning_rate"))
