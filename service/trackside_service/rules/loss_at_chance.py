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
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.chance import accuracy_at, classes_of, loss_at
from trackside_service.rules.lr_course import tick_of
from trackside_service.rules.places import Place, by_batch, epoch_of, place_from, place_of, position, say
from trackside_service.rules.running import WINDOW, Series, dump_series, follow, improvement, jitter, level, load_series
from trackside_service.rules.units import declared_unit, scale, show, unit_after

CODE = "LOSS007"
_MANY: Final = 50
_ABOVE: Final = 1.08
_FLAT: Final = 0.015
_LEFT: Final = 0.03
_IDLE_LR: Final = 1e-3
_RISES: Final = 1e-6
_DRIFTS: Final = 3  # times the pin: what a loss that is pinned has come down by over the whole window
_TRAINS: Final = 0.1  # of its start: what a training loss has come down by in a run that learns
_KNOWS: Final = 3  # times 1/k: the training accuracy of one
_LAGS: Final = 3  # times as many evaluations
_VOCABULARY: Final = 1000  # classes: as many and more are told by the level alone
_BEGUN: Final = 1.1  # times ln k: from where a fresh model's loss comes at once
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
class Metric:
    """One loss or accuracy: its values, where they lie (of an accuracy the last one only), its unit, and whether there
    are several an epoch. `peak`: the highest LR at its last value, and `settled`: values in a row since it last rose.
    """

    series: Series = field(default_factory=Series)
    places: tuple[Place, ...] = ()
    unit: MetricUnit | None = None
    batched: bool = False
    peak: float = 0.0
    settled: int = 0


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


@dataclass(frozen=True, slots=True)
class Stuck:
    """What was found: the number of classes, over how many values, and the accuracy that agrees (None: none is
    reported).
    """

    classes: int
    points: int
    accuracy: str | None


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
        stuck = _stuck(context, parameters, state, name) if name in state.metrics else None
        if stuck is not None and name == VAL_LOSS and _trains(parameters, state, stuck):
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
    away = last is not None and not (1 - _LEFT) * chance <= last <= (_ABOVE + _LEFT) * chance
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


def _trains(parameters: Parameters, state: State, stuck: Stuck) -> bool:
    """Whether the training learns meanwhile, so that the evaluation lags (a slow average of the weights) and has to be
    at chance for longer.
    """
    if not (_has_come_down(state.metrics.get(TRAIN_LOSS)) or _knows(state.metrics.get(TRAIN_ACC), stuck.classes)):
        return False
    at_chance, within = 0, 3 * parameters.within * loss_at(stuck.classes)
    for value in reversed(state.metrics[VAL_LOSS].series.recent):
        if abs(value - loss_at(stuck.classes)) > within:
            break
        at_chance += 1
    return at_chance < _LAGS * parameters.points


def _has_come_down(loss: Metric | None) -> bool:
    if loss is None or loss.series.start is None:
        return False
    return improvement(loss.series) >= _TRAINS * abs(loss.series.start)


def _knows(accuracy: Metric | None, classes: int) -> bool:
    if accuracy is None or accuracy.series.last is None:
        return False
    return level(accuracy.series) / scale(accuracy.unit) > _KNOWS * accuracy_at(classes)


