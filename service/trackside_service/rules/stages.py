"""Where a training begins anew on purpose: another task, further classes, other data.

A model that is broken, or overfits, shows it in some of its metrics. Where a new stage begins, what is measured on the
training data falls back at once, and is learned again as it was at first; or the log counts its stages. The
evaluations of then are no measure for those of now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from trackside_service.rules.evaluations import Evaluation
from trackside_service.rules.sharing import shared

_JUMP: Final = 0.5  # of its improvement so far: what a training metric loses at once where a stage begins
_NOISE: Final = 4.0  # times what it usually moves from one evaluation to the next
_RECENT: Final = 0.1  # of that: how much the last move counts
_AT_ONCE: Final = 0.5  # of what it lies over its best
_LEFT: Final = 0.25  # of that: what is left of it once it is learned again
_COMES_BACK: Final = 0.8  # of it: what is left of it at most while it is being learned
_CLIMBED: Final = 0.15  # of what the score lost
_KEPT: Final = 50  # evaluations in which a stage that has begun is learned
_NO_COUNT: Final = -1e300  # what is counted where it has fallen back
_COUNTERS: Final = re.compile(
    r"(?:.*[/ ])?(?:task|stage|phase|fold|session|experience|trial)(?:_?(?:id|idx|index))?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Trained:
    """A training metric by evaluations, without a jump to the bad side that goes on: its first value, its best (the
    worse of two in a row), its last, and about how much it moves from one to the next. `height`: how high such a jump
    is (None: there is none); `above`: how far above the best it is now.
    """

    start: float
    best: float
    last: float
    moves: float = 0.0
    height: float | None = None
    above: float = 0.0

    @property
    def gained(self) -> float:
        """How far the best lies from the first value."""
        return abs(self.start - self.best)

    @property
    def relearns(self) -> bool:
        """Whether it has come back some of the way, and from no more than where it was at first."""
        return self.height is not None and self.above <= _COMES_BACK * min(self.height, self.gained)


@dataclass(frozen=True, slots=True)
class Stage:
    """The training loss and accuracy, and the stage that the log counts (None: it counts none).

    `since`: evaluations since one of them jumped (None: none has), `learned`: it is back. `before`, `low`: the score
    before that, and the lowest since.
    """

    loss: Trained | None = None
    acc: Trained | None = None
    counted: float | None = None
    last: float | None = None
    since: int | None = None
    learned: bool = False
    before: float = 0.0
    low: float = 0.0

    @property
    def begins(self) -> bool:
        """Whether the training has fallen back and is not yet learned again: another stage may have begun."""
        return self.since is not None

    @property
    def relearns(self) -> bool:
        """Whether the training has fallen back and is being learned again: evaluations may be poor meanwhile."""
        return self.begins and (self.learned or any(one is not None and one.relearns for one in (self.loss, self.acc)))


FIRST: Final = Stage()


def count(stage: Stage, values: Mapping[str, float]) -> tuple[Stage, bool]:
    """Return the stage after a record, and whether the log counts another one there."""
    name = _counter(tuple(values))
    if name is None or stage.counted == _NO_COUNT or values[name] == stage.counted:
        return stage, False
    if stage.counted is not None and not values[name] > stage.counted:
        return Stage(counted=_NO_COUNT), False  # tasks that take turns are no stages
    return Stage(counted=values[name]), stage.counted is not None


@shared
def follow(stage: Stage, seen: Evaluation) -> tuple[Stage, bool]:
    """Return the stage after an evaluation (of a score of which more is better), and whether another one has begun: the
    training fell back at once, has been learned again, and the score climbs from where it fell to meanwhile.
    """
    loss, lost, found = _trained(stage.loss, seen.train_loss, 1)
    acc, other_lost, other_found = _trained(stage.acc, seen.train_acc, -1)
    before = seen.score if stage.last is None else stage.last
    if lost or other_lost:
        return Stage(loss, acc, stage.counted, seen.score, since=0, before=before, low=seen.score), False
    if stage.since is None:
        return Stage(loss, acc, stage.counted, seen.score), False
    if stage.since >= _KEPT:
        return Stage(counted=stage.counted, last=seen.score), False
    low, learned = min(stage.low, seen.score), stage.learned or found or other_found
    if learned and seen.score - low >= _CLIMBED * (stage.before - low):
        return Stage(loss, acc, stage.counted, seen.score), True
    return Stage(loss, acc, stage.counted, seen.score, stage.since + 1, learned, stage.before, low), False


def _trained(one: Trained | None, value: float | None, sign: int) -> tuple[Trained | None, bool, bool]:
    """Return a training metric after a value, whether it falls back there, and whether it is learned again. `sign`: 1
    where less is better, else -1.
    """
    if value is None:
        return one, False, False
    if one is None:
        return Trained(value, value, value), False, False
    best, gained, height = one.best, one.gained, one.height
    above, step = sign * (value - best), sign * (value - one.last)
    if height is not None and above > _LEFT * min(height, gained):
        return Trained(one.start, best, one.last, one.moves, max(height, above), above), False, False
    if height is None and above > max(_JUMP * gained, _NOISE * one.moves) > 0 and step > _AT_ONCE * above:
        return Trained(one.start, best, one.last, one.moves, above, above), True, False
    worse = value if step > 0 else one.last
    best = worse if sign * (worse - best) < 0 else best
    return Trained(one.start, best, value, one.moves + _RECENT * (abs(step) - one.moves)), False, height is not None


@lru_cache(maxsize=1024)
def _counter(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if _COUNTERS.fullmatch(name)), None)


def dump(stage: Stage) -> list[Any]:
    """Return it as JSON values."""
    return [
        _held(stage.loss),
        _held(stage.acc),
        stage.counted,
        stage.last,
        stage.since,
        stage.learned,
        stage.before,
        stage.low,
    ]


def _held(one: Trained | None) -> list[Any] | None:
    return None if one is None else [one.start, one.best, one.last, one.moves, one.height, one.above]


def load(data: Sequence[Any]) -> Stage:
    """Undo `dump`."""
    loss, acc, *rest = data
    one, other = (None if held is None else Trained(*held) for held in (loss, acc))
    return Stage(one, other, *rest)
