"""polynomial: a power of what is left, down to 0 or another end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from trackside_service.conformance.identification.families import FamilySpec, falls, warmup_of
from trackside_service.conformance.identification.found import Found, whole
from trackside_service.conformance.identification.legs import HOPELESS, Fall, Shape, possible
from trackside_service.conformance.identification.linear import fall as linear_fall
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.schedules.curve import FloatArray

POWERS: Final = (0.9, 2.0, 0.5, 3.0, 4.0, 1.5, 0.8, 0.7, 0.6, 1.2, 2.5, 5.0)
"""The exponents looked for, the usual ones first; 1 is a line."""


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
    for power in POWERS:
        legs = falls(log, rise, fall_of(power), feet=("zero",))
        if legs is None and not straight:
            legs = falls(log, rise, fall_of(power), feet=("free",), window=(1.0, max(4.0 * log.span, 2.0)))
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


POLYNOMIAL = FamilySpec("polynomial", "polynomial decay", 6, search)
