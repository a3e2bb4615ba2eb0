"""LOSS002: the training diverges.

**What.** `train_loss` is far above where it began and stays there: for four epochs (eight records and more where
several are reported an epoch) above its start by half of the improvement so far, by half of the start or the best
itself, and by eight times its noise, whichever is the most. Or it is, twice in a row, a hundred times what it began at,
however short the log. Or it climbs slowly: epoch by epoch for four epochs, while every other loss and accuracy that is
reported is worse than its best as well, and the learning rate has not risen; that is a warning only. With setbacks on
the way (of less than half of the climb) it takes eight epochs.

**Why it matters.** Overfitting makes the validation worse while the training loss falls. Where the training loss itself
climbs, the updates no longer lead downhill: the steps are too large, and nothing that comes later mends the weights.

**Example.** Training loss 1.0933, 1.1043, 1.1402, 1.1855, 1.2136 over five epochs, validation loss from 0.948 to 1.102
and both accuracies falling: the alert opens at the first epoch of the climb.

**What to try.** Lower the learning rate: halve the peak, or decay it from where the loss was best. Make its rise
slower. Clip the gradient norm. With an adaptive optimizer look at epsilon and at the second moment's decay; go on from
the checkpoint of the best epoch.

**Defaults.** A rising training loss alone would have alarmed on 17 of 185 healthy public runs; asking that all else is
worse as well left none. A rise where the learning rate begins a cycle anew is expected, so the loss is measured anew
from there; one during which the validation or an accuracy reaches a new best is none; and where rewards or adversarial
losses are reported nothing is judged, since such a loss does not tell how the run does. A rise that comes down by
itself is waited for, and measured anew once it is down by half: harder data, a new fold, another objective begin so.
Nor is a rise judged while an accuracy, a score or the validation loss beside it shows that nothing of what was learned
is lost: a score known by its name, of validation or training, whichever way it is better (for PSNR and SSIM 85 % of the
best do, since images that are made to look sharp are less alike). A learning rate that is raised a thousand times by
one factor a record is a range test: what explodes in it is no run's loss, and the training after it is measured from
its own start. Where what the loss grows with is reported (the length of a sequence, a batch's or an image's size, a
margin, a term's weight) and is higher than ever, the loss is measured anew where it rises with it by about as much (a
slow climb wherever it grows); where a stage of a curriculum begins, also where it rises by more, up to where the run
began. A loss by batches that has learned nothing yet, stands alone, and climbs smoothly, by no jump, to no more than ln
131072 may be that of a contrast with a queue of keys, which climbs so by nature (MoCo: to about 9): it is not told. A
slow climb exceeds four times the loss's jitter, and is no single step; where losses are all that is told it is a
quarter of the best, and where a penalty's weight is raised on the way (a `kl` or `beta` is reported beside a `recon` or
`nll`) it is none as long as that part is as good as it was, nor while such a weight is told and higher than it was.
After a climb that came back by itself the next has to be twice as long; where no learning rate is reported or declared,
it has to last three fifths of the run before it, up to 24 epochs: it may be the rise of a rate that cycles. It resolves
after four values in a row halfway back to the best, or once the training loss is back half of its climb.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import TRAIN_LOSS
from trackside_service.domain.numbers import to_wire
from trackside_service.rules import advice, loss_rises, objective_parts, slow_climb
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.loss_rises import divergence_limit, level_of, watch
from trackside_service.rules.places import place_of, position, say, wire
from trackside_service.rules.running import (
    NONE,
    Series,
    Streak,
    dump_series,
    dump_streak,
    extended,
    load_series,
    load_streak,
)
from trackside_service.rules.slow_climb import Climb

CODE = "LOSS002"
_TWICE: Final = 2
_TINY: Final = 1e-3  # what a loss begins at that has yet to get its size


@dataclass(frozen=True, slots=True)
class Parameters:
    """How long it takes.

    `epochs`: values in a row where one is reported an epoch, and epochs of a slow climb. `records`: values in a row
    where several are (in a log of hundreds and more one for each fifty, up to 64), after at least `least_records`. Of
    either, three are enough where the loss is ten times as far up as it has to be. `share`: what a slow climb takes
    back of the improvement so far, at least, of every metric; `losses_alone`: of its best, where nothing but losses is
    told. `beyond`: times the first two values, for two in a row, are enough at any time. `clears_after`: values in a
    row halfway back to the best after which the alert resolves.
    """

    epochs: int = 4
    records: int = 8
    least_records: int = 12
    share: float = 0.2
    losses_alone: float = 0.25
    beyond: float = 100.0
    clears_after: int = 4

    def __post_init__(self) -> None:
        if min(self.epochs, self.records, self.least_records, self.clears_after) < 1:
            raise ValueError("epochs, records, least_records and clears_after are counts of 1 or more")
        if not 0 < self.share <= 1 or self.losses_alone < 0 or self.beyond <= 1:
            raise ValueError("share lies between 0 and 1, losses_alone is 0 or more, beyond is a ratio above 1")


@dataclass(frozen=True, slots=True)
class Begun:
    """The first two values, and how many in a row up to now were far beyond them."""

    first: tuple[float, ...] = ()
    beyond: Streak = NONE


@dataclass(frozen=True, slots=True)
class State:
    """The loss as LOSS003 sees it, by epochs, and as it began, and the parts of an objective that is weighed anew."""

    fast: loss_rises.State = field(default_factory=loss_rises.State)
    climb: Climb = field(default_factory=Climb)
    begun: Begun = field(default_factory=Begun)
    parts: Mapping[str, Series] = field(default_factory=dict)


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the training loss of one record, and at what else it reports."""
    fast, event = watch(context, parameters, state.fast, reading, limit_of=divergence_limit)
    climb = state.climb
    if fast.meaningless:
        return State(fast, climb), ()
    parts = {} if reading.starts_life else state.parts
    begun = _begun(parameters, state.begun, reading)
    # A size that goes on growing lifts the loss as slowly as it grows.
    has_grown = fast.demand.highest is not state.fast.demand.highest
    if reading.starts_life or fast.begun != state.fast.begun or has_grown:
        climb = Climb(limit=climb.limit, back=0 if reading.starts_life else climb.back)
    climb = slow_climb.advance(context, parameters, climb, fast, reading)
    state = State(fast, climb, begun, objective_parts.follow(parts, reading))
    over = climb.limit is not None and climb.epochs.last is not None and climb.epochs.last < climb.limit
    if over:
        state = replace(state, climb=replace(climb, limit=None))
    if event == "rises":
        limit = divergence_limit(fast.calm)
        return replace(state, fast=loss_rises.opened(fast, limit)), [_fast(context, fast, limit, reading)]
    if begun.beyond.count == _TWICE and not fast.open and not fast.course.sweep.is_test:
        limit = parameters.beyond * max(begun.first)
        return replace(state, fast=loss_rises.opened(fast, limit)), [_away(context, state, limit, reading)]
    if (event == "ends" and state.climb.limit is None) or (over and not fast.open):
        return state, [Cleared(CODE, TRAIN_LOSS, reading.record.position)]
    if fast.open or state.climb.limit is not None or not slow_climb.lasts(context, parameters, climb, fast):
        return state, ()
    if objective_parts.fits_still(state.parts):
        return state, ()
    assert climb.epochs.last is not None
    halfway = (climb.base + climb.epochs.last) / 2
    return replace(state, climb=replace(climb, limit=halfway)), [_slow(context, fast, climb, reading)]