def _stuck(context: RunContext, parameters: Parameters, state: State, name: str) -> Stuck | None:
    one, declared = state.metrics[name], context.spec.num_classes
    last = one.series.last
    if last is None or one.series.points < parameters.many_points:
        return None
    classes = classes_of(last, within=_ABOVE - 1, declared=declared)
    if classes is None:  # most losses of most runs
        return None
    values = one.series.recent
    few = values[-parameters.points :]
    own = TRAIN_ACC if name == TRAIN_LOSS else VAL_ACC
    accuracies = [each for each in ({own, VAL_ACC} if one.batched else {own}) if each in state.metrics]
    if not accuracies:
        if TRAIN_ACC in state.metrics or VAL_ACC in state.metrics:
            return None
        return _pinned(parameters, one.series, few, declared) or _hovers(parameters, one.series, declared)
    classes = classes_of(median(few), within=3 * parameters.within, declared=declared)
    if classes is None:
        return None
    if classes >= _MANY:
        points = parameters.many_points if VAL_ACC in state.metrics else parameters.points
        window, within = values[-points:], parameters.many_within * loss_at(classes)
        at_chance = len(window) >= points and all(abs(each - loss_at(classes)) <= within for each in window)
        if not at_chance or not all(_guesses(state.metrics[each], classes, points) for each in accuracies):
            return None
        return Stuck(classes, points, min(accuracies))
    window, enough = (values, WINDOW) if one.batched else (few, parameters.points)
    if not one.batched and all(_is_tight(parameters, state.metrics.get(each), classes) for each in LOSSES):
        window, enough = few[-parameters.tight_points :], parameters.tight_points
    if len(window) < enough:
        return None
    low, high, chance = (1 - parameters.within), _ABOVE, loss_at(classes)
    middle = median(window) if one.batched else None
    if not (low * chance <= (middle or min(window)) and (middle or max(window)) <= high * chance) or _falls(window):
        return None
    if not all(_near(state.metrics[each], classes, len(window)) for each in accuracies):
        return None
    return Stuck(classes, len(window), min(accuracies))


def _is_tight(parameters: Parameters, loss: Metric | None, classes: int) -> bool:
    """Whether a loss has hardly moved from ln k over its last values."""
    values = () if loss is None else loss.series.recent[-parameters.tight_points :]
    within = parameters.many_within * loss_at(classes)
    return len(values) == parameters.tight_points and all(abs(each - loss_at(classes)) <= within for each in values)


def _pinned(parameters: Parameters, series: Series, window: Sequence[float], declared: int | None) -> Stuck | None:
    """Where no accuracy tells: every value the same to within the pin, and at ln k to within it."""
    if len(window) < parameters.points or max(window) - min(window) > parameters.pin * max(window):
        return None
    if max(series.recent) - median(window) > _DRIFTS * parameters.pin * max(window):
        return None  # on its way down through it
    classes = classes_of(median(window), within=parameters.pin, declared=declared)
    if classes is None or series.start is None or series.start > 1.02 * loss_at(classes):
        return None  # a loss that came down and has converged may lie anywhere
    return Stuck(classes, len(window), None)


def _hovers(parameters: Parameters, series: Series, declared: int | None) -> Stuck | None:
    """Where no accuracy tells and batches are noise: a loss that never left the ln k of a vocabulary, by its mean."""
    values = series.recent
    if len(values) < WINDOW or series.best is None or series.start is None:
        return None
    middle, half = sum(values) / WINDOW, WINDOW // 2
    trembles = jitter(series)
    classes = classes_of(middle, within=parameters.hover, declared=declared)
    if classes is None or (declared is None and classes < _VOCABULARY) or trembles > parameters.within * middle:
        return None
    chance, fallen = loss_at(classes), (sum(values[:half]) - sum(values[half:])) / half
    if series.start > _BEGUN * chance or series.best < chance - 3 * trembles - parameters.hover * chance:
        return None  # it has come down from above, or was below
    if fallen > max(2 * trembles * math.sqrt(2 / half), _DRIFTS * parameters.pin * middle):
        return None  # on its way down through it
    return Stuck(classes, WINDOW, None)


def _guesses(one: Metric, classes: int, points: int) -> bool:
    """Whether the accuracy of many classes is what guessing gives: of a batch it is mostly 0."""
    return median(one.series.recent[-points:]) / scale(one.unit) <= 2 * accuracy_at(classes)


def _near(one: Metric, classes: int, points: int) -> bool:
    """Whether the accuracy of few classes is near 1/k and stays there."""
    values = [value / scale(one.unit) for value in one.series.recent[-points:]]
    chance = accuracy_at(classes)
    limit = chance + min(0.5 * chance, 0.1)
    if one.batched:
        return median(values) <= limit
    return len(values) >= points // 2 and max(values) <= limit


def _falls(window: Sequence[float]) -> bool:
    half = len(window) // 2
    return median(window[half:]) < (1 - _FLAT) * median(window[:half])


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
