"""A learning-rate range test within a log: the rate is raised by one and the same factor from record to record, over
orders of magnitude, until the loss explodes. That is what it is for; the training comes after it.

Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), introduced it with a linear rise; the usual
finders (fastai's `lr_find`, Lightning's `Tuner.lr_find`) raise it exponentially from 1e-8 or 1e-7 to 1 or 10 in a
hundred updates. A linear rise is what a warm-up looks like, and is not known from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_SAME: Final = 0.02  # of the factor: logs print three digits of a rate
_RECORDS: Final = 20  # a warm-up by one factor (from 1e-6 on, in a few epochs) is shorter
_TIMES: Final = 1000.0  # and no warm-up is known to rise so far by one factor


@dataclass(frozen=True, slots=True)
class Sweep:
    """The latest LR, and the rise by one factor that it is the end of: from where, by what factor, for how many
    records. `factor` is 1 where it does not rise so.
    """

    last: float = 0.0
    first: float = 0.0
    factor: float = 1.0
    count: int = 0

    @property
    def is_test(self) -> bool:
        """Whether this is a range test."""
        return self.count >= _RECORDS and self.last >= _TIMES * self.first


NONE: Final = Sweep()


def follow(sweep: Sweep, lr: float) -> Sweep:
    """Return the sweep after an LR."""
    if lr == sweep.last:
        return sweep
    if not lr > sweep.last > 0:
        return Sweep(lr, lr)
    factor = lr / sweep.last
    if not math.isfinite(factor):
        return Sweep(lr, lr)
    if sweep.count and abs(factor - sweep.factor) <= _SAME * max(sweep.factor, factor):
        return Sweep(lr, sweep.first, sweep.factor, sweep.count + 1)
    return Sweep(lr, sweep.last, factor, 1)


def dump(sweep: Sweep) -> list[Any]:
    """Return it as JSON values."""
    return [sweep.last, sweep.first, sweep.factor, sweep.count]


def load(data: Sequence[Any]) -> Sweep:
    """Undo `dump`."""
    return Sweep(*data)
