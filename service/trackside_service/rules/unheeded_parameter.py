"""PLAN009: a parameter of the schedule is not heeded as it is written.

**What.** Before training, and from the declaration alone: the class takes a parameter and then does nothing with it, or
something else than it says.

- A warm-up of Keras' `CosineDecay(warmup_steps=...)` without `warmup_target`, or of Hugging Face's `constant`,
  `reduce_lr_on_plateau` and `greedy` with `num_warmup_steps`: there is none.
- A milestone of PyTorch's `MultiStepLR` with a fraction: ticks are whole and looked up among the milestones, so it is
  never met. `ConstantLR`'s `total_iters` likewise: the factor stays for good.
- `StepLR`'s `step_size` with a fraction: it decays at the whole ticks that it divides, 2.5 at every fifth.
- A milestone of `SequentialLR` with a fraction: the next scheduler takes over, but is not set to its start, and scales
  what the one before has left.

**Why it matters.** The real classes raise nothing, and the run does what they do: the comparison with the schedule
(LR001) sees nothing wrong with a decay that never comes.

**Example.** `MultiStepLR(milestones=[0.5 * 45, 0.75 * 45])`, from a run's length: 22.5 and 33.75 never come, and the
rate stays as it is.

**What to try.** Round what was computed from a share (`int(...)`, `round(...)`); give the warm-up's target; take the
name that has a warm-up (`constant_with_warmup`).

**Defaults.** It has no threshold: each case was seen in the real library. Lengths with a fraction of `LinearLR` and
`PolynomialLR` are no finding: they stop a tick short of their end. It is information.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from trackside_service.domain.findings import Finding
from trackside_service.rules.base import RunContext
from trackside_service.rules.plan_sources import Node, nodes
from trackside_service.rules.planning import plan_rule

CODE: Final = "PLAN009"
_NO_WARMUP: Final = {
    "constant": "constant_with_warmup has one",
    "reduce_lr_on_plateau": "the metric alone drives it",
    "greedy": "its own warmup is a rest after a rise",
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """There are none."""


@dataclass(frozen=True, slots=True)
class _Unheeded:
    """`name` of `owner`, given as `value`: what happens instead, and what to write."""

    owner: str
    name: str
    value: float
    instead: str
    advice: str


def plan(context: RunContext, parameters: Parameters) -> Sequence[Finding]:  # noqa: ARG001
    """Judge the declared schedule: at most one finding a parameter's name."""
    if context.schedule is None:
        return ()
    found: dict[str, _Unheeded] = {}
    for node in nodes(context.schedule.source):
        for each in _unheeded(node):
            found.setdefault(each.name, each)
    return [_finding(each) for each in found.values()]


def _unheeded(node: Node) -> Iterator[_Unheeded]:
    framework, owner = node.key
    if framework == "keras":
        warm = node.value("warmup_steps", 0)
        if owner == "CosineDecay" and warm and node.params.get("warmup_target") is None:
            words = "without warmup_target there is no warm-up: the decay starts at once, from initial_learning_rate"
            yield _Unheeded(owner, "warmup_steps", warm, words, "Give warmup_target, the LR that the warm-up reaches.")
    elif framework == "transformers":
        name, warm = str(node.params.get("name")), node.value("num_warmup_steps", 0)
        if name in _NO_WARMUP and warm:
            words = f"{name!r} has no warm-up: it starts at the full rate"
            yield _Unheeded(owner, "num_warmup_steps", warm, words, f"Leave it out: {_NO_WARMUP[name]}.")
    elif framework == "torch":
        yield from _fractions(node)


def _fractions(node: Node) -> Iterator[_Unheeded]:
    owner = node.key[1]
    marks = node.params.get("milestones")
    for mark in marks if isinstance(marks, (list, tuple)) else ():
        if _whole(mark):
            continue
        words = (
            "no tick equals it: the LR does not fall there"
            if owner == "MultiStepLR"
            else "the next scheduler takes over at the tick after it, but scales the LR that it finds"
        )
        yield _Unheeded(owner, "milestones", float(mark), words, f"Round it: {int(mark)} or {int(mark) + 1}.")
    total, every = node.value("total_iters", 5), node.value("step_size", 1)
    if owner == "ConstantLR" and total is not None and not _whole(total):
        words = "no tick equals it: the factor stays for good"
        yield _Unheeded(owner, "total_iters", total, words, f"Round it: {int(total)} or {int(total) + 1}.")
    if owner == "StepLR" and every is not None and not _whole(every):
        period = Fraction(every).numerator
        often = f"every {period} ticks" if period < 10**9 else "never"
        words = f"it falls at whole ticks that it divides, which is {often}"
        yield _Unheeded(owner, "step_size", every, words, f"Round it: {max(round(every), 1)}.")


def _whole(value: Any) -> bool:
    return not isinstance(value, float) or value.is_integer()


def _finding(found: _Unheeded) -> Finding:
    return Finding(
        code=CODE,
        subject=found.name,
        severity="info",
        title=f"{found.owner} does not heed {found.name} {found.value:.9g} as it is written",
        detail=f"{found.owner} takes {found.name} {found.value:.17g} and raises nothing, but {found.instead}.",
        advice=found.advice,
        evidence={"class": found.owner, "parameter": found.name, "value": found.value},
    )


RULE = plan_rule(
    code=CODE,
    name="unheeded parameter",
    summary="The class takes a declared parameter and does nothing with it, or something else.",
    page=__doc__ or "",
    parameters=Parameters,
    plan=plan,
)
