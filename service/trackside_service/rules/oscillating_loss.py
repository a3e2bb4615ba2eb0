"""LOSS004: the loss oscillates at the peak of the learning rate.

**What.** Over eight epochs at half of the peak learning rate or more the training loss goes up and down from epoch to
epoch, turning at least five times, by a large part of its level and of where it began, and reaches no new best; nor
does the validation.

**Why it matters.** The steps jump across the valley that they should descend into. What the peak is for, large steps
that make progress, does not happen; the epochs at the peak are lost, and the descent from it starts from a bad place.

**Example.** Epochs 30 to 37, at the peak of 0.01: 1.2, 1.9, 1.1, 2.0, 1.3, 1.8, 1.2, 1.9, where epoch 24 had reached
1.15. The alert opens at epoch 30.

**What to try.** A longer warm-up and a lower peak: pct_start 0.3 to 0.4 and max_lr 0.01 to 0.007. A larger batch or
clipped gradients calm the steps as well. If it oscillates far below the peak too, look at the order of the data: epochs
that are not shuffled alike swing by themselves.

**Defaults.** Epochs' values are compared (of a log by batch, their means), since batches swing by nature. A swing
counts from 20 % of the level (of the improvement so far, where that is more: a loss may pass through zero) and 10 % of
the start on, so that a loss near zero may tremble. The learning rate has to be reported or declared; one that still
rises is at no peak yet. It raised nothing on 185 healthy public runs. It resolves when the loss reaches a new best, or
after four epochs below half of the peak or without such swings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Any, Final

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import TRAIN_LOSS, VAL_ACC, VAL_LOSS
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.epoch_values import EMPTY, Filling, dump_filling, gather, load_filling
from trackside_service.rules.loss_meaning import moves_its_own_goal
from trackside_service.rules.lr_course import Course, advance, dump_course, load_course, share_of_peak
from trackside_service.rules.places import Place, place_from, place_of, position, say
from trackside_service.rules.running import WINDOW, Series, dump_series, follow, improvement, load_series

CODE = "LOSS004"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts as an oscillation.

    `epochs`: how many are looked at; `turns`: changes of direction in them. `swing`, `start_swing`: the median change
    from epoch to epoch, as a share of the level and of the start. `lr_share`: the share of the peak LR. `clears_after`:
    calm epochs after which the alert resolves.
    """

    epochs: int = 8
    turns: int = 5
    swing: float = 0.2
    start_swing: float = 0.1
    lr_share: float = 0.5
    clears_after: int = 4

    def __post_init__(self) -> None:
        if not 4 <= self.epochs <= WINDOW or not 1 <= self.turns <= self.epochs - 2 or self.clears_after < 1:
            raise ValueError(f"epochs is 4 to {WINDOW}, turns at most two less, clears_after 1 or more")
        if not (self.swing > 0 and self.start_swing > 0 and 0 < self.lr_share <= 1):
            raise ValueError("swing and start_swing are above 0, lr_share lies between 0 and 1")


@dataclass(frozen=True, slots=True)
class State:
    """The training loss by epochs and where they lie, how many in a row at the peak LR, the validation beside it; the
    declared peak, the highest LR at the epoch before; calm epochs while an alert is open.
    """

    filling: Filling = EMPTY
    epochs: Series = field(default_factory=Series)
    places: tuple[Place, ...] = ()
    at_peak: int = 0
    others: Mapping[str, Series] = field(default_factory=dict)
    course: Course = field(default_factory=Course)
    peak: float = 0.0
    highest: float = 0.0
    meaningless: bool = False
    open: bool = False
    calm: int = 0


_UNSEEN: Final = Series()
_RISES: Final = 1.02


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return _begun(context)


