"""For LOSS002: a training loss that climbs epoch by epoch, while all else that is reported is worse than its best too.

By batch, it is the means of epochs that climb.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from trackside_service.domain.metrics import LR, TRAIN_ACC, TRAIN_LOSS, VAL_ACC, VAL_LOSS
from trackside_service.rules import loss_rises, scores
from trackside_service.rules.base import Reading, RunContext
from trackside_service.rules.epoch_values import EMPTY, Filling, dump_filling, gather, load_filling
from trackside_service.rules.places import Place, place_from, place_of
from trackside_service.rules.running import (
    Better,
    Series,
    dump_series,
    follow,
    improvement,
    jitter,
    level,
    load_series,
)

_TWICE: Final = 2
_NOISE: Final = 4.0  # times its jitter: how far a loss climbs that does not merely tremble
_SCORED: Final = 0.05  # of its best: how far a loss climbs beside which an accuracy or a score tells
_LONGEST: Final = 64  # epochs: a climb of so many is told of whatever came before
# Of the epochs before: a rate that nobody reports or declares rises for half a cycle, of which one may have led there.
_OF_CYCLE: Final = 0.6
_CYCLE: Final = 24
_AT_ONCE: Final = 0.7  # of a climb: what comes in one epoch is a step


class Thresholds(Protocol):
    """How far and how long."""

    @property
    def epochs(self) -> int: ...
    @property
    def share(self) -> float: ...
    @property
    def losses_alone(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Climb:
    """The training loss by epochs, for what is slow: its values, for how many epochs it has been rising, from which
    value (`base`) and where on, and the LR there. `setbacks`: epochs of them at which it fell, though not below half of
    its climb; `largest`: its largest step. `back`: epochs of the longest climb that came back by itself. `worse`: how
    many values in a row each other metric has been worse than its best. `limit`: what it falls below once an alert
    about the climb is over (None: none is open).
    """

    filling: Filling = EMPTY
    epochs: Series = field(default_factory=Series)
    rises: int = 0
    base: float = 0.0
    since: Place | None = None
    base_lr: float | None = None
    worse: Mapping[str, int] = field(default_factory=dict)
    limit: float | None = None
    setbacks: int = 0
    largest: float = 0.0
    back: int = 0


def advance(
    context: RunContext, thresholds: Thresholds, climb: Climb, fast: loss_rises.State, reading: Reading
) -> Climb:
    """Return the climb after a record. `fast`: what LOSS002 knows of the training loss and of what is beside it."""
    values, here = reading.record.metrics, place_of(reading.record)
    worse = climb.worse
    for name, series in fast.others.items():
        if name in values:
            worse = {**worse, name: worse.get(name, 0) + 1 if _is_worse(series, name) else 0}
    value = values.get(TRAIN_LOSS)
    if value is None or not math.isfinite(value):
        return climb if worse is climb.worse else replace(climb, worse=worse)
    filling, done = gather(climb.filling, value, here, context.spec.steps_per_epoch)
    if done is None:
        if filling is climb.filling and worse is climb.worse:
            return climb
        course = (climb.rises, climb.base, climb.since, climb.base_lr)
        return Climb(filling, climb.epochs, *course, worse, climb.limit, climb.setbacks, climb.largest, climb.back)
    mean, at = done
    before, series = climb.epochs.last, follow(climb.epochs, mean, at)
    if before is None or (mean <= before and (climb.rises == 0 or 2 * mean <= climb.base + before)):
        back = max(climb.back, climb.rises if climb.rises >= thresholds.epochs else 0)
        return Climb(filling, series, worse=worse, limit=climb.limit, back=back)
    lr = values.get(LR, fast.course.last)
    if climb.rises == 0:
        return Climb(filling, series, 1, before, at, lr, worse, climb.limit, 0, mean - before, climb.back)
    return replace(
        climb,
        filling=filling,
        epochs=series,
        rises=climb.rises + 1,
        worse=worse,
        setbacks=climb.setbacks + (mean <= before),
        largest=max(climb.largest, mean - before),
    )


def _is_worse(series: Series, name: str) -> bool:
    if series.best is None or series.last is None:
        return False
    return series.last > series.best if scores.better(name) == "lower" else series.last < series.best


def lasts(context: RunContext, thresholds: Thresholds, climb: Climb, fast: loss_rises.State) -> bool:
    """Say whether the loss has climbed for long and far enough, and all else agrees."""
    series = climb.epochs
    epochs = max(thresholds.epochs * (_TWICE if climb.setbacks else 1), min(_LONGEST, _TWICE * climb.back))
    if context.schedule is None and fast.course.last is None:
        epochs = max(epochs, min(_CYCLE, math.ceil(_OF_CYCLE * (series.points - climb.rises))))
    if climb.rises < epochs or series.best is None or series.last is None:
        return False
    climbed = (min(series.last, level(series)) if climb.setbacks else series.last) - climb.base
    least = _SCORED if any(name != VAL_LOSS for name in fast.others) else thresholds.losses_alone
    if climbed < max(thresholds.share * improvement(series), least * abs(series.best), _NOISE * jitter(series)):
        return False
    if climb.largest > _AT_ONCE * climbed:
        return False  # a step and no climb
    if fast.course.last is not None and climb.base_lr is not None and fast.course.last > 1.05 * climb.base_lr:
        return False
    if VAL_LOSS not in fast.others and VAL_ACC not in fast.others:
        return False
    # Training accuracy by batch is noise, and says no more than the loss does.
    names = [name for name in fast.others if name != TRAIN_ACC or not fast.batched]
    return all(
        climb.worse.get(name, 0) >= thresholds.epochs - 1 and _far(thresholds, fast.others[name], name)
        for name in names
    )


def _far(thresholds: Thresholds, series: Series, name: str) -> bool:
    """Whether a metric is worse than its best by a share of what it had gained, and by more than a little."""
    assert series.best is not None
    better: Better = scores.better(name) or "higher"
    lost = (level(series) - series.best) * (1 if better == "lower" else -1)
    return lost >= max(thresholds.share * improvement(series, better), 0.01 * abs(series.best))


def dump(climb: Climb) -> dict[str, Any]:
    """Return it as JSON values."""
    return {
        "filling": dump_filling(climb.filling),
        "epochs": dump_series(climb.epochs),
        "climb": [
            *(climb.rises, climb.base, climb.since, climb.base_lr, climb.worse, climb.limit),
            *(climb.setbacks, climb.largest, climb.back),
        ],
    }


def load(data: Mapping[str, Any]) -> Climb:
    """Undo `dump`."""
    rises, base, since, base_lr, worse, limit, *steps = data["climb"]
    filling, epochs = load_filling(data["filling"]), load_series(data["epochs"])
    return Climb(filling, epochs, rises, base, place_from(since), base_lr, worse, limit, *steps)
