"""LOSS007: the loss is stuck at what guessing gives.

**What.** `train_loss` or `val_loss` stays at ln k, the cross-entropy of guessing among k classes, late enough for
a model to have learned: while the accuracy stays near 1/k; or, where no accuracy is reported, pinned to it within
three parts in ten thousand, or hovering about it with the noise of batches, without having come down to it.

**Why it matters.** The model answers every input alike. No further epoch helps, since such a state has next to no
gradient; what holds it there is in the initialisation, the labels, the learning rate or the inputs.

**Example.** Iteration 78000 of a run on 1000 classes: loss 6.9063, 6.9073, 6.9073 (ln 1000 is 6.9078) and accuracy
0.001. The alert opens at the first of them.

**What to try.** Train on one batch alone: the loss has to go to 0, and if it does not, look at the labels (shuffled,
all alike, counted from 1), at the inputs (scale, all zero), at the initialisation of the last layers and at what is
frozen. If it does, the learning rate is too low to leave the plateau, or was so high that it killed the units: look at
the gradient norm, try a third of the rate and three times as much, with a warm-up.

**Defaults.** Late is the third epoch or the 5,000th step. k is `num_classes`, or else a usual number of classes: every
one up to 20, beyond that those of well-known data sets and vocabularies, since every loss is near the logarithm of some
number. A loss without an accuracy is not judged while the learning rate still rises to its peak: in a warm-up it may
well lie there. For few classes six evaluations in a row stay above 0.99 ln k with an accuracy of at most half of 1/k
(and ten points) above 1/k, both without a trend, or four of either loss within three in a thousand; for 50 and more,
three are within three in a thousand of ln k with an accuracy of at most twice 1/k. While the training learns (its loss
down by a tenth, or its accuracy three times 1/k), a validation loss has to stay for three times as long: averaged
weights lag behind. A loss that is on its way down through ln k is not pinned to it. Where
batches tremble, by up to one part in a hundred, the mean of 24 values is within one in a thousand of ln k, for a
declared k, or 1000 classes and more; a vocabulary is left within some hundred updates, so that late is the 1,000th
step there (the 2,000th where no learning rate is reported). It raised nothing on 185 healthy public runs. It
resolves after three losses that have left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Final

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import LOSSES, LR, TRAIN_ACC, TRAIN_LOSS, VAL_ACC, VAL_LOSS
from trackside_service.domain.numbers import to_wire
from trackside_service.rules import advice, guessing
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.chance import accuracy_at, loss_at
from trackside_service.rules.guessing import ABOVE, Metric, Stuck
from trackside_service.rules.lr_course import tick_of
from trackside_service.rules.places import Place, by_batch, epoch_of, place_from, place_of, position, say
from trackside_service.rules.running import WINDOW, dump_series, follow, load_series
from trackside_service.rules.units import declared_unit, scale, show, unit_after

CODE = "LOSS007"
_LEFT: Final = 0.03
_IDLE_LR: Final = 1e-3
_RISES: Final = 1e-6
_SOON: Final = (0.2, 0.4)  # of `step`: late enough for a vocabulary, where the learning rate is told and where not


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts as stuck.

    `epoch`, `step`: from the one or the other on it is late enough. `points`: evaluations in a row; `tight_points`: the
    same where those of training and validation are all within `many_within`; `many_points`: the
    same where there are 50 classes or more and validation accuracy agrees. `within`, `many_within`: relative distances
    from ln k, for few classes and for many. `pin`: the relative spread that is enough where no accuracy is reported;
    `hover`: the distance of the mean of 24 values from ln k, where k is known or a vocabulary's.
    `clears_after`: values in a row away from ln k after which the alert resolves.
    """

    epoch: int = 3
    step: int = 5000
    points: int = 6
    tight_points: int = 4
    many_points: int = 3
    within: float = 0.01
    many_within: float = 3e-3
    pin: float = 3e-4
    hover: float = 1e-3
    clears_after: int = 3

    def __post_init__(self) -> None:
        if min(self.epoch, self.step) < 0 or min(self.points, self.tight_points, self.many_points) < 2:
            raise ValueError("epoch and step are 0 or more, points, tight_points and many_points 2 or more")
        if max(self.points, self.tight_points, self.many_points) > WINDOW or self.clears_after < 1:
            raise ValueError(f"points, tight_points and many_points are at most {WINDOW}, clears_after is 1 or more")
        distances = (self.within, self.many_within, self.pin, self.hover)
        if not 0 < min(distances) <= max(distances) < 0.1:
            raise ValueError("within, many_within, pin and hover lie between 0 and 0.1")


