"""The LRs that a schedule expects at points of a log: the one way for verdicts, alerts, curves and answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.conventions import Convention, counted_before, places_of, ticks_at
from trackside_service.conformance.epochs import EXACT, WHOLE, by_epoch, lrs_within, window
from trackside_service.conformance.observations import LrPoint
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

Impossible: TypeAlias = npt.NDArray[np.bool_]


def expected_lrs(
    schedule: CompiledSchedule, convention: Convention, points: Sequence[LrPoint], level: int
) -> tuple[FloatArray, Impossible]:
    """Return the LR expected at each point, float64 of shape (points,), and where the convention is impossible.

    An LR is NaN where none is known. `level`: the decimals of the log's epochs (`EpochStats.level`); of several updates
    that a rounded epoch may mean, the one with the LR nearest to that of the point is taken.
    """
    ticks = ticks_at(schedule, convention, places_of(schedule, points))
    impossible = ticks < 0
    known = ~np.isnan(ticks) & ~impossible
    lrs = np.where(known, schedule.lrs(np.where(known, ticks, 0.0)), math.nan)
    inside = schedule.unit == "epoch" and convention.when == "after_step"
    for index, point in enumerate(points if level < EXACT or (level < WHOLE and inside) else ()):
        if by_epoch(schedule, point) and point.epoch is not None:
            meant = window(schedule, convention, point.epoch, level, counted_before(convention, point))
            impossible[index] = meant is not None and meant[0] < 0
            lrs[index] = math.nan
            if meant is not None and meant[0] >= 0:
                near = lrs_within(schedule, *meant) or ()
                lrs[index] = min(near, key=lambda lr: abs(lr - point.lr), default=math.nan)
    return lrs, impossible


def expected_lr(schedule: CompiledSchedule, convention: Convention, point: LrPoint, level: int) -> float:
    """Return what `expected_lrs` gives for one point."""
    return float(expected_lrs(schedule, convention, (point,), level)[0][0])
