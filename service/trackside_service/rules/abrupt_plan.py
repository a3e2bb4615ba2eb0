"""PLAN001: the declared learning rate jumps to its peak within one tick.

**What.** Before training, and from the declared schedule alone: within one tick (one `scheduler.step()`) the learning
rate rises ten times or more and lands at half of its peak or above, and the tick is not the beginning of a restart or
a cycle.

**Why it matters.** A warm-up is there to bring the learning rate up slowly. One of a single tick brings it up at
once: the optimizer's averages and the normalisation layers have settled at the low rate, and the first updates at the
high one can throw away what was learned. The comparison with the schedule (LR001) sees nothing wrong, since the run
does just what was configured.

**Example.** Paddle's `LinearWarmup(..., warmup_steps=1, start_lr=2e-5, end_lr=0.002)`, stepped per epoch: the rate
rises a hundred times between the first and the second epoch; the accuracy fell from 58 % to 0 there.

**What to try.** Give the warm-up more ticks, or start it nearer to the peak: the alert names the parameter and a value
with which the plan is gentle (a lower peak alone is not: the rate still rises as many times). Check the unit as
well: a warm-up counted in batches but stepped once an epoch (or the reverse) looks like this.

**Defaults.** Ten times and half of the peak leave alone what is customary: torchvision's and DeiT's warm-ups over five
epochs, warm-ups from 0 over many ticks, one-cycle plans, warm restarts. Three kinds of rises are customary too, though
they pass both numbers, and are not told:

- From exactly 0 at the first update of a schedule that is stepped per update, as Hugging Face's warm-ups of one or two
  updates in a short run have it: that update changes nothing, so the run begins at the second, at a rate at which a
  plan without a warm-up begins. (Stepped per epoch, a whole epoch is spent at 0: that is told.)
- OneCycleLR's own rise, where it takes the share that is its default (0.3) or more: in a run of few ticks that share is
  few ticks, and no other number would make it more. With a smaller share the ticks are there, and it is told.
- The middle of a warm-up over two epochs or more, in a schedule that is stepped per epoch: halfway up is half of the
  peak by its nature, and a whole epoch trains there.

A phase at a constant tenth of the rate that follows is told: the rate rises just ten times in one tick, with no warm-up
in between. A frozen backbone looks so, and He's start of ResNet-110 (0.01 for 400 updates, then 0.1), which its authors
needed since 0.1 at once did not converge. It judges a plan and not a run, so it is a warning and has no place in the
run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from trackside_service.domain.findings import Finding
from trackside_service.rules import gentler_rise
from trackside_service.rules.base import RunContext
from trackside_service.rules.outlook import MAX_REPLAYED, legs_of, replayed
from trackside_service.rules.planning import plan_rule
from trackside_service.schedules import CompiledSchedule
from trackside_service.schedules.kinds.ramp import Ramp

CODE = "PLAN001"
MAX_TICKS: Final = (
    2_000_000  # looked at in all, so that opening a run stays quick; jumps are found at a plan's beginning
)
_UNKNOWN_TICKS: Final = 10_000
_CHUNK: Final = 250_000
_LOOKED_AT: Final = 100
_NEAR: Final = 50_000
_MOST_FOLLOWED: Final = 2_000_000  # ticks that are followed one by one, in all groups: a fifth of a second
_ROUNDED: Final = 1 - 1e-9
_USUAL_SHARE: Final = 0.3  # of a cycle that rises


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts as a jump.

    `factor`: the rise within one tick, as a ratio. `share_of_peak`: where it lands at least, as a share of the
    schedule's highest LR.
    """

    factor: float = 10.0
    share_of_peak: float = 0.5

    def __post_init__(self) -> None:
        if self.factor <= 1 or not 0 < self.share_of_peak <= 1:
            raise ValueError("factor is above 1, share_of_peak above 0 and at most 1")


def plan(context: RunContext, parameters: Parameters) -> Sequence[Finding]:
    """Judge the declared schedule: at most one finding, about the largest rise."""
    if context.schedule is None:
        return ()
    jumps = [
        jump
        for group in _judged(context.schedule)
        if (jump := _jump(context, context.schedule, group, parameters)) is not None
    ]
    return [_finding(context, min(jumps, key=lambda jump: jump[1]), parameters)] if jumps else ()


def _judged(schedule: CompiledSchedule) -> Sequence[int]:
    """Return the groups to look at: all, or the one with the highest base where all would take long to follow."""
    groups = range(len(schedule.groups))
    if _followed(schedule) <= _MOST_FOLLOWED:
        return groups
    bases = schedule.base_lrs or ()
    return [max(groups, key=lambda group: bases[group]) if len(bases) == len(groups) else 0]


def _followed(schedule: CompiledSchedule) -> int:
    return schedule.followed_to(float(schedule.horizon or MAX_TICKS))


