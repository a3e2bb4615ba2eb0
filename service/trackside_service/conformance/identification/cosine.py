"""cosine: half a cosine to a minimum; past it the LR rebounds, or stays (Keras, timm)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from trackside_service.conformance.identification.families import FamilySpec, falls, warmup_of
from trackside_service.conformance.identification.found import Found
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.identification.shapes import Legs
from trackside_service.schedules.curve import FloatArray


def rebounding(since: FloatArray, length: FloatArray) -> FloatArray:
    """(1 + cos(pi x))/2."""
    return np.asarray((1.0 + np.cos(math.pi * since / length)) / 2.0, dtype=np.float64)


def held(since: FloatArray, length: FloatArray) -> FloatArray:
    """(1 + cos(pi x))/2, 0 past the end."""
    return rebounding(np.minimum(since, length), length)


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the length and the minimum; a cosine that stays at its minimum only where the log goes past its end."""
    if rise is not None and not rise.peaked:
        return
    from_start = False
    least = max(log.span / 12.0, 1.0)
    window = (least, max(log.span * 20.0, least + 1.0))
    legs, after = falls(log, rise, rebounding, window=window), "continue"
    if legs is None and _level_end(log):
        legs, after = falls(log, rise, held, window=window), "hold"
    if legs is None and rise is not None:  # timm's cosine has run since the start when the warm-up ends
        from_start = True
        legs, after = falls(log, rise, held, window=window, from_start=True), "hold"
    if legs is not None:
        yield _found(legs, after, from_start=from_start)


def _level_end(log: Log) -> bool:
    return len(log.ticks) > 2 and bool(np.max(log.low[-2:]) <= np.min(log.high[-2:]))


def _found(legs: Legs, after: str, *, from_start: bool) -> Found:
    curve = {
        "kind": "ramp",
        "from": legs.top.value,
        "to": legs.foot.value,
        "over": int(legs.length.value),
        "shape": "cosine",
        "after": after,
    }
    numbers = {"lr": legs.top, "min": legs.foot, "over": legs.length}
    return Found("cosine", numbers, curve, warmup_of(legs), clock_from_start=from_start)


COSINE = FamilySpec("cosine", "cosine annealing", 4, search, (0, 24))
