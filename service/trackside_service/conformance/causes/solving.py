"""One unknown number, solved for: which values of it explain a log.

A grid over the whole range, then branch and prune: a cell survives while, at every screening point, what its ends
predict (and half as much again on either side) meets the print. A hypothesis costs one rebuilt schedule a sample, some
30 microseconds, so a search stays within tens of milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np

from trackside_service.conformance.causes.evidence import View
from trackside_service.conformance.intervals import Interval, simplest
from trackside_service.schedules.curve import FloatArray

Predict = Callable[[float, FloatArray], "FloatArray | None"]
"""A value and ticks to LRs; None where the value is refused."""

_ROUNDS: Final = 14
_CELLS: Final = 10
_PARTS: Final = 4


def solve(
    view: View, predict: Predict, grid: FloatArray, *, integer: bool = False, avoid: float | None = None
) -> Interval | None:
    """Return the values that explain every point, None if there are none on or between the values of `grid`.

    `avoid` is the declared value, which does not. Where values in several places do, those of the first place found.
    """
    ticks, where = view.ticks[view.screen], view.screen
    values, halves = view.values[where], view.halves[where]
    cache: dict[float, FloatArray | None] = {}

    def miss(value: float) -> FloatArray | None:
        """Return at each screening point by how many half widths the prediction lies beside the print."""
        if value not in cache:
            lrs = predict(value, ticks)
            cache[value] = None if lrs is None else (lrs - values) / halves
        return cache[value]

    def fits(value: float) -> bool:
        beside = miss(value)
        if beside is None or not np.all(np.abs(beside) <= 1.0):
            return False
        lrs = predict(value, view.ticks)
        return lrs is not None and bool(view.allows(lrs))

    points = np.unique(np.round(grid)) if integer else np.unique(grid)
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
                    ranked.append((1e300, low, high))
                continue
            reach = np.abs(other - one) / 2
            gap = float(np.nanmax(np.maximum(np.minimum(one, other), -np.maximum(one, other)) - reach, initial=-np.inf))
            if gap <= 1.0:
                ranked.append((float(np.nanmax(np.minimum(np.abs(one), np.abs(other)), initial=0.0)), low, high))
        ranked.sort()
        cells = [cell for _, low, high in ranked[:_CELLS] for cell in _split(low, high, integer)]
        if not cells:
            return None
    return None


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
