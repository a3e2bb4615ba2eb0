"""other_schedule: one parameter differs, another curve ran, or none; or no listed cause explains the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.flat import common_lr
from trackside_service.conformance.causes.layouts import layout_of
from trackside_service.conformance.causes.milestones import milestones
from trackside_service.conformance.causes.shapes import other_shapes
from trackside_service.conformance.causes.solving import solve
from trackside_service.conformance.causes.variants import Parameter, parameters_of, with_parameter
from trackside_service.conformance.causes.wording import apart, called, words
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.identification.answer import Identification
from trackside_service.conformance.identification.engine import identify
from trackside_service.conformance.identification.wording import NAMES
from trackside_service.conformance.identification.work import MOST, Work
from trackside_service.conformance.intervals import Interval, digits_of
from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.printing import Print
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_SAMPLES: Final = 48
_ROUND: Final = 3
"""Digits of a value that somebody would have written into a script."""
_FEWEST: Final = 3
"""Points from which on an LR is called constant."""
_IDENTIFYING: Final = 3_000_000
"""What naming the schedule that ran may cost of what an identification may: an eighth of a second."""


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the constant LR that explains every point, from the start or behind the warm-up: no scheduler ran, or none
    that decays.
    """
    return _first(evidence, (_constant, _undecayed))[:1]


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


def _constant(view: View, peak: float) -> Fit | None:
    """Search one LR at every point, said where nothing simpler explains it: a curve meets it by accident."""
    del peak
    level = common_lr(view)
    if level is None or view.length < _FEWEST:
        return None
    name = called(view.schedule)
    cause = Cause(
        "different_schedule",
        "other_schedule",
        {"shape": "constant", "lr": level.as_param()},
        f"No scheduler ran: the LR is constant at {level.value:.6g}, where {name} was declared.",
        words(view.schedule, "different_curve", shape="a constant LR").advice,
    )
    return Fit(cause, view.convention, 1, far_fetched=True)


def _undecayed(view: View, peak: float) -> Fit | None:
    """Search the declared warm-up and then the LR that it leads to, to the end."""
    del peak
    warmup, schedule = layout_of(view.schedule).warmup, view.schedule
    behind = view.ticks >= warmup
    if not warmup or int(behind.sum()) < _FEWEST or behind.all():
        return None
    top = float(schedule.lrs(np.array([float(warmup)]))[0])
    if not bool(view.allows(np.where(behind, top, view.expected))):
        return None
    cause = Cause(
        "different_schedule",
        "other_schedule",
        {"shape": "constant", "lr": top, "after": warmup},
        f"The LR stays at {top:.6g} behind its warm-up, where {called(schedule)} was declared: nothing decays.",
        words(schedule, "different_curve", shape="a constant LR behind the warm-up").advice,
    )
    return Fit(cause, view.convention)


def _parameter(view: View, peak: float) -> Fit | None:
    """Search another value of one parameter, the roundest where several would do."""
    if common_lr(view) is not None:  # a flat log says nothing of a curve's parameters
        return None
    listed = milestones(view)
    if listed is not None:
        return listed
    layout = layout_of(view.schedule)
    taken = {layout.total_name, layout.warmup_name if layout.style in ("param", "wrapped", "chained") else ""}
    bare = layout.with_warmup(0.0) if layout.warmup else None
    best: tuple[int, Parameter, Interval] | None = None
    for parameter in parameters_of(view.schedule):
        if parameter.name in taken:
            continue

        def predict(value: float, ticks: FloatArray, parameter: Parameter = parameter) -> FloatArray | None:
            schedule = with_parameter(view.schedule, parameter, value)
            return None if schedule is None else schedule.lrs(ticks)

        grid = _grid(parameter, peak, view)
        found = solve(view, predict, grid, integer=parameter.integer, avoid=parameter.value)
        if found is not None and bare is not None and _same(bare, predict(found.value, view.ticks), view.ticks):
            continue  # a ramp from its own end: that is a missing warm-up
        if found is not None and (best is None or digits_of(found.value) < best[0]):
            best = digits_of(found.value), parameter, found
    if best is None:
        return None
    digits, parameter, found = best
    where = "".join(f"/{part}" for part in parameter.path)
    shown = parameter.name + (f"[{parameter.path[-1]}]" if isinstance(parameter.path[-1], int) else "")
    cause = Cause(
        "param_mismatch",
        "other_schedule",
        {"param": parameter.name, "path": where, "declared": parameter.value, "actual": found.as_param()},
        f"`{shown}` is {found}, not {parameter.value:.6g} as declared.",
        f"Compare `{shown}` where the {called(view.schedule)} schedule is built with the declaration: the log shows "
        f"{found.value:.6g}.",
    )
    return Fit(cause, view.convention, 1, far_fetched=digits > _ROUND)


