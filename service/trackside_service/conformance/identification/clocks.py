"""The clocks that a log may be read by: what one tick is, and the index convention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trackside_service.conformance.conventions import Convention, candidates, places_of, preference, ticks_at
from trackside_service.conformance.observations import LrPoint
from trackside_service.schedules.compiled import CompiledSchedule, Reporting
from trackside_service.schedules.curve import FloatArray
from trackside_service.schedules.kinds.ramp import Ramp


@dataclass(frozen=True, slots=True)
class Clock:
    """Ticks at the points, float64 of shape (points,), whole and at least 0; `rank` counts from the most usual one."""

    unit: Literal["step", "epoch"]
    convention: Convention
    ticks: FloatArray
    rank: int


def clocks_of(points: Sequence[LrPoint], steps_per_epoch: int | None) -> tuple[Clock, ...]:
    """Return the clocks that place every point, the most usual first, those with the same ticks once."""
    found: list[Clock] = []
    epochs = [point.epoch for point in points]
    first_epoch = next((epoch for epoch in epochs if epoch is not None), None)
    ordered = sorted(candidates(Reporting()), key=lambda each: preference(each, first_epoch))
    everywhere = all(epoch is not None for epoch in epochs)
    for unit in ("epoch", "step") if everywhere else ("step", "epoch"):
        tried = 0
        bare = [LrPoint(point.lr, None, point.epoch) for point in points] if unit == "epoch" and everywhere else points
        schedule = _clock(unit, steps_per_epoch)
        places = places_of(schedule, bare)
        for convention in ordered:
            ticks = ticks_at(schedule, convention, places)
            if bool(np.any(np.isnan(ticks))) or bool(np.any(ticks < 0)):
                continue
            if any(np.array_equal(ticks, clock.ticks) for clock in found):
                continue
            found.append(Clock(unit, convention, ticks, tried))
            tried += 1
    return tuple(found)


def _clock(unit: Literal["step", "epoch"], steps_per_epoch: int | None) -> CompiledSchedule:
    """Return a schedule of that unit whose LR is of no interest: the conventions ask it only what a tick is."""
    return CompiledSchedule(
        unit=unit,
        steps_per_epoch=steps_per_epoch,
        reporting=Reporting(),
        framework=None,
        name="clock",
        source={},
        groups=(Ramp(1.0, 0.0, 1.0),),
        base_lrs=None,
    )
