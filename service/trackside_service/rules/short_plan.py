"""PLAN002: the schedule ends before the run does.

**What.** Before training, and from the declaration alone: the run takes more ticks than the scheduler allows, so that
its `step()` will raise; or the learning rate is annealed to (next to) nothing and stays there for over a tenth of the
run.

**Why it matters.** The one kills the run, often in its last hours. In the other the rest of the run trains at a rate
that changes nothing.

**Example.** `OneCycleLR(total_steps=100)` in a run of 120 epochs: the 101st `scheduler.step()` raises ValueError.
`num_training_steps=5000` in a run of 10 000 updates: the second half runs at 0.

**What to try.** Give the schedule the run's length, or stop the run where the schedule ends. Where the total was
computed from the data loader, look at what changed since: the batch size, the number of processes, gradient
accumulation, the epochs.

**Defaults.** A tenth leaves room for the last epochs at the lowest rate that recipes add on purpose (timm's cool-down,
YOLOX's last epochs without augmentation). Annealed means at most a twentieth of the peak: a floor at a tenth of it, as
language models have, may well last. A schedule that falls in steps is no concern of this rule: its last step is
customarily long. Nor is a constant last phase at a rate above 0 that starts at a milestone of its own: weights are
averaged there (SWA). It needs `total_epochs`, and `steps_per_epoch` where the schedule is stepped per update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trackside_service.domain.findings import Finding
from trackside_service.rules import plan_shapes, plan_units
from trackside_service.rules.base import RunContext
from trackside_service.rules.outlook import Outlook, outlook
from trackside_service.rules.plan_knobs import length_knob
from trackside_service.rules.planning import plan_rule

CODE = "PLAN002"


@dataclass(frozen=True, slots=True)
class Parameters:
    """When a plan is too short.

    `share`: the part of the run that is left after the schedule's end, above which it counts. `level`: the LR that is
    left, as a share of the peak, up to which it counts.
    """

    share: float = 0.1
    level: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or not 0 <= self.level < 1:
            raise ValueError("share and level are 0 or more and below 1")


def plan(context: RunContext, parameters: Parameters) -> Sequence[Finding]:
    """Judge the declared schedule: at most one finding."""
    ahead = outlook(context)
    if ahead is None:
        return ()
    raised = plan_shapes.refused(ahead)
    flat = plan_shapes.ended_early(ahead, level=parameters.level, share=parameters.share)
    if (raised is None and flat is None) or plan_units.told(context, ahead):
        return ()
    if raised is not None:
        return [_refused(ahead, raised)]
    return [_ended(ahead, flat)] if flat is not None else ()


def told(context: RunContext, ahead: Outlook) -> bool:
    """Say whether this rule tells that the schedule is over early, so that the LR after it need not be told too."""
    config = context.rules.get(CODE)
    if config is not None and not config.enabled:
        return False
    parameters = config.parameters if config is not None else Parameters()
    return plan_shapes.ended_early(ahead, level=parameters.level, share=parameters.share) is not None


def _refused(ahead: Outlook, raised: int) -> Finding:
    schedule = ahead.schedule
    at_end = raised == ahead.length
    return Finding(
        code=CODE,
        subject="schedule",
        severity="info",
        title=f"scheduler.step() will raise at call {raised}, before the run of {ahead.say(ahead.length)} is over",
        detail=f"{schedule.name} takes {raised - 1} calls of step(); the run of {ahead.say(ahead.length)} makes "
        f"{ahead.length}, one per {ahead.unit}{' (the one that raises is the last)' if at_end else ''}. "
        f"What it raises: {schedule.refusal or 'ValueError'}.",
        advice=_advice(ahead),
        evidence=_evidence(ahead) | {"raises_at_call": raised},
    )


def _ended(ahead: Outlook, flat: plan_shapes.Flat) -> Finding:
    level = "0" if flat.lr == 0 else f"{flat.lr:.6g}"
    return Finding(
        code=CODE,
        subject="schedule",
        severity="info",
        title=f"The schedule ends after {ahead.say(flat.tick)} of {ahead.length}; the LR stays at {level}",
        detail=f"From tick {flat.tick} on the learning rate stays at {level} ({flat.lr / ahead.peak:.2%} of the peak "
        f"{ahead.peak:.6g}); the run of {ahead.say(ahead.length)} has {flat.share:.0%} of its ticks still to go.",
        advice=_advice(ahead),
        evidence=_evidence(ahead)
        | {"ends_at_tick": flat.tick, "lr_after": flat.lr, "share_of_run": flat.share, "peak": ahead.peak},
    )


def _advice(ahead: Outlook) -> str:
    knob = length_knob(ahead.schedule.source)
    change = f"Change {knob.fitted(ahead.length)}" if knob is not None else "Give the schedule the run's length"
    words = f"{change}, or end the run where the schedule ends."
    if ahead.unit == "step":
        words += (
            f" Check steps_per_epoch too: {ahead.steps_per_epoch} is to count optimizer updates, which are fewer than "
            "batches with gradient accumulation or several processes."
        )
    return words


def _evidence(ahead: Outlook) -> dict[str, Any]:
    return {
        "group": ahead.group,
        "unit": ahead.unit,
        "run_ticks": ahead.length,
        "horizon": ahead.schedule.horizon,
        "refused_after": ahead.schedule.refused_after,
    }


RULE = plan_rule(
    code=CODE,
    name="short plan",
    summary="The declared schedule raises, or is annealed to next to nothing, well before the run's end.",
    page=__doc__ or "",
    parameters=Parameters,
    plan=plan,
)
