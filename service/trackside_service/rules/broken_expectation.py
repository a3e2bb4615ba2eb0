"""EXP001: an expectation of the user's is broken.

**What.** When a run is opened it may say what is expected of it: that a metric is at least or at most so much in an
epoch or a range of epochs, never falls further than so much below its best, or stays within so much of another
metric. This rule says which of that has not come true.

**Why it matters.** Nobody knows a training job as well as who has run it before. "Epoch 1 used to give 20 %" is worth
more than any threshold made for all.

**Example.** `{"metric": "train_acc", "epoch": 1, "min": 5}` and epoch 1 ends at 1.58 %: a warning after one epoch
instead of a hundred.

**What to try.** The first epochs far too low: the initial learning rate is too small for the plan, or the warm-up too
long. Below the best by too much: see what changed since. Too far above another metric: over-fitting; more
regularisation, augmentation, or fewer epochs.

**Defaults.** There are none: the numbers are the user's, in the metric's own unit, and the epoch as the log prints
it. A record without `step` is its epoch's summary and judged at once; with `step`, an epoch's last value counts, when
the next epoch or the run's end arrives. A value that is not finite meets no bound. It resolves when the same
expectation is met later. Bounds in percent for a metric whose unit is declared as fraction are converted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import ACCURACIES, LOSSES
from trackside_service.domain.numbers import to_wire
from trackside_service.domain.runs import Expectation
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import Place, epoch_of, is_summary, place_from, place_of, position, wire
from trackside_service.rules.units import declared_unit, show, unit_after

CODE = "EXP001"


@dataclass(frozen=True, slots=True)
class Parameters:
    """Nothing to set: the expectations themselves say all."""


@dataclass(frozen=True, slots=True)
class Value:
    """The latest value of a metric in an epoch, and where."""

    value: float
    at: Place
    epoch: int | None
    summary: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """One expectation: the latest value of its metric and of the other that it names; the best before this epoch;
    since when it is broken.

    `judged`: the latest value has been judged already.
    """

    latest: Value | None = None
    other: Value | None = None
    judged: bool = True
    best: float | None = None
    best_at: Place | None = None
    since: Place | None = None


State = tuple[Watch, ...]


def subject_of(expectation: Expectation) -> str:
    """Return the expectation in short, as the subject of its alert: "train_acc at epoch 1 >= 5".

    Different expectations never read alike: their alerts would be one.
    """
    when = ""
    if expectation.epoch is not None:
        when = f" at epoch {_exactly(expectation.epoch)}"
    elif expectation.from_epoch is not None or expectation.until_epoch is not None:
        when = "" if expectation.from_epoch is None else f" from epoch {_exactly(expectation.from_epoch)}"
        when += "" if expectation.until_epoch is None else f" until epoch {_exactly(expectation.until_epoch)}"
    bounds = []
    if expectation.min is not None:
        bounds.append(f">= {_exactly(expectation.min)}")
    if expectation.max is not None:
        bounds.append(f"<= {_exactly(expectation.max)}")
    if expectation.max_drop is not None:
        bounds.append(f"at most {_exactly(expectation.max_drop)} below its best")
    if expectation.max_above is not None:
        bounds.append(f"at most {_exactly(expectation.max_above.by)} above {_word(expectation.max_above.metric)}")
    return f"{_word(expectation.metric)}{when} {' and '.join(bounds)}"


def _exactly(number: float) -> str:
    """Return the shortest digits that no other number has."""
    return repr(float(number)).removesuffix(".0")


def _word(metric: str) -> str:
    """Return the name, quoted where its own words could be taken for the expectation's."""
    return metric if metric.split() == [metric] else repr(metric)


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return tuple(Watch() for _ in context.spec.expectations)


