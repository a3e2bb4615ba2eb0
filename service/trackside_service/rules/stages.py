"""Where a training begins anew on purpose: another task, further classes, other data.

A model that is broken, or overfits, shows it in some of its metrics. Where a new stage begins, what is measured on the
training data falls back at once, and is learned again as it was at first; or the log counts its stages. The
evaluations of then are no measure for those of now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from trackside_service.rules import running
from trackside_service.rules.evaluations import Evaluation
from trackside_service.rules.places import Place
from trackside_service.rules.running import Better, Series

_JUMP: Final = 0.5  # of its improvement so far: what a training metric loses at once where a stage begins
_NOISE: Final = 4.0
_AT_ONCE: Final = 0.5  # of what it lies over its best
_LEFT: Final = 0.25  # of that: what is left of it once it is learned again
_COMES_BACK: Final = 0.8  # of it: what is left of it at most while it is being learned
_CLIMBED: Final = 0.15  # of what the score lost
_KEPT: Final = 50  # evaluations in which a stage that has begun is learned
_COUNTERS: Final = re.compile(
    r"(?:.*[/ ])?(?:task|stage|phase|fold|session|experience|trial)(?:_?(?:id|idx|index))?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Trained:
    """A training metric by evaluations, without a jump to the bad side that goes on; how high that is (None: there is
    none), and how far above the best it is now.
    """

    series: Series = field(default_factory=Series)
    height: float | None = None
    above: float = 0.0

    def relearns(self, better: Better) -> bool:
        """Whether it has come back some of the way, and from no more than where it was at first."""
        if self.height is None:
            return False
        return self.above <= _COMES_BACK * min(self.height, running.improvement(self.series, better))


@dataclass(frozen=True, slots=True)
class Stage:
    """The training loss and accuracy, and the stage that the log counts (None: it counts none).

    `since`: evaluations since one of them jumped (None: none has), `learned`: it is back. `before`, `low`: the score
    before that, and the lowest since.
    """

    loss: Trained = field(default_factory=Trained)
    acc: Trained = field(default_factory=Trained)
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
        return self.begins and (self.learned or self.loss.relearns("lower") or self.acc.relearns("higher"))


FIRST: Final = Stage()


def count(stage: Stage, values: Mapping[str, float]) -> tuple[Stage, bool]:
    """Return the stage after a record, and whether the log counts another one there."""
    name = _counter(tuple(values))
    if name is None or values[name] == stage.counted:
        return stage, False
    return Stage(counted=values[name]), stage.counted is not None


def follow(stage: Stage, seen: Evaluation) -> tuple[Stage, bool]:
    """Return the stage after an evaluation (of a score of which more is better), and whether another one has begun: the
    training fell back at once, has been learned again, and the score climbs from where it fell to meanwhile.
    """
    loss, lost, found = _trained(stage.loss, seen.train_loss, seen.place, "lower")
    acc, other_lost, other_found = _trained(stage.acc, seen.train_acc, seen.place, "higher")
    before = seen.score if stage.last is None else stage.last
    stage = replace(stage, loss=loss, acc=acc, last=seen.score)
    if lost or other_lost:
        return replace(stage, since=0, learned=False, before=before, low=seen.score), False
    if stage.since is None:
        return stage, False
    if stage.since >= _KEPT:
        return Stage(counted=stage.counted, last=seen.score), False
    low, learned = min(stage.low, seen.score), stage.learned or found or other_found
    if learned and seen.score - low >= _CLIMBED * (stage.before - low):
        return replace(stage, since=None), True
    return replace(stage, since=stage.since + 1, learned=learned, low=low), False


def _trained(one: Trained, value: float | None, here: Place, better: Better) -> tuple[Trained, bool, bool]:
    """Return a training metric after a value, whether it falls back there, and whether it is learned again."""
    if value is None:
        return one, False, False
    best, last, sign = one.series.best, one.series.last, 1 if better == "lower" else -1
    if best is None or last is None:
        return Trained(running.follow(one.series, value, here, better)), False, False
    above, gained = sign * (value - best), running.improvement(one.series, better)
    if one.height is not None and above > _LEFT * min(one.height, gained):
        return Trained(one.series, max(one.height, above), above), False, False
    least = max(_JUMP * gained, _NOISE * running.jitter(one.series))
    if one.height is None and above > least > 0 and sign * (value - last) > _AT_ONCE * above:
        return Trained(one.series, above, above), True, False
    return Trained(running.follow(one.series, value, here, better)), False, one.height is not None


@lru_cache(maxsize=1024)
def _counter(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if _COUNTERS.fullmatch(name)), None)


def dump(stage: Stage) -> list[Any]:
    """Return it as JSON values."""
    parts = [[running.dump_series(one.series), one.height, one.above] for one in (stage.loss, stage.acc)]
    return [*parts, stage.counted, stage.last, stage.since, stage.learned, stage.before, stage.low]


def load(data: Sequence[Any]) -> Stage:
    """Undo `dump`."""
    loss, acc, *rest = data
    one, other = (Trained(running.load_series(series), *far) for series, *far in (loss, acc))
    return Stage(one, other, *rest)
