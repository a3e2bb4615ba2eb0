"""Other curves between the same ends: what ran if somebody chose another decay with the same warm-up and total."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from trackside_service.conformance.causes.layouts import layout_of
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_POWERS: Final = (2.0, 0.5, 0.9, 3.0)


def other_shapes(schedule: CompiledSchedule, ticks: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    """Yield names of curves and their LRs at `ticks`: the declared warm-up, then from its top to the declared end.

    They keep their last value past the end, but for the cosine, which rebounds in most libraries.
    """
    layout = layout_of(schedule)
    if layout.total is None:
        return
    start, total = float(layout.warmup), float(layout.total)
    top, end = (float(schedule.lrs(np.array([place]))[0]) for place in (start, total))
    if not np.isfinite(end):
        end = float(schedule.lrs(np.array([total - 1.0]))[0])
    share = np.maximum(ticks - start, 0.0) / max(total - start, 1.0)
    part = np.minimum(share, 1.0)
    rising = ticks < start
    before = schedule.lrs(ticks)
    for low in dict.fromkeys((end, 0.0)):
        curves = {
            "cosine": (1.0 + np.cos(np.pi * share)) / 2.0,
            "held cosine": (1.0 + np.cos(np.pi * part)) / 2.0,
            "linear": 1.0 - part,
            **{f"polynomial (power {power:g})": (1.0 - part) ** power for power in _POWERS},
        }
        for name, curve in curves.items():
            yield name, np.where(rising, before, low + (top - low) * curve)
    yield "constant", np.where(rising, before, top)
