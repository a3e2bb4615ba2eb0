"""polynomial: a power of what is left, down to 0 or another end."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

import numpy as np

from trackside_service.conformance.identification.bounds import least_squares
from trackside_service.conformance.identification.families import FamilySpec, falls, warmup_of
from trackside_service.conformance.identification.found import Found, whole
from trackside_service.conformance.identification.legs import HOPELESS, possible
from trackside_service.conformance.identification.linear import fall as linear_fall
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.identification.shapes import Fall, Shape
from trackside_service.schedules.curve import FloatArray

POWERS: Final = (0.9, 2.0, 0.5, 3.0, 4.0, 1.5, 0.8, 0.7, 0.6, 1.2, 2.5, 5.0)
"""The exponents looked for, the usual ones first; 1 is a line."""
_CLOSER: Final = 8


@cache
def fall_of(power: float) -> Fall:
    """Return (1 - x)^power, 0 past the end."""

    def fall(since: FloatArray, length: FloatArray) -> FloatArray:
        return np.asarray((1.0 - np.minimum(since / length, 1.0)) ** power, dtype=np.float64)

    return fall


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the length and end for the first of the usual powers that fits."""
    if rise is not None and not rise.peaked:
        return
    line = Shape(linear_fall, start=None if rise is None else "free")
    # The start of a power that ends far out is a line: where a line will do, only powers that end at 0 are of interest.
    straight = possible(log, line, rise) <= HOPELESS
    for power, free in _likely(log, rise, free=not straight):
        far = (1.0, max(4.0 * log.span, 2.0)) if free else None
        legs = falls(log, rise, fall_of(power), feet=("free",) if free else ("zero",), window=far)
        if legs is not None:
            curve = {
                "kind": "ramp",
                "from": legs.top.value,
                "to": legs.foot.value,
                "over": int(legs.length.value),
                "shape": "poly",
                "power": power,
            }
            numbers = {"lr": legs.top, "end": legs.foot, "over": legs.length, "power": whole(power)}
            yield Found("polynomial", numbers, curve, warmup_of(legs))
            return


def _likely(log: Log, rise: Rise | None, *, free: bool) -> list[tuple[float, bool]]:
    """Return the powers that come near, those that end at 0 first: (power, whether the end is free), at most six."""
    likely = [(power, False) for power in _nearest(log, rise, free=False)]
    return likely + ([(power, True) for power in _nearest(log, rise, free=True)] if free else [])


def _nearest(log: Log, rise: Rise | None, *, free: bool) -> list[float]:
    """Return the powers whose curves are near the fall, at most three: a grid of ends for each, looked at ever more
    closely. What is left of a fall does not depend on where it began, so the warm-up can be left out.
    """
    fallen = log if rise is None else log.part(log.ticks >= rise.until)
    if len(fallen.ticks) < 4:
        return list(POWERS[:2])
    ends = np.tile(
        np.geomspace(max(log.span / 4.0, 1.0), log.span * (4.0 if free else 20.0) + 2.0, 40), (len(POWERS), 1)
    )
    powers, peak = np.asarray(POWERS)[:, None], float(np.max(np.abs(log.values)))
    across, soft, off = 0.12, 0.03 * peak, np.zeros(len(POWERS))
    for _ in range(_CLOSER):
        left = np.maximum(1.0 - fallen.ticks[None, None, :] / ends[:, :, None], 0.0) ** powers[:, :, None]
        columns = [left.reshape(-1, len(fallen.ticks))]
        columns += [np.ones(columns[0].shape)] if free else []
        log.work.spend(columns[0].size * len(columns))
        fits = least_squares(columns, fallen.values, np.maximum(fallen.halves, soft)).reshape(ends.shape)
        least = np.argmin(fits, axis=1)
        off, best = np.min(fits, axis=1), np.take_along_axis(ends, least[:, None], axis=1)
        ends, across, soft = best * np.exp(across * np.linspace(-1.0, 1.0, 7))[None, :], across * 0.45, soft * 0.6
    near = [int(place) for place in np.argsort(off, kind="stable")[:3] if off[place] <= 2.0 * HOPELESS]
    return [POWERS[place] for place in sorted(near)]


POLYNOMIAL = FamilySpec("polynomial", "polynomial decay", 6, search)