def check(
    context: RunContext, _parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Judge every expectation that this record completes."""
    outcomes: list[Outcome] = []
    watches: list[Watch] = []
    for expectation, watch in zip(context.spec.expectations, state, strict=True):
        following, outcome = _follow(context, expectation, watch, reading)
        watches.append(following)
        outcomes += outcome
    return tuple(watches), outcomes


def conclude(context: RunContext, _parameters: Parameters, state: State) -> tuple[State, Sequence[Outcome]]:
    """Judge the last epoch, for which no next one came."""
    judged = [
        _judge(context, expectation, watch, None)
        for expectation, watch in zip(context.spec.expectations, state, strict=True)
    ]
    return tuple(watch for watch, _ in judged), [outcome for _, outcomes in judged for outcome in outcomes]


def _follow(
    context: RunContext, expectation: Expectation, watch: Watch, reading: Reading
) -> tuple[Watch, Sequence[Outcome]]:
    here, metrics = place_of(reading.record), reading.record.metrics
    epoch = epoch_of(here, context.spec.steps_per_epoch)
    outcomes: Sequence[Outcome] = ()
    if watch.latest is not None and not watch.judged and epoch is not None and epoch != watch.latest.epoch:
        # The next epoch has begun, whatever this record carries: the last one stands.
        watch, outcomes = _judge(context, expectation, watch, reading)
    other = expectation.max_above.metric if expectation.max_above is not None else None
    changed = False
    if other is not None and other in metrics:
        watch = replace(watch, other=Value(metrics[other], here, epoch, is_summary(here)))
        changed = True
    if expectation.metric in metrics:
        watch = replace(watch, latest=Value(metrics[expectation.metric], here, epoch, is_summary(here)))
        changed = True
    if not changed or watch.latest is None:
        return watch, outcomes
    watch = replace(watch, judged=False)
    if is_summary(here) or epoch is None:
        watch, more = _judge(context, expectation, watch, reading)
        outcomes = [*outcomes, *more]
    return watch, outcomes


def _judge(
    context: RunContext, expectation: Expectation, watch: Watch, reading: Reading | None
) -> tuple[Watch, Sequence[Outcome]]:
    """Judge the latest value, as its epoch's."""
    latest = watch.latest
    if latest is None or watch.judged:
        return watch, ()
    watch = replace(watch, judged=True)
    if not _applies(expectation, latest):
        return _with_best(watch, latest), ()
    broken = _broken(context, expectation, watch, latest)
    if broken is None:
        return watch, ()  # the other metric's value of this epoch is not there yet
    subject = subject_of(expectation)
    detected = reading.record.position if reading is not None else position(latest.at)
    if not broken:
        cleared = [Cleared(CODE, subject, position(latest.at))] if watch.since is not None else []
        return replace(_with_best(watch, latest), since=None), cleared
    if watch.since is not None:
        return _with_best(watch, latest), ()
    watch = replace(watch, since=latest.at)
    finding = Finding(
        code=CODE,
        subject=subject,
        severity="warning",
        title=f"Not as expected: {subject}",
        detail=f"{', and '.join(broken)}, at {position(latest.at)}.",
        advice=_advice(context, expectation, latest),
        opened=position(latest.at),
        detected=detected,
        evidence=_evidence(expectation, watch, latest),
    )
    return _with_best(watch, latest), [finding]


def _applies(expectation: Expectation, latest: Value) -> bool:
    if expectation.epoch is None and expectation.from_epoch is None and expectation.until_epoch is None:
        return True
    exact = latest.at[1] if latest.summary else latest.epoch
    if exact is None:
        return False
    if expectation.epoch is not None:
        return exact == expectation.epoch
    return (expectation.from_epoch is None or exact >= expectation.from_epoch) and (
        expectation.until_epoch is None or exact <= expectation.until_epoch
    )


def _with_best(watch: Watch, latest: Value) -> Watch:
    if math.isfinite(latest.value) and (watch.best is None or latest.value > watch.best):
        return replace(watch, best=latest.value, best_at=latest.at)
    return watch


def _broken(context: RunContext, expectation: Expectation, watch: Watch, latest: Value) -> list[str] | None:
    """Return what is broken, in words: empty if all is met; None if what is needed to judge is not there."""
    unit = unit_after(declared_unit(context.spec, expectation.metric), latest.value)
    value, factor, name = latest.value, _factor(context, expectation), expectation.metric
    shown = show(value, unit)
    words: list[str] = []
    # Written so that a value that is not a number meets no bound.
    if expectation.min is not None and not value >= expectation.min * factor:
        words.append(f"{name} is {shown}, below the {show(expectation.min * factor, unit)} expected")
    if expectation.max is not None and not value <= expectation.max * factor:
        words.append(f"{name} is {shown}, above the {show(expectation.max * factor, unit)} expected")
    if expectation.max_drop is not None and watch.best is not None:
        allowed = expectation.max_drop * factor
        if not watch.best - value <= allowed * (1 + 1e-9):
            words.append(
                f"{name} is {shown}, {watch.best - value:.4g} below its best {show(watch.best, unit)} ({allowed:g} "
                f"allowed)"
            )
    if expectation.max_above is not None:
        other, allowed = watch.other, expectation.max_above.by * factor
        same = other is not None and other.epoch == latest.epoch and (other.epoch is not None or other.at == latest.at)
        if other is None or not same:
            return words or None
        if not value - other.value <= allowed * (1 + 1e-9):
            words.append(
                f"{name} is {shown}, {value - other.value:.4g} above {expectation.max_above.metric} "
                f"{show(other.value, unit)} ({allowed:g} allowed)"
            )
    return words


def _factor(context: RunContext, expectation: Expectation) -> float:
    """Return 1/100 where the metric is declared to be a fraction and the bounds can only be meant in percent."""
    if expectation.metric not in ACCURACIES or context.spec.metric_units.get(expectation.metric) != "fraction":
        return 1.0
    bounds = [expectation.min, expectation.max, expectation.max_drop]
    bounds.append(None if expectation.max_above is None else expectation.max_above.by)
    return 0.01 if any(bound is not None and bound > 1 for bound in bounds) else 1.0


def _evidence(expectation: Expectation, watch: Watch, latest: Value) -> dict[str, Any]:
    evidence: dict[str, Any] = {"metric": expectation.metric, "value": to_wire(latest.value)}
    for name in ("epoch", "from_epoch", "until_epoch", "min", "max", "max_drop"):
        if getattr(expectation, name) is not None:
            evidence[name] = getattr(expectation, name)
    if expectation.max_drop is not None:
        evidence |= {"best": watch.best, "best_at": wire(watch.best_at)}
    if expectation.max_above is not None and watch.other is not None:
        evidence |= {
            "above": expectation.max_above.metric,
            "other": to_wire(watch.other.value),
            "by": expectation.max_above.by,
        }
    return evidence


def _advice(context: RunContext, expectation: Expectation, latest: Value) -> str:
    accuracy = expectation.metric in ACCURACIES
    if not math.isfinite(latest.value):
        return f"A value that is not finite meets no expectation; {advice.lower_peak(context)}, and look at the loss."
    if expectation.max_above is not None:
        return (
            "The gap says over-fitting: more regularisation (weight decay, dropout), augmentation or data, or fewer "
            "epochs. Look first whether both are "
            "measured alike (the same mode, the same classes)."
        )
    if expectation.max_drop is not None:
        return (
            "It has been better: keep the checkpoint of its best, and see what changed since then. A fall while the "
            "training metric still improves is "
            "over-fitting (stop earlier, regularise more); one together with it is an LR that is too high for this "
            "phase."
        )
    if accuracy and expectation.min is not None and latest.value < expectation.min:
        words = []
        if latest.value <= 1 < expectation.min:
            words.append("If the metric is logged as a fraction, say so in metric_units.")
        rise = advice.higher_start(context)
        if latest.epoch is not None and latest.epoch <= 1 and rise is not None:
            words.append(f"The first epochs learn too little: raise the initial LR ({rise}).")
        else:
            words.append(
                "Less is learned than planned: look whether the LR is as high by now as it should be, and whether the "
                "peak comes too late or is too high."
            )
        words.append("Several regularisers at once under a low LR hold a model back just so: try one less.")
        return " ".join(words)
    if expectation.metric in LOSSES:
        return (
            f"The loss is higher than planned: compare data and initialisation with the run that set the "
            f"expectation; if it also swings, {advice.lower_peak(context)}."
        )
    return (
        "Compare with the run that set the expectation: its data, its learning rate at this epoch, its seed. If "
        "the bound was a guess, move it."
    )


def dump(state: State) -> list[dict[str, Any]]:
    """State as JSON values."""
    return [
        {
            "latest": _dump_value(watch.latest),
            "other": _dump_value(watch.other),
            "judged": watch.judged,
            "best": watch.best,
            "best_at": watch.best_at,
            "since": watch.since,
        }
        for watch in state
    ]


def load(data: Sequence[Mapping[str, Any]]) -> State:
    """Undo `dump`."""
    return tuple(
        Watch(
            latest=_load_value(one["latest"]),
            other=_load_value(one["other"]),
            judged=one["judged"],
            best=one["best"],
            best_at=place_from(one["best_at"]),
            since=place_from(one["since"]),
        )
        for one in data
    )


def _dump_value(value: Value | None) -> list[Any] | None:
    return None if value is None else [value.value, value.at, value.epoch, value.summary]


def _load_value(data: Sequence[Any] | None) -> Value | None:
    if data is None:
        return None
    at = place_from(data[1])
    assert at is not None
    return Value(data[0], at, data[2], data[3])


RULE = Rule(
    code=CODE,
    name="broken expectation",
    summary="A metric is not what the user expects of it.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    conclude=conclude,
    dump=dump,
    load=load,
)