def _begun(parameters: Parameters, begun: Begun, reading: Reading) -> Begun:
    value = reading.record.metrics.get(TRAIN_LOSS)
    if reading.starts_life:
        begun = Begun()
    if value is None or not math.isfinite(value):
        return begun
    if len(begun.first) < _TWICE:
        return Begun((*begun.first, value))
    if begun.beyond.count == 0 and value < parameters.beyond * max(begun.first):
        return begun
    far = value >= parameters.beyond * max(begun.first) and max(begun.first) >= _TINY
    return Begun(begun.first, extended(begun.beyond, far, place_of(reading.record)))


def _fast(context: RunContext, fast: loss_rises.State, limit: float, reading: Reading) -> Finding:
    began, now = fast.calm.start, level_of(fast)
    lr = fast.course.last
    rate = "" if lr is None else f" The learning rate is {lr:.6g}."
    return Finding(
        code=CODE,
        subject=TRAIN_LOSS,
        severity="critical",
        title=f"{TRAIN_LOSS} diverges: {now:.4g}, where it began at {began:.4g}",
        detail=f"{TRAIN_LOSS} has been above {limit:.4g} for {fast.rise.count} values in a row, since "
        f"{say(fast.rise.since)}; it began at {began:.4g}, and its best was {fast.calm.best:.4g} at "
        f"{say(fast.calm.best_at)}.{rate}",
        advice=_advice(context),
        opened=position(fast.rise.since),
        detected=reading.record.position,
        evidence={
            "metric": TRAIN_LOSS,
            "value": now,
            "limit": limit,
            "start": began,
            "best": fast.calm.best,
            "best_at": wire(fast.calm.best_at),
            "in_a_row": fast.rise.count,
            "lr": None if lr is None else to_wire(lr),
        },
    )


