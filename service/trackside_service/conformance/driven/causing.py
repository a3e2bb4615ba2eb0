"""Why an LR that should follow a metric does not: what the first LR off and the levels before it show."""

from __future__ import annotations

import math

from trackside_service.conformance.driven.judging import Reading
from trackside_service.conformance.driven.state import Driven
from trackside_service.conformance.driven.worlds import lowered
from trackside_service.conformance.explanation import Cause
from trackside_service.schedules.driving import Driver


def causes_of(driver: Driver, state: Driven, reading: Reading) -> tuple[Cause, ...]:
    """Return the causes that the log does not rule out, simplest first."""
    off, levels = reading.off, state.levels
    if off is None:
        return ()
    if not math.isfinite(off.observed) or off.expected is None:
        return (_other(),)
    metric = reading.follower.name or "the metric"
    if off.index == 0 and off.expected > 0 and off.observed != 0:
        return (_scale(off.observed / off.expected), _override())
    if not _reachable(driver, off.observed):
        return (_override(), _factor(driver, off.observed, off.expected))
    if off.observed > off.expected:
        if levels.changes == 0:
            return (_never(metric), _late(driver, metric))
        if state.falls or off.observed > levels.least * (1 + 1e-9):
            return (_lost_state(), _override(), _late(driver, metric))
        return (_late(driver, metric), _lost_state(), _override())
    return (_early(driver, metric), _override())


def _reachable(driver: Driver, lr: float) -> bool:
    """Say whether the plateau's own reductions lead there (to a print's precision)."""
    if driver.settled is not None:
        return True
    level = driver.plateau.lr
    for _ in range(1_000):
        if abs(level - lr) <= 0.01 * level:
            return True
        below = lowered(driver.plateau, level)
        if below == level or below < 0.5 * lr:
            return False
        level = below
    return False


def _scale(ratio: float) -> Cause:
    return Cause(
        "scale",
        "scale",
        {"factor": {"value": ratio}},
        f"The LR is {ratio:.6g} times what was declared, from the first record on.",
        "Compare the optimizer's lr with the declared base_lr, and look for code that multiplies it.",
    )


def _override() -> Cause:
    return Cause(
        "manual_override",
        "level_change",
        {},
        "The LR was set by hand or by a callback: the scheduler's own reductions do not lead there at that time.",
        "Look for code that writes `param_group['lr']` (or calls `set_lr`), a second scheduler on the same optimizer, "
        "an lr given anew on resume.",
    )


def _factor(driver: Driver, observed: float, expected: float) -> Cause:
    return Cause(
        "param_mismatch",
        "other_schedule",
        {"parameter": "factor", "declared": driver.plateau.factor},
        f"The LR came down to {observed:.6g} where a factor of {driver.plateau.factor:g} gives {expected:.6g}.",
        "Compare the scheduler's factor and min_lr in the training script with the declared ones.",
    )


def _never(metric: str) -> Cause:
    return Cause(
        "never_stepped",
        "frozen",
        {},
        f"The LR never changes, though {metric} stopped to improve: scheduler.step({metric}) is not called.",
        "Call scheduler.step(metric) once after each validation, with the metric's value.",
    )


def _late(driver: Driver, metric: str) -> Cause:
    patience = driver.plateau.patience
    return Cause(
        "param_mismatch",
        "other_schedule",
        {"parameter": "patience", "declared": patience},
        f"The LR is not reduced when {metric} has not improved for {patience + 1} ticks: the scheduler bears more, has "
        "a longer cooldown, counts smaller improvements, or follows another metric.",
        "Compare the scheduler's patience, cooldown, threshold and mode with the declared ones, and what is given to "
        "step() with the schedule's `metric`.",
    )


def _early(driver: Driver, metric: str) -> Cause:
    patience = driver.plateau.patience
    return Cause(
        "param_mismatch",
        "other_schedule",
        {"parameter": "patience", "declared": patience},
        f"The LR is reduced before {metric} has failed to improve for {patience + 1} ticks: the scheduler bears less, "
        "asks for larger improvements, is stepped more often, or follows another metric.",
        "Compare the scheduler's patience, threshold and mode with the declared ones, and what is given to step() with "
        "the schedule's `metric`; look for a second call of step().",
    )


def _lost_state() -> Cause:
    return Cause(
        "resume_no_state",
        "restart",
        {},
        "The scheduler began anew: resumed without its state, it forgets the best value and the ticks without "
        "improvement.",
        "Save scheduler.state_dict() in the checkpoint and load it on resume.",
    )


def _other() -> Cause:
    return Cause(
        "different_schedule",
        "other_schedule",
        {},
        "The LR is none that the declared schedule can have.",
        "Compare where the scheduler is built and stepped with what was declared.",
    )
