"""inverse_sqrt: falls with the inverse square root of the time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trackside_service.conformance.identification.families import FamilySpec, falls, warmup_of
from trackside_service.conformance.identification.found import Found
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.schedules.curve import FloatArray


def fall(since: FloatArray, length: FloatArray) -> FloatArray:
    """1/sqrt(1 + x)."""
    return np.asarray(1.0 / np.sqrt(1.0 + since / length), dtype=np.float64)


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the timescale; a number of ticks equal to the warm-up's is the usual one."""
    if rise is not None and not rise.peaked:
        return
    legs = falls(log, rise, fall, feet=("zero",), window=(1.0, max(log.span * 20.0, 2.0)), as_wide=True)
    if legs is None:
        return
    curve = {"kind": "power_law", "lr": legs.top.value, "timescale": int(legs.length.value)}
    yield Found("inverse_sqrt", {"lr": legs.top, "timescale": legs.length}, curve, warmup_of(legs))


INVERSE_SQRT = FamilySpec("inverse_sqrt", "inverse square root", 6, search)
