"""An accuracy as it goes, for ACC001: its best, how long it has been far below it, and what the LR did meanwhile."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from trackside_service.domain.metrics import TRAIN_ACC
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules.base import RunContext
from trackside_service.rules.places import Place, by_batch
from trackside_service.rules.units import scale, unit_after

_WINDOW: Final = 15  # of batches, whose median is judged: of eight samples each, five still jump about


@dataclass(frozen=True, slots=True)
class Parameters:
    """How deep and how long.

    `share`: under this share of the best for `patience` evaluations (`batch_patience` records where training accuracy
    is reported by batch, `score_patience` evaluations of a score that is no accuracy, `deep_patience` of them where
    that is under `deep_share`). `both_share`: training and validation accuracy both under this share for
    `both_patience`. `good`: the accuracy (1 is all right) from which a fall to zero or chance counts at once.
    `least_best`: the best below which nothing is judged. `lr_change`: the ratio from which on a change of the LR is
    named as what came before. `expected`: how many times longer a dip lasts where the LR has just risen to where the
    accuracy was good before.
    """

    share: float = 0.5
    patience: int = 3
    batch_patience: int = 20
    score_patience: int = 10
    deep_share: float = 0.1
    deep_patience: int = 5
    both_share: float = 0.75
    both_patience: int = 2
    good: float = 0.2
    least_best: float = 0.1
    lr_change: float = 3.0
    expected: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.deep_share <= self.share <= self.both_share < 1:
            raise ValueError("deep_share, share and both_share lie between 0 and 1, and none is above the next")
        counts = (self.patience, self.batch_patience, self.score_patience, self.deep_patience, self.both_patience)
        if min(*counts, self.expected) < 1:
            raise ValueError("patiences and expected are counts of 1 or more")
        if not (0 < self.good <= 1 and 0 < self.least_best <= 1 and self.lr_change > 1):
            raise ValueError("good and least_best lie between 0 and 1, lr_change above 1")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One accuracy, or another score. `half` and `quarter` count the evaluations in a row under half and under three
    quarters of `best`, since when; `deep` those under a small share of it.

    `recent`: the last values; `batched`: they are reported by batch. `good_lr`: the LR at the last good value;
    `far_lr`: the one since then that is farthest from it; `peak_lr`: the highest at any good value. `open`: it has
    collapsed, and the alert tells of it.
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
    deep: int = 0
    good_lr: float | None = None
    good_at: Place | None = None
    far_lr: float | None = None
    far_at: Place | None = None
    peak_lr: float | None = None
    open: bool = False

    @property
    def dip_expected(self) -> bool:
        """Whether the LR has risen to where it was good before: a warm restart, after which an accuracy dips."""
        good, far, peak = self.good_lr, self.far_lr, self.peak_lr
        return good is not None and far is not None and peak is not None and 2 * good < far <= 1.01 * peak


def with_lr(one: Accuracy, lr: float, here: Place) -> Accuracy:
    """Return the accuracy after the LR was reported at `here`, in a record without the accuracy itself."""
    far_lr, far_at = _farther(one, lr, here)
    return one if far_at is one.far_at else replace(one, far_lr=far_lr, far_at=far_at)


def _farther(one: Accuracy, lr: float | None, here: Place | None) -> tuple[float | None, Place | None]:
    """Return the LR since the last good value that is farthest from what it was there, and where."""
    if one.good_lr is None or lr is None:
        return one.far_lr, one.far_at
    if one.far_lr is None or times_apart(lr, one.good_lr) > times_apart(one.far_lr, one.good_lr):
        return lr, here
    return one.far_lr, one.far_at


def times_apart(lr: float, other: float) -> float:
    """How many times one rate is the other, either way; infinite if just one of them is 0."""
    low, high = sorted((lr, other))
    return 1.0 if high == 0 else math.inf if low == 0 else high / low


def follow(
    context: RunContext,
    parameters: Parameters,
    one: Accuracy,
    *,
    name: str,
    value: float,
    here: Place,
    lr: float | None,
    lr_at: Place | None,
) -> Accuracy:
    """Return the accuracy `name` after `value` at `here`, with the LR as it was reported last, at `lr_at`."""
    batched = one.batched or (name == TRAIN_ACC and by_batch(one.last_at, here, context.spec.steps_per_epoch))
    recent = (*one.recent, value)[-_WINDOW:] if name == TRAIN_ACC else ()
    unit = unit_after(one.unit, value)
    # What was best of summaries is none of batches.
    best, best_at = (one.best, one.best_at) if batched == one.batched else (-math.inf, None)
    good_lr, good_at, peak_lr = one.good_lr, one.good_at, one.peak_lr
    far_lr, far_at = _farther(one, lr, lr_at)
    half = quarter = deep = 0
    half_since = quarter_since = None
    if not batched or len(recent) >= _WINDOW:
        judged = sorted(recent)[_WINDOW // 2] if batched else value
        if judged > best:
            best, best_at = judged, here
        if best < parameters.least_best * scale(unit):
            pass
        elif judged >= parameters.both_share * best:
            good_lr, good_at, far_lr, far_at = lr if lr is not None else good_lr, here, None, None
            peak_lr = good_lr if peak_lr is None or (good_lr is not None and good_lr > peak_lr) else peak_lr
        else:
            quarter, quarter_since = one.quarter + 1, one.quarter_since or here
            if judged < parameters.share * best:
                half, half_since = one.half + 1, one.half_since or here
                deep = one.deep + 1 if judged < parameters.deep_share * best else 0
    return Accuracy(
        unit=unit,
        best=best,
        best_at=best_at,
        last=value,
        last_at=here,
        recent=recent,
        batched=batched,
        half=half,
        half_since=half_since,
        quarter=quarter,
        quarter_since=quarter_since,
        deep=deep,
        good_lr=good_lr,
        good_at=good_at,
        far_lr=far_lr,
        far_at=far_at,
        peak_lr=peak_lr,
        open=one.open,
    )