def _jump(
    context: RunContext,
    schedule: CompiledSchedule,
    group: int,
    parameters: Parameters,
    most: int = MAX_TICKS,
) -> tuple[int, int, float, float, float] | None:
    """Return (group, the tick it lands on, LR before, LR after, peak) of the first jump, if any."""
    peak = schedule.peak(group)
    if not peak > 0:
        return None
    ticks = min(_ticks(context, schedule), most)
    begin, highest = 0, -np.inf
    while begin < ticks:
        end = min(begin + _CHUNK, ticks)
        lrs = schedule.lrs(np.arange(begin, end + 1), group)
        before, after = lrs[:-1], lrs[1:]
        with np.errstate(invalid="ignore"):
            tenfold = after >= parameters.factor * before * _ROUNDED  # 3e-5 times 10 is a little above 3e-4
            found = tenfold & (after >= parameters.share_of_peak * peak * _ROUNDED) & (before >= 0)
        # A level at which the run has trained before is a cycle's, also where the schedule is a table and cannot say
        # so.
        visited = np.fmax.accumulate(np.concatenate([[highest], before]))
        found &= after > visited[1:] * (1 + 1e-6)
        landed = begin + 1 + np.flatnonzero(found)
        if landed.size:
            landed = landed[~np.isin(landed, np.ceil(schedule.restarts(end, group)))]
        for tick in map(int, landed[:_LOOKED_AT]):
            if _meant(schedule, group, tick, float(lrs[tick - 1 - begin])):
                continue
            return group, tick, float(lrs[tick - 1 - begin]), float(lrs[tick - begin]), peak
        begin, highest = end, visited[-1]
    return None


def _meant(schedule: CompiledSchedule, group: int, tick: int, before: float) -> bool:
    """Say whether the rise to `tick` is what a customary recipe means: the page tells which, and why."""
    if schedule.unit == "step":
        if tick == 1 and before == 0.0:
            return True
    elif _halfway(schedule, group, tick):
        return True
    source = schedule.source
    if source.get("class") != "OneCycleLR":
        return False
    params = source.get("params", {})
    share = params.get("pct_start" if schedule.framework == "torch" else "phase_pct", _USUAL_SHARE)
    rise = legs_of(schedule.groups[group])[0]
    return bool(share >= _USUAL_SHARE and tick - 1 <= rise.stop)


def _halfway(schedule: CompiledSchedule, group: int, tick: int) -> bool:
    for leg in legs_of(schedule.groups[group]):
        curve = leg.curve
        if not isinstance(curve, Ramp) or curve.end <= curve.start or not leg.begin <= tick - 1:
            continue
        if tick < leg.stop and tick < leg.clock + curve.over - curve.offset:
            reached = float(curve.lrs(np.asarray([tick - leg.clock]))[0])
            return reached - curve.start <= 0.5 * (curve.end - curve.start) * (1 + 1e-9)
    return False


def _ticks(context: RunContext, schedule: CompiledSchedule) -> int:
    known = schedule.horizon
    epochs = context.spec.total_epochs
    if known is None and epochs is not None:
        known = epochs if schedule.unit == "epoch" else epochs * (schedule.steps_per_epoch or 1)
    most = MAX_REPLAYED if replayed(schedule) else MAX_TICKS // len(schedule.groups)
    return min(most, _UNKNOWN_TICKS if known is None else max(known, 1))


def _changes(
    context: RunContext, schedule: CompiledSchedule, jump: tuple[int, int, float, float, float], parameters: Parameters
) -> list[gentler_rise.Change]:
    _, tick, before, after, _ = jump
    if _followed(schedule) > _MOST_FOLLOWED:
        return []
    near = max(_NEAR, 4 * tick)  # a jump far behind this one is another

    def clears(changed: CompiledSchedule) -> bool:
        return all(_jump(context, changed, group, parameters, near) is None for group in _judged(changed))

    found = (
        gentler_rise.longer(schedule.source, clears),
        gentler_rise.nearer(schedule.source, before, after, clears),
    )
    return [change for change in found if change is not None]


def _finding(context: RunContext, jump: tuple[int, int, float, float, float], parameters: Parameters) -> Finding:
    group, tick, before, after, peak = jump
    assert context.schedule is not None
    unit = context.schedule.unit
    rise = f"{after / before:.4g} times" if before > 0 else "from 0"
    changes = _changes(context, context.schedule, jump, parameters)
    named = f": {', or '.join(change.words for change in changes)}" if changes else ""
    words = [f"Spread the rise over more ticks, or start it nearer to the peak{named}."]
    words.append(
        f"Check the unit too: the schedule is stepped once per {unit}; a warm-up counted in "
        f"{'batches' if unit == 'epoch' else 'epochs'} would be over this quickly."
    )
    evidence: dict[str, Any] = {
        "group": group,
        "tick": tick,
        "unit": unit,
        "lr_before": before,
        "lr_after": after,
        "ratio": after / before if before > 0 else None,
        "peak": peak,
        "share_of_peak": after / peak,
        "clearing_changes": [
            {gentler_rise.pointer(path): value for path, value in change.edits.items()} for change in changes
        ],
    }
    return Finding(
        code=CODE,
        subject="schedule",
        severity="warning",
        title=f"The plan raises the LR {rise} within one {unit}",
        detail=f"The declared schedule goes from {before:.6g} to {after:.6g} between tick {tick - 1} and {tick} "
        f"(one tick is one {unit}), {after / peak:.0%} of its peak {peak:.6g} at once.",
        advice=" ".join(words),
        evidence=evidence,
    )


RULE = plan_rule(
    code=CODE,
    name="abrupt plan",
    summary="Within one tick the declared LR rises ten times or more and lands at half its peak or above.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    plan=plan,
)
