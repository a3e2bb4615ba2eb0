"""ACC001: the accuracy collapses.

**What.** `val_acc` or `train_acc` loses most of what it had reached: it falls to zero, or to chance where
`num_classes` is declared, in one step from a good value; or it stays under half of its best for three evaluations; or
training and validation accuracy are both a quarter below their best for two. Where both collapse, it is one event
and one alert: about the one that fell first (`val_acc` where they fell together), with the numbers of the other.

**Why it matters.** Such a run rarely recovers by itself: the weights were thrown far from where they were good. Every
hour from there on is lost, and the last good checkpoint should be kept from being overwritten.

**Example.** Epoch 1: 58.14 %, epoch 2: 0 %, with a learning rate that rose a hundred times between the two. The alert
opens at epoch 2 and carries both rates, since a collapse that follows a large change of the learning rate has most
likely been caused by it.

**What to try.** If the learning rate rose just before: a slower rise, a lower peak. If it did not: look at what
changed at that place (data, augmentation, a resume, an unfrozen layer), at the loss and the gradient norm. Go on from
the last good checkpoint.

**Defaults.** Relative to the run's own best, so that percent and fractions do alike. Validation accuracy fell by over
20 % and recovered in 10 of 299 healthy public runs: hence the half, and three in a row. A fall to zero counts from 20
% on, one to chance from well above it. Training accuracy reported batch by batch is judged by the median of
fifteen, over twenty records. On 185 healthy public runs it raised nothing. It resolves when every accuracy that it
tells of is back at three quarters of its best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import ACCURACIES, LR, TRAIN_ACC, VAL_ACC
from trackside_service.rules import advice
from trackside_service.rules.accuracies import Accuracy, follow, times_apart, with_lr
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import Place, place_from, place_of, position, say, wire
from trackside_service.rules.units import declared_unit, scale, show

CODE = "ACC001"
Reason = Literal["zero", "chance", "half", "both"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """How deep and how long.

    `share`: under this share of the best for `patience` evaluations (`batch_patience` records where training accuracy
    is reported by batch). `both_share`: training and validation accuracy both under this share for `both_patience`.
    `good`: the accuracy (1 is all right) from which a fall to zero or chance counts at once. `least_best`: the best
    below which nothing is judged. `lr_change`: the ratio from which on a change of the LR is named as what came
    before.
    """

    share: float = 0.5
    patience: int = 3
    batch_patience: int = 20
    both_share: float = 0.75
    both_patience: int = 2
    good: float = 0.2
    least_best: float = 0.1
    lr_change: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= self.both_share < 1:
            raise ValueError("share and both_share lie between 0 and 1, and share is not the larger")
        if min(self.patience, self.batch_patience, self.both_patience) < 1:
            raise ValueError("patience, batch_patience and both_patience are counts of 1 or more")
        if not (0 < self.good <= 1 and 0 < self.least_best <= 1 and self.lr_change > 1):
            raise ValueError("good and least_best lie between 0 and 1, lr_change above 1")


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
        return self.after.quarter_since if self.reason == "both" else self.after.half_since


@dataclass(frozen=True, slots=True)
class State:
    """The accuracies by name, the latest LR, and the standing alert as it was told last (None: none is open)."""

    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)
    lr: float | None = None
    lr_at: Place | None = None
    told: Told | None = None


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State({name: Accuracy(unit=declared_unit(context.spec, name)) for name in ACCURACIES})


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the accuracies of one record."""
    values, here = reading.record.metrics, place_of(reading.record)
    if reading.starts_life:
        # Another process may begin from scratch, or be another run in the same log: its best is its own.
        fresh = start(context, parameters).accuracies
        state = replace(state, accuracies={n: one if one.open else fresh[n] for n, one in state.accuracies.items()})
    lr = values.get(LR)
    if lr is not None and math.isfinite(lr) and lr >= 0:
        accuracies = {name: with_lr(one, lr, here) for name, one in state.accuracies.items()}
        state = replace(state, lr=lr, lr_at=here, accuracies=accuracies)
    seen = [name for name in ACCURACIES if name in values and math.isfinite(values[name])]
    if not seen:
        return state, ()
    falls: list[Fall] = []
    for name in seen:
        before = state.accuracies[name]
        after = follow(context, parameters, before, name=name, value=values[name], here=here, lr=state.lr)
        if before.open and after.quarter == 0:
            after = replace(after, open=False)
        reason = None if after.open else _reason(context, parameters, before, after, values[name])
        if reason is not None:
            falls.append(Fall(name, reason, before, after))
            after = replace(after, open=True)
        state = replace(state, accuracies={**state.accuracies, name: after})
    if not any(one.open for one in state.accuracies.values()) and _both(parameters, state):
        falls = [Fall(name, "both", one, one) for name, one in state.accuracies.items()]
        state = replace(state, accuracies={n: replace(one, open=True) for n, one in state.accuracies.items()})
    if state.told is not None and not any(one.open for one in state.accuracies.values()):
        return replace(state, told=None), [Cleared(CODE, state.told.subject, reading.record.position)]
    if not falls:
        return state, ()
    told = state.told
    if told is None:
        falls.sort(key=lambda fall: fall.name != VAL_ACC)
        first, *falls = falls
        told = _told(context, parameters, first)
    for fall in falls:
        told = _also(context, parameters, told, fall)
    return replace(state, told=told), [_finding(told, reading)]