def _same(schedule: CompiledSchedule, lrs: FloatArray | None, ticks: FloatArray) -> bool:
    return lrs is not None and bool(np.allclose(schedule.lrs(ticks), lrs, rtol=1e-9, atol=0.0, equal_nan=True))


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
    if "lr" in name or "eta" in name or name == "values":
        # A schedule that stays at 0 says nothing about the size of an LR, nor one of steps about one above them all.
        shown = float(np.max(np.abs(view.values), initial=0.0, where=np.isfinite(view.values)))
        size = (max(peak, shown) if name == "values" else peak or shown) or 1.0
        return np.unique(np.concatenate([[0.0], np.geomspace(size * 1e-8, size * 2.0, 2 * _SAMPLES)]))
    return np.geomspace(max(value, 1.0) * 1e-2, max(value, 1.0) * 30.0, 2 * _SAMPLES)


def _shape(view: View, peak: float) -> Fit | None:
    """Search another curve between the same ends."""
    del peak
    if common_lr(view) is not None:
        return None
    for name, lrs in _shapes(view):
        if bool(view.allows(lrs)):
            cause = Cause(
                "different_schedule",
                "other_schedule",
                {"shape": name},
                f"The LR follows a {name} curve between the declared ends, not the declared {called(view.schedule)}.",
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
    shown, declared = (f"{off.observed:.4g}", "") if off.expected is None else apart(off.observed, off.expected)
    wanted = "none is defined there" if off.expected is None else f"{declared} was declared"
    finite, ratio = math.isfinite(off.observed), ""
    if off.expected and math.isfinite(off.observed / off.expected):
        ratio = f", {apart(off.observed / off.expected, 1.0)[0]} times as much"
    if not finite:
        return Cause(
            "different_schedule",
            "other_schedule",
            {"observed": off.observed, "expected": off.expected},
            f"{where} the LR is not a finite number where {wanted}: no schedule gives such an LR.",
            "Look for what computes the LR there: a division by zero, an overflow, or an LR that is derived from a "
            "loss or a gradient that is not finite.",
        )
    fact, name = f"{where} the LR is {shown} where {wanted}{ratio}", called(evidence.schedule)
    params: dict[str, Any] = {"observed": off.observed, "expected": off.expected}
    found = _identified(evidence)
    if found.candidates and found.verdict in ("identified", "ambiguous"):
        ran = found.candidates[0]
        body = ran.statement[0].lower() + ran.statement[1:]
        fits = "What the log shows is" if found.verdict == "identified" else "The simplest one that fits the log is"
        return Cause(
            "different_schedule",
            "other_schedule",
            {**params, "shape": ran.family, "schedule": dict(ran.declaration)},
            f"{fact}: another schedule ran. {fits} {body}",
            words(evidence.schedule, "different_curve", shape=NAMES[ran.family]).advice,
        )
    return Cause(
        "different_schedule",
        "other_schedule",
        params,
        f"{fact}, and no known cause explains the whole log: another schedule ran, or its parameters differ.",
        f"Compare the {name} schedule that the training script builds with the declared one, parameter "
        f"by parameter, and look for code or a callback that sets the LR by hand from there on.",
    )


def _identified(evidence: Evidence) -> Identification:
    """Return what schedule the log is, in the declared framework's words, for little work."""
    schedule, work = evidence.schedule, Work()
    work.spent = MOST - _IDENTIFYING
    places = evidence.places
    before = np.broadcast_to(places.counted(evidence.conventions[0]), places.steps.shape)
    points = [
        LrPoint(
            each.value,
            None if math.isnan(step) else int(step),
            None if math.isnan(epoch) else float(epoch),
            _text(each),
            before=int(done),
        )
        for each, step, epoch, done in zip(
            evidence.prints, places.steps.tolist(), places.epochs.tolist(), before.tolist(), strict=True
        )
    ]
    return identify(points, framework=schedule.framework, steps_per_epoch=schedule.steps_per_epoch, work=work)


def _text(shown: Print) -> str | None:
    """Return the number as the log printed it."""
    if not shown.texted:
        return None
    return f"{shown.value:.{shown.decimals}f}" if shown.mantissa is None else f"{shown.value:.{shown.mantissa}e}"


OTHER_SCHEDULE = CauseSpec("other_schedule", search, search_curves)
