"""What a comparison in progress has seen, as two curves to draw: the expected LR beside the observed one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from trackside_service.conformance.conventions import convention_of, counted_before
from trackside_service.conformance.expecting import expected_lrs
from trackside_service.conformance.tracker import TrackerState
from trackside_service.conformance.verdicts import judge
from trackside_service.schedules.compiled import CompiledSchedule


@dataclass(frozen=True, slots=True)
class Curve:
    """Places in the log's own count, and the LRs there; `expected` is None where the schedule says nothing."""

    unit: Literal["step", "epoch"]
    at: tuple[float, ...]
    expected: tuple[float | None, ...]
    observed: tuple[float, ...]

    def as_wire(self) -> dict[str, Any]:
        """Return {"unit", "at", "expected", "observed"}."""
        return {
            "unit": self.unit,
            "at": list(self.at),
            "expected": list(self.expected),
            "observed": list(self.observed),
        }


def curve(schedule: CompiledSchedule, state: TrackerState) -> Curve | None:
    """Return the points that are kept for the diagnosis with the LRs expected there, in the convention found.

    None where the points share no count (all have a step, or all an epoch), or no convention fits.
    """
    points = [kept.point for kept in state.series]
    convention = judge(schedule, state).convention
    if not points or convention is None:
        return None
    per_epoch, read = schedule.steps_per_epoch, convention_of(convention)
    # In the run's count, where a resumed process counts anew: a curve does not fall back.
    before = [counted_before(read, point) for point in points]
    epochs = [
        point.epoch + (done / per_epoch if per_epoch else 0.0)
        for point, done in zip(points, before, strict=True)
        if point.epoch is not None
    ]
    steps = [float(point.step + done) for point, done in zip(points, before, strict=True) if point.step is not None]
    by_epoch = len(epochs) == len(points) and (schedule.unit == "epoch" or len(steps) < len(points))
    at = epochs if by_epoch else steps
    if len(at) != len(points):
        return None
    expected, _ = expected_lrs(schedule, read, points, state.epochs.level)
    return Curve(
        "epoch" if by_epoch else "step",
        tuple(at),
        tuple(float(lr) if math.isfinite(lr) else None for lr in expected),
        tuple(point.lr for point in points),
    )
