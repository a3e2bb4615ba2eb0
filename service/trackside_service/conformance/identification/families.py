"""What a family's search is: its name, how many points it takes to claim it, and the search."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from trackside_service.conformance.identification.answer import ScheduleFamily
from trackside_service.conformance.identification.bounds import geometric, roundness
from trackside_service.conformance.identification.found import Found, Number, Warmup, whole
from trackside_service.conformance.identification.legs import HOPELESS, approached, near, search
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.identification.shapes import Fall, Legs, Shape, rise_share
from trackside_service.conformance.intervals import simplest
from trackside_service.schedules.curve import FloatArray


@dataclass(frozen=True, slots=True)
class FamilySpec:
    """`search` returns what explains every point, simplest first. `needs`: points below which nothing is claimed,
    without a warm-up; one takes two more. `turns`: how often its LR changes direction, at least and at most: a log that
    does otherwise is not searched.
    """

    family: ScheduleFamily
    title: str
    needs: int
    search: Callable[[Log, Rise | None], Iterable[Found]]
    turns: tuple[float, float] = (0, 1)


def falls(
    log: Log,
    rise: Rise | None,
    fall: Fall,
    *,
    feet: tuple[Literal["zero", "free"], ...] = ("zero", "free"),
    window: tuple[float, float] | None = None,
    whole_only: bool = False,
    from_start: bool = False,
    as_wide: bool = False,
    level: bool = False,
) -> Legs | None:
    """Return the simplest fit of a fall, after the rise where there is one: to 0 before any other foot.

    `level`: the rise is a stretch at the top.
    """
    starts: tuple[Literal["zero", "free"] | None, ...] = ("zero", "free")
    if rise is None or level:
        starts = (None,) if rise is None else ("zero",)
    shape = Shape(fall, window=window, whole=whole_only, from_start=from_start, as_wide=as_wide, level=level)
    widest, key = replace(shape, foot=feet[-1], start=starts[-1]), (fall, feet[-1], from_start, level)
    if key in log.hopeless:
        return None
    if not whole_only and not near(log, widest, rise):
        log.hopeless.add(key)
        return None
    place = approached(log, widest, rise)
    if place is None or place[2] > HOPELESS:
        return None
    if whole_only:  # it is where the log says, whatever the levels
        shape = replace(shape, window=(max(place[1] - 1.5, 1.0), place[1] + 1.5))
    for foot in feet:
        for start in starts:
            legs = next(iter(search(log, replace(shape, foot=foot, start=start), rise)), None)
            if legs is not None and legs.foot.value < legs.top.value:
                return legs
    return None


def warmup_of(legs: Legs) -> Warmup | None:
    """Return the rise of a fit."""
    return None if legs.start is None else Warmup(legs.start, legs.rise)


@dataclass(frozen=True, slots=True)
class Geometric:
    """A fit of a fall by a factor."""

    top: Number
    gamma: Number
    warmup: Warmup | None


def factors(
    log: Log, rise: Rise | None, multiplications: Callable[[FloatArray, float], FloatArray]
) -> Geometric | None:
    """Return the fall by a factor, k = multiplications(ticks from the top on, width of the rise) times, after the rise.

    The roundest width of the rise is taken among those that the prints allow.
    """
    fits: dict[float, tuple[float, float, bool]] = {}
    for width in (0.0,) if rise is None else widths_of(rise):
        bounds = _factor_tops(log, width, multiplications)
        if bounds is not None:
            fits[width] = bounds
    if not fits:
        return None
    zero = [width for width in fits if fits[width][2]]
    width = _roundest(zero or list(fits), log.wanted)
    least, most, start_zero = fits[width]
    top = Number(simplest(least, most), least, most)
    before = log.ticks < width
    after = log.part(~before)
    low, high = geometric(multiplications(after.ticks, width), after.low, after.high).drop(float(np.log(top.value)))
    gammas = (float(np.exp(-min(high, 700.0))), float(np.exp(-max(low, -700.0))))
    gamma = Number(simplest(*gammas), *gammas)
    warmup = None
    if rise is not None:
        start = whole(0.0) if start_zero else _start(log.part(before), width, top.value)
        if start is None:
            return None
        warmup = Warmup(start, Number(width, min(zero or fits), max(zero or fits)))
    return Geometric(top, gamma, warmup)


def widths_of(rise: Rise) -> list[float]:
    """Return the whole widths that a rise may have, at most 200 of them."""
    low = int(np.floor(rise.after)) + 1
    high = max(int(np.floor(rise.until)), low)
    return [float(each) for each in np.unique(np.round(np.linspace(low, high, min(high - low + 1, 200))))]


def _factor_tops(
    log: Log, width: float, multiplications: Callable[[FloatArray, float], FloatArray]
) -> tuple[float, float, bool] | None:
    log.work.spend(len(log.ticks) ** 2 // 8)
    before = log.ticks < width
    after = log.part(~before)
    if not len(after.ticks):
        return None
    low, high = geometric(multiplications(after.ticks, width), after.low, after.high).top()
    if low > high or high > 700.0:
        return None
    least, most = float(np.exp(low)), float(np.exp(high))
    if not before.any():
        return least, most, False
    early = log.part(before)
    share = rise_share(early.ticks, np.asarray(width), cosine=False) - 1.0
    for foot in ((0.0, 0.0), (0.0, 1e30)):
        below, above = early.leg(share, foot).top()
        if max(below, least) <= min(above, most):
            return max(below, least), min(above, most), foot[1] == 0.0
    return None


def _start(early: Log, width: float, top: float) -> Number | None:
    share = rise_share(early.ticks, np.asarray(width), cosine=False) - 1.0
    low, high = early.leg(share, (0.0, 1e30)).drop(top)
    least, most = max(top - high, 0.0), max(top - low, 0.0)
    return Number(simplest(least, most), least, most) if least <= most else None


def _roundest(values: list[float], wanted: tuple[float, ...]) -> float:
    middle = values[len(values) // 2]
    return min(values, key=lambda each: (each not in wanted, roundness(each), abs(each - middle)))