@dataclass(frozen=True, slots=True)
class State:
    """Losses and accuracies by name, the latest LR and the highest; the loss that the alert is about (None: none is
    open), its k, and values of it in a row since that have left.
    """

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    lr: float | None = None
    highest_lr: float = 0.0
    open: str | None = None
    classes: int = 0
    left: int = 0


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the losses and accuracies of one record."""
    values = reading.record.metrics
    if reading.starts_life:
        state = State(open=state.open, classes=state.classes, left=state.left)
    here = place_of(reading.record)
    lr, highest = values.get(LR), state.highest_lr
    if lr is None or not math.isfinite(lr):
        lr = state.lr
    else:
        highest = max(highest, lr)
    metrics = dict[str, Metric]()
    for name in (*LOSSES, TRAIN_ACC, VAL_ACC):
        value = values.get(name)
        if value is not None and math.isfinite(value):
            metrics[name] = _next(context, state.metrics.get(name), name, value, here, highest=highest)
    state = State({**state.metrics, **metrics}, lr, highest, state.open, state.classes, state.left)
    if not metrics:
        return state, ()
    if state.open in metrics:
        return _closing(parameters, state, reading)
    late = _late(context, parameters, here)
    if state.open is not None or _idle(state) or not (late or _is_soon(parameters, state, here)):
        return state, ()
    for name in LOSSES:
        stuck = guessing.find(context, parameters, state.metrics, name) if name in state.metrics else None
        if stuck is not None and name == VAL_LOSS and guessing.trains(parameters, state.metrics, stuck):
            continue
        if stuck is not None and not late and (stuck.accuracy is not None or stuck.points < WINDOW):
            continue
        if stuck is not None and (stuck.accuracy is not None or not _warms_up(context, state, name, stuck.points)):
            finding = _finding(context, state, name, stuck, reading)
            return replace(state, open=name, classes=stuck.classes, left=0), [finding]
    return state, ()


def _next(context: RunContext, one: Metric | None, name: str, value: float, here: Place, *, highest: float) -> Metric:
    if one is None:
        one = Metric(unit=declared_unit(context.spec, name))
    last_at = one.places[-1] if one.places else None
    batched = one.batched or (name in (TRAIN_LOSS, TRAIN_ACC) and by_batch(last_at, here, context.spec.steps_per_epoch))
    series = follow(one.series, value, here)
    if name in LOSSES:
        settled = 0 if highest > one.peak * (1 + _RISES) else one.settled + 1
        return Metric(series, (*one.places[-(WINDOW - 1) :], here), None, batched, highest, settled)
    return Metric(series, (here,), unit_after(one.unit, value), batched)


def _closing(parameters: Parameters, state: State, reading: Reading) -> tuple[State, Sequence[Outcome]]:
    name = state.open
    assert name is not None
    last = state.metrics[name].series.last
    chance = loss_at(state.classes)
    away = last is not None and not (1 - _LEFT) * chance <= last <= (ABOVE + _LEFT) * chance
    state = replace(state, left=state.left + 1 if away else 0)
    if state.left < parameters.clears_after:
        return state, ()
    return replace(state, open=None), [Cleared(CODE, name, reading.record.position)]


def _late(context: RunContext, parameters: Parameters, here: Place) -> bool:
    epoch = epoch_of(here, context.spec.steps_per_epoch)
    return (epoch is not None and epoch >= parameters.epoch) or (here[0] is not None and here[0] >= parameters.step)


def _is_soon(parameters: Parameters, state: State, here: Place) -> bool:
    """Whether it is late enough for a vocabulary's loss without an accuracy: it is left within some hundred updates."""
    if here[0] is None or VAL_ACC in state.metrics or TRAIN_ACC in state.metrics:
        return False
    share = _SOON[state.lr is None]
    return here[0] >= share * parameters.step


