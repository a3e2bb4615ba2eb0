"""Whether a plan's numbers fit the run only if one tick were the other unit: the judgement behind PLAN007, which the
other rules on plans ask too, so that one mistake is told once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trackside_service.rules import plan_shapes
from trackside_service.rules.base import RunContext
from trackside_service.rules.outlook import Outlook, in_the_other_unit
from trackside_service.schedules.kinds.table import Table

CODE: Final = "PLAN007"
_AT_ONCE: Final = 0.1  # of the run: a schedule that is over by then
_FITS: Final = (0.3, 1.1)  # times the run: where a schedule of the right unit has its last event


@dataclass(frozen=True, slots=True)
class Parameters:
    """When a unit is doubted.

    `least_steps`: steps in an epoch; with fewer of them the two units are too close to be told apart.
    """

    least_steps: int = 5

    def __post_init__(self) -> None:
        if self.least_steps < 2:
            raise ValueError("least_steps is 2 or more")


@dataclass(frozen=True, slots=True)
class Mistake:
    """`sign`: what is odd as declared, as the end of a sentence; `other`: the plan over the run in the other unit."""

    sign: str
    other: Outlook


def mistaken_unit(ahead: Outlook, parameters: Parameters) -> Mistake | None:
    """Return what is odd as declared, where nothing would be in the other unit and the schedule would then fit."""
    per_epoch = ahead.steps_per_epoch
    if per_epoch is None or per_epoch < parameters.least_steps or ahead.epochs < 2:
        return None
    if any(isinstance(leg.curve, Table) for leg in ahead.legs):
        return None  # its values were read tick by tick: they are what the loop does
    sign = _odd(ahead)
    if sign is None:
        return None
    other = in_the_other_unit(ahead)
    if other is None or _odd(other) is not None or not _eventful(other):
        return None
    if ahead.schedule.horizon is None and _cycles(ahead) and not _cycles(other):
        return None
    return Mistake(sign, other)


def told(context: RunContext, ahead: Outlook) -> bool:
    """Say whether PLAN007 tells this run's plan, so that what follows from the mistake need not be told as well."""
    config = context.rules.get(CODE)
    if config is not None and not config.enabled:
        return False
    parameters = config.parameters if config is not None else Parameters()
    return mistaken_unit(ahead, parameters) is not None


def _odd(ahead: Outlook) -> str | None:
    raised = plan_shapes.refused(ahead)
    if raised is not None:
        return f"step {raised} raises in a run of {ahead.say(ahead.length)}"
    if not ahead.known:
        return "the LR is not known"
    horizon = ahead.schedule.horizon
    if horizon is not None and horizon <= _AT_ONCE * ahead.length and _falls(ahead):
        return f"it is over after {ahead.say(horizon)} of {ahead.length}"
    if plan_shapes.ended_early(ahead, level=0.05, share=0.1) is not None:
        return f"it is over well before the run of {ahead.say(ahead.length)}"
    if plan_shapes.unfinished(ahead, outlasts=1.5, left=0.5) is not None:
        return f"it lasts {ahead.say(horizon or 0)}, the run {ahead.length}"
    if plan_shapes.rebound(ahead, rise=0.01) is not None:
        return f"its cosine turns within the run of {ahead.say(ahead.length)} and rises again"
    rest = plan_shapes.idle(ahead, negligible=1e-4, share=0.25)
    if rest is not None and ahead.peak > 0:
        return f"the LR is next to nothing for {rest.share:.0%} of the run"
    if plan_shapes.endless_warmup(ahead) is not None:
        return f"its warm-up is longer than the run of {ahead.say(ahead.length)}"
    if plan_shapes.still(ahead):
        return f"the LR hardly moves in {ahead.say(ahead.length)}"
    cycles = _cycles(ahead)
    if cycles > 2 * ahead.epochs:
        return f"it begins anew {cycles} times in {ahead.epochs} epochs"
    return None


def _cycles(ahead: Outlook) -> int:
    return len(ahead.schedule.restarts(ahead.length - 1, ahead.group))


def _falls(ahead: Outlook) -> bool:
    return ahead.peak > 0 and float(ahead.lrs[-1]) <= 0.5 * ahead.peak


def _eventful(ahead: Outlook) -> bool:
    horizon = ahead.schedule.horizon
    if horizon is not None and not _FITS[0] * ahead.length <= horizon <= _FITS[1] * ahead.length:
        return False
    return ahead.peak > 0 and float(ahead.lrs.min()) <= 0.8 * ahead.peak
