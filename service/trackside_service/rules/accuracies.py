"""An accuracy as it goes, for ACC001: its best, how long it has been far below it, and what the LR did meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from trackside_service.domain.metrics import ACCURACIES, TRAIN_ACC, VAL_ACC
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules import running, scores
from trackside_service.rules.base import RunContext
from trackside_service.rules.lr_course import planned
from trackside_service.rules.places import Place, at_every_step, by_batch, place_from
from trackside_service.rules.relearning import Dip, climbs, dipped, dump_dip, load_dip, relearned
from trackside_service.rules.units import scale, unit_after

_LONG: Final = 8  # a dip of so many evaluations is the level of a noisy accuracy
_WINDOW: Final = 15  # of batches, whose mean is judged: of eight samples each, five still jump about


@dataclass(frozen=True, slots=True)
class Parameters:
    """How deep and how long.

    `share`: under this share of the best for `patience` evaluations (`batch_patience` records where training accuracy
    is reported by batch, `score_patience` evaluations of a score that is no accuracy, `deep_patience` of them where
    that is under `deep_share`). `both_share`: training and validation accuracy both under this share for
    `both_patience`. `good`: the accuracy (1 is all right) from which a fall to zero or chance counts at once.
    `least_best`: the best below which nothing is judged. `lr_change`: the ratio from which on a change of the LR is
    named as what came before. `expected`: how many times longer a dip lasts at least where the LR has risen back to
    where it was before. `noise`: how many times the accuracy's own jitter its best may owe to luck; `sudden`: how many
    of them a fall at once exceeds, which is more than twice the largest fall so far.
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
    noise: float = 2.5
    sudden: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.deep_share <= self.share <= self.both_share < 1:
            raise ValueError("deep_share, share and both_share lie between 0 and 1, and none is above the next")
        counts = (self.patience, self.batch_patience, self.score_patience, self.deep_patience, self.both_patience)
        if min(*counts, self.expected) < 1:
            raise ValueError("patiences and expected are counts of 1 or more")
        if min(self.noise, self.sudden) < 0:
            raise ValueError("noise and sudden are 0 or more")
        if not (0 < self.good <= 1 and 0 < self.least_best < 1 and self.lr_change > 1):
            raise ValueError("good is above 0 and at most 1, least_best lies between 0 and 1, lr_change above 1")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One accuracy, or another score. `half` and `quarter` count the evaluations in a row under half and under three
    quarters of `best`, since when; `deep` those under a small share of it.

    `recent`: the last values; `batched`: they are reported by batch. `good_lr`: the LR at the last good value;
    `far_lr`: the one since then that is farthest from it; `peak_lr`: the highest up to then; `best_lr`: that at the
    best. `waited`: evaluations of the dip that the LR explains, which do not count, `waiting` whether the last is one.
    `points` counts all. `chance`: evaluations in a row at zero or chance. `jitter`: while it lies far under its best,
    that of the last values before, which are in `window` (but what is told of). `open`: it has collapsed, and the alert
    tells of it. `dip`: how it has gone since it fell under three quarters of its best.
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
    best_lr: float | None = None
    points: int = 0
    waited: int = 0
    waiting: bool = False
    chance: int = 0
    window: tuple[float, ...] = ()
    jitter: float = 0.0
    dip: Dip | None = None

    @property
    def climbs(self) -> bool:
        """Whether it is on its way back up from where it fell to."""
        return self.dip is not None and climbs(self.dip, best=self.best, jitter=self.jitter)


