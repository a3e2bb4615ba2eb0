"""One unknown number, solved for: which values of it explain a log.

A grid over the whole range, then branch and prune: a cell survives while, at every screening point, what its ends
predict (and half as much again on either side) meets the print. A hypothesis costs one rebuilt schedule a sample, some
30 microseconds, so a search stays within tens of milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.causes.evidence import FOLLOWED, View
from trackside_service.conformance.intervals import Interval, simplest
from trackside_service.schedules.curve import FloatArray

Predict = Callable[[float, FloatArray], "FloatArray | None"]
"""A value and ticks to LRs; None where the value is refused."""

_ROUNDS: Final = 14
_CELLS: Final = 12
_PARTS: Final = 4
_MOST_SCREENED: Final = 64
_MOST_SHORT: Final = 4.0
"""Half widths that one point says at most against a cell: at a turning point the line says nothing."""


def solve(
    view: View, predict: Predict, grid: FloatArray, *, integer: bool = False, avoid: float | None = None
) -> Interval | None:
    """Return the values that explain every point, None if there are none on or between the values of `grid`.

    `avoid` is the declared value, which does not. Where values in several places do, those of the first place found.
    """
    trial = _Trial(view, predict)
    miss, fits = trial.miss, trial.fits
    points = np.unique(np.round(grid)) if integer else np.unique(grid)
    if not view.work.affords(len(points) * trial.each, len(points)):
        return None
    cells = [(float(low), float(high)) for low, high in pairwise(points)]
    for _ in range(_ROUNDS):
        ranked = []
        for low, high in cells:
            one, other = miss(low), miss(high)
            for end, beside in ((low, one), (high, other)):
                if beside is not None and end != avoid and np.all(np.abs(beside) <= 1.0) and fits(end):
                    return _grown(end, fits, low, high, integer)
            if one is None or other is None:
                if (one is None) != (other is None):
                    ranked.append((math.inf, math.inf, low, high))
                continue
            with np.errstate(invalid="ignore"):  # refused at both ends
                reach = _known(np.abs(other - one) / 2, 0.0)
            between = np.maximum(np.minimum(one, other), -np.maximum(one, other))
            if _but_some(between - reach) <= 1.0:
                ranked.append((_short_of(between), _but_some(np.minimum(np.abs(one), np.abs(other))), low, high))
        ranked.sort()
        cells = [cell for _, _, low, high in ranked[:_CELLS] for cell in _split(low, high, integer)]
        if not cells:
            return None
    return None


def tries(view: View, count: int) -> bool:
    """Say whether so many schedules can still be tried on the log."""
    return view.work.affords(count * view.schedule.followed_to(view.last_tick) * FOLLOWED, count)


def explains(view: View, predict: Predict, value: float) -> bool:
    """Say whether every print allows the schedule of that value."""
    where, whole_way = view.screen, view.schedule.followed_to(view.last_tick)
    early = where[view.ticks[where] <= view.ticks[view.off].min()]
    by_then = view.schedule.followed_to(float(view.ticks[early].max())) if whole_way and len(early) else 0
    if 2 * by_then < whole_way and len(early):  # what is followed tick by tick is excluded where that is soon
        if not view.work.spend(len(early) + by_then * FOLLOWED, 1):
            return False
        begun = predict(value, view.ticks[early])
        if begun is None or not bool(view.agree(begun, early).all()):
            return False
    if not view.work.spend(len(where) + whole_way * FOLLOWED, 1):
        return False
    some = predict(value, view.ticks[where])
    if some is None or not bool(view.allows(some, where)):
        return False
    whole = predict(value, view.ticks)
    return whole is not None and bool(view.allows(whole))


class _Trial:
    """Predictions at the screening points, to which those are added that refute what passed the others."""

    def __init__(self, view: View, predict: Predict) -> None:
        self.view, self.predict = view, predict
        self.where = view.screen
        self.each = view.schedule.followed_to(view.last_tick) * FOLLOWED
        self.cache: dict[float, FloatArray | None] = {}

    def miss(self, value: float) -> FloatArray | None:
        """Return at each screening point by how many half widths the prediction lies beside the print."""
        if value not in self.cache:
            self.cache[value] = self._miss(value, self.where)
        return self.cache[value]

    def _miss(self, value: float, where: npt.NDArray[np.int64] | slice) -> FloatArray | None:
        ticks = self.view.ticks[where]
        if not self.view.work.spend(len(ticks) + self.each, 1):
            return None
        lrs = self.predict(value, ticks)
        if lrs is None:
            return None
        if not bool(self.view.told(lrs, where)):
            return np.full(len(lrs), np.inf)
        beside = (lrs - self.view.values[where]) / self.view.halves[where]
        return _known(beside, np.inf if self.view.schedule.refused_after is not None else 0.0)

    def fits(self, value: float) -> bool:
        """Say whether the value explains every point; if only the screening points, screen by the worst of either side
        too: a long flat log bounds a number by where its prints change, and hardly elsewhere.
        """
        beside = self.miss(value)
        if beside is None or not np.all(np.abs(beside) <= 1.0):
            return False
        whole = self._miss(value, slice(None))
        if whole is not None and np.all(np.abs(whole) <= 1.0):
            return True
        if whole is not None and len(self.where) < _MOST_SCREENED:
            above, below = np.nan_to_num(whole, nan=np.inf), np.nan_to_num(whole, nan=-np.inf)
            worst = [place for place in (int(np.argmax(above)), int(np.argmin(below))) if not abs(whole[place]) <= 1.0]
            self.where = np.append(self.where, worst)
            self.cache.clear()
        return False


def _known(values: FloatArray, otherwise: float) -> FloatArray:
    """Return the values with another in the place of NaN."""
    unknown = np.isnan(values)
    return np.where(unknown, otherwise, values) if unknown.any() else values


def _short_of(between: FloatArray) -> float:
    """Return by how much a straight line between the ends of a cell leaves the prints, each point counting a little."""
    return float(np.minimum(np.maximum(_known(between, 0.0) - 1.0, 0.0), _MOST_SHORT).sum())


def _but_some(misses: FloatArray) -> float:
    """Return the largest miss but for one or two: at a turning point the ends of a cell tell nothing of its inside."""
    known = np.sort(misses[~np.isnan(misses)])
    spared = min(2, max(len(known) - 3, 0) // 2)
    return float(known[-1 - spared]) if len(known) else 0.0


def _split(low: float, high: float, integer: bool) -> list[tuple[float, float]]:
    inner = np.linspace(low, high, _PARTS + 1)
    if integer:
        inner = np.unique(np.round(inner))
        if len(inner) <= 2 and high - low <= 1.0:
            return []
    elif high - low <= 1e-12 * max(abs(high), abs(low)):
        return []
    return [(float(a), float(b)) for a, b in pairwise(inner)]


def _grown(found: float, fits: Callable[[float], bool], low: float, high: float, integer: bool) -> Interval:
    """Return the interval of fitting values around one, by bisection of its ends, and the simplest number in it."""
    width = max(high - low, 1.0 if integer else 0.0)
    lowest, highest = _end(found, -width, fits, integer), _end(found, width, fits, integer)
    value = simplest(lowest, highest)
    if not (lowest <= value <= highest) or (integer and value != round(value)) or not fits(value):
        value = found
    return Interval(value, lowest, highest)


def _end(inside: float, step: float, fits: Callable[[float], bool], integer: bool) -> float:
    outside = inside + step
    for _ in range(12):
        if not fits(outside):
            break
        inside, step = outside, step * 2
        outside = inside + step
    for _ in range(10):
        middle = (inside + outside) / 2
        if integer:
            middle = float(round(middle))
            if middle in (inside, outside):
                break
        if fits(middle):
            inside = middle
        else:
            outside = middle
    return inside
