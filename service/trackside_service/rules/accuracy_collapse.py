"""ACC001: the accuracy collapses.

**What.** `val_acc` or `train_acc` loses most of what it had reached: it falls to zero, or to chance where
`num_classes` is declared, in one step from a good value; or it stays under half of its best for three evaluations; or
training and validation accuracy are both a quarter below their best for two.

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
% on, one to chance from well above it. Training accuracy reported batch by batch is judged by the median of five,
over ten records. On 185 healthy public runs it raised nothing. It resolves when the accuracy is back at three
quarters of its best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any, Final, Literal

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import ACCURACIES, LR, TRAIN_ACC, VAL_ACC
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import Place, epoch_of, place_from, place_of, position, say, wire
from trackside_service.rules.units import declared_unit, scale, show, unit_after

CODE = "ACC001"
_WINDOW: Final = 5
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
    batch_patience: int = 10
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
class Accuracy:
    """One accuracy. `half` and `quarter` count the evaluations in a row under half and under three quarters of
    `best`, since when.

    `recent`: the last values; `batched`: they are reported by batch. `good_lr`: the LR at the last good value;
    `far_lr`: the one since then that is farthest from it.
    """

    unit: MetricUnit | None = None
    best: float = -math.inf
    best_at: Place | None = None
    last: float | None = None
    last_at: Place | None = None
    recent: tuple[float, ...] = ()
    batched: bool = False
    half: int = 0
    half_since: Place | None = None
    quarter: int = 0
    quarter_since: Place | None = None
    good_lr: float | None = None
    good_at: Place | None = None
    far_lr: float | None = None
    far_at: Place | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The accuracies by name, and the latest LR."""

    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)
    lr: float | None = None
    lr_at: Place | None = None


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
        accuracies = {name: _with_lr(one, lr, here) for name, one in state.accuracies.items()}
        state = replace(state, lr=lr, lr_at=here, accuracies=accuracies)
    seen = [name for name in ACCURACIES if name in values and math.isfinite(values[name])]
    if not seen:
        return state, ()
    outcomes: list[Outcome] = []
    for name in seen:
        before = state.accuracies[name]
        after = _after(context, parameters, state.lr, before, name=name, value=values[name], here=here)
        if before.open and after.quarter == 0:
            after = replace(after, open=False)
            outcomes.append(Cleared(CODE, name, reading.record.position))
        state = replace(state, accuracies={**state.accuracies, name: after})
        reason = None if after.open else _reason(context, parameters, before, after, values[name])
        if reason is not None:
            state = replace(state, accuracies={**state.accuracies, name: replace(after, open=True)})
            outcomes.append(_finding(context, parameters, reading, name, reason, before=before, one=after))
    if not any(one.open for one in state.accuracies.values()) and _both(parameters, state):
        one = replace(state.accuracies[VAL_ACC], open=True)
        state = replace(state, accuracies={**state.accuracies, VAL_ACC: one})
        outcomes.append(_finding(context, parameters, reading, VAL_ACC, "both", before=one, one=one))
    return state, outcomes


def _with_lr(one: Accuracy, lr: float, here: Place) -> Accuracy:
    if one.good_lr is None:
        return one
    if one.far_lr is None or _distance(lr, one.good_lr) > _distance(one.far_lr, one.good_lr):
        return replace(one, far_lr=lr, far_at=here)
    return one


def _distance(lr: float, other: float) -> float:
    """How many times one rate is the other, either way; infinite if just one of them is 0."""
    low, high = sorted((lr, other))
    return 1.0 if high == 0 else math.inf if low == 0 else high / low