def _away(context: RunContext, state: State, limit: float, reading: Reading) -> Finding:
    first, now = max(state.begun.first), reading.record.metrics[TRAIN_LOSS]
    lr = state.fast.course.last
    rate = "" if lr is None else f" The learning rate is {lr:.6g}."
    return Finding(
        code=CODE,
        subject=TRAIN_LOSS,
        severity="critical",
        title=f"{TRAIN_LOSS} diverges: {now:.4g}, where it began at {first:.4g}",
        detail=f"{TRAIN_LOSS} began at {first:.4g}, has been more than a hundred times that since "
        f"{say(state.begun.beyond.since)}, and is {now:.4g} now.{rate}",
        advice=_advice(context),
        opened=position(state.begun.beyond.since),
        detected=reading.record.position,
        evidence={
            "metric": TRAIN_LOSS,
            "value": now,
            "limit": limit,
            "start": first,
            "in_a_row": state.begun.beyond.count,
            "lr": None if lr is None else to_wire(lr),
        },
    )


def _slow(context: RunContext, fast: loss_rises.State, climb: Climb, reading: Reading) -> Finding:
    now = climb.epochs.last
    others = {
        name: {"now": series.last, "best": series.best, "best_at": wire(series.best_at)}
        for name, series in fast.others.items()
    }
    words = ", ".join(f"{name} is {one['now']:.4g} (best {one['best']:.4g})" for name, one in others.items())
    return Finding(
        code=CODE,
        subject=TRAIN_LOSS,
        severity="warning",
        title=f"{TRAIN_LOSS} climbs epoch by epoch: {climb.base:.4g} to {now:.4g}",
        detail=f"{TRAIN_LOSS} has risen over {climb.rises} epochs, since {say(climb.since)}, from {climb.base:.4g} "
        f"to {now:.4g}, and all else is worse as well: {words}.",
        advice=_advice(context),
        opened=position(climb.since),
        detected=reading.record.position,
        evidence={
            "metric": TRAIN_LOSS,
            "value": now,
            "from": climb.base,
            "epochs": climb.rises,
            "others": others,
            "lr": None if fast.course.last is None else to_wire(fast.course.last),
        },
    )


def _advice(context: RunContext) -> str:
    warmup = advice.longer_warmup(context)
    slower = "" if warmup is None else f", and let the LR rise more slowly ({warmup})"
    return (
        f"The steps are too large for where the weights are: {advice.lower_peak(context)}{slower}. Clip the gradient "
        "norm. Go on from the checkpoint of the best epoch, since later weights are worse. If the learning rate is "
        "small already, look at what changed where the rise began: the data, a resume, layers unfrozen."
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {
        "fast": loss_rises.dump(state.fast),
        "begun": [state.begun.first, dump_streak(state.begun.beyond)],
        **slow_climb.dump(state.climb),
        "parts": {name: dump_series(series) for name, series in state.parts.items()},
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    first, beyond = data["begun"]
    parts = {name: load_series(series) for name, series in data["parts"].items()}
    begun = Begun(tuple(first), load_streak(beyond))
    return State(loss_rises.load(data["fast"]), slow_climb.load(data), begun, parts)


RULE = Rule(
    code=CODE,
    name="diverging loss",
    summary="The training loss is far above where it began, or climbs epoch by epoch while all else is worse too.",
    severity="critical",
    state_version=6,
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
