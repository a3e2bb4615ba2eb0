"""PLAN004: the learning rate is negligible for a large part of the run.

**What.** Before training, and from the declaration alone: for over a quarter of the run the declared learning rate is
below a ten-thousandth of its peak, or it is 0 throughout.

**Why it matters.** At such a rate nothing is learned: the time is paid for, and the curves look like a plateau.

**Example.** `ExponentialLR(gamma=0.9)` over 300 epochs: from epoch 88 on the rate is below a ten-thousandth, and in the
end it is 2e-14. `StepLR(step_size=10, gamma=0.1)` over 100 epochs: the same from epoch 50 on.

**What to try.** Decay less often or less strongly (gamma nearer to 1, a larger step_size), set a floor (eta_min), or
end the run earlier.

**Defaults.** Three or four falls by ten, as classic recipes have them, stay at a ten-thousandth or above; cosines and
polynomials pass below it only in their last per cent. Where the plan simply ends early, PLAN002 tells it and this rule
is silent. A parameter group that is frozen at 0 beside others is no finding. It needs `total_epochs`, and
`steps_per_epoch` where the schedule is stepped per update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trackside_service.domain.findings import Finding
from trackside_service.rules import plan_shapes, plan_units, short_plan
from trackside_service.rules.base import RunContext
from trackside_service.rules.outlook import Outlook, outlook
from trackside_service.rules.plan_knobs import length_knob
from trackside_service.rules.planning import plan_rule

CODE = "PLAN004"


@dataclass(frozen=True, slots=True)
class Parameters:
    """When an LR is idle.

    `negligible`: the LR, as a share of the run's highest, below which nothing is learned. `share`: the part of the run
    above which it counts.
    """

    negligible: float = 1e-4
    share: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.negligible < 1 or not 0 < self.share < 1:
            raise ValueError("negligible and share are above 0 and below 1")


def plan(context: RunContext, parameters: Parameters) -> Sequence[Finding]:
    """Judge the declared schedule: at most one finding."""
    ahead = outlook(context)
    if ahead is None:
        return ()
    found = plan_shapes.idle(ahead, negligible=parameters.negligible, share=parameters.share)
    if found is None or short_plan.told(context, ahead) or plan_units.told(context, ahead):
        return ()
    return [_finding(ahead, found)]


def _finding(ahead: Outlook, found: plan_shapes.Idle) -> Finding:
    name, length = ahead.schedule.name, ahead.say(ahead.length)
    last = float(ahead.lrs[-1])
    if ahead.peak == 0:
        title = f"The LR is 0 throughout the run of {length}"
        detail = f"{name} gives 0 at every tick: nothing will be learned."
        advice = "Look at base_lr (the optimizer's lr), which the schedule multiplies, and at its own LRs."
    else:
        title = f"The LR is negligible for {found.share:.0%} of the run"
        detail = (
            f"In the run of {length} the learning rate is below {found.below:.3g} (its highest is {ahead.peak:.6g})"
        )
        detail += f", at {found.share:.0%} of the ticks, first at tick {found.tick}. {name} ends at {last:.3g}."
        knob = length_knob(ahead.schedule.source)
        where = f"{knob.label} (now {knob.setting})" if knob is not None else "the decay"
        advice = f"Let it fall less often or less strongly: change {where}; or set a floor, or end the run earlier."
    return Finding(
        code=CODE,
        subject="schedule",
        severity="info",
        title=title,
        detail=detail,
        advice=advice,
        evidence={
            "group": ahead.group,
            "unit": ahead.unit,
            "run_ticks": ahead.length,
            "share_of_run": found.share,
            "below": found.below,
            "first_tick": found.tick,
            "peak": ahead.peak,
            "lr_at_end": last,
        },
    )


RULE = plan_rule(
    code=CODE,
    name="idle plan",
    summary="The declared LR is negligible (or 0) for over a quarter of the run.",
    page=__doc__ or "",
    parameters=Parameters,
    plan=plan,
)
