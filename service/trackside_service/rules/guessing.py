"""For LOSS007: whether a loss, and an accuracy beside it, are what guessing among a number of classes gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, Protocol

from trackside_service.domain.metrics import LOSSES, TRAIN_ACC, TRAIN_LOSS, VAL_ACC, VAL_LOSS
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules.base import RunContext
from trackside_service.rules.chance import accuracy_at, classes_of, loss_at
from trackside_service.rules.places import Place
from trackside_service.rules.running import WINDOW, Series, improvement, jitter, level
from trackside_service.rules.units import scale

_MANY: Final = 50
ABOVE: Final = 1.08
_FLAT: Final = 0.015
_DRIFTS: Final = 3  # times the pin: what a loss that is pinned has come down by over the whole window
_TRAINS: Final = 0.1  # of its start: what a training loss has come down by in a run that learns
_KNOWS: Final = 3  # times 1/k: the training accuracy of one
_LAGS: Final = 3  # times as many evaluations
_VOCABULARY: Final = 1000  # classes: as many and more are told by the level alone
_BEGUN: Final = 1.1  # times ln k: from where a fresh model's loss comes at once


class Thresholds(Protocol):
    """What counts as stuck."""

    @property
    def points(self) -> int: ...
    @property
    def tight_points(self) -> int: ...
    @property
    def many_points(self) -> int: ...
    @property
    def within(self) -> float: ...
    @property
    def many_within(self) -> float: ...
    @property
    def pin(self) -> float: ...
    @property
    def hover(self) -> float: ...


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
class Stuck:
    """What was found: the number of classes, over how many values, and the accuracy that agrees (None: none is
    reported).
    """

    classes: int
    points: int
    accuracy: str | None


def trains(thresholds: Thresholds, metrics: Mapping[str, Metric], stuck: Stuck) -> bool:
    """Say whether the training learns meanwhile, so that the evaluation lags (a slow average of the weights) and has to
    be at chance for longer.
    """
    if not (_has_come_down(metrics.get(TRAIN_LOSS)) or _knows(metrics.get(TRAIN_ACC), stuck.classes)):
        return False
    at_chance, within = 0, 3 * thresholds.within * loss_at(stuck.classes)
    for value in reversed(metrics[VAL_LOSS].series.recent):
        if abs(value - loss_at(stuck.classes)) > within:
            break
        at_chance += 1
    return at_chance < _LAGS * thresholds.points


def _has_come_down(loss: Metric | None) -> bool:
    if loss is None or loss.series.start is None:
        return False
    return improvement(loss.series) >= _TRAINS * abs(loss.series.start)


def _knows(accuracy: Metric | None, classes: int) -> bool:
    if accuracy is None or accuracy.series.last is None:
        return False
    return level(accuracy.series) / scale(accuracy.unit) > _KNOWS * accuracy_at(classes)


def find(context: RunContext, thresholds: Thresholds, metrics: Mapping[str, Metric], name: str) -> Stuck | None:
    """Return what the loss `name` is stuck at; None where it is not."""
    one, declared = metrics[name], context.spec.num_classes
    last = one.series.last
    if last is None or one.series.points < thresholds.many_points:
        return None
    classes = classes_of(last, within=ABOVE - 1, declared=declared)
    if classes is None:  # most losses of most runs
        return None
    values = one.series.recent
    few = values[-thresholds.points :]
    own = TRAIN_ACC if name == TRAIN_LOSS else VAL_ACC
    accuracies = [each for each in ({own, VAL_ACC} if one.batched else {own}) if each in metrics]
    if not accuracies:
        if TRAIN_ACC in metrics or VAL_ACC in metrics:
            return None
        return _pinned(thresholds, one.series, few, declared) or _hovers(thresholds, one.series, declared)
    classes = classes_of(median(few), within=3 * thresholds.within, declared=declared)
    if classes is None:
        return None
    if classes >= _MANY:
        points = thresholds.many_points if VAL_ACC in metrics else thresholds.points
        window, within = values[-points:], thresholds.many_within * loss_at(classes)
        at_chance = len(window) >= points and all(abs(each - loss_at(classes)) <= within for each in window)
        if not at_chance or not all(_guesses(metrics[each], classes, points) for each in accuracies):
            return None
        return Stuck(classes, points, min(accuracies))
    window, enough = (values, WINDOW) if one.batched else (few, thresholds.points)
    if not one.batched and all(_is_tight(thresholds, metrics.get(each), classes) for each in LOSSES):
        window, enough = few[-thresholds.tight_points :], thresholds.tight_points
    if len(window) < enough:
        return None
    low, high, chance = (1 - thresholds.within), ABOVE, loss_at(classes)
    middle = median(window) if one.batched else None
    if not (low * chance <= (middle or min(window)) and (middle or max(window)) <= high * chance) or _falls(window):
        return None
    if not all(_near(metrics[each], classes, len(window)) for each in accuracies):
        return None
    return Stuck(classes, len(window), min(accuracies))


def _is_tight(thresholds: Thresholds, loss: Metric | None, classes: int) -> bool:
    """Whether a loss has hardly moved from ln k over its last values."""
    values = () if loss is None else loss.series.recent[-thresholds.tight_points :]
    within = thresholds.many_within * loss_at(classes)
    return len(values) == thresholds.tight_points and all(abs(each - loss_at(classes)) <= within for each in values)


def _pinned(thresholds: Thresholds, series: Series, window: Sequence[float], declared: int | None) -> Stuck | None:
    """Where no accuracy tells: every value the same to within the pin, and at ln k to within it."""
    if len(window) < thresholds.points or max(window) - min(window) > thresholds.pin * max(window):
        return None
    if max(series.recent) - median(window) > _DRIFTS * thresholds.pin * max(window):
        return None  # on its way down through it
    classes = classes_of(median(window), within=thresholds.pin, declared=declared)
    if classes is None or series.start is None or series.start > 1.02 * loss_at(classes):
        return None  # a loss that came down and has converged may lie anywhere
    return Stuck(classes, len(window), None)


def _hovers(thresholds: Thresholds, series: Series, declared: int | None) -> Stuck | None:
    """Where no accuracy tells and batches are noise: a loss that never left the ln k of a vocabulary, by its mean."""
    values = series.recent
    if len(values) < WINDOW or series.best is None or series.start is None:
        return None
    middle, half = sum(values) / WINDOW, WINDOW // 2
    trembles = jitter(series)
    classes = classes_of(middle, within=thresholds.hover, declared=declared)
    if classes is None or (declared is None and classes < _VOCABULARY) or trembles > thresholds.within * middle:
        return None
    chance, fallen = loss_at(classes), (sum(values[:half]) - sum(values[half:])) / half
    if series.start > _BEGUN * chance or series.best < chance - 3 * trembles - thresholds.hover * chance:
        return None  # it has come down from above, or was below
    if fallen > max(2 * trembles * math.sqrt(2 / half), _DRIFTS * thresholds.pin * middle):
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
