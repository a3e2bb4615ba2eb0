"""The search that most families share: an optional rise to a top, then a fall of a known shape and unknown length.

Lengths are found by least squares over a grid that is refined, then the exact bounds of the prints decide which whole
numbers are possible.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from trackside_service.conformance.identification.bounds import roundest, roundness
from trackside_service.conformance.identification.found import Number
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.identification.shapes import Legs, Shape, residuals, settle, tops
from trackside_service.schedules.curve import FloatArray

HOPELESS: Final = 3.0
"""A residual (in half widths of the prints) above which no exact fit is looked for."""
_SOFT: Final = 3e-3
"""Of the peak: what prints are taken for at first, in the search for the least residual."""
_COARSE: Final = 0.03
_LOOKS: Final = 200
_TURNS: Final = 40
_STRETCH: Final = 20.0
"""A length is at most so many times the ticks seen."""


def near(log: Log, shape: Shape, rise: Rise | None) -> bool:
    """Say whether the fall is anywhere near the log, with whatever length: a look at a grid, and at no warm-up. It is
    coarse enough to hold under every index convention.
    """
    begun = 0.0 if rise is None else rise.until
    fallen = log.part(log.ticks >= begun)
    if len(fallen.ticks) < 4:
        return True
    if not shape.from_start:
        fallen = replace(fallen, ticks=fallen.ticks - begun)
    low, high = shape.window or (1.0, max(log.span * _STRETCH, 2.0))
    lengths = np.geomspace(low, high, _LOOKS)
    soft = _COARSE * float(np.max(np.abs(log.values)))
    off = residuals(fallen, replace(shape, start=None), np.zeros(_LOOKS), lengths, soft)
    return float(np.min(off)) <= 2.0


def possible(log: Log, shape: Shape, rise: Rise | None) -> float:
    """Return the least residual of the shape: above HOPELESS, none of its special cases fits either."""
    found = approached(log, shape, rise)
    return math.inf if found is None else found[2]


def _widths(shape: Shape, rise: Rise | None) -> FloatArray | None:
    if shape.start is None:
        return np.zeros(1)
    if rise is None:
        return None
    low, high = math.floor(rise.after) + 1.0, max(rise.until, math.floor(rise.after) + 1.0)
    return np.asarray(np.unique(np.round(np.linspace(low, high, 11))), dtype=np.float64)


def approached(log: Log, shape: Shape, rise: Rise | None) -> tuple[float, float, float] | None:
    """Return the width of the rise, the length of the fall and the residual of the least residual."""
    widths = _widths(shape, rise)
    if widths is None:
        return None
    return nearest(log, shape, widths, shape.window or (1.0, max(log.span * _STRETCH, 2.0)))


def search(log: Log, shape: Shape, rise: Rise | None) -> Iterator[Legs]:
    """Return the fits of the shape, at most one: the roundest whole numbers that the prints allow."""
    window = shape.window or (1.0, max(log.span * _STRETCH, 2.0))
    widths, found = _widths(shape, rise), approached(log, shape, rise)
    if widths is None or found is None or found[2] > HOPELESS:
        return
    width, length, _ = found
    if shape.start is None:
        fit = _lengths(log, shape, 0.0, length, window)
        if fit is not None:
            yield from _settled(log, shape, Number(0.0, 0.0, 0.0), fit)
        return
    yield from _with_rise(log, shape, (width, length), window, (float(widths[0]), float(widths[-1])))


def _settled(log: Log, shape: Shape, width: Number, fit: tuple[float, float]) -> Iterator[Legs]:
    number = round_length(log, shape, width.value, fit)
    if number is None:
        return
    legs = settle(log, shape, width, number)
    if legs is not None:
        yield legs


def round_length(log: Log, shape: Shape, width: float, fit: tuple[float, float]) -> Number | None:
    """Return the length to name: one that makes the whole a number to be expected, else the roundest."""
    wanted = tuple(each - width for each in log.wanted) + log.wanted
    if shape.as_wide and width:
        wanted = (width, *wanted)
    own = roundest(*fit, wanted)
    if own is None or own < 1:
        return None
    if own not in wanted:
        total = roundest(fit[0] + width, fit[1] + width)
        if total is not None and total - width >= 1 and roundness(total) <= roundness(own):
            own = int(total - width)
    return Number(float(own), *fit)


def _with_rise(
    log: Log, shape: Shape, place: tuple[float, float], window: tuple[float, float], reach: tuple[float, float]
) -> Iterator[Legs]:
    """Go from the best whole width up and down as long as there are fits, then name the roundest width among them."""
    width, length = place
    known: dict[int, float | None] = {}

    def fit(whole: int) -> float | None:
        if whole not in known:
            inside = reach[0] <= whole <= reach[1]
            moved = length + width - whole  # where a fall ends is where it is, whatever the width
            close = (max(min(moved, length) * 0.9, 1e-3), max(moved, length, 2e-3) * 1.1)
            near = nearest(log, shape, np.asarray([float(whole)]), close, minima=1) if inside else None
            if near is None or near[2] > HOPELESS:
                known[whole] = None
            else:
                known[whole] = _inside(log, shape, float(whole), near[1])
        return known[whole]

    centre = round(width)
    start = next((whole for whole in around(centre, log.wanted) if fit(whole) is not None), None)
    if start is None:
        return
    ends = []
    for way in (-1, 1):
        good, step = start, 1
        while step >= 1:
            if fit(good + way * step) is not None:
                good, step = good + way * step, step * 2
            elif step > 1:
                step //= 4
            else:
                break
            step = max(step, 1)
        ends.append(good)
    tried = [each for each in (roundest(ends[0], ends[1], log.wanted), start) if each is not None]
    for whole in dict.fromkeys(tried):
        inside = fit(whole)
        lengths = None if inside is None else _lengths(log, shape, float(whole), inside, window)
        if lengths is None:
            continue
        settled = list(_settled(log, shape, Number(float(whole), float(ends[0]), float(ends[1])), lengths))
        if settled:
            yield from settled
            return


def around(centre: int, wanted: tuple[float, ...] = ()) -> list[int]:
    """Return whole numbers near `centre` in the order to try them: itself, its neighbours, and round ones nearby.

    The least squares of a coarse print may lie a little outside of what it allows.
    """
    near = [centre, centre + 1, centre - 1, centre + 2, centre - 2]
    for part in (0.0005, 0.002, 0.006, 0.02):
        whole = roundest(centre * (1.0 - part), centre * (1.0 + part), wanted)
        near += [] if whole is None else [whole]
    return [whole for whole in dict.fromkeys(near) if whole > 0]


def nearest(
    log: Log, shape: Shape, widths: FloatArray, window: tuple[float, float], *, minima: int = 3
) -> tuple[float, float, float]:
    """Return width, length and residual of the least residual: a grid, refined around its best places.

    What is varied is the rise's width and the fall's end: those two the log shows by themselves. The prints are taken
    for coarser than they are at first, so that a fine print does not hide the way to the minimum.
    """
    low, high = window
    exact = shape.whole and (high - low) * len(widths) <= 4_000
    if exact:
        lengths = np.arange(math.ceil(low), math.floor(high) + 1.0)
    elif high > 3.0 * low:
        lengths = np.geomspace(low, high, 120 if len(widths) == 1 else 48)
    else:
        lengths = np.linspace(low, high, 24)
    if not len(lengths):
        return 0.0, 0.0, math.inf
    peak = float(np.max(np.abs(log.values)))
    soft = _SOFT * peak
    wide, tall = np.repeat(widths, len(lengths)), np.tile(lengths, len(widths))
    off = residuals(log, shape, wide, tall, soft)
    if exact:
        closest = np.argsort(off, kind="stable")[:200]
        least = int(closest[np.argmin(residuals(log, shape, wide[closest], tall[closest], 0.0))])
        return float(wide[least]), float(tall[least]), float(off[least])
    best = (math.inf, 0.0, 0.0)
    for place in _minima(off, len(lengths))[:minima]:
        width, length, here = float(wide[place]), float(tall[place]), math.inf
        across = float(widths[-1] - widths[0]) / max(len(widths) - 1, 1)
        along = max(float(lengths[1] / lengths[0]) - 1.0, 1e-9) * length
        soft = _SOFT * peak
        for turn in range(_TURNS):
            near = np.unique(np.clip(width + across * np.linspace(-1, 1, 5), widths[0], widths[-1]))
            ends = width + length + along * np.linspace(-1, 1, 9)
            first, last = np.repeat(near, len(ends)), np.tile(ends, len(near))
            possible = last - first >= 0.5
            first, last = first[possible], last[possible]
            if not len(first):
                break
            fits = residuals(log, shape, first, last - first, soft)
            least = int(np.argmin(fits))
            width, length, here = float(first[least]), float(last[least] - first[least]), float(fits[least])
            if turn >= 5 and here > 5.0 * HOPELESS:  # a right shape keeps up with the prints as they get finer
                break
            # Where the best is at an edge, the place is followed before it is looked at more closely.
            edge = across > 0.0 and width in (near[0], near[-1]) and widths[0] < width < widths[-1]
            border = last[least] in (ends[0], ends[-1])
            across, along = across * (1.0 if edge else 0.5), along * (1.0 if border else 0.45)
            soft *= 0.8 if edge or border else 0.45
            if soft < float(np.min(log.halves)) and (here < 0.6 or along < 1e-9 * length):
                break
        best = min(best, (here, width, length))
    return best[1], best[2], best[0]


def _minima(off: FloatArray, row: int) -> list[int]:
    """Return the best places of a grid that are not neighbours, at most three."""
    chosen: list[int] = []
    for place in np.argsort(off)[:60]:
        if all(abs(int(place) % row - other % row) > 2 for other in chosen):
            chosen.append(int(place))
        if len(chosen) == 3:
            break
    return [place for place in chosen if off[place] <= 10.0 * off[chosen[0]] + 1.0]


def _room(log: Log, shape: Shape, width: float, length: float) -> float:
    """Return the width of the interval of the top, negative where nothing fits."""
    least, most = tops(log, shape, width, length)
    return most - least if most > 0.0 else -1.0


def _inside(log: Log, shape: Shape, width: float, guess: float) -> float | None:
    """Return a length near `guess` that the prints allow, a whole one if it can be."""

    def room(length: float) -> float:
        return _room(log, shape, width, length)

    if shape.whole:
        near = sorted(range(max(round(guess) - 3, 1), round(guess) + 4), key=lambda whole: abs(whole - guess))
        return next((float(whole) for whole in near if room(float(whole)) >= 0.0), None)
    best = next((near for near in (round(guess), round(guess + width) - width) if room(near) >= 0.0), guess)
    if shape.foot == "free" and room(best) < 0.0:  # least squares may have taken the foot below 0, too far out
        nearer = guess * np.exp(np.linspace(-3.0, 0.0, 160))
        guess = best = float(nearer[int(np.argmax([room(float(each)) for each in nearer]))])
    here, spread = room(best), 0.02
    for _ in range(12):
        if here >= 0.0:
            break
        for other in best * np.exp(spread * np.linspace(-1, 1, 9)):
            gain = room(float(other))
            if gain > here:
                here, guess = gain, float(other)
        best, spread = guess, spread * 0.3
    return best if here >= 0.0 else None


def _lengths(
    log: Log, shape: Shape, width: float, guess: float, window: tuple[float, float]
) -> tuple[float, float] | None:
    """Return the interval of lengths around `guess` that the prints allow, None where there is none."""

    def room(length: float) -> float:
        return _room(log, shape, width, length)

    if shape.whole:
        good = [whole for whole in range(max(round(guess) - 3, 1), round(guess) + 4) if room(float(whole)) >= 0.0]
        return (float(good[0]), float(good[-1])) if good else None
    best = _inside(log, shape, width, guess)
    if best is None:
        return None
    edges = []
    for way in (-1.0, 1.0):
        inside, outside, step = best, None, 1e-6
        while outside is None:
            other = best * math.exp(way * step)
            if not window[0] * 0.99 <= other <= window[1] * 1.01:
                outside = min(max(other, window[0]), window[1])
                if room(outside) >= 0.0:
                    inside = outside
                break
            if room(other) >= 0.0:
                inside, step = other, step * 4.0
            else:
                outside = other
        for _ in range(18):
            middle = (inside + outside) / 2.0
            if room(middle) >= 0.0:
                inside = middle
            else:
                outside = middle
        edges.append(inside)
    return edges[0], edges[1]