def _idle(state: State) -> bool:
    return state.lr is not None and state.lr <= _IDLE_LR * state.highest_lr


def _warms_up(context: RunContext, state: State, name: str, points: int) -> bool:
    """Whether the LR rose to where it had not been over the last values of a loss; by the schedule, whether it rose."""
    one = state.metrics[name]
    if state.lr is not None:
        return one.settled < points - 1
    schedule = context.schedule
    if schedule is None or schedule.metric_driven:
        return False
    first, last = tick_of(context, one.places[-points:][0]), tick_of(context, one.places[-1])
    if first is None or last is None:
        return False
    return float(schedule.lrs(last)) > float(schedule.lrs(first)) * (1 + _RISES)


def _finding(context: RunContext, state: State, name: str, stuck: Stuck, reading: Reading) -> Finding:
    one = state.metrics[name]
    chance, window = loss_at(stuck.classes), one.series.recent[-stuck.points :]
    level, since = median(window), one.places[-stuck.points :][0]
    agrees, seen = "", None
    if stuck.accuracy is not None:
        other = state.metrics[stuck.accuracy]
        seen = median(other.series.recent[-stuck.points :])
        expected = accuracy_at(stuck.classes) * scale(other.unit)
        agrees = (
            f" {stuck.accuracy} is {show(seen, other.unit)}, where guessing gives about {show(expected, other.unit)}."
        )
    return Finding(
        code=CODE,
        subject=name,
        severity="warning",
        title=f"{name} is stuck at chance: ln {stuck.classes}",
        detail=f"{name} has been about {level:.5g} over {stuck.points} values in a row, since {say(since)}: guessing "
        f"among {stuck.classes} classes gives {chance:.5g}.{agrees}",
        advice=_advice(context),
        opened=position(since),
        detected=reading.record.position,
        evidence={
            "metric": name,
            "value": level,
            "chance": chance,
            "classes": stuck.classes,
            "points": stuck.points,
            "accuracy": seen,
            "lr": None if state.lr is None else to_wire(state.lr),
        },
    )


def _advice(context: RunContext) -> str:
    rate = "Then look at the learning rate: too low to leave the plateau, or so high at first that it killed the units"
    higher = advice.higher_start(context)
    if higher is not None:
        rate += f" (for a higher start, {higher}; for a lower peak, {advice.lower_peak(context).partition(': ')[2]})"
    return (
        "Train on one batch alone: the loss has to go to 0. If it does not, look at the labels (shuffled, all alike, "
        "counted from 1), the scale of the inputs, the initialisation of the last layers, and at what is frozen. "
        f"{rate}; the gradient norm tells which."
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    metrics = {
        name: [dump_series(one.series), one.places, one.unit, one.batched, one.peak, one.settled]
        for name, one in state.metrics.items()
    }
    return {"metrics": metrics, "rest": [state.lr, state.highest_lr, state.open, state.classes, state.left]}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    metrics = {}
    for name, (series, places, *rest) in data["metrics"].items():
        kept = tuple(place for each in places if (place := place_from(each)) is not None)
        metrics[name] = Metric(load_series(series), kept, *rest)
    return State(metrics, *data["rest"])


RULE = Rule(
    code=CODE,
    name="loss stuck at chance",
    summary="The loss stays at ln k, which guessing among k classes gives, and the accuracy agrees.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
    state_version=2,
)
