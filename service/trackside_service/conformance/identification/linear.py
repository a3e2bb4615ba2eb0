"""linear: a line down to 0 or another end, which it then holds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trackside_service.conformance.identification.families import FamilySpec, falls, warmup_of
from trackside_service.conformance.identification.found import Found
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.schedules.curve import FloatArray


def fall(since: FloatArray, length: FloatArray) -> FloatArray:
    """1 - x, not below 0."""
    return np.asarray(1.0 - np.minimum(since / length, 1.0), dtype=np.float64)


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the line's length and end."""
    if rise is not None and not rise.peaked:
        return
    legs = falls(log, rise, fall)
    if legs is not None:
        curve = {"kind": "ramp", "from": legs.top.value, "to": legs.foot.value, "over": int(legs.length.value)}
        numbers = {"lr": legs.top, "end": legs.foot, "over": legs.length}
        yield Found("linear", numbers, curve, warmup_of(legs))


LINEAR = FamilySpec("linear", "linear decay", 4, search)
