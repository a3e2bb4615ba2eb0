"""Whether a log shows one LR throughout: curves meet such a log by accident, where they are met at a few ticks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.causes.evidence import View
from trackside_service.conformance.intervals import Interval
from trackside_service.schedules.curve import FloatArray

_BETWEEN: Final = 1024
"""Ticks that are looked at between the first point and the last."""


def common_lr(view: View, where: npt.NDArray[np.bool_] | slice = slice(None)) -> Interval | None:
    """Return the one LR that every print there allows, None where there is none."""
    values, halves = view.values[where], view.halves[where]
    low, high = float(np.max(values - halves)), float(np.min(values + halves))
    if low > high:
        return None
    inside = values[(values >= low) & (values <= high)]
    return Interval(float(inside[0]) if len(inside) else (low + high) / 2, low, high)


def flat_between(view: View, lrs: Callable[[FloatArray], FloatArray | None]) -> bool:
    """Say whether LRs that meet a flat log are as flat between its points; of another log nothing is asked."""
    level = common_lr(view)
    if level is None:
        return True
    found = lrs(np.unique(np.round(np.linspace(view.ticks.min(), view.ticks.max(), _BETWEEN))))
    return found is not None and not bool(np.any(np.abs(found - level.value) > 2.0 * float(np.max(view.halves))))