def _begun(context: RunContext) -> State:
    schedule = context.schedule
    peak = schedule.peak() if schedule is not None and not schedule.metric_driven else 0.0
    return State(peak=peak if math.isfinite(peak) else 0.0)


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the training loss of one record."""
    values, here = reading.record.metrics, place_of(reading.record)
    if state.meaningless or moves_its_own_goal(tuple(values)):
        return (state if state.meaningless else replace(state, meaningless=True)), ()
    if reading.starts_life:
        state = replace(_begun(context), open=state.open, calm=state.calm)
    course, _ = advance(context, state.course, reading)
    others = state.others
    for name in (VAL_LOSS, VAL_ACC):
        other = values.get(name)
        if other is not None and math.isfinite(other):
            better = follow(others.get(name, _UNSEEN), other, here, "lower" if name == VAL_LOSS else "higher")
            others = {**others, name: better}
    value = values.get(TRAIN_LOSS)
    filling, done = state.filling, None
    if value is not None and math.isfinite(value):
        filling, done = gather(filling, value, here, context.spec.steps_per_epoch)
    if done is None:
        rest = (state.peak, state.highest, False, state.open, state.calm)
        return State(filling, state.epochs, state.places, state.at_peak, others, course, *rest), ()
    share = share_of_peak(context, course, done[1], state.peak)
    # Undeclared, the highest rate so far is no peak while it still rises.
    rises = state.peak == 0 and course.highest > _RISES * state.highest
    state = State(
        filling=filling,
        epochs=follow(state.epochs, *done),
        places=(*state.places[-(WINDOW - 1) :], done[1]),
        at_peak=state.at_peak + 1 if share is not None and share >= parameters.lr_share and not rises else 0,
        others=others,
        course=course,
        peak=state.peak,
        highest=course.highest,
        open=state.open,
        calm=state.calm,
    )
    swings = _swings(parameters, state)
    if not state.open:
        if not swings:
            return state, ()
        return replace(state, open=True, calm=0), [_finding(context, parameters, state, reading)]
    state = replace(state, calm=0 if swings else state.calm + 1)
    if state.calm < parameters.clears_after and state.epochs.since_best > 0:
        return state, ()
    return replace(state, open=False), [Cleared(CODE, TRAIN_LOSS, reading.record.position)]


def _swings(parameters: Parameters, state: State) -> bool:
    series = state.epochs
    if state.at_peak < parameters.epochs or series.since_best < parameters.epochs - 2 or series.start is None:
        return False
    if any(one.points >= 3 and one.since_best < 3 for one in state.others.values()):
        return False
    window = series.recent[-parameters.epochs :]
    changes = [after - before for before, after in pairwise(window)]
    turns = sum(one * other < 0 for one, other in pairwise(changes))
    swing = median(abs(change) for change in changes)
    return (
        turns >= parameters.turns
        and swing >= parameters.swing * max(abs(median(window)), improvement(series))
        and swing >= parameters.start_swing * abs(series.start)
    )


def _finding(context: RunContext, parameters: Parameters, state: State, reading: Reading) -> Finding:
    window = state.epochs.recent[-parameters.epochs :]
    since = state.places[-parameters.epochs :][0]
    lr = state.course.last
    rate = "" if lr is None else f" The learning rate is {lr:.6g}, at its peak."
    warmup = advice.longer_warmup(context)
    slower = "a longer warm-up" if warmup is None else f"a longer warm-up ({warmup})"
    return Finding(
        code=CODE,
        subject=TRAIN_LOSS,
        severity="warning",
        title=f"{TRAIN_LOSS} oscillates between {min(window):.4g} and {max(window):.4g}",
        detail=f"Since {say(since)} {TRAIN_LOSS} goes up and down from epoch to epoch, between {min(window):.4g} and "
        f"{max(window):.4g}; its best was {state.epochs.best:.4g} at {say(state.epochs.best_at)}.{rate}",
        advice=f"The steps are too large at the peak: {slower}, and {advice.gentler_peak(context)}. A larger batch or "
        "clipped gradients calm them too. If it swings at lower rates as well, look at how the epochs are shuffled.",
        opened=position(since),
        detected=reading.record.position,
        evidence={
            "metric": TRAIN_LOSS,
            "values": list(window),
            "best": state.epochs.best,
            "lr": lr,
        },
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {
        "filling": dump_filling(state.filling),
        "epochs": dump_series(state.epochs),
        "places": state.places,
        "others": {name: dump_series(one) for name, one in state.others.items()},
        "course": dump_course(state.course),
        "rest": [state.at_peak, state.peak, state.highest, state.meaningless, state.open, state.calm],
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    at_peak, peak, highest, meaningless, opened, calm = data["rest"]
    return State(
        filling=load_filling(data["filling"]),
        epochs=load_series(data["epochs"]),
        places=tuple(place for each in data["places"] if (place := place_from(each)) is not None),
        at_peak=at_peak,
        others={name: load_series(one) for name, one in data["others"].items()},
        course=load_course(data["course"]),
        peak=peak,
        highest=highest,
        meaningless=meaningless,
        open=opened,
        calm=calm,
    )


RULE = Rule(
    code=CODE,
    name="oscillating loss",
    summary="The training loss swings from epoch to epoch at the peak of the learning rate and gets nowhere.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    state_version=2,
    dump=dump,
    load=load,
)