def _reason(
    context: RunContext, parameters: Parameters, before: Accuracy, after: Accuracy, value: float
) -> Reason | None:
    """Why it is a collapse, if it is one by itself."""
    if after.batched:
        return "half" if after.half >= parameters.batch_patience else None
    whole = scale(after.unit)
    if before.last is not None and after.half > 0 and before.last >= parameters.share * after.best:
        level, classes = before.last / whole, context.spec.num_classes
        if level >= parameters.good and value <= 1e-3 * before.last:
            return "zero"
        if classes is not None and classes > 1:
            chance = 1 / classes
            well_above = max(chance + 0.3 * (1 - chance), chance + 0.2, parameters.good)
            if level >= well_above and value / whole <= 1.1 * chance:
                return "chance"
    return "half" if after.half >= parameters.patience else None


def _both(parameters: Parameters, state: State) -> bool:
    train, val = state.accuracies[TRAIN_ACC], state.accuracies[VAL_ACC]
    return not train.batched and min(train.quarter, val.quarter) >= parameters.both_patience


def _told(context: RunContext, parameters: Parameters, fall: Fall) -> Told:
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


def _also(context: RunContext, parameters: Parameters, told: Told, fall: Fall) -> Told:
    """Return what to say where an accuracy collapses while the alert stands: its numbers beside the others'."""
    name, one = fall.name, fall.after
    if name == told.subject:  # it had come back, and only the other had not
        anew = _told(context, parameters, fall)
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
    share = parameters.both_share if fall.reason == "both" else parameters.share
    return f"{name} has been under {_share(share)} of its best {best} since {since}, and is {now} now."


def _in_short(context: RunContext, parameters: Parameters, fall: Fall) -> str:
    """Return why it is a collapse, for people, in a few words."""
    if fall.reason == "zero":
        return "from a good value to zero at once"
    if fall.reason == "chance":
        return f"from a good value to chance ({context.spec.num_classes} classes) at once"
    if fall.reason == "both":
        times = f"{parameters.both_patience} evaluations"
        return f"training and validation both under {_share(parameters.both_share)} of their best for {times}"
    counted = f"{parameters.batch_patience} records" if fall.after.batched else f"{parameters.patience} evaluations"
    return f"under {_share(parameters.share)} of its best for {counted}"


def _share(share: float) -> str:
    return {0.5: "half", 0.75: "three quarters"}.get(share, f"{100 * share:.3g} %")


def _finding(told: Told, reading: Reading) -> Finding:
    return Finding(
        code=CODE,
        subject=told.subject,
        severity="critical",
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


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    accuracies = {name: {**asdict(one), "best": _finite(one.best)} for name, one in state.accuracies.items()}
    told = None if state.told is None else asdict(state.told)
    return {"accuracies": accuracies, "lr": state.lr, "lr_at": state.lr_at, "told": told}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    accuracies = {}
    for name, one in data["accuracies"].items():
        places = {key: place_from(one[key]) for key in one if key.endswith(("_at", "_since"))}
        best = -math.inf if one["best"] is None else one["best"]
        accuracies[name] = Accuracy(**{**one, **places, "best": best, "recent": tuple(one["recent"])})
    told = data["told"]
    if told is not None:
        told = Told(**{**told, "opened": place_from(told["opened"])})
    return State(accuracies, data["lr"], place_from(data["lr_at"]), told)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


RULE = Rule(
    code=CODE,
    name="accuracy collapse",
    summary="The accuracy falls to zero or chance at once, or stays under half of its best.",
    severity="critical",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    state_version=2,
    dump=dump,
    load=load,
)
