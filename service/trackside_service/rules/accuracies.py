"""An accuracy as it goes: its best, how long it has been far below it, and what the LR did meanwhile."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Protocol

from trackside_service.domain.metrics import TRAIN_ACC
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules.base import RunContext
from trackside_service.rules.places import Place, by_batch
from trackside_service.rules.units import scale, unit_after

_WINDOW: Final = 15  # of batches, whose median is judged: of eight samples each, five still jump about


class Thresholds(Protocol):
    """What counts as far below the best: the shares of it, and the best below which nothing is judged."""

    @property
    def share(self) -> float: ...
    @property
    def both_share(self) -> float: ...
    @property
    def least_best(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One accuracy. `half` and `quarter` count the evaluations in a row under half and under three quarters of
    `best`, since when.

    `recent`: the last values; `batched`: they are reported by batch. `good_lr`: the LR at the last good value;
    `far_lr`: the one since then that is farthest from it. `open`: it has collapsed, and the alert tells of it.
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


def with_lr(one: Accuracy, lr: float, here: Place) -> Accuracy:
    """Return the accuracy after the LR was reported at `here`."""
    if one.good_lr is None:
        return one
    if one.far_lr is None or times_apart(lr, one.good_lr) > times_apart(one.far_lr, one.good_lr):
        return replace(one, far_lr=lr, far_at=here)
    return one


def times_apart(lr: float, other: float) -> float:
    """How many times one rate is the other, either way; infinite if just one of them is 0."""
    low, high = sorted((lr, other))
    return 1.0 if high == 0 else math.inf if low == 0 else high / low


def follow(
    context: RunContext,
    thresholds: Thresholds,
    one: Accuracy,
    *,
    name: str,
    value: float,
    here: Place,
    lr: float | None,
) -> Accuracy:
    """Return the accuracy `name` after `value` at `here`, with the LR as it is there."""
    batched = one.batched or (name == TRAIN_ACC and by_batch(one.last_at, here, context.spec.steps_per_epoch))
    if batched and not one.batched:
        one = replace(one, best=-math.inf, half=0, half_since=None, quarter=0, quarter_since=None)
    recent = (*one.recent, value)[-_WINDOW:]
    one = replace(one, unit=unit_after(one.unit, value), last=value, last_at=here, recent=recent, batched=batched)
    judged = median(recent) if batched else value
    if batched and len(recent) < _WINDOW:
        return one
    if judged > one.best:
        one = replace(one, best=judged, best_at=here)
    if one.best < thresholds.least_best * scale(one.unit):
        return replace(one, half=0, half_since=None, quarter=0, quarter_since=None)
    if judged >= thresholds.both_share * one.best:
        good_lr = lr if lr is not None else one.good_lr
        one = replace(one, half=0, half_since=None, quarter=0, quarter_since=None)
        return replace(one, good_lr=good_lr, good_at=here, far_lr=None, far_at=None)
    one = replace(one, quarter=one.quarter + 1, quarter_since=one.quarter_since or here)
    if judged >= thresholds.share * one.best:
        return replace(one, half=0, half_since=None)
    return replace(one, half=one.half + 1, half_since=one.half_since or here)
