"""PLAN007: the schedule's numbers are in the other unit.

**What.** Before training, and from the declaration alone: with one tick as declared (one optimizer update, or one
epoch) the schedule does not fit the run at all - it raises, is over at once, rebounds, restarts every few batches, or
hardly moves - and with one tick as the other unit it fits, with nothing to say about it.

**Why it matters.** It is the commonest mistake with schedulers. A total counted in epochs and stepped per batch is
spent within the first epoch; one counted in batches and stepped per epoch never leaves its beginning.

**Example.** `CosineAnnealingLR(T_max=90)`, stepped after every batch, in a run of 90 epochs of 500 steps: the learning
rate goes up and down 250 times.

**What to try.** Either step the scheduler in the unit in which its numbers are, or give the numbers in the unit in
which it is stepped. If the training script is right, it is the declaration's `unit` that is wrong.

**Defaults.** Both units are tried with the other rules on plans. It needs `total_epochs` and `steps_per_epoch`, and at
least five steps an epoch; it speaks only where the plan is odd as declared and nothing is odd the other way round.
What follows from it (PLAN002 to PLAN006) is then not told as well. It judges a plan and not a run: it is information.
"""

from __future__ import annotations

from collections.abc import Sequence

from trackside_service.domain.findings import Finding
from trackside_service.rules.base import RunContext
from trackside_service.rules.outlook import outlook
from trackside_service.rules.plan_knobs import length_knob
from trackside_service.rules.plan_units import CODE, Parameters, mistaken_unit
from trackside_service.rules.planning import plan_rule


def plan(context: RunContext, parameters: Parameters) -> Sequence[Finding]:
    """Judge the declared schedule: at most one finding."""
    ahead = outlook(context)
    mistake = None if ahead is None else mistaken_unit(ahead, parameters)
    if ahead is None or mistake is None:
        return ()
    unit, other = ahead.unit, mistake.other.unit
    knob = length_knob(ahead.schedule.source)
    setting = f" ({knob.setting})" if knob is not None else ""
    stepped = {"step": "after every batch", "epoch": "once per epoch"}
    times = ahead.steps_per_epoch or 1
    scaled = ""
    if knob is not None and isinstance(knob.value, (int, float)) and knob.name != "gamma":
        fit = knob.value * times if unit == "step" else knob.value / times
        scaled = f" ({knob.label} from {knob.value:.9g} to {fit:.9g})"
    return [
        Finding(
            code=CODE,
            subject="schedule",
            severity="info",
            title=f"The schedule's numbers look like {other}s, but it is stepped per {unit}",
            detail=f"{ahead.schedule.name}{setting} is declared as stepped {stepped[unit]}, and as such "
            f"{mistake.sign}. Stepped {stepped[other]} it would fit the run of "
            f"{mistake.other.say(mistake.other.length)} ({ahead.epochs} epochs of {times} steps).",
            advice=f"Call scheduler.step() {stepped[other]}, or give its numbers in {unit}s{scaled}. If the script "
            f'does step it {stepped[other]}, declare "unit": "{other}".',
            evidence={
                "unit": unit,
                "likely_unit": other,
                "parameter": None if knob is None else knob.name,
                "value": knob.value if knob is not None and isinstance(knob.value, (int, float)) else None,
                "run_ticks": ahead.length,
                "run_ticks_in_likely_unit": mistake.other.length,
                "steps_per_epoch": times,
                "total_epochs": ahead.epochs,
                "horizon": ahead.schedule.horizon,
            },
        )
    ]


RULE = plan_rule(
    code=CODE,
    name="mistaken unit",
    summary="The declared schedule does not fit the run, and would if it were stepped in the other unit.",
    page=__doc__ or "",
    parameters=Parameters,
    plan=plan,
)
