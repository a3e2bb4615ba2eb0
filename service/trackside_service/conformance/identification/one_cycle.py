"""one_cycle: half a cosine up, half a cosine down, between ticks that the share of the rise decides.

One of three phases is in `three_phase`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from trackside_service.conformance.identification import three_phase
from trackside_service.conformance.identification.cosine import rebounding
from trackside_service.conformance.identification.cycles import cycles
from trackside_service.conformance.identification.families import FamilySpec
from trackside_service.conformance.identification.found import Found, Number, Warmup, whole
from trackside_service.conformance.identification.legs import near, nearest
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.identification.shapes import Legs, Shape, settle, tops

_SHAPE = Shape(rebounding, foot="free", start="free", cosine_rise=True)
_HOPELESS = 3.0


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the total and the share of the rise (pct_start): the legs end at pct_start total - 1 and total - 1."""
    if rise is None or not rise.peaked:
        return
    yield from _two_phases(log, rise)
    yield from three_phase.search(log, rise)


def _two_phases(log: Log, rise: Rise) -> Iterable[Found]:
    if not near(log, _SHAPE, rise):
        return
    up, down, off = _nearest(log, rise)
    if off > _HOPELESS:
        return

    def room(width: float, total: int) -> float:
        if not width < total - 1.0:
            return -np.inf
        least, most = tops(log, _SHAPE, width, total - 1.0 - width)
        return most - least if most > 0.0 else -1.0

    for total, share in cycles(log, rise, (up, up + down), room):
        width = share.value * total.value - 1.0
        legs = settle(log, _SHAPE, whole(width), whole(total.value - 1.0 - width))
        if legs is not None and legs.start is not None:
            yield _found(legs, total, share)
            return


def _nearest(log: Log, rise: Rise) -> tuple[float, float, float]:
    """Return the lengths of rise and fall, and the residual, of the least residual."""
    low, high = max(rise.after, 1e-3), max(rise.until_smooth, rise.after + 1e-3)
    return nearest(log, _SHAPE, np.linspace(low, high, 25), (max(log.span / 8.0, 1.0), log.span * 20.0))


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
