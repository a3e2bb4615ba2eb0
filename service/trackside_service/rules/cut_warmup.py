"""PLAN006: the warm-up is longer than its phase.

**What.** Before training, and from the declaration alone: a warm-up is cut off by the milestone at which the next
scheduler takes over, with less than nine tenths of its rise done; or it is not over when the run is.

**Why it matters.** A warm-up that is cut ends in a jump: the next scheduler starts at its own first value, whatever was
reached. One that is longer than the run means that the run never sees the rate it was planned for.

**Example.** `SequentialLR([LinearLR(total_iters=1000), CosineAnnealingLR(...)], milestones=[100])`: the warm-up gets to
a tenth, and the next tick is at the full rate. `LinearWarmup(warmup_steps=500)` stepped once per epoch in a run of 30
epochs: 500 are batches.

**What to try.** Make the milestone and the warm-up's own length the same number, in the same unit; warm up for a few
per cent of the run.

**Defaults.** Nine tenths let pass a milestone that is one tick short. It needs `total_epochs`, and `steps_per_epoch`
where the schedule is stepped per update. Where the whole schedule outlasts the run, PLAN003 tells it instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trackside_service.domain.findings import Finding
from trackside_service.rules import plan_shapes, plan_units
from trackside_service.rules.base import RunContext
from trackside_service.rules.outlook import Outlook, outlook
from trackside_service.rules.plan_knobs import warmup_knob
from trackside_service.rules.planning import plan_rule
from trackside_service.rules.unfinished_plan import mostly_warmup

CODE = "PLAN006"


@dataclass(frozen=True, slots=True)
class Parameters:
    """When a warm-up counts as cut.

    `reached`: the part of the rise that is done by the milestone, below which it counts.
    """

    reached: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.reached <= 1:
            raise ValueError("reached is above 0 and at most 1")


def plan(context: RunContext, parameters: Parameters) -> Sequence[Finding]:
    """Judge the declared schedule: at most one finding."""
    ahead = outlook(context)
    if ahead is None:
        return ()
    cut = plan_shapes.cut_warmup(ahead, reached=parameters.reached)
    endless = plan_shapes.endless_warmup(ahead) if cut is None and _is_the_cause(ahead) else None
    if (cut is None and endless is None) or plan_units.told(context, ahead):
        return ()
    if cut is not None:
        return [_cut(ahead, cut)]
    return [_endless(ahead, endless)] if endless is not None else ()


def _is_the_cause(ahead: Outlook) -> bool:
    long = plan_shapes.unfinished(ahead, outlasts=1.5, left=0.5)
    return long is None or mostly_warmup(ahead)


def _cut(ahead: Outlook, cut: plan_shapes.Rise) -> Finding:
    then = cut.then if cut.then is not None else float("nan")
    knob = warmup_knob(ahead.schedule.source)
    change = f"{knob.label} ({knob.setting})" if knob is not None else "the warm-up's length"
    return Finding(
        code=CODE,
        subject="warm-up",
        severity="info",
        title=f"The warm-up of {ahead.say(cut.end)} is cut after {cut.stop}",
        detail=f"The warm-up aims at {cut.aim:.6g} at tick {cut.end:.6g}, and the next scheduler takes over at tick "
        f"{cut.stop}: the learning rate has reached {cut.reached:.6g} and goes on at {then:.6g}.",
        advice=f"Give the milestone and the warm-up the same length: move the milestone from {cut.stop} to "
        f"{cut.end:.6g}, or change {change} to {cut.stop}.",
        evidence=_evidence(ahead, cut),
    )


def _endless(ahead: Outlook, rise: plan_shapes.Rise) -> Finding:
    knob = warmup_knob(ahead.schedule.source)
    change = f"Shorten it: {knob.label} (now {knob.setting})" if knob is not None else "Shorten it"
    words = f"{change}; a few per cent of the run are customary, here some {max(1, round(0.05 * ahead.length))}."
    if ahead.unit == "epoch":
        words += " If the number counts batches, step the scheduler per batch, or give it in epochs."
    return Finding(
        code=CODE,
        subject="warm-up",
        severity="info",
        title=f"The warm-up of {ahead.say(rise.end)} is longer than the run of {ahead.length}",
        detail=f"When the run ends, after {ahead.say(ahead.length)}, the learning rate has risen to "
        f"{rise.reached:.6g}; the warm-up would have brought it to {rise.aim:.6g}, at tick {rise.end:.6g}.",
        advice=words,
        evidence=_evidence(ahead, rise),
    )


def _evidence(ahead: Outlook, rise: plan_shapes.Rise) -> dict[str, Any]:
    return {
        "group": ahead.group,
        "unit": ahead.unit,
        "run_ticks": ahead.length,
        "warmup_ticks": rise.end,
        "ends_at_tick": rise.stop,
        "lr_reached": rise.reached,
        "lr_aim": rise.aim,
        "lr_then": rise.then,
    }


RULE = plan_rule(
    code=CODE,
    name="cut warm-up",
    summary="The declared warm-up is cut by the next scheduler's milestone, or is longer than the run.",
    page=__doc__ or "",
    parameters=Parameters,
    plan=plan,
)
