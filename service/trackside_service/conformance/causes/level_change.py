"""level_change: from some point on the LR is the declared one times a constant: it was set by hand on the way.

A chained scheduler goes on from the LR that it is given (above its floor), one in closed form forgets it at the next
tick, unless the code sets it again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.causes.chaining import phases_of
from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.flat import common_lr
from trackside_service.conformance.causes.layouts import layout_of
from trackside_service.conformance.causes.scale import factor_bounds
from trackside_service.conformance.causes.wording import at, words
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import between


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the level change that explains every point, at least two of them after it."""
    for view in evidence.views:
        if not view.first or view.length - view.first < 2:
            continue
        for fit in (_factor(view, evidence.peak), _one_tick(view), _held(view)):
            if fit is not None:
                return (fit,)
    return ()


def _factor(view: View, peak: float) -> Fit | None:
    """Search the factor that explains the tail, to its end or until the scheduler forgets it."""
    first = view.first
    after = np.arange(view.length) >= first
    for floor, scope in _scopes(view):
        tail = after & scope
        if tail.sum() < 2 or not bool(view.agree(view.expected)[after & ~scope].all()):
            continue
        bounds = factor_bounds(_part(view, tail), peak, np.full(int(tail.sum()), floor), below=floor > 0)
        if bounds is None:
            continue
        factor = between(*bounds)
        above = "" if floor == 0.0 else f" above the floor of {floor:.4g}"
        return _fit(view, {"factor": factor.as_param()}, f"the LR is {factor} times the declared one{above}")
    return None


def _scopes(view: View) -> Sequence[tuple[float, npt.NDArray[np.bool_]]]:
    """Return floors, and at which points a changed LR would still show."""
    tick = view.ticks[view.first]
    found: list[tuple[float, npt.NDArray[np.bool_]]] = [(0.0, np.ones(view.length, dtype=np.bool_))]
    for phase in phases_of(view.schedule):
        if phase.start <= tick < phase.end:
            inside = (view.ticks >= phase.start) & (view.ticks < phase.end)
            segments = phase.chain.segment(np.maximum(view.ticks - phase.start, 0.0))
            found.append((phase.chain.floor, inside & (segments == segments[view.first])))
    return found


def _part(view: View, where: npt.NDArray[np.bool_]) -> View:
    return replace(
        view,
        ticks=view.ticks[where],
        updates=view.updates[where],
        values=view.values[where],
        halves=view.halves[where],
        expected=view.expected[where],
        off=view.off[where],
        screen=np.arange(int(where.sum())),
    )


def _one_tick(view: View) -> Fit | None:
    """Search one LR that holds during one tick only."""
    wrong = view.ticks[view.off]
    if wrong.min() != wrong.max():
        return None
    level = common_lr(view, view.off)
    return None if level is None else _fit(view, {"lr": level.as_param()}, f"the LR is {level.value:.6g} for one tick")


def _held(view: View) -> Fit | None:
    """Search one LR that holds from the first point off to the end."""
    tail = np.arange(view.length) >= view.first
    level = common_lr(view, tail)
    if level is None or any(bool(view.allows(cut(view.expected, level.value))) for cut in (np.maximum, np.minimum)):
        return None  # a bound says it more simply
    fit = _fit(view, {"lr": level.as_param()}, f"the LR stays at {level.value:.6g}")
    # An LR that stays where the warm-up led it needs no hand: nothing decays.
    warmup = layout_of(view.schedule).warmup
    top = float(view.schedule.lrs(np.array([float(warmup)]))[0]) if warmup else np.nan
    return replace(fit, behind=fit.behind | {"different_schedule"}) if level.low <= top <= level.high else fit


def _fit(view: View, params: dict[str, Any], what: str) -> Fit:
    first = view.first
    tick = view.ticks[first]
    before = view.ticks[first - 1] if first else 0.0
    why, advice = words(view.schedule, "manual_override")
    cause = Cause(
        "manual_override",
        "level_change",
        {**params, "at_tick": {"value": float(tick), "low": float(before), "high": float(tick)}},
        f"From {at(view, tick)} on {what}: {why}.",
        advice,
    )
    # An LR that changes by hand exactly where the schedule has a step is that step by another factor.
    behind = frozenset({"param_mismatch"}) if _at_a_step(view) else frozenset()
    return Fit(cause, view.convention, 1, changes=True, behind=behind)


def _at_a_step(view: View) -> bool:
    """Say whether the declared LR is flat on either side of the change, and another behind it."""
    around = view.expected[max(view.first - 2, 0) : view.first + 2]
    return len(around) == 4 and bool(around[0] == around[1] != around[2] == around[3])


LEVEL_CHANGE = CauseSpec("level_change", search)
