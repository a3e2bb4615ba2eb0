"""What ACC001 says of a collapse: one alert for all the accuracies that it takes, with the numbers of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from trackside_service.domain.findings import Finding
from trackside_service.domain.metrics import ACCURACIES
from trackside_service.rules import advice
from trackside_service.rules.accuracies import Accuracy, Parameters, times_apart
from trackside_service.rules.base import Reading, RunContext
from trackside_service.rules.places import Place, position, say, wire
from trackside_service.rules.units import show

CODE: Final = "ACC001"
Reason: TypeAlias = Literal["zero", "chance", "deep", "half", "mostly", "both", "rate"]


@dataclass(frozen=True, slots=True)
class Told:
    """What the alert says. `sentences` and `evidence` are by the accuracy that they are about, the subject first."""

    subject: str
    title: str
    advice: str
    opened: Place | None
    sentences: Mapping[str, str]
    evidence: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Fall:
    """An accuracy that has just collapsed: why, and how it stood before and after the record that shows it."""

    name: str
    reason: Reason
    before: Accuracy
    after: Accuracy

    @property
    def since(self) -> Place | None:
        """Where it began."""
        return self.after.quarter_since if self.reason in ("mostly", "both", "rate") else self.after.half_since


def tell(context: RunContext, parameters: Parameters, fall: Fall) -> Told:
    """Return what to say of a collapse."""
    name, one = fall.name, fall.after
    assert one.last is not None
    best, now = show(one.best, one.unit), show(one.last, one.unit)
    evidence: dict[str, Any] = {
        "metric": name,
        "reason": _in_short(context, parameters, fall),
        "value": one.last,
        "best": one.best,
        "best_at": wire(one.best_at),
        "unit": one.unit,
    }
    words, facts = _rate(parameters, one)
    return Told(
        subject=name,
        title=f"{name} collapsed: {best} to {now}",
        advice=_advice(context, parameters, facts),
        opened=fall.since,
        sentences={name: f"{_sentence(context, parameters, fall)} {words}".rstrip()},
        evidence={name: {**evidence, **facts}},
    )


def add(context: RunContext, parameters: Parameters, told: Told, fall: Fall) -> Told:
    """Return what to say where an accuracy collapses while the alert stands: its numbers beside the others'."""
    name, one = fall.name, fall.after
    if name == told.subject:  # it had come back, and only the other had not
        anew = tell(context, parameters, fall)
        sentences, evidence = {**told.sentences, **anew.sentences}, {**told.evidence, **anew.evidence}
        return replace(anew, opened=told.opened, sentences=sentences, evidence=evidence)
    numbers = {name: one.last, f"{name}_best": one.best, f"{name}_best_at": wire(one.best_at)}
    return replace(
        told,
        sentences={**told.sentences, name: _sentence(context, parameters, fall)},
        evidence={**told.evidence, name: numbers},
    )


def _sentence(context: RunContext, parameters: Parameters, fall: Fall) -> str:
    """Return the collapse of one accuracy in a sentence with its numbers."""
    name, before, one = fall.name, fall.before, fall.after
    assert one.last is not None
    now, since = show(one.last, one.unit), say(fall.since)
    best = f"({show(one.best, one.unit)} at {say(one.best_at)})"
    if fall.reason in ("zero", "chance"):
        to = f"{name} fell from {show(before.last or 0.0, one.unit)} at {say(before.last_at)} to {now} at {since}"
        guessing = f", which is what guessing among {context.spec.num_classes} classes gives"
        return f"{to}{guessing if fall.reason == 'chance' else ''}."
    quarter = parameters.both_share
    share = {"both": quarter, "rate": quarter, "deep": parameters.deep_share}.get(fall.reason, parameters.share)
    mostly = " at most evaluations" if fall.reason == "mostly" else ""
    return f"{name} has been under {_share(share)} of its best {best}{mostly} since {since}, and is {now} now."


def _in_short(context: RunContext, parameters: Parameters, fall: Fall) -> str:
    """Return why it is a collapse, for people, in a few words."""
    if fall.reason == "zero":
        return "from a good value to zero at once"
    if fall.reason == "chance":
        return f"from a good value to chance ({context.spec.num_classes} classes) at once"
    if fall.reason == "mostly":
        return f"under {_share(parameters.share)} of its best at most evaluations"
    if fall.reason == "both":
        times = f"{fall.after.quarter} evaluations"
        return f"training and validation both under {_share(parameters.both_share)} of their best for {times}"
    if fall.reason == "rate":
        times = f"{fall.after.quarter} evaluations"
        return f"under {_share(parameters.both_share)} of its best for {times} since the LR rose"
    if fall.reason == "deep":
        return f"under {_share(parameters.deep_share)} of its best for {fall.after.deep} evaluations"
    counted = f"{fall.after.half} records" if fall.after.batched else f"{fall.after.half} evaluations"
    return f"under {_share(parameters.share)} of its best for {counted}"


def _share(share: float) -> str:
    return {0.1: "a tenth", 0.5: "half", 0.75: "three quarters"}.get(share, f"{100 * share:.3g} %")


def finding(told: Told, reading: Reading) -> Finding:
    """Return the alert as it is told by now."""
    return Finding(
        code=CODE,
        subject=told.subject,
        severity="critical" if any(name in ACCURACIES for name in told.sentences) else "warning",
        title=told.title,
        detail=" ".join(told.sentences.values()),
        advice=told.advice,
        opened=position(told.opened),
        detected=reading.record.position,
        evidence={key: value for facts in told.evidence.values() for key, value in facts.items()},
    )


def _rate(parameters: Parameters, one: Accuracy) -> tuple[str, dict[str, Any]]:
    """What the LR did between the last good value and now, in words and as evidence."""
    if one.good_lr is None or one.far_lr is None:
        return "", {}
    facts: dict[str, Any] = {
        "lr_before": one.good_lr,
        "lr_before_at": wire(one.good_at),
        "lr_after": one.far_lr,
        "lr_after_at": wire(one.far_at),
        "lr_ratio": one.far_lr / one.good_lr if one.good_lr > 0 else None,
    }
    times = times_apart(one.far_lr, one.good_lr)
    if times < parameters.lr_change:
        return "", facts
    verb = "rose" if one.far_lr > one.good_lr else "fell"
    by = f" {times:.4g} times" if math.isfinite(times) else ""
    return (
        f"Just before, the learning rate {verb}{by}, from {one.good_lr:.6g} ({say(one.good_at)}) to {one.far_lr:.6g} "
        f"({say(one.far_at)}).",
        facts,
    )


def _advice(context: RunContext, parameters: Parameters, facts: Mapping[str, Any]) -> str:
    ratio = facts.get("lr_ratio")
    if ratio is not None and ratio >= parameters.lr_change:
        warmup = advice.longer_warmup(context)
        rise = f"let the LR rise more slowly ({warmup})" if warmup else "let the LR rise more slowly (a longer warm-up)"
        return (
            f"The collapse follows the rise of the LR: {rise}, or {advice.lower_peak(context)}. Go on from the last "
            f"good checkpoint, and keep it "
            "from being overwritten."
        )
    return (
        "Keep the last good checkpoint from being overwritten. Look at what changed there: the data or its "
        "augmentation, a resume, layers unfrozen, "
        f"the loss and the gradient norm. If the loss rose as well, {advice.lower_peak(context)}."
    )
