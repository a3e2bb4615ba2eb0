"""Which of very many hypotheses a log allows, without trying all of them on all points.

A few telling points exclude most. Where a schedule is flat there, many are left, and which points would exclude those
is not known beforehand: some of them are tried on the whole log, and the points that these fail at are what the others
are tried on next; at last many are, where each fails at a point of its own. So a hypothesis is never dropped without a
point that excludes it while the rounds last; of what is left then, and is too much to be tried wholly, stretches are
taken to be right whose ends are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from trackside_service.schedules.curve import FloatArray

MANY: Final = 512
"""Hypotheses that are tried on the whole log at most."""
_SAMPLE: Final = 24
"""Hypotheses of which is learnt what excludes the others."""
_TELLING: Final = 4
_ROUNDS: Final = 12
_WIDE_ROUNDS: Final = 8
"""Rounds in which as many hypotheses are tried on the whole log as may be at most."""

Points = npt.NDArray[np.int64]


class Tried(Protocol):
    """Says of hypotheses of shape (k,), point by point, whether `points` allow them: None where it costs too much."""

    def __call__(self, each: FloatArray, points: Points, /, *, whole: bool = False) -> npt.NDArray[np.bool_] | None:
        """Return a mask of shape (k, points); with `whole` one of shape (k,), which asks for what a whole log shows."""


def surviving(candidates: FloatArray, screens: Sequence[Points], count: int, tried: Tried) -> FloatArray:
    """Return those of `candidates` (ascending) that all of `count` points allow; `screens` are points to begin with.

    Nothing where it would cost too much.
    """
    left, everything = candidates, np.arange(count)
    for points in screens:
        left = _passing(left, points, tried)
    for _ in range(_ROUNDS):
        if len(left) <= MANY:
            break
        telling = _telling(_spread(left, _SAMPLE), everything, tried)
        if telling is None or not len(telling):
            break
        left = _passing(left, telling, tried)
    for _ in range(_WIDE_ROUNDS):
        if len(left) <= MANY:
            break
        mask = tried(_spread(left, MANY), everything)
        if mask is None or mask.all():
            break
        wrong = ~mask[~mask.all(axis=-1)]
        left = _passing(left, np.unique(np.argmax(wrong, axis=-1)), tried)
    some = left if len(left) <= MANY else _spread(left, MANY)
    right = tried(some, everything, whole=True) if len(some) else None
    if right is None:
        return left[:0]
    return some[right] if len(some) == len(left) else _between(left, some, right)


def _passing(left: FloatArray, points: Points, tried: Tried) -> FloatArray:
    if not len(left):
        return left
    mask = tried(left, points)
    return left[:0] if mask is None else left[mask.all(axis=-1)]


def _spread(values: FloatArray, count: int) -> FloatArray:
    return values[np.unique(np.linspace(0, len(values) - 1, count).astype(np.int64))]


def _telling(some: FloatArray, everything: Points, tried: Tried) -> Points | None:
    """Return a few points that exclude most of `some`, one after another; None where it costs too much."""
    mask = tried(some, everything)
    if mask is None:
        return None
    fails = ~mask
    found: list[int] = []
    while len(found) < _TELLING:
        votes = fails.sum(axis=0)
        best = int(np.argmax(votes))
        if not votes[best]:
            break
        found.append(best)
        fails = fails[~fails[:, best]]
    return np.array(found, dtype=np.int64)


def _between(left: FloatArray, some: FloatArray, right: npt.NDArray[np.bool_]) -> FloatArray:
    """Return what of `left` lies in stretches of `some` that are right."""
    after = np.searchsorted(some, left, side="left")
    before = np.searchsorted(some, left, side="right") - 1
    return left[right[after] & right[before]]
