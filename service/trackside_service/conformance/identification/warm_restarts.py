"""warm_restarts: half cosines that start again at the maximum."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import numpy as np

from trackside_service.conformance.identification.cosine import rebounding
from trackside_service.conformance.identification.families import FamilySpec, falls, warmup_of
from trackside_service.conformance.identification.found import Found, whole
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.identification.shapes import Fall
from trackside_service.schedules.curve import FloatArray


@cache
def fall_of(t_mult: int) -> Fall:
    """Return (1 + cos(pi T_cur/T_i))/2 of cycles that each last t_mult times as long as the one before."""

    def fall(since: FloatArray, length: FloatArray) -> FloatArray:
        turns = since / length
        if t_mult == 1:
            return rebounding(turns - np.floor(turns + 1e-9), np.ones(()))
        cycle = np.floor(np.log(1.0 + turns * (t_mult - 1.0)) / np.log(t_mult) + 1e-9)
        begun, lasts = (t_mult**cycle - 1.0) / (t_mult - 1.0), t_mult**cycle
        return rebounding((turns - begun) / lasts, np.ones(()))

    return fall


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the first cycle's length, which ends where the LR first goes up again, and the factor between cycles."""
    if rise is not None and not rise.peaked:
        return
    window = _first_restart(log, rise)
    if window is None:
        return
    for t_mult in (1, 2, 3, 4):
        legs = falls(log, rise, fall_of(t_mult), window=window, whole_only=True)
        if legs is None:
            continue
        curve = {
            "kind": "restarts",
            "max": legs.top.value,
            "min": legs.foot.value,
            "t0": int(legs.length.value),
            "t_mult": t_mult,
        }
        numbers = {"lr": legs.top, "min": legs.foot, "t0": legs.length, "t_mult": whole(t_mult)}
        yield Found("warm_restarts", numbers, curve, warmup_of(legs))
        return


def _first_restart(log: Log, rise: Rise | None) -> tuple[float, float] | None:
    """Return how long the first cycle may be: up to the first point, after a fall, above the one before it."""
    first = 0 if rise is None else rise.count
    low, high = log.low[first:], log.high[first:]
    ticks = log.ticks[first:]
    fallen = False
    for index in range(1, len(ticks)):
        if high[index] < low[index - 1]:
            fallen = True
        elif fallen and low[index] > high[index - 1]:
            widest = 0.0 if rise is None else rise.until
            nearest = 0.0 if rise is None else rise.after
            least, most = float(ticks[index - 1]) - widest, float(ticks[index]) - nearest
            return max(least, 2.0), max(most, 2.0)
    return None


WARM_RESTARTS = FamilySpec("warm_restarts", "cosine with warm restarts", 7, search, (1, math.inf))
