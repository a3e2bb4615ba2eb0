"""scale: the LR is the declared one times a constant, or another parameter group's.

Each print bounds the factor, (v - h)/e <= k <= (v + h)/e; the log allows the intersection of all. Linear scaling
by batch or world size, a rate overridden on the way, a parameter group's multiplier and a typo all look like this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from trackside_service.conformance.causes.evidence import FOLLOWED, CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.variants import has_starts, scaled
from trackside_service.conformance.causes.wording import words
from trackside_service.conformance.conventions import Convention
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import digits_of, simplest
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_FLOORLESS: Final = ("constant", "table")
_ONE_RATE: Final = ("paddle", "keras")
"""Frameworks whose scheduler has one rate, whatever the parameters' own multipliers."""


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the other groups and the constant factor that explain every point under some convention.

    First of the whole curve, then of the rates alone: floors such as eta_min are absolute.
    """
    groups = _other_groups(evidence)
    whole = _factor(evidence, None)
    each = sum(view.schedule.followed_to(view.last_tick) for view in evidence.views)
    for starts in (False, True) if evidence.schedule.name not in _FLOORLESS else ():
        if whole or (starts and not has_starts(evidence.schedule)) or not evidence.work.spend(FOLLOWED * each, 1):
            break
        double = scaled(evidence.schedule, 2.0, starts=starts)
        if double is not None:
            whole = _factor(evidence, double)
    return (*groups, *whole)


def _other_groups(evidence: Evidence) -> Sequence[Fit]:
    schedule = evidence.schedule
    for view in evidence.views:
        for group in range(1, len(schedule.groups)):
            if bool(view.allows(schedule.lrs(view.ticks, group))):
                return (Fit(another_group(schedule, group), view.convention),)
    return ()


def another_group(schedule: CompiledSchedule, group: int) -> Cause:
    """Return the cause of a log that has the LRs of the schedule's group at that place (>= 1)."""
    base = schedule.base_lrs[group] if schedule.base_lrs and group < len(schedule.base_lrs) else None
    rate = "" if base is None else f", whose base LR is {base:.4g}"
    own, other = schedule.first, schedule.number_of(group)
    return Cause(
        "other_group",
        "scale",
        {"group": other} if base is None else {"group": other, "base_lr": base},
        f"The LRs are those of parameter group {other}{rate}, not of group {own}.",
        words(schedule, "another_group", own=own, other=other).advice,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    convention: Convention
    low: float
    high: float

    @property
    def value(self) -> float:
        return simplest(self.low, self.high)


def _factor(evidence: Evidence, double: CompiledSchedule | None) -> Sequence[Fit]:
    """Search the factor; where `double`, the schedule at twice its rates, shows a floor, above that floor only."""
    schedule, whole_curve = evidence.schedule, double is None
    found, floor_peak = [], 0.0
    for view in evidence.views:
        floor = np.zeros(view.length)
        if double is not None:
            floor = 2.0 * view.expected - double.lrs(view.ticks)
            floor_peak = float(np.nanmax(floor, initial=0.0))
            if not floor_peak > 1e-12 * evidence.peak:
                continue
        bounds = factor_bounds(view, evidence.peak, floor)
        if bounds is not None:
            found.append(_Found(view.convention, *bounds))
    if not found:
        return ()
    best = found[0]
    aside = next(
        (
            other
            for other in found[1:]
            if other.convention.when != best.convention.when and digits_of(other.value) < digits_of(best.value)
        ),
        None,
    )
    factor = f"{best.value:.6g}"
    reach = "" if best.high - best.low <= 1e-4 * best.value else f" (between {best.low:.4g} and {best.high:.4g})"
    if whole_curve:
        statement = f"The LR is {factor} times the declared one at every point{reach}."
    else:
        statement = f"The base LR is {factor} times the declared one{reach}; the schedule's floor is as declared."
    if aside is not None:
        reading = (
            "after the scheduler's step" if aside.convention.when == "after_step" else "before the scheduler's step"
        )
        statement = f"{statement[:-1]}; {aside.value:.6g} times if it was read {reading}."
        factor = f"{best.value:.6g} (or {aside.value:.6g})"
    meant = evidence.peak * best.value if whole_curve else floor_peak + (evidence.peak - floor_peak) * best.value
    advice = (
        f"Look for what multiplies the learning rate by {factor}: scaling by batch size or number of processes, an lr "
        "given twice (configuration and command line), a parameter group's own rate. The declared schedule peaks at "
        f"{evidence.peak:.4g}, this run at {meant:.4g}: correct the lr that the optimizer gets, or declare the one "
        "meant."
    )
    params = {"factor": {"value": best.value, "low": best.low, "high": best.high}}
    fits = [Fit(Cause("scale", "scale", params, statement, advice), best.convention, 1)]
    if len(schedule.groups) == 1 and schedule.framework not in _ONE_RATE:
        cause = Cause(
            "other_group",
            "scale",
            params,
            f"The log may show another parameter group, whose LR is {factor} times the declared one's.",
            words(schedule, "other_group").advice,
        )
        fits.append(Fit(cause, best.convention, 1))
    return fits


def factor_bounds(view: View, peak: float, floor: FloatArray, *, below: bool = False) -> tuple[float, float] | None:
    """Return the factors of what lies above `floor` that every point allows, None where there are none.

    They are above 0 unless `below` admits an LR that was set below the floor.
    """
    usable = ~np.isnan(view.expected)
    if not usable.any() or (view.schedule.refused_after is not None and not usable.all()):
        return None
    halves, base = view.halves[usable], floor[usable]
    values, expected = view.values[usable] - base, view.expected[usable] - base
    zero = np.abs(expected) <= 1e-12 * peak
    if (
        bool(np.any(np.abs(values[zero]) > halves[zero]))
        or bool(np.all(zero))
        or not np.any((np.abs(values) if below else values) > halves)
    ):
        return None
    one, other = (values - halves)[~zero] / expected[~zero], (values + halves)[~zero] / expected[~zero]
    low, high = float(np.max(np.minimum(one, other))), float(np.min(np.maximum(one, other)))
    low = low if below else max(low, 0.0)
    if low > high or (high <= 0.0 and not below) or low <= 1.0 <= high:
        return None
    return low, high


SCALE = CauseSpec("scale", search)
