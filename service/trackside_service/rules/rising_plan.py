"""PLAN008: the schedule's end lies above the rate that it is to come down from.

**What.** Before training, and from the declaration alone: a decay's end or minimum (`end_lr`, `eta_min`, `lr_min`,
`end_learning_rate`) is above the learning rate that it starts from, or a minimum that is a share of it is above 1. So
the rate rises where it is meant to fall.

**Why it matters.** The run ends at its highest rate, which nobody chose: an end is often a default, made for a rate of
0.01 or so. Nothing raises, and the comparison with the schedule (LR001) sees nothing wrong.

**Example.** Paddle's and Keras' `PolynomialDecay` end at 1e-4 unless told otherwise: from 5e-5, as fine-tuning has it,
the rate doubles. Paddle's `OneCycleLR(max_learning_rate=5e-5)` ends at 1e-4, twice its peak.
`CosineAnnealingLR(eta_min=1e-4)` over two parameter groups at 1e-3 and 1e-5 raises the second tenfold.

**What to try.** Give the end as a number below the start (0, or a hundredth of it). Where groups differ, note that a
minimum is an LR, the same for every group. If a rise is meant, a warm-up says so (LinearLR, LinearWarmup).

**Defaults.** It has no threshold. A group that is frozen at 0 is told too: a minimum above 0 thaws it. Judged for each
group; the run's length need not be known. It is information: a rise may be meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trackside_service.domain.findings import Finding
from trackside_service.rules.base import RunContext
from trackside_service.rules.plan_sources import Node, nodes
from trackside_service.rules.planning import plan_rule

CODE: Final = "PLAN008"
# By framework and class: what the decay starts from (None: base_lr), its end, and the end's default.
_ENDS: Final[Mapping[tuple[str, str], tuple[str | None, str, float]]] = {
    ("torch", "CosineAnnealingLR"): (None, "eta_min", 0.0),
    ("torch", "CosineAnnealingWarmRestarts"): (None, "eta_min", 0.0),
    ("paddle", "CosineAnnealingDecay"): ("learning_rate", "eta_min", 0.0),
    ("paddle", "CosineAnnealingWarmRestarts"): ("learning_rate", "eta_min", 0.0),
    ("paddle", "PolynomialDecay"): ("learning_rate", "end_lr", 1e-4),
    ("paddle", "OneCycleLR"): ("max_learning_rate", "end_learning_rate", 1e-4),
    ("keras", "PolynomialDecay"): ("initial_learning_rate", "end_learning_rate", 1e-4),
    ("timm", "CosineLRScheduler"): (None, "lr_min", 0.0),
    ("timm", "TanhLRScheduler"): (None, "lr_min", 0.0),
    ("timm", "PolyLRScheduler"): (None, "lr_min", 0.0),
    ("timm", "WSDLRScheduler"): (None, "lr_min", 0.0),
    ("transformers", "get_scheduler"): (None, "min_lr", 0.0),
}
_SHARES: Final[Mapping[str, tuple[str, ...]]] = {
    "keras": ("alpha",),
    "transformers": ("min_lr_rate", "min_lr_ratio"),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """There are none."""


@dataclass(frozen=True, slots=True)
class _Rise:
    """`name` puts the end at `end`, above `start` (`start_name`) of `group`."""

    owner: str
    name: str
    given: bool
    end: float
    start_name: str
    start: float
    group: int


def plan(context: RunContext, parameters: Parameters) -> Sequence[Finding]:  # noqa: ARG001
    """Judge the declared schedule: at most one finding."""
    schedule = context.schedule
    if schedule is None:
        return ()
    bases = schedule.base_lrs or ()
    found = next((rise for node in nodes(schedule.source) for rise in _rises(node, bases)), None)
    return () if found is None else [_finding(found)]


def _rises(node: Node, bases: Sequence[float]) -> Iterator[_Rise]:
    framework, owner = node.key
    params = _flat(node)
    for name in _SHARES.get(framework, ()):
        share = params.get(name)
        if isinstance(share, (int, float)) and share > 1:
            yield _Rise(owner, name, True, float(share), "the maximum, which is 1", 1.0, 0)
    own, name, default = _ENDS.get(node.key, (None, "", 0.0))
    end = params.get(name, default)
    if not name or not isinstance(end, (int, float)):
        return
    if own is None:
        starts = [("base_lr", base) for base in bases]
        if framework == "transformers":  # its min_lr is a share of the first group's
            starts = starts[:1]
    else:
        starts = [(own, params[own])] if isinstance(params.get(own), (int, float)) else []
    for group, (start_name, start) in enumerate(starts):
        if end > start:
            yield _Rise(owner, name, name in params, float(end), start_name, float(start), group)


def _flat(node: Node) -> Mapping[str, Any]:
    further = node.params.get("scheduler_specific_kwargs")
    return {**node.params, **further} if isinstance(further, Mapping) else node.params


def _finding(rise: _Rise) -> Finding:
    unless = "" if rise.given else " (its default)"
    at = rise.start_name if rise.start_name.startswith("the ") else f"{rise.start_name} {rise.start:.6g}"
    where = f" in parameter group {rise.group}" if rise.group else ""
    advice = f"Give {rise.name} as a number below {rise.start:.6g}, 0 for instance; if a rise is meant, leave it."
    if rise.start == 0:
        advice = f"The group is frozen at 0, and {rise.name} thaws it: set {rise.name} to 0, or leave the group out."
    return Finding(
        code=CODE,
        subject="schedule",
        severity="info",
        title=f"The LR rises where it should fall: {rise.name} {rise.end:.6g} is above {at}",
        detail=f"{rise.owner} goes to {rise.name}, which is {rise.end:.6g}{unless}, and starts from {at}{where}: it "
        "ends above its start.",
        advice=advice,
        evidence={
            "class": rise.owner,
            "parameter": rise.name,
            "end": rise.end,
            "start": rise.start,
            "given": rise.given,
            "group": rise.group,
        },
    )


RULE = plan_rule(
    code=CODE,
    name="rising plan",
    summary="The declared end or minimum of the LR is above what it is to come down from.",
    page=__doc__ or "",
    parameters=Parameters,
    plan=plan,
)
