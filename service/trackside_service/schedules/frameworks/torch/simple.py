"""torch's schedulers that multiply the LR: StepLR, MultiStepLR, ConstantLR, LinearLR, ExponentialLR, PolynomialLR."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import accumulate
from typing import Any

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import LAST_EPOCH, Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.torch import leaves
from trackside_service.schedules.frameworks.torch.recursion import Leaf
from trackside_service.schedules.kinds.constant import Constant
from trackside_service.schedules.kinds.decay import Decay
from trackside_service.schedules.kinds.piecewise import pieces
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.params import MAX_TICKS, REQUIRED, Param, read_list

MAX_MILESTONES = 10_000
_MILESTONE = Param("milestones", "number", "a milestone", minimum=-MAX_TICKS, maximum=MAX_TICKS)


def _built(groups: tuple[Curve, ...], leaf: Leaf) -> Built:
    return Built(groups, part=(leaf,) * len(groups))


def _step(values: Values, site: Site) -> Built:
    every, gamma = _period(values["step_size"]), values["gamma"]
    return _built(tuple(Decay(base, gamma, every) for base in site.bases), leaves.step_lr(every, gamma))


def _multi_step(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params/milestones"
    marks = read_list(values["milestones"], _MILESTONE, place, most=MAX_MILESTONES)
    gamma = values["gamma"]
    # A tick is looked up among them: one with a fraction is never met.
    counted = sorted((mark, times) for mark, times in Counter(marks).items() if mark >= 0 and mark.is_integer())
    at = [mark for mark, _ in counted]
    factors = list(accumulate((gamma**times for _, times in counted), lambda a, b: a * b, initial=1.0))
    groups = tuple(pieces(at, [base * factor for factor in factors]) for base in site.bases)
    return _built(groups, leaves.multi_step_lr(marks, gamma))


def _constant(values: Values, site: Site) -> Built:
    factor, total = values["factor"], float(values["total_iters"])
    leaf = leaves.constant_lr(factor, total)
    if total == 0 or not total.is_integer():  # the tick that gives it back never comes
        return _built(tuple(Constant(base * factor) for base in site.bases), leaf)
    groups = tuple(pieces([total], [base * factor, base]) for base in site.bases)
    return Built(
        groups,
        refused_after=int(total) - 1 if factor == 0.0 else None,
        refusal="ConstantLR with factor 0 divides by zero at the tick total_iters" if factor == 0.0 else "",
        part=(leaf,) * len(groups),
    )


def _linear(values: Values, site: Site) -> Built:
    first, last, total = values["start_factor"], values["end_factor"], float(values["total_iters"])
    leaf = leaves.linear_lr(first, last, total)
    if total == 0:  # the recursion never moves: base * start_factor for good
        return _built(tuple(Constant(base * first) for base in site.bases), leaf)
    held = float(math.floor(total))
    return _built(tuple(Ramp(base * first, base * last, total, held=held) for base in site.bases), leaf)


def _exponential(values: Values, site: Site) -> Built:
    gamma = values["gamma"]
    groups = tuple(Decay(base, gamma, 1.0) for base in site.bases)
    return _built(groups, leaves.exponential_lr(gamma))


def _polynomial(values: Values, site: Site) -> Built:
    total, power = float(values["total_iters"]), values["power"]
    leaf = leaves.polynomial_lr(total, power)
    if total == 0:
        return _built(tuple(Constant(base) for base in site.bases), leaf)
    held = float(math.floor(total))
    return _built(tuple(Ramp(base, 0.0, total, "poly", power=power, held=held) for base in site.bases), leaf)


def _period(step_size: float) -> float:
    """Return the ticks between two decays: the least whole number that `step_size` divides (2.5: 5), as the real class
    asks `last_epoch % step_size != 0`.
    """
    return float(Fraction(step_size).numerator)


def _ticks(name: str, doc: str, default: Any = REQUIRED, *, exclusive: bool = False) -> Param:
    return Param(name, "number", doc, default=default, minimum=0.0, exclusive=exclusive, maximum=MAX_TICKS)


_FRACTION = " With a fraction (a share of the run) the leg stops at the last whole tick, short of its end."
_GAMMA = Param("gamma", "number", "the factor", default=0.1, minimum=0.0)

SIMPLE: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="StepLR",
        description="The LR is multiplied by gamma every step_size ticks.",
        formula="base_lr * gamma^floor(t/step_size)",
        params=(_ticks("step_size", "ticks between two decays", exclusive=True), _GAMMA, LAST_EPOCH),
        build=_step,
        past_the_end="Goes on decaying.",
        pitfall="step_size counts ticks: stepped per batch, it decays after so many batches. With a fraction it decays "
        "at the whole ticks that it divides: 2.5 at every fifth, 0.1 * 30 (a little above 3) practically never.",
        namesakes="Paddle's StepDecay is the same and refuses gamma >= 1. timm's StepLRScheduler takes fractions of an "
        "epoch and has a warm-up.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="MultiStepLR",
        description="The LR is multiplied by gamma at each milestone.",
        formula="base_lr * gamma^(number of milestones <= t)",
        params=(Param("milestones", "table", "ticks, in any order; one named twice counts twice"), _GAMMA, LAST_EPOCH),
        build=_multi_step,
        past_the_end="Stays where the last milestone has brought it.",
        pitfall="Milestones count ticks. Given in epochs to a scheduler that is stepped per batch, all of them pass "
        "in the first minutes. One with a fraction is never met and has no effect.",
        namesakes="The milestone's own tick has the new LR, as in Paddle; in timm it comes one tick earlier, in Keras' "
        "PiecewiseConstantDecay one later.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="ConstantLR",
        description="base_lr times factor for total_iters ticks, then base_lr.",
        formula="base_lr * factor for t < total_iters, then base_lr",
        params=(
            Param("factor", "number", "the factor, in [0, 1]", default=1.0 / 3, minimum=0.0, maximum=1.0),
            _ticks("total_iters", "ticks with the factor", 5),
            LAST_EPOCH,
        ),
        build=_constant,
        past_the_end="Stays at base_lr.",
        pitfall="It is not constant: after 5 ticks (the default) the LR is 3 times as high. With total_iters=0 the "
        "factor stays for good, and with a fraction too, since no tick equals it; with factor=0 it raises "
        "ZeroDivisionError at the tick total_iters.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="LinearLR",
        description="From base_lr * start_factor to base_lr * end_factor in a line.",
        formula="base_lr * (start_factor + (end_factor - start_factor) * min(t, total_iters)/total_iters)",
        params=(
            Param(
                "start_factor",
                "number",
                "the factor at the start, in (0, 1]",
                default=1.0 / 3,
                minimum=0.0,
                exclusive=True,
                maximum=1.0,
            ),
            Param("end_factor", "number", "the factor at the end, in [0, 1]", default=1.0, minimum=0.0, maximum=1.0),
            _ticks("total_iters", "ticks from the start to the end", 5),
            LAST_EPOCH,
        ),
        build=_linear,
        past_the_end="Stays at base_lr * end_factor.",
        pitfall="start_factor cannot be 0: a warm-up starts above 0. A warm-up of one tick is a jump." + _FRACTION,
        namesakes="Paddle's LinearLR calls total_iters total_steps and needs it. Hugging Face's linear starts at 0.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="ExponentialLR",
        description="The LR is multiplied by gamma at every tick.",
        formula="base_lr * gamma^t",
        params=(Param("gamma", "number", "the factor of each tick", minimum=0.0), LAST_EPOCH),
        build=_exponential,
        past_the_end="Goes on decaying.",
        pitfall="gamma is the factor of one tick: 0.95 per epoch is mild, 0.95 per batch is 0 within an epoch.",
        namesakes="Keras' ExponentialDecay reaches its decay_rate after decay_steps; Paddle's takes gamma in (0, 1) "
        "only; Paddle's NaturalExpDecay is exp(-gamma t).",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="PolynomialLR",
        description="From base_lr to 0 in total_iters ticks, by a power of what is left.",
        formula="base_lr * (1 - min(t, total_iters)/total_iters)^power",
        params=(
            _ticks("total_iters", "ticks to 0", 5),
            Param("power", "number", "the exponent", default=1.0, minimum=0.0, maximum=1e3),
            LAST_EPOCH,
        ),
        build=_polynomial,
        past_the_end="Stays at 0: training goes on and learns nothing.",
        pitfall="It ends at 0 exactly, after 5 ticks unless total_iters is given." + _FRACTION,
        namesakes="It has no end LR. Paddle and Keras end at 1e-4 by default, Hugging Face at 1e-7, timm at lr_min.",
        needs_base_lr=True,
    ),
)
