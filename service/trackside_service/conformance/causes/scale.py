"""scale: the LR is the declared one times a constant.

Each print bounds the factor, (v - h)/e <= k <= (v + h)/e; the log allows the intersection of all. Linear scaling
by batch or world
size, a rate overridden on the way, a parameter group's multiplier and a typo all look like this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit
from trackside_service.conformance.conventions import Convention
from trackside_service.conformance.explanation import Cause
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.compiler import compile_schedule


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the constant factor, if one explains every point under some convention.

    First of the whole curve, then of the optimizer's base LR alone: floors such as eta_min are absolute.
    """
    return _factor(evidence, None) or _factor(evidence, _floor(evidence.schedule))


def _factor(evidence: Evidence, floor: CompiledSchedule | None) -> Sequence[Fit]:
    found = [
        (convention, bounds)
        for convention in evidence.conventions
        if (bounds := factor_bounds(evidence, convention, floor)) is not None
    ]
    if not found:
        return ()
    convention, (low, high) = found[0]
    value = simplest(low, high)
    others = [(other, simplest(*bounds)) for other, bounds in found[1:] if other.when != convention.when]
    aside = next((pair for pair in others if _digits(pair[1]) < _digits(value)), None)
    factor = f"{value:.6g}"
    reach = "" if high - low <= 1e-4 * value else f" (between {low:.4g} and {high:.4g})"
    if floor is None:
        statement = f"The LR is {factor} times the declared one at every point{reach}."
    else:
        statement = f"The base LR is {factor} times the declared one{reach}; the schedule's floor is as declared."
    if aside is not None:
        reading = "after the scheduler's step" if aside[0].when == "after_step" else "before the scheduler's step"
        statement = f"{statement[:-1]}; {aside[1]:.6g} times if it was read {reading}."
        factor = f"{value:.6g} (or {aside[1]:.6g})"
    peak = evidence.peak
    meant = peak * value if floor is None else floor.peak() + (peak - floor.peak()) * value
    advice = (
        f"Look for what multiplies the learning rate by {factor}: a parameter group's own rate, scaling by batch size "
        f"or number of processes, an lr given twice (configuration and command line). The declared schedule peaks at "
        f"{peak:.4g}, this run at {meant:.4g}: correct the lr that the optimizer gets, or declare the one meant."
    )
    cause = Cause("scale", "scale", {"factor": {"value": value, "low": low, "high": high}}, statement, advice)
    return (Fit(cause, convention),)


def _floor(schedule: CompiledSchedule) -> CompiledSchedule | None:
    """Return what remains of the schedule at a base LR of 0, None where base_lr plays no part or nothing remains."""
    if schedule.base_lrs is None:
        return None
    floor = compile_schedule({**schedule.source, "base_lr": [0.0] * len(schedule.base_lrs)})
    return floor if 0.0 < floor.peak() < schedule.peak() else None


def factor_bounds(
    evidence: Evidence, convention: Convention, floor: CompiledSchedule | None = None
) -> tuple[float, float] | None:
    """Return the factors above 0 of what lies above `floor` that every point allows under `convention`.

    None where there are none, or 1 is among them.
    """
    ticks = evidence.ticks(convention)
    placed = ~np.isnan(ticks)
    if not placed.any() or bool(np.any(ticks[placed] < 0)):
        return None
    clock = np.where(placed, ticks, 0.0)
    expected = evidence.schedule.lrs(clock)
    usable = placed & ~np.isnan(expected)
    values, halves, expected = evidence.values[usable], evidence.halves[usable], expected[usable]
    if not np.all(np.isfinite(values)):
        return None
    if floor is not None:
        base = floor.lrs(clock)[usable]
        values, expected = values - base, expected - base
    zero = np.abs(expected) <= 1e-12 * evidence.peak
    if bool(np.any(np.abs(values[zero]) > halves[zero])) or bool(np.all(zero)) or not np.any(values > halves):
        return None
    one, other = (values - halves)[~zero] / expected[~zero], (values + halves)[~zero] / expected[~zero]
    low, high = float(np.max(np.minimum(one, other))), float(np.min(np.maximum(one, other)))
    low = max(low, 0.0)
    if low > high or high <= 0.0 or low <= 1.0 <= high:
        return None
    return low, high


def simplest(low: float, high: float) -> float:
    """Return the number of the fewest significant digits between `low` and `high` (above 0), the one nearest the
    middle.
    """
    middle = (low + high) / 2
    for digits in range(1, 18):
        value = float(f"{middle:.{digits - 1}e}")
        if low <= value <= high:
            return value
    return middle


def _digits(value: float) -> int:
    return next(
        (digits for digits in range(1, 18) if math.isclose(float(f"{value:.{digits - 1}e}"), value, rel_tol=1e-12)), 17
    )


SCALE = CauseSpec("scale", search)
