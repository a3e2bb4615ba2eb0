"""Whole epochs that may be cut off: a loop that logs every 10 updates, with 7 an epoch, prints 0, 1, 2, 4, 5, 7.

Where whole epochs occur once each they are taken for points at the start or the end of an epoch, which is what nearly
every loop means. A loop that logs every so many updates, with about as many to the epoch, prints the same for a while.
So a log of this kind is off for sure only where no number of updates between points explains it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.conventions import Convention
from trackside_service.conformance.epochs import by_epoch
from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.printing import PrintFormat, read_print
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

MOST_STRIDES: Final = 20_000
"""Strides that are tried: with more of them, nothing is known for sure."""
FEW: Final = 3
"""Points that may be of any stride at all, where some between them are missing."""
_COUNTED: Final = ((0, 0), (0, 1), (-1, -1), (-1, 0))
"""Where the updates logged lie from a multiple of the stride (their first, or their last), and what was counted then:
updates, or those done.
"""


def may_be_cut(
    schedule: CompiledSchedule,
    conventions: Sequence[Convention],
    points: Sequence[LrPoint],
    shown: PrintFormat,
    peak: float,
) -> bool:
    """Say whether points every so many updates, whose epochs were cut off or rounded, would have these LRs.

    `points` are those kept of a log of whole epochs, of a schedule that counts updates, each epoch once. Any may be
    missing between them.
    """
    per_epoch = schedule.steps_per_epoch or 1
    known = [point for point in points if by_epoch(schedule, point) and math.isfinite(point.lr)]
    epochs = np.array([(point.epoch or 0.0) + point.before / per_epoch for point in known], dtype=np.float64)
    values = np.array([read_print(point.lr, point.text).value for point in known], dtype=np.float64)
    if len(known) <= FEW:
        return True
    most = math.ceil((float(np.min(np.abs(np.diff(epochs)))) + 1.0) * per_epoch)
    least = max(per_epoch // 2, 1)
    if most - least > MOST_STRIDES:
        return True
    strides = np.arange(least, most + 1, dtype=np.float64)
    ways = {(1.0 if each.when == "after_step" else 0.0, each.epoch_base) for each in conventions if each.epoch_base < 2}
    log = _Log(schedule, values, shown, peak)
    return any(
        log.explained(strides, window, place, count, after)
        for (after, base), (place, count) in product(sorted(ways), _COUNTED)
        for window in _windows(epochs - base, per_epoch)
    )


def _windows(since: FloatArray, per_epoch: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield the first and the last count of updates that each epoch may stand for: cut off, and rounded."""
    yield since * per_epoch, since * per_epoch + (per_epoch - 1)
    yield np.ceil((since - 0.5) * per_epoch), np.floor((since + 0.5) * per_epoch)


@dataclass(frozen=True, slots=True)
class _Log:
    """The LRs of the points as they were printed, and the schedule that they are held against."""

    schedule: CompiledSchedule
    values: FloatArray
    shown: PrintFormat
    peak: float

    def explained(
        self, strides: FloatArray, window: tuple[FloatArray, FloatArray], place: int, count: int, after: float
    ) -> bool:
        """Say whether some stride explains all points, each by the first or the last update logged in its epoch."""
        for value, low, high in zip(self.values.tolist(), *window, strict=True):
            fits = np.zeros(strides.shape, dtype=np.bool_)
            for multiple in (np.ceil((low - count) / strides), np.floor((high - count) / strides)):
                at = multiple * strides
                inside = (at + count >= low) & (at + count <= high) & (at + place >= 0)
                fits |= inside & self._fits(value, np.where(inside, at + place + after, 0.0))
            strides = strides[fits]
            if not len(strides):
                return False
        return True

    def _fits(self, value: float, ticks: FloatArray) -> npt.NDArray[np.bool_]:
        """Say at which ticks the LR is one that prints so, or is not known."""
        lrs = self.schedule.lrs(ticks)
        halves = self.shown.half_widths(np.full(ticks.shape, value), self.peak, np.nan_to_num(lrs))
        return np.asarray(np.isnan(lrs) | (np.abs(lrs - value) <= halves * (1 + 1e-9)), dtype=np.bool_)
