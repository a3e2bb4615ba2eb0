"""EXP001: an expectation of the user's is broken.

**What.** When a run is opened it may say what is expected of it: that a metric is at least or at most so much in an
epoch or a range of epochs, never falls further than so much below its best, or stays within so much of another
metric. This rule says which of that has not come true.

**Why it matters.** Nobody knows a training job as well as who has run it before. "Epoch 1 used to give 20 %" is worth
more than any threshold made for all. An expectation that nothing is reported for must not look as if it were met.

**Example.** `{"metric": "train_acc", "epoch": 1, "min": 5}` and epoch 1 ends at 1.58 %: a warning after one epoch
instead of a hundred.

**What to try.** The first epochs far too low: the initial learning rate is too small for the plan, or the warm-up too
long. Below the best by too much: see what changed since. Too far above another metric: over-fitting; more
regularisation, augmentation, or fewer epochs.

**Defaults.** There are none: the numbers are the user's, in the metric's own unit, and the epoch as the log prints
it. A record without `step` is its epoch's summary and judged at once; with `step`, an epoch's last value counts, when
the next epoch or the run's end arrives. A value that is not finite meets no bound. It resolves when the same
expectation is met later. Where nothing was reported that an expectation could be judged by (its metric never, under
no alias; never in its epochs; or no record tells its epoch), that is said as information: two epochs later, or at the
run's end, and not where the run did not come so far. Bounds in percent for a metric whose unit is declared as fraction
are converted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import ACCURACIES
from trackside_service.domain.numbers import to_wire
from trackside_service.domain.runs import Expectation
from trackside_service.rules import unjudged
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.expectation_words import advice_for, subject_of
from trackside_service.rules.places import Place, epoch_of, is_summary, place_from, place_of, position, wire
from trackside_service.rules.units import declared_unit, show, unit_after

CODE = "EXP001"
_NAMES = 40  # metrics that are kept to say what is reported


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

    `judged`: the latest value has been judged already; `applied`: one was, to which the expectation applies; `missing`:
    it was told that none was.
    """

    latest: Value | None = None
    other: Value | None = None
    judged: bool = True
    best: float | None = None
    best_at: Place | None = None
    since: Place | None = None
    applied: bool = False
    missing: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The expectations in their order; the highest epoch so far and where it began, and some of the metrics that are
    reported.
    """

    watches: tuple[Watch, ...] = ()
    epoch: int | None = None
    reached: Place | None = None
    names: tuple[str, ...] = ()


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State(tuple(Watch() for _ in context.spec.expectations))


def check(
    context: RunContext, _parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Judge every expectation that this record completes."""
    if not state.watches:
        return state, ()
    state, further = _reached(context, state, reading)
    outcomes: list[Outcome] = []
    watches: list[Watch] = []
    for expectation, watch in zip(context.spec.expectations, state.watches, strict=True):
        following, outcome = _follow(context, expectation, watch, reading)
        if further:
            following, more = _missed(expectation, following, state, ended=False)
            outcome = [*outcome, *more]
        watches.append(following)
        outcomes += outcome
    return replace(state, watches=tuple(watches)), outcomes


def conclude(context: RunContext, _parameters: Parameters, state: State) -> tuple[State, Sequence[Outcome]]:
    """Judge the last epoch, for which no next one came, and say which expectations could not be judged at all."""
    outcomes: list[Outcome] = []
    watches: list[Watch] = []
    for expectation, watch in zip(context.spec.expectations, state.watches, strict=True):
        judged, outcome = _judge(context, expectation, watch, None)
        judged, more = _missed(expectation, judged, state, ended=True)
        watches.append(judged)
        outcomes += [*outcome, *more]
    return replace(state, watches=tuple(watches)), outcomes


def _reached(context: RunContext, state: State, reading: Reading) -> tuple[State, bool]:
    """Return the state that knows how far the run is and what it reports, and whether another epoch has begun."""
    here, metrics = place_of(reading.record), reading.record.metrics
    if len(state.names) < _NAMES and any(name not in state.names for name in metrics):
        state = replace(state, names=tuple(dict.fromkeys((*state.names, *metrics)))[:_NAMES])
    epoch = epoch_of(here, context.spec.steps_per_epoch)
    if epoch is None or (state.epoch is not None and epoch <= state.epoch):
        return state if state.reached is not None else replace(state, reached=here), False
    return replace(state, epoch=epoch, reached=here), True


def _missed(expectation: Expectation, watch: Watch, state: State, *, ended: bool) -> tuple[Watch, Sequence[Outcome]]:
    """Say that nothing was reported to judge an expectation by, once it is time."""
    if watch.applied or watch.missing or not state.names:
        return watch, ()
    reported, other = watch.latest is not None, watch.other is not None
    missing = unjudged.why(expectation, epoch=state.epoch, ended=ended, reported=reported, other_reported=other)
    if missing is None:
        return watch, ()
    at, subject = position(state.reached), subject_of(expectation)
    return replace(watch, missing=True), [unjudged.finding(expectation, subject, missing, state.names, at)]


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
        told = watch.since is not None or watch.missing
        cleared = [Cleared(CODE, subject, position(latest.at))] if told else []
        return replace(_with_best(watch, latest), since=None, applied=True, missing=False), cleared
    if watch.since is not None:
        return _with_best(watch, latest), ()
    watch = replace(watch, since=latest.at, applied=True, missing=False)
    finding = Finding(
        code=CODE,
        subject=subject,
        severity="warning",
        title=f"Not as expected: {subject}",
        detail=f"{', and '.join(broken)}, at {position(latest.at)}.",
        advice=advice_for(context, expectation, value=latest.value, epoch=latest.epoch),
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


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    watches = [
        {
            "latest": _dump_value(watch.latest),
            "other": _dump_value(watch.other),
            "judged": watch.judged,
            "best": watch.best,
            "best_at": watch.best_at,
            "since": watch.since,
            "told": [watch.applied, watch.missing],
        }
        for watch in state.watches
    ]
    return {"watches": watches, "reached": [state.epoch, state.reached], "names": state.names}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    watches = []
    for one in data["watches"]:
        applied, missing = one["told"]
        watches.append(
            Watch(
                latest=_load_value(one["latest"]),
                other=_load_value(one["other"]),
                judged=one["judged"],
                best=one["best"],
                best_at=place_from(one["best_at"]),
                since=place_from(one["since"]),
                applied=applied,
                missing=missing,
            )
        )
    epoch, reached = data["reached"]
    return State(tuple(watches), epoch, place_from(reached), tuple(data["names"]))


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
    state_version=2,
)
