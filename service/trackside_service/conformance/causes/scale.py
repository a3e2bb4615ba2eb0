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


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the constant factor, if one explains every point under some convention."""
    found = [
        (convention, bounds)
        for convention in evidence.conventions
        if (bounds := factor_bounds(evidence, convention)) is not None
    ]
    if not found:
        return ()
    convention, (low, high) = found[0]
    value = simplest(low, high)
    others = [(other, simplest(*bounds)) for other, bounds in found[1:] if other.when != convention.when]
    aside = next((pair for pair in others if _digits(pair[1]) < _digits(value)), None)
    factor = f"{value:.6g}"
    exact = high - low <= 1e-4 * value
    reach = "" if exact else f" (between {low:.4g} and {high:.4g})"
    statement = f"The LR is {factor} times the declared one at every point{reach}."
    if aside is not None:
        reading = "after the scheduler's step" if aside[0].when == "after_step" else "before the scheduler's step"
        statement = f"{statement[:-1]}; {aside[1]:.6g} times if it was read {reading}."
        factor = f"{value:.6g} (or {aside[1]:.6g})"
    peak = evidence.peak
    advice = (
        f"Look for what multiplies the learning rate by {factor}: a parameter group's own rate, scaling by "
        f"batch size or number of "
        f"processes, an lr given twice (configuration and command line). The declared schedule peaks at "
        f"{peak:.4g}, this run at "
        f"{peak * value:.4g}: correct the lr that the optimizer is built with, or declare the one that is meant."
    )
    cause = Cause("scale", "scale", {"factor": {"value": value, "low": low, "high": high}}, statement, advice)
    return (Fit(cause, convention),)


def factor_bounds(evidence: Evidence, convention: Convention) -> tuple[float, float] | None:
    """Return the factors above 0 that every point allows under `convention`, None where there are none or 1 is
    among them.
    """
    ticks = evidence.ticks(convention)
    placed = ~np.isnan(ticks)
    if not placed.any() or bool(np.any(ticks[placed] < 0)):
        return None
    expected = evidence.schedule.lrs(np.where(placed, ticks, 0.0))
    usable = placed & ~np.isnan(expected)
    values, halves, expected = evidence.values[usable], evidence.halves[usable], expected[usable]
    zero = expected == 0.0
    if not np.all(np.isfinite(values)) or bool(np.any(np.abs(values[zero]) > halves[zero])) or bool(np.all(zero)):
        return None
    one, other = (values - halves)[~zero] / expected[~zero], (values + halves)[~zero] / expected[~zero]
    low, high = float(np.max(np.minimum(one, other))), float(np.min(np.maximum(one, other)))
    low = max(low, 0.0)
    if low > high or high <= 0.0 or low <= 1.0 <= high or not np.any(values > halves):
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
