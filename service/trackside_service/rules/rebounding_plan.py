"""PLAN005: a cosine rebounds within the run.

**What.** Before training, and from the declaration alone: the run goes on past the end of a cosine that is periodic in
its library (PyTorch's and Paddle's cosine annealing, Hugging Face's cosine), and the learning rate rises again by over
a hundredth of its peak.

**Why it matters.** Past T_max these cosines do not stay at the minimum: they climb back as fast as they fell. A run
that is twice as long ends at the peak, with the noise of the beginning.

**Example.** `CosineAnnealingLR(T_max=50)` in a run of 90 epochs: the rate is 0 at epoch 50 and back at 90 % of the
peak at the end.

**What to try.** Set T_max (or num_training_steps) to the run's length, less the warm-up where the scheduler has a clock
of its own. If cycles are meant, CosineAnnealingWarmRestarts says so.

**Defaults.** A hundredth of the peak is what a cosine climbs in 6 % of its length: a tick or a few past the end are no
news. Keras' and timm's cosines stay at their minimum and are not concerned. It needs `total_epochs`, and
`steps_per_epoch` where the schedule is stepped per update.
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

CODE = "PLAN005"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts as a rebound.

    `rise`: how far the LR rises after its minimum, as a share of the run's highest.
    """

    rise: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.rise < 1:
            raise ValueError("rise is above 0 and below 1")


def plan(context: RunContext, parameters: Parameters) -> Sequence[Finding]:
    """Judge the declared schedule: at most one finding."""
    ahead = outlook(context)
    if ahead is None:
        return ()
    found = plan_shapes.rebound(ahead, rise=parameters.rise)
    return () if found is None or plan_units.told(context, ahead) else [_finding(ahead, found)]


def _finding(ahead: Outlook, found: plan_shapes.Rebound) -> Finding:
    knob = length_knob(ahead.schedule.source)
    change = f"Change {knob.fitted(ahead.length)}" if knob is not None else "Make the cosine as long as the run"
    last = float(ahead.lrs[-1])
    return Finding(
        code=CODE,
        subject="schedule",
        severity="info",
        title=f"The cosine rebounds after {ahead.say(found.tick)} of {ahead.length}",
        detail=f"{ahead.schedule.name} reaches its minimum {found.least:.6g} at tick {found.tick} and then rises "
        f"again: to {found.highest:.6g} at tick {found.highest_tick}, {found.highest / ahead.peak:.0%} of the peak. "
        f"The run of {ahead.say(ahead.length)} ends at {last:.6g}.",
        advice=f"{change}, or end the run at the minimum. If the LR is to come back on purpose, a schedule with "
        "restarts says so.",
        evidence={
            "group": ahead.group,
            "unit": ahead.unit,
            "run_ticks": ahead.length,
            "turns_at_tick": found.tick,
            "lr_min": found.least,
            "rises_to": found.highest,
            "rises_to_at_tick": found.highest_tick,
            "lr_at_end": last,
            "peak": ahead.peak,
        },
    )


RULE = plan_rule(
    code=CODE,
    name="rebounding plan",
    summary="The run goes on past the end of a periodic cosine, and the LR rises again.",
    page=__doc__ or "",
    parameters=Parameters,
    plan=plan,
)
