"""torch's SequentialLR and ChainedScheduler: schedulers one after another, and schedulers on top of each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import LAST_EPOCH, Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.torch.recursion import (
    MOST_TICKS,
    Chain,
    Leaf,
    NeverBegunError,
    Part,
    Recursion,
    Succession,
    last_tick,
)
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.product import Product
from trackside_service.schedules.params import MAX_PHASES, MAX_TICKS, Param, read_list, refuse

_MILESTONE = Param("milestones", "number", "a milestone", minimum=0, maximum=MAX_TICKS)


def _members(values: Values, site: Site, owner: str) -> list[Built]:
    place = f"{site.pointer}/params/schedulers"
    listed = values["schedulers"]
    if not 1 <= len(listed) <= MAX_PHASES:
        raise refuse(place, f"{owner} takes 1 to {MAX_PHASES} schedulers here")
    built = []
    for index, inner in enumerate(listed):
        here = f"{place}/{index}"
        member = site.nest(inner, here)
        if member.part is None:
            raise refuse(
                here, f"{owner} does not support ReduceLROnPlateau: the metric could not be given to its step()"
            )
        built.append(member)
    counts = [len(member.groups) for member in built]
    if len(set(counts)) > 1:
        raise refuse(place, f"the schedulers are for {counts} parameter groups: base_lr names one LR a group")
    return built


def _parts(members: Sequence[Built], group: int) -> tuple[Part, ...]:
    return tuple(cast("tuple[Part, ...]", member.part)[group] for member in members)


def _refusal(last: int | None, owner: str, members: Sequence[Built]) -> dict[str, Any]:
    if last is None:
        return {}
    reason = next((member.refusal for member in members if member.refusal), "")
    return {"refused_after": last, "refusal": reason or f"{owner} raises NotImplementedError or divides by zero"}


def _sequential(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    members = _members(values, site, "SequentialLR")
    marks = read_list(values["milestones"], _MILESTONE, f"{place}/milestones", most=MAX_PHASES)
    if len(marks) != len(members) - 1:
        raise refuse(
            f"{place}/milestones",
            f"SequentialLR expects one milestone less than schedulers: {len(members)} schedulers, {len(marks)} given",
        )
    if any(later < earlier for earlier, later in itertools.pairwise(marks)):
        raise refuse(f"{place}/milestones", "the milestones are in order")
    ticks = [math.ceil(mark) for mark in marks]
    outlines = [_phases([member.groups[group] for member in members], ticks) for group in range(len(members[0].groups))]
    wholes = tuple(Succession(_parts(members, group), tuple(marks)) for group in range(len(outlines)))
    last = _last(wholes, site)
    # At a milestone with a fraction the next member is not set to its start: it goes on from the LR that it finds.
    plain = all(mark.is_integer() for mark in marks) and all(
        _in_turn(part, index) for whole in wholes for index, part in enumerate(whole.parts)
    )
    groups: tuple[Curve, ...] = tuple(
        outline if plain else Recursion(whole, base, outline)
        for outline, whole, base in zip(outlines, wholes, _bases(site, wholes), strict=True)
    )
    begin = ticks[-1] if ticks else 0
    total = members[-1].total
    return Built(
        groups, total=None if total is None else begin + total, part=wholes, **_refusal(last, "SequentialLR", members)
    )


def _last(wholes: Sequence[Part], site: Site) -> int | None:
    """Return the last tick that raises for no group."""
    ticks = []
    for whole, base in zip(wholes, _bases(site, wholes), strict=True):
        try:
            ticks.append(last_tick(whole, base))
        except NeverBegunError as error:
            raise refuse(f"{site.pointer}/params/schedulers", str(error)) from error
    return min((tick for tick in ticks if tick is not None), default=None)


def _bases(site: Site, wholes: Sequence[Part]) -> tuple[float, ...]:
    bases = site.bases
    return bases if len(bases) == len(wholes) else bases * len(wholes)


def _in_turn(part: Part, index: int) -> bool:
    """Say whether a member's own curve, on a clock of its own, is what SequentialLR makes of it."""
    return isinstance(part, Leaf) and (part.exact == "always" or (part.exact == "later" and index > 0))


def _phases(curves: Sequence[Curve], marks: Sequence[int]) -> Phases:
    """Return the members in turn; those between equal milestones have none."""
    phases: list[Phase] = []
    begin = 0
    for index, curve in enumerate(curves):
        end = marks[index] if index < len(marks) else None
        if end is None or end > begin:
            phases.append(Phase(curve, end))
            begin = begin if end is None else end
    return Phases(tuple(phases))


def _chained(values: Values, site: Site) -> Built:
    members = _members(values, site, "ChainedScheduler")
    count = len(members[0].groups)
    wholes = tuple(Chain(_parts(members, group)) for group in range(count))
    bases = _bases(site, wholes)
    last = _last(wholes, site)
    groups: list[Curve] = []
    for group, (whole, base) in enumerate(zip(wholes, bases, strict=True)):
        outline = Product(1.0, tuple(member.groups[group] for member in members))
        if base > 1e-12 and all(isinstance(part, Leaf) and part.factor for part in whole.parts):
            groups.append(Product(base ** (1 - len(members)), outline.factors))
        else:
            groups.append(Recursion(whole, base, outline))
    totals = [member.total for member in members if member.total is not None]
    return Built(
        tuple(groups), total=max(totals, default=None), part=wholes, **_refusal(last, "ChainedScheduler", members)
    )


NESTED: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="SequentialLR",
        description="Schedulers one after another, each on a clock of its own.",
        formula="scheduler_i(t - milestone_i) for milestone_i <= t < milestone_(i+1)",
        params=(
            Param("schedulers", "phases", "schedulers {class, params} in order"),
            Param("milestones", "table", "the ticks at which the next takes over, one less than schedulers"),
            LAST_EPOCH,
        ),
        build=_sequential,
        past_the_end="As the last scheduler does.",
        pitfall="The total of the later schedulers is without the warm-up: T_max = total - warm-up, or the cosine "
        "does not reach its end. A warm-up longer than its milestone is cut, and the LR jumps to base_lr. A milestone "
        "with a fraction hands over without a restart: the next scheduler scales the LR that the one before has left. "
        "A nested SequentialLR or ChainedScheduler works only as the first. OneCycleLR as a member overwrites what the "
        f"others start from. (Where members leave traces on each other, the first {MOST_TICKS:,} ticks are known.)",
        namesakes="Paddle's LinearWarmup is a warm-up with any scheduler after it.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="ChainedScheduler",
        description="Schedulers that all step at every tick, each on the LR that it finds.",
        formula="the product of the factors, where each only multiplies; a class that sets the LR by its clock alone "
        "(OneCycleLR, CyclicLR, CosineAnnealingWarmRestarts) undoes those before it",
        params=(
            Param("schedulers", "phases", "schedulers {class, params}, in the order in which they step"),
            Param("optimizer", "any", "of no effect on the LR", default=None),
        ),
        build=_chained,
        past_the_end="As its members do.",
        pitfall="Members are not phases: all run from tick 0. CosineAnnealingLR with eta_min in a chain is no "
        f"product. (With a cosine or a class that sets the LR, the first {MOST_TICKS:,} ticks are known.)",
        needs_base_lr=True,
    ),
)
