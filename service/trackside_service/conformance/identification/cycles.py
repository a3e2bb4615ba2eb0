"""The whole total and the share of the rise of a one-cycle policy, whatever its legs: its rise ends between ticks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from trackside_service.conformance.identification.bounds import roundest
from trackside_service.conformance.identification.found import Number
from trackside_service.conformance.identification.legs import around
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.intervals import simplest

Room: TypeAlias = Callable[[float, int], float]
"""The width of the rise and the total to how much the prints leave to the levels: negative where nothing fits."""


def cycles(log: Log, rise: Rise, guess: tuple[float, float], room: Room) -> Iterator[tuple[Number, Number]]:
    """Yield totals, the roundest first, each with the share of the rise (pct_start): the rise ends at share total - 1.

    `guess`: where the rise and the cycle end by least squares.
    """
    up, end = guess
    known: dict[int, tuple[float, float] | None] = {}

    def fit(total: int) -> tuple[float, float] | None:
        if total not in known:
            known[total] = _ups(lambda width: room(width, total), up, rise)
        return known[total]

    start = next((whole for whole in around(round(end + 1.0), log.wanted) if fit(whole) is not None), None)
    if start is None:
        return
    ends = []
    for way in (-1, 1):
        good, step = start, 1
        while True:
            if fit(good + way * step) is not None:
                good, step = good + way * step, step * 2
            elif step > 1:
                step = max(step // 4, 1)
            else:
                break
        ends.append(good)
    for total in dict.fromkeys((roundest(ends[0], ends[1], log.wanted), start)):
        ups = None if total is None else fit(total)
        if total is not None and ups is not None:
            low, high = (ups[0] + 1.0) / total, (ups[1] + 1.0) / total
            yield Number(float(total), float(ends[0]), float(ends[1])), Number(simplest(low, high), low, high)


def _ups(room_of: Callable[[float], float], guess: float, rise: Rise) -> tuple[float, float] | None:
    """Return the interval of the rise's length that the prints allow."""

    def room(up: float) -> float:
        return room_of(up) if rise.after < up + 1e-9 else -np.inf

    spread = max((rise.until_smooth - rise.after) / 8.0, 0.25)
    best, here = guess, room(guess)
    for _ in range(12):
        if here >= 0.0:
            break
        for other in best + spread * np.linspace(-1, 1, 9):
            gain = room(float(other))
            if gain > here:
                here, guess = gain, float(other)
        best, spread = guess, spread * 0.35
    if here < 0.0:
        return None
    edges = []
    for way in (-1.0, 1.0):
        inside, step = best, 1e-6 * max(best, 1.0)
        while room(inside + way * step) >= 0.0:
            inside, step = inside + way * step, step * 4.0
        outside = inside + way * step
        for _ in range(16):
            middle = (inside + outside) / 2.0
            inside, outside = (middle, outside) if room(middle) >= 0.0 else (inside, middle)
        edges.append(inside)
    return edges[0], edges[1]
