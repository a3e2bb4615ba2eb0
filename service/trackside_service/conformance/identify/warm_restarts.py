"""warm_restarts: half cosines that start again at the maximum."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trackside_service.conformance.identify.cosine import rebounding
from trackside_service.conformance.identify.families import FamilySpec, falls, warmup_of
from trackside_service.conformance.identify.found import Found, whole
from trackside_service.conformance.identify.legs import Fall
from trackside_service.conformance.identify.log import Log, Rise
from trackside_service.schedules.curve import FloatArray


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
    """Return the first cycle's length, which lies where the LR first goes up again, and the factor from cycle to cycle."""
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
    """Return what the first cycle may last: up to the first point that is higher than the one before it, after a fall."""
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


WARM_RESTARTS = FamilySpec("warm_restarts", "cosine with warm restarts", 7, search)
