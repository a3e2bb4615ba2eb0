"""PLAN003: the schedule outlasts the run, which never anneals.

**What.** Before training, and from the declaration alone: the schedule is half as long again as the run or longer, and
when the run ends the learning rate is still at half of its highest or above, though the schedule would have brought it
down.

**Why it matters.** Much of what a decaying schedule gains comes in its last part, at low rates. A run that never gets
there ends with the noise of a high rate, and is no measure of what the plan could do.

**Example.** `CosineAnnealingLR(T_max=300)` kept from another experiment in a run of 90 epochs: it ends at 80 % of the
peak. A total that counts the batches of all processes, or every micro-batch, looks the same.

**What to try.** Set the schedule's total to the run's length. If the run is meant to be cut short (a trial, a run to
be continued), there is nothing to do.

**Defaults.** Half of the highest LR and one and a half times the length leave alone schedules that stop a little short
of their end on purpose. Milestones that all lie past the run are told as well: the schedule names falls that never
come, which is as often a plan of another length as a run that is cut short. Schedules without an end (exponential,
inverse square root, warm restarts), and those that end at over a fifth of their peak, are not meant to anneal and are
passed over. It needs `total_epochs`, and `steps_per_epoch` where the schedule is stepped per update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trackside_service.domain.findings import Finding
from trackside_service.rules import plan_shapes, plan_units
from trackside_service.rules.base import RunContext
from trackside_service.rules.outlook import Outlook, outlook
from trackside_service.rules.plan_knobs import length_knob
from trackside_service.rules.planning import plan_rule

CODE = "PLAN003"


@dataclass(frozen=True, slots=True)
class Parameters:
    """When a plan is too long.

    `outlasts`: the schedule's length over the run's, from which on it counts. `left`: the LR at the run's end over the
    run's highest, from which on it counts.
    """

    outlasts: float = 1.5
    left: float = 0.5

    def __post_init__(self) -> None:
        if self.outlasts < 1 or not 0 < self.left <= 1:
            raise ValueError("outlasts is 1 or more, left is above 0 and at most 1")


def plan(context: RunContext, parameters: Parameters) -> Sequence[Finding]:
    """Judge the declared schedule: at most one finding."""
    ahead = outlook(context)
    if ahead is None:
        return ()
    found = plan_shapes.unfinished(ahead, outlasts=parameters.outlasts, left=parameters.left)
    if found is None or mostly_warmup(ahead) or plan_units.told(context, ahead):
        return ()
    return [_finding(ahead, found)]


def mostly_warmup(ahead: Outlook) -> bool:
    """Say whether it is the warm-up that makes the schedule so long: then that is what to tell (PLAN006)."""
    rise, horizon = plan_shapes.endless_warmup(ahead), ahead.schedule.horizon
    return rise is not None and (horizon is None or rise.end > 0.5 * horizon)


def _finding(ahead: Outlook, found: plan_shapes.Unfinished) -> Finding:
    knob = length_knob(ahead.schedule.source)
    highest = ahead.schedule.peak(ahead.group)
    change = f"Change {knob.fitted(ahead.length)}" if knob is not None else "Set the schedule's total to the run's"
    return Finding(
        code=CODE,
        subject="schedule",
        severity="info",
        title=f"The schedule lasts {ahead.say(found.horizon)}, the run {ahead.length}: it never anneals",
        detail=f"When the run ends, after {ahead.say(ahead.length)}, the learning rate is {found.lr:.6g}, "
        f"{found.lr / ahead.peak:.0%} of the highest in the run ({ahead.peak:.6g}; the schedule's peak is "
        f"{highest:.6g}). {ahead.schedule.name} would have brought it to {found.final:.6g}, at tick {found.horizon}.",
        advice=f"{change}. If the total was computed, look for what it counts that the run does not do: the batches of "
        "all processes, micro-batches of gradient accumulation, epochs of an earlier plan. If the run is to be cut "
        "short on purpose, leave it.",
        evidence={
            "group": ahead.group,
            "unit": ahead.unit,
            "run_ticks": ahead.length,
            "horizon": found.horizon,
            "ratio": found.horizon / ahead.length,
            "lr_at_end": found.lr,
            "lr_at_horizon": found.final,
            "highest_in_run": ahead.peak,
            "peak": highest,
        },
    )


RULE = plan_rule(
    code=CODE,
    name="unfinished plan",
    summary="The declared schedule outlasts the run, which ends at half of its highest LR or above.",
    page=__doc__ or "",
    parameters=Parameters,
    plan=plan,
)