_FIELDS: Final = tuple(one.name for one in fields(Accuracy) if one.name not in ("best", "dip"))
_PLACES: Final = tuple(name for name in _FIELDS if name.endswith(("_at", "_since")))


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
    highest: float = 0.0,
) -> Accuracy:
    """Return the accuracy `name` after `value` at `here`, with the LR as it was reported last, at `lr_at`, and the
    `highest` up to now.
    """
    batched = one.batched or _by_batch(context, name, one.last_at, here)
    recent = (*one.recent, value)[-_WINDOW:] if name in ACCURACIES else ()
    unit = one.unit if scores.in_decibels(name) else unit_after(one.unit, value)
    # What was best of summaries is none of batches.
    best, best_at = (one.best, one.best_at) if batched == one.batched else (-math.inf, None)
    good_lr, good_at, peak_lr = one.good_lr, one.good_at, one.peak_lr
    far_lr, far_at = _farther(one, lr, lr_at)
    half = quarter = deep = waited = 0
    half_since = quarter_since = None
    now = planned(context, here) if lr is None else lr
    best_lr = one.best_lr if batched == one.batched else None
    waiting = False
    window = one.window if one.open else (*one.window, value)[-running.WINDOW :]
    dip: Dip | None = None
    jitter = one.jitter
    if not batched or len(recent) >= _WINDOW:
        judged = sum(recent) / len(recent) if batched else value
        judged = judged if math.isfinite(judged) else value  # finite values whose sum is not
        if judged > best:
            best, best_at, best_lr = judged, here, now
        if best < parameters.least_best * scale(unit):
            peak_lr = max(highest, peak_lr or 0.0, 0.0 if now is None else now)
        elif judged >= parameters.both_share * best:
            good_lr, good_at, far_lr, far_at = lr if lr is not None else good_lr, here, None, None
            peak_lr = max(highest, peak_lr or 0.0, 0.0 if now is None else now)
        elif not one.open and relearned(
            dip := dipped(one.dip, judged, last=one.last or 0.0, best=best, jitter=(jitter := _jitter(one))),
            best=best,
            jitter=jitter,
        ):
            best, best_at, best_lr, dip = judged, here, now, None
            good_lr, good_at, far_lr, far_at = lr if lr is not None else good_lr, here, None, None
        else:
            if _high(best_lr, now, peak_lr):
                grace = max(parameters.expected * parameters.patience, one.points - one.quarter - one.waited)
                waiting = _high(best_lr, planned(context, here), peak_lr) or one.waited < grace
            waited, counts = one.waited + waiting, 0 if waiting else 1
            quarter, quarter_since = one.quarter + counts, one.quarter_since or here
            sure = best - parameters.noise * jitter
            if judged < parameters.share * best:
                half_since = one.half_since or here
                half = one.half + counts if judged < parameters.share * sure else 0
                deep = one.deep + counts if judged < parameters.deep_share * sure else 0
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
        best_lr=best_lr,
        points=one.points + 1,
        waited=waited,
        waiting=waiting,
        chance=0,
        window=window,
        jitter=jitter,
        dip=dip,
    )


def _jitter(one: Accuracy) -> float:
    """Return the standard deviation of what is judged (an evaluation, or the mean of some batches) before it fell: as
    it is known since the fall began, unless that has lasted for so long that it is the accuracy's own level.
    """
    falls = one.half_since is not None or (one.quarter_since is not None and one.quarter + one.waited <= _LONG)
    if falls:
        return one.jitter
    if not one.batched:
        return running.jitter_of(one.window)
    return running.jitter_of(one.recent) / math.sqrt(max(1, len(one.recent)))


def _by_batch(context: RunContext, name: str, before: Place | None, here: Place) -> bool:
    """Say whether an accuracy comes by batch: validation only where it comes at one step after the other, since it may
    well be evaluated several times an epoch.
    """
    if name == TRAIN_ACC:
        return by_batch(before, here, context.spec.steps_per_epoch)
    return name == VAL_ACC and at_every_step(before, here, context.spec.steps_per_epoch)


def _high(best_lr: float | None, lr: float | None, peak_lr: float | None) -> bool:
    """Say whether the LR is well above what it was at the best, and has risen back to it: a warm restart, after which
    an accuracy dips. What is higher than ever before the fall explains nothing: it may be what caused it.
    """
    return best_lr is not None and lr is not None and peak_lr is not None and 2 * best_lr < lr <= 1.01 * peak_lr


def dump_accuracy(one: Accuracy) -> list[Any]:
    """Return it as JSON values, in the order of its fields."""
    held = [getattr(one, name) for name in _FIELDS]
    return [one.best if math.isfinite(one.best) else None, dump_dip(one.dip), *held]


def load_accuracy(data: Sequence[Any]) -> Accuracy:
    """Undo `dump_accuracy`."""
    best, dip, *held = data
    values = dict(zip(_FIELDS, held, strict=True))
    values |= {name: place_from(values[name]) for name in _PLACES}
    values |= {name: tuple(values[name]) for name in ("recent", "window")}
    return Accuracy(best=-math.inf if best is None else best, dip=load_dip(dip), **values)
