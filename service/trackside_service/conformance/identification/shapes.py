"""A rise to a top and a fall from it: how far a log is from one, and the levels that the prints allow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trackside_service.conformance.identification.bounds import Leg, least_squares
from trackside_service.conformance.identification.found import Number
from trackside_service.conformance.identification.log import Log
from trackside_service.conformance.intervals import simplest
from trackside_service.schedules.curve import FloatArray

Fall = Callable[[FloatArray, FloatArray], FloatArray]
"""f(ticks since the top, length): 1 at the top and 0 at the foot; both broadcast."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What to look for. `foot`: "zero" or "free". `start` of the rise likewise, None without a rise.

    `cosine_rise`: the rise is half a cosine and its end need not be whole (one cycle). `from_start`: the fall's clock
    starts with the run, not at the top. `whole`: only whole lengths are tried, those in `window`. `as_wide`: a length
    equal to the rise's is the usual one. `level`: the rise is a stretch at the top.
    """

    fall: Fall
    foot: Literal["zero", "free"] = "free"
    start: Literal["zero", "free"] | None = None
    cosine_rise: bool = False
    from_start: bool = False
    whole: bool = False
    as_wide: bool = False
    level: bool = False
    window: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Legs:
    """A fit: the levels, and the lengths of the rise (0 without) and of the fall."""

    top: Number
    foot: Number
    start: Number | None
    rise: Number
    length: Number


def rise_share(ticks: FloatArray, width: FloatArray, *, cosine: bool) -> FloatArray:
    """Return how far the rise has come: 0 at its start, 1 at its end."""
    share = np.minimum(ticks / width, 1.0)
    return (1.0 - np.cos(math.pi * share)) / 2.0 if cosine else share


def residuals(log: Log, shape: Shape, widths: FloatArray, lengths: FloatArray, soft: float) -> FloatArray:
    """Return the residual of every (width of the rise, length of the fall); widths of 0 without a rise.

    Prints are taken for no finer than `soft`, in the LR's unit.
    """
    ticks = log.ticks[None, :]
    width, length = widths[:, None], lengths[:, None]
    before = ticks < width
    since = np.where(before, 0.0, ticks if shape.from_start else ticks - width)
    fall = shape.fall(np.maximum(since, 0.0), length)
    share = rise_share(ticks, np.maximum(width, 1e-9), cosine=shape.cosine_rise)
    if shape.level:
        share = np.ones(before.shape)
    columns = [np.where(before, share, fall)]
    if shape.start == "free":
        columns.append(np.where(before, 1.0 - share, 0.0))
    if shape.foot == "free":
        columns.append(np.where(before, 0.0, 1.0 - fall))
    log.work.spend(fall.size * len(columns))
    return least_squares(columns, log.values, np.maximum(log.halves, soft))


def tops(log: Log, shape: Shape, width: float, length: float) -> tuple[float, float]:
    """Return the interval of the top; low above high where nothing fits."""
    log.work.spend(len(log.ticks) ** 2 // 8)
    rise, fall = _split(log, shape, width, length)
    least, most = fall.top()
    if rise is not None:
        low, high = rise.top()
        least, most = max(least, low), min(most, high)
    return least, most


def _split(log: Log, shape: Shape, width: float, length: float) -> tuple[Leg | None, Leg]:
    before = log.ticks < width
    after = log.part(~before)
    since = after.ticks if shape.from_start else after.ticks - width
    fall = shape.fall(since, np.asarray(length)) - 1.0
    zero = (0.0, 0.0)
    main = after.leg(fall, zero if shape.foot == "zero" else (0.0, 1e30))
    if not before.any():
        return None, main
    early = log.part(before)
    if shape.level:
        return early.leg(np.zeros(early.ticks.shape)), main
    share = rise_share(early.ticks, np.asarray(width), cosine=shape.cosine_rise) - 1.0
    return early.leg(share, zero if shape.start == "zero" else (0.0, 1e30)), main


def settle(log: Log, shape: Shape, width: Number, length: Number) -> Legs | None:
    """Return the simplest levels for these lengths, None where no top is possible."""
    least, most = tops(log, shape, width.value, length.value)
    if not most > 0.0 or least > most:
        return None
    top = Number(simplest(max(least, 0.0), most), max(least, 0.0), most)
    rise, fall = _split(log, shape, width.value, length.value)
    foot = _level(fall, top.value, shape.foot)
    start = None if rise is None or shape.level else _level(rise, top.value, shape.start or "zero")
    if foot is None or (rise is not None and start is None and not shape.level):
        return None
    if start is not None and not start.value < top.value:
        return None
    return Legs(top, foot, start, width, length)


def _level(leg: Leg, top: float, known: Literal["zero", "free"]) -> Number | None:
    if known == "zero":
        return Number(0.0, 0.0, 0.0)
    least, most = leg.drop(top)
    if least > most:
        return None
    low, high = max(top - most, 0.0), max(top - least, 0.0)
    return Number(simplest(low, high), low, high)