def _after(
    context: RunContext,
    parameters: Parameters,
    lr: float | None,
    one: Accuracy,
    *,
    name: str,
    value: float,
    here: Place,
) -> Accuracy:
    batched = one.batched or (name == TRAIN_ACC and _same_epoch(context, one.last_at, here))
    if batched and not one.batched:
        one = replace(one, best=-math.inf, half=0, half_since=None, quarter=0, quarter_since=None)
    recent = (*one.recent, value)[-_WINDOW:]
    one = replace(one, unit=unit_after(one.unit, value), last=value, last_at=here, recent=recent, batched=batched)
    judged = median(recent) if batched else value
    if batched and len(recent) < _WINDOW:
        return one
    if judged > one.best:
        one = replace(one, best=judged, best_at=here)
    if one.best < parameters.least_best * scale(one.unit):
        return replace(one, half=0, half_since=None, quarter=0, quarter_since=None)
    if judged >= parameters.both_share * one.best:
        good_lr = lr if lr is not None else one.good_lr
        one = replace(one, half=0, half_since=None, quarter=0, quarter_since=None)
        return replace(one, good_lr=good_lr, good_at=here, far_lr=None, far_at=None)
    one = replace(one, quarter=one.quarter + 1, quarter_since=one.quarter_since or here)
    if judged >= parameters.share * one.best:
        return replace(one, half=0, half_since=None)
    return replace(one, half=one.half + 1, half_since=one.half_since or here)


def _same_epoch(context: RunContext, before: Place | None, here: Place) -> bool:
    """Whether two training accuracies lie in one epoch, so that each speaks for some batches only."""
    if before is None or before == here:
        return False
    steps = context.spec.steps_per_epoch
    one, other = epoch_of(before, steps), epoch_of(here, steps)
    if one is None or other is None:
        return here[0] is not None  # by step, and nothing tells the epochs
    return one == other


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


def _finding(
    context: RunContext,
    parameters: Parameters,
    reading: Reading,
    name: str,
    reason: Reason,
    *,
    before: Accuracy,
    one: Accuracy,
) -> Finding:
    assert one.last is not None
    opened = one.quarter_since if reason == "both" else one.half_since
    best, now = show(one.best, one.unit), show(one.last, one.unit)
    detail = {
        "zero": f"{name} fell from {show(before.last or 0.0, one.unit)} at {say(before.last_at)} to {now} at "
        f"{say(opened)}.",
        "chance": f"{name} fell from {show(before.last or 0.0, one.unit)} at {say(before.last_at)} to {now} at "
        f"{say(opened)}, which is what "
        f"guessing among {context.spec.num_classes} classes gives.",
        "half": f"{name} has been under half of its best ({best} at {say(one.best_at)}) since {say(opened)}, and is "
        f"{now} now.",
        "both": f"{name} and {TRAIN_ACC} are both a quarter or more below their best since {say(opened)}: {name} is "
        f"{now} after {best} at "
        f"{say(one.best_at)}.",
    }[reason]
    evidence: dict[str, Any] = {
        "metric": name,
        "reason": reason,
        "value": one.last,
        "best": one.best,
        "best_at": wire(one.best_at),
        "unit": one.unit,
    }
    words, facts = _rate(parameters, one)
    if words:
        detail += f" {words}"
    evidence.update(facts)
    return Finding(
        code=CODE,
        subject=name,
        severity="critical",
        title=f"{name} collapsed: {best} to {now}",
        detail=detail,
        advice=_advice(context, parameters, facts),
        opened=position(opened),
        detected=reading.record.position,
        evidence=evidence,
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
    times = _distance(one.far_lr, one.good_lr)
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
    return {"accuracies": accuracies, "lr": state.lr, "lr_at": state.lr_at}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    accuracies = {}
    for name, one in data["accuracies"].items():
        places = {key: place_from(one[key]) for key in one if key.endswith(("_at", "_since"))}
        best = -math.inf if one["best"] is None else one["best"]
        accuracies[name] = Accuracy(**{**one, **places, "best": best, "recent": tuple(one["recent"])})
    return State(accuracies, data["lr"], place_from(data["lr_at"]))


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
    dump=dump,
    load=load,
)
