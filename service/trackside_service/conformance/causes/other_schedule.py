"""other_schedule: the LR is cut off, one parameter differs, another curve ran; or no listed cause explains the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.shapes import other_shapes
from trackside_service.conformance.causes.solving import solve
from trackside_service.conformance.causes.variants import Parameter, layout_of, parameters_of, with_parameter
from trackside_service.conformance.causes.wording import words
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import Interval, digits_of
from trackside_service.schedules.curve import FloatArray

_SAMPLES: Final = 48
_ROUND: Final = 3
"""Digits of a value that somebody would have written into a script."""


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the bound that explains every point."""
    return _first(evidence, (_clamped,))


def search_curves(evidence: Evidence) -> Sequence[Fit]:
    """Return the parameter and the curve that explain every point."""
    return _first(evidence, (_parameter, _shape))


def _first(evidence: Evidence, searches: Sequence[Callable[[View, float], Fit | None]]) -> Sequence[Fit]:
    fits: list[Fit] = []
    for searching in searches:
        fit = next((fit for view in evidence.views if (fit := searching(view, evidence.peak)) is not None), None)
        if fit is not None:
            fits.append(fit)
    return fits


def _clamped(view: View, peak: float) -> Fit | None:
    """Search a floor or a ceiling: one LR at every point off, on the declared curve elsewhere."""
    del peak
    low = float(np.max((view.values - view.halves)[view.off]))
    high = float(np.min((view.values + view.halves)[view.off]))
    shown = view.values[view.off]
    if low > high:
        return None
    inside = shown[(shown >= low) & (shown <= high)]
    if not len(inside):
        return None
    level = float(inside[0])
    for bounded, name in ((np.maximum, "floor"), (np.minimum, "ceiling")):
        if bool(view.allows(bounded(view.expected, level))):
            side = "below" if name == "floor" else "above"
            why, advice = words(view.schedule, "clamped")
            cause = Cause(
                "clamped",
                "other_schedule",
                {"bound": name, "lr": {"value": level, "low": low, "high": high}},
                f"The LR never goes {side} {level:.6g}, where the schedule does: {why}.",
                advice,
            )
            return Fit(cause, view.convention, 1)
    return None


def _parameter(view: View, peak: float) -> Fit | None:
    """Search another value of one parameter, the roundest where several would do."""
    layout = layout_of(view.schedule)
    taken = {layout.total_name, layout.warmup_name, "milestones" if layout.style == "sequence" else ""}
    best: tuple[int, Parameter, Interval] | None = None
    for parameter in parameters_of(view.schedule):
        if parameter.name in taken:
            continue

        def predict(value: float, ticks: FloatArray, parameter: Parameter = parameter) -> FloatArray | None:
            schedule = with_parameter(view.schedule, parameter, value)
            return None if schedule is None else schedule.lrs(ticks)

        grid = _grid(parameter, peak, view)
        found = solve(view, predict, grid, integer=parameter.integer, avoid=parameter.value)
        if found is not None and (best is None or digits_of(found.value) < best[0]):
            best = digits_of(found.value), parameter, found
    if best is None:
        return None
    digits, parameter, found = best
    where = "".join(f"/{part}" for part in parameter.path)
    cause = Cause(
        "param_mismatch",
        "other_schedule",
        {"param": parameter.name, "path": where, "declared": parameter.value, "actual": found.as_param()},
        f"`{parameter.name}` is {found}, not {parameter.value:.6g} as declared.",
        f"Compare `{parameter.name}` where the {view.schedule.name} is built with the declaration: the log shows "
        f"{found.value:.6g}.",
    )
    return Fit(cause, view.convention, 1, far_fetched=digits > _ROUND)


def _grid(parameter: Parameter, peak: float, view: View) -> FloatArray:
    value, name = abs(parameter.value), parameter.name
    if parameter.integer:
        top = max(16.0 * value, float(view.last_tick) * 2.0, 8.0)
        low = np.arange(0.0, 33.0)
        return np.unique(np.concatenate([low, np.geomspace(1.0, top, _SAMPLES)]))
    if "factor" in name and "div" in name:
        return np.geomspace(1e-2, 1e8, 2 * _SAMPLES)
    if name in ("gamma", "start_factor", "end_factor", "pct_start", "phase_pct", "alpha", "min_lr_rate", "exp_gamma"):
        near = 1.0 - np.geomspace(1e-5, 0.5, _SAMPLES)
        return np.unique(np.concatenate([np.geomspace(1e-6, 0.5, _SAMPLES), near, [0.0, 1.0]]))
    if "lr" in name or "eta" in name:
        # A schedule that stays at 0 says nothing about the size of an LR: the log does.
        size = peak or float(np.max(np.abs(view.values), initial=0.0, where=np.isfinite(view.values))) or 1.0
        return np.unique(np.concatenate([[0.0], np.geomspace(size * 1e-8, size * 2.0, 2 * _SAMPLES)]))
    return np.geomspace(max(value, 1.0) * 1e-2, max(value, 1.0) * 30.0, 2 * _SAMPLES)


def _shape(view: View, peak: float) -> Fit | None:
    """Search another curve between the same ends."""
    del peak
    for name, lrs in _shapes(view):
        if bool(view.allows(lrs)):
            cause = Cause(
                "different_schedule",
                "other_schedule",
                {"shape": name},
                f"The LR follows a {name} curve between the declared ends, not the declared {view.schedule.name}.",
                words(view.schedule, "different_curve", shape=f"a {name} curve").advice,
            )
            return Fit(cause, view.convention)
    return None


def _shapes(view: View) -> Iterator[tuple[str, FloatArray]]:
    yield from other_shapes(view.schedule, view.ticks)


def different_schedule(evidence: Evidence) -> Cause:
    """Return the answer that says plainly that nothing fits, with the numbers of the first point off."""
    off = evidence.first_off
    place = ", ".join(
        part
        for part in (
            None if off.epoch is None else f"epoch {off.epoch:g}",
            None if off.step is None else f"step {off.step}",
        )
        if part
    )
    where = f"From {place} on" if place else f"From point {off.index} on"
    wanted = "none is defined there" if off.expected is None else f"{off.expected:.4g} was declared"
    finite, ratio = math.isfinite(off.observed), ""
    if off.expected and math.isfinite(off.observed / off.expected):
        ratio = f", {off.observed / off.expected:.3g} times as much"
    if not finite:
        return Cause(
            "different_schedule",
            "other_schedule",
            {"observed": off.observed, "expected": off.expected},
            f"{where} the LR is not a finite number where {wanted}: no schedule gives such an LR.",
            "Look for what computes the LR there: a division by zero, an overflow, or an LR that is derived from a "
            "loss or a gradient that is not finite.",
        )
    return Cause(
        "different_schedule",
        "other_schedule",
        {"observed": off.observed, "expected": off.expected},
        f"{where} the LR is {off.observed:.4g} where {wanted}{ratio}, and no known cause explains the whole "
        f"log: another schedule ran, or its parameters differ.",
        f"Compare the {evidence.schedule.name} that the training script builds with the declared one, parameter "
        f"by parameter, and look for code or a callback that sets the LR by hand from there on.",
    )


OTHER_SCHEDULE = CauseSpec("other_schedule", search, search_curves)
