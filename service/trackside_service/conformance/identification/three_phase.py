"""The one-cycle policy of three phases (three_phase=True of torch and Paddle): up, down as fast, and on to the last LR.

The legs end at w = pct_start total - 1, at 2 w and at total - 1. Up and down are one cosine of half period w.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.identification.bounds import Leg, least_squares
from trackside_service.conformance.identification.cosine import rebounding
from trackside_service.conformance.identification.cycles import cycles
from trackside_service.conformance.identification.found import Found, Number, Warmup, whole
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.intervals import simplest
from trackside_service.schedules.curve import FloatArray

_HOPELESS: Final = 3.0
_SOFT: Final = 3e-3
"""Of the peak: what prints are taken for at first, as in `legs`."""
_TURNS: Final = 40
_STRETCH: Final = 20.0
_SEEN: Final = 3
"""Points in the third phase below which it is not seen: the cycle may as well be of two."""


def search(log: Log, rise: Rise) -> Iterable[Found]:
    """Return the total and the share of the rise."""
    place = _nearest(log, rise)
    if place is None or place[2] > _HOPELESS:
        return

    def room(width: float, total: int) -> float:
        legs = _legs(log, width, total - 1.0)
        if legs is None:
            return -np.inf
        least, most = legs[0].top()
        return most - least if most > 0.0 else -1.0

    for total, share in cycles(log, rise, place[:2], room):
        found = _settled(log, total, share)
        if found is not None:
            yield found
            return


def _split(
    ticks: FloatArray, width: FloatArray, end: FloatArray
) -> tuple[npt.NDArray[np.bool_], FloatArray, FloatArray]:
    """Return where the third phase is, how far the cosine of the first two is from its foot, and how far the third is
    from its own.
    """
    late = np.asarray(ticks > 2.0 * width, dtype=np.bool_)
    up = np.where(late, 0.0, (1.0 - np.cos(math.pi * ticks / width)) / 2.0)
    down = rebounding(np.where(late, ticks - 2.0 * width, 0.0), np.maximum(end - 2.0 * width, 1e-9))
    return late, up, down


def _residuals(log: Log, widths: FloatArray, ends: FloatArray, soft: float) -> FloatArray:
    late, up, down = _split(log.ticks[None, :], widths[:, None], ends[:, None])
    columns = [up, np.where(late, down, 1.0 - up), np.where(late, 1.0 - down, 0.0)]
    log.work.spend(up.size * len(columns))
    return least_squares(columns, log.values, np.maximum(log.halves, soft))


def _nearest(log: Log, rise: Rise) -> tuple[float, float, float] | None:
    """Return the rise's width, the cycle's end and the residual of the least residual: a grid, refined."""
    low, high = max(rise.after, 1e-3), max(rise.until_smooth, rise.after + 1e-3)
    if int((log.ticks > 2.0 * low).sum()) < _SEEN:
        return None
    peak = float(np.max(np.abs(log.values)))
    widths = np.linspace(low, high, 25)
    factors = np.geomspace(max(log.span / (2.0 * high) * 0.9, 1.02), max(log.span * _STRETCH / low, 4.0), 60)
    wide = np.repeat(widths, len(factors))
    far = 2.0 * wide * np.tile(factors, len(widths))
    soft = _SOFT * peak
    off = _residuals(log, wide, far, soft)
    least = int(np.argmin(off))
    width, end, here = float(wide[least]), float(far[least]), float(off[least])
    across, along = float(widths[1] - widths[0]), end * (float(factors[1] / factors[0]) - 1.0)
    for turn in range(_TURNS):
        near = np.unique(np.clip(width + across * np.linspace(-1, 1, 7), low, high))
        ends = end + along * np.linspace(-1, 1, 9)
        wide, far = np.repeat(near, len(ends)), np.tile(ends, len(near))
        possible = far >= 2.0 * wide + 0.5
        wide, far = wide[possible], far[possible]
        if not len(wide):
            return None
        off = _residuals(log, wide, far, soft)
        least = int(np.argmin(off))
        width, end, here = float(wide[least]), float(far[least]), float(off[least])
        if turn >= 5 and here > 5.0 * _HOPELESS:
            return None
        border = far[least] in (ends[0], ends[-1])
        across, along, soft = across * 0.6, along * (1.0 if border else 0.5), soft * (0.8 if border else 0.5)
        if soft < float(np.min(log.halves)) and (here < 0.6 or along < 1e-9 * end):
            break
    return width, end, here


def _legs(log: Log, width: float, end: float) -> tuple[Leg, Leg] | None:
    """Return the first two phases as a leg from the top, and the third as one from where they end; None where nothing
    fits or the third is not seen.
    """
    if not 2.0 * width < end:
        return None
    late, up, down = _split(log.ticks, np.asarray(width), np.asarray(end))
    log.work.spend(len(log.ticks) ** 2 // 8)
    if int(late.sum()) < _SEEN or bool(late.all()):
        return None
    third = log.part(late).leg(down[late] - 1.0, (0.0, 1e30))
    low, high = third.top()
    if low > high or not high > 0.0:
        return None
    return log.part(~late).leg(up[~late] - 1.0, (max(low, 0.0), high)), third


def _settled(log: Log, total: Number, share: Number) -> Found | None:
    width, end = share.value * total.value - 1.0, total.value - 1.0
    legs = _legs(log, width, end)
    if legs is None:
        return None
    first, third = legs
    least, most = first.top()
    if not most > 0.0 or least > most:
        return None
    top = Number(simplest(max(least, 0.0), most), max(least, 0.0), most)
    low, high = first.drop(top.value)
    under, over = third.top()
    low, high = max(top.value - high, under, 0.0), min(top.value - low, over)
    if low > high:
        return None
    start = Number(simplest(low, high), low, high)
    low, high = third.drop(start.value)
    if low > high:
        return None
    low, high = max(start.value - high, 0.0), max(start.value - low, 0.0)
    usual = start.value / 1e4  # torch's final_div_factor unless given
    foot = Number(usual if low <= usual <= high else simplest(low, high), low, high)
    if not foot.value < start.value < top.value:
        return None
    return _found((start, top, foot), total, share)


def _found(levels: tuple[Number, Number, Number], total: Number, share: Number) -> Found:
    start, top, foot = levels
    width = share.value * total.value - 1.0
    up = {"kind": "ramp", "from": start.value, "to": top.value, "over": width, "shape": "cosine", "after": "continue"}
    down = {**up, "from": top.value, "to": start.value}
    last = {**up, "from": start.value, "to": foot.value, "over": total.value - 1.0 - 2.0 * width}
    phases = [{"until": width, "schedule": up}, {"until": 2.0 * width, "schedule": down}, {"schedule": last}]
    numbers = {"lr": top, "start": start, "end": foot, "total": total, "pct_start": share}
    curve = {"kind": "phases", "phases": phases}
    return Found("one_cycle", numbers, curve, Warmup(start, whole(width)), variant="three_phase")
