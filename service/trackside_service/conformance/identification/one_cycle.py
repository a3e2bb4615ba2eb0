"""one_cycle: half a cosine up, half a cosine down, between ticks that the share of the rise decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from trackside_service.conformance.identification.bounds import roundest
from trackside_service.conformance.identification.cosine import rebounding
from trackside_service.conformance.identification.families import FamilySpec
from trackside_service.conformance.identification.found import Found, Number, Warmup, whole
from trackside_service.conformance.identification.legs import around, near, nearest
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.identification.shapes import Legs, Shape, settle, tops
from trackside_service.conformance.intervals import simplest

_SHAPE = Shape(rebounding, foot="free", start="free", cosine_rise=True)
_HOPELESS = 3.0


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the total and the share of the rise (pct_start): the legs end at pct_start total - 1 and total - 1."""
    if rise is None or not rise.peaked:
        return
    if not near(log, _SHAPE, rise):
        return
    up, down, off = _nearest(log, rise)
    if off > _HOPELESS:
        return
    known: dict[int, tuple[float, float] | None] = {}

    def fit(total: int) -> tuple[float, float] | None:
        if total not in known:
            known[total] = _ups(log, total, up, rise)
        return known[total]

    centre = round(up + down + 1.0)
    start = next((whole for whole in around(centre, log.wanted) if fit(whole) is not None), None)
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
        if total is None or ups is None:
            continue
        share = simplest((ups[0] + 1.0) / total, (ups[1] + 1.0) / total)
        width = share * total - 1.0
        legs = settle(log, _SHAPE, whole(width), whole(total - 1.0 - width))
        if legs is not None and legs.start is not None:
            shares = Number(share, (ups[0] + 1.0) / total, (ups[1] + 1.0) / total)
            yield _found(legs, Number(float(total), float(ends[0]), float(ends[1])), shares)
            return


def _nearest(log: Log, rise: Rise) -> tuple[float, float, float]:
    """Return the lengths of rise and fall, and the residual, of the least residual."""
    low, high = max(rise.after, 1e-3), max(rise.until_smooth, rise.after + 1e-3)
    return nearest(log, _SHAPE, np.linspace(low, high, 25), (max(log.span / 8.0, 1.0), log.span * 20.0))


def _ups(log: Log, total: int, guess: float, rise: Rise) -> tuple[float, float] | None:
    """Return the interval of the rise's length that the prints allow with this total."""

    def room(up: float) -> float:
        if not rise.after < up + 1e-9 or not up < total - 1.0:
            return -np.inf
        least, most = tops(log, _SHAPE, up, total - 1.0 - up)
        return most - least if most > 0.0 else -1.0

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


def _found(legs: Legs, total: Number, share: Number) -> Found:
    assert legs.start is not None
    foot = legs.foot
    usual = legs.start.value / 1e4  # torch's final_div_factor unless given
    if foot.low <= usual <= foot.high:
        foot = replace(foot, value=usual)
    width = share.value * total.value - 1.0
    rise = {
        "kind": "ramp",
        "from": legs.start.value,
        "to": legs.top.value,
        "over": width,
        "shape": "cosine",
        "after": "continue",
    }
    fall = {**rise, "from": legs.top.value, "to": foot.value, "over": total.value - 1.0 - width}
    curve = {"kind": "phases", "phases": [{"until": width, "schedule": rise}, {"schedule": fall}]}
    numbers = {"lr": legs.top, "start": legs.start, "end": foot, "total": total, "pct_start": share}
    return Found("one_cycle", numbers, curve, Warmup(legs.start, whole(width)))


ONE_CYCLE = FamilySpec("one_cycle", "one cycle", 6, search, (1, 1))
