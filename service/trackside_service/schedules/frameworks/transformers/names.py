"""The names that get_scheduler knows, each with its scheduler_specific_kwargs. Source: transformers/optimization.py."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import LAST_EPOCH, Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.torch.plateau import PLATEAU_PARAMS, build_plateau
from trackside_service.schedules.frameworks.transformers.greedy import GREEDY
from trackside_service.schedules.frameworks.transformers.warmed import (
    CYCLES,
    POWER,
    each,
    training_steps,
    warmed,
    warmup_steps,
)
from trackside_service.schedules.kinds.constant import Constant
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.power_law import PowerLaw
from trackside_service.schedules.kinds.ramp import Ramp, Shape
from trackside_service.schedules.kinds.restarts import Restarts
from trackside_service.schedules.params import MAX_TICKS, Param, refuse


def _constant(values: Values, site: Site) -> Built:  # noqa: ARG001
    return each(site, Constant)


def _constant_with_warmup(values: Values, site: Site) -> Built:
    warm = warmup_steps(values, site)
    return each(site, lambda base: warmed(base, warm, Constant(base)))


def _linear(values: Values, site: Site) -> Built:
    warm, total = warmup_steps(values, site), training_steps(values, site)

    def after(base: float) -> Curve:
        left = total - warm
        if left <= 0:
            return Constant(0.0)
        return Ramp(base * left / max(left, 1.0), 0.0, left)

    return each(site, lambda base: warmed(base, warm, after(base)), total=total)


def _cosine(values: Values, site: Site) -> Built:
    warm, total = warmup_steps(values, site), training_steps(values, site)
    over = max(1.0, total - warm)

    def after(base: float) -> Curve:
        return Ramp(base, 0.0, over, "cosine", "continue", cycles=values["num_cycles"])

    return each(site, lambda base: warmed(base, warm, after(base)), total=total)


def _cosine_with_restarts(values: Values, site: Site) -> Built:
    warm, total = warmup_steps(values, site), training_steps(values, site)
    over, cycles = max(1.0, total - warm), values["num_cycles"]

    def after(base: float) -> Curve:
        if cycles == 0.0:  # the cosine never moves
            return Phases((Phase(Constant(base), over), Phase(Constant(0.0))))
        return Phases((Phase(Restarts(base, 0.0, over, parts=cycles), over), Phase(Constant(0.0))))

    return each(site, lambda base: warmed(base, warm, after(base)), total=total)


def _polynomial(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    warm, total = warmup_steps(values, site), training_steps(values, site)
    end, power = values["lr_end"], values["power"]
    first = site.bases[0]  # optimizer.defaults["lr"]
    if not first > end:
        raise refuse(
            f"{place}/scheduler_specific_kwargs/lr_end",
            f"polynomial refuses an lr_end ({end:g}) that is not smaller than the initial lr ({first:g})",
        )
    if total == warm == 0:
        raise refuse(f"{place}/num_training_steps", "with no training steps the real function divides by zero")

    def after(base: float) -> Curve:
        least = end / first * base
        if not total > warm:
            return Constant(least)
        if power == 0.0:  # 0^0 is 1, at num_training_steps too: lr_end comes at the tick after it
            return Phases((Phase(Constant(base), math.floor(total) + 1 - warm), Phase(Constant(least))))
        return Ramp(base, least, total - warm, "poly", power=power)

    built = each(site, lambda base: warmed(base, warm, after(base)), total=total)
    if total == warm and total.is_integer():
        return replace(built, refused_after=int(warm) - 1, refusal="polynomial divides by zero where the warm-up ends")
    return built


def _inverse_sqrt(values: Values, site: Site) -> Built:
    warm = warmup_steps(values, site)
    scale = values["timescale"] if values["timescale"] is not None else warm or 10_000
    if scale == 0.0:
        if warm == 0.0:
            place = f"{site.pointer}/params/scheduler_specific_kwargs/timescale"
            raise refuse(place, "with timescale 0 the real function divides by zero; leave it out")
        built = each(site, lambda base: warmed(base, warm, Constant(math.nan)))
        refusal = "with timescale 0 inverse_sqrt divides by zero where the warm-up ends"
        return replace(built, refused_after=math.ceil(warm) - 1, refusal=refusal)
    return each(site, lambda base: warmed(base, warm, PowerLaw(base, scale, scale)))


def _min_lr_rate(values: Values, site: Site) -> float:
    place = f"{site.pointer}/params/scheduler_specific_kwargs"
    least, rate = values["min_lr"], values["min_lr_rate"]
    if least is not None and rate is not None:
        raise refuse(f"{place}/min_lr", "Only one of min_lr or min_lr_rate should be set")
    if least is None and rate is None:
        raise refuse(place, f"{values['name']} needs one of min_lr or min_lr_rate")
    if rate is not None:
        return float(rate)
    if site.bases[0] == 0.0:
        raise refuse("/base_lr", "min_lr is divided by the optimizer's lr, which is 0")
    return float(least) / site.bases[0]


def _cosine_with_min_lr(values: Values, site: Site) -> Built:
    warm, total = warmup_steps(values, site), training_steps(values, site)
    rate, over = _min_lr_rate(values, site), max(1.0, total - warm)

    def after(base: float) -> Curve:
        return Ramp(base, base * rate, over, "cosine", "continue", cycles=values["num_cycles"])

    return each(site, lambda base: warmed(base, warm, after(base)), total=total)


def _cosine_warmup_with_min_lr(values: Values, site: Site) -> Built:
    warm, total = warmup_steps(values, site), training_steps(values, site)
    rate, over = _min_lr_rate(values, site), max(1.0, total - warm)
    first = values["warmup_lr_rate"]

    def curve(base: float) -> Curve:
        after = Ramp(base, base * rate, over, "cosine", "continue", offset=1.0, cycles=values["num_cycles"])
        if first is None:
            return warmed(base, warm, after, rise=Ramp(0.0, base, max(1.0, warm), after="continue", offset=1.0))
        return warmed(base, warm, after, rise=Ramp(base * first, base, max(1.0, warm - 1.0), after="continue"))

    return each(site, curve, total=total)


def _leg(kind: str, *, up: bool) -> tuple[Shape, float]:
    if kind == "linear":
        return "linear", 1.0
    if kind == "cosine":
        return "cosine", 1.0
    return ("poly", 0.5) if up else ("one_minus_pow", 0.5)


def _warmup_stable_decay(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    warm, total = warmup_steps(values, site), values["num_training_steps"]
    decay, stable, least = values["num_decay_steps"], values["num_stable_steps"], values["min_lr_ratio"]
    if stable is None:
        if total is None:
            raise refuse(f"{place}/num_training_steps", "either num_training_steps or num_stable_steps is needed")
        stable = total - warm - decay
    down = warm + stable
    rise_shape, rise_power = _leg(values["warmup_type"], up=True)
    fall_shape, fall_power = _leg(values["decay_type"], up=False)

    def curve(base: float) -> Curve:
        low = base * least
        rise = Ramp(low, base, max(1.0, warm), rise_shape, power=rise_power)
        fall = Ramp(
            base,
            low,
            max(1.0, decay),
            fall_shape,
            "continue" if fall_shape == "cosine" else "hold",
            offset=-down,
            power=fall_power,
            cycles=values["num_cycles"],
        )
        plan: list[tuple[Curve, float]] = [(rise, warm), (Constant(base), down), (fall, down + decay)]
        phases: list[Phase] = []
        reached = 0.0
        for leg, end in plan:
            if end > reached:
                phases.append(Phase(leg, end, global_clock=True))
                reached = end
        return Phases((*phases, Phase(Constant(low), global_clock=True)))

    return each(site, curve, total=total if values["num_stable_steps"] is None else down + decay)


def _plateau(values: Values, site: Site) -> Built:
    return build_plateau(values, site, f"{site.pointer}/params/scheduler_specific_kwargs")


_MIN_LR = (
    Param("min_lr", "number", "the LR at the end; it or min_lr_rate", default=None, minimum=0.0),
    Param("min_lr_rate", "number", "the LR at the end as a share of base_lr", default=None, minimum=0.0),
)
_TYPES = ("linear", "cosine", "1-sqrt")
_WARMUP = "base_lr * t/num_warmup_steps for t < num_warmup_steps; then "
_FLAT_START = "The LR at update 0 is 0: the first batch teaches nothing."


def _kind(mode: Literal["warmup", "decay"], default: str) -> Param:
    return Param(f"{mode}_type", "choice", f"the {mode}'s shape", default=default, choices=_TYPES)


NAMES: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="linear",
        description="A warm-up, then a line down to 0.",
        formula=_WARMUP + "base_lr * (num_training_steps - t)/(num_training_steps - num_warmup_steps)",
        params=(LAST_EPOCH,),
        build=_linear,
        past_the_end="Stays at 0.",
        pitfall=_FLAT_START
        + " num_training_steps counts optimizer updates, all processes' steps of one update as one.",
        namesakes="torch's LinearLR starts above 0 and has no second leg.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="cosine",
        description="A warm-up, then a cosine down to 0.",
        formula=_WARMUP + "base_lr (1 + cos(2 pi num_cycles p))/2, p = (t - num_warmup_steps)/(num_training_steps - "
        "num_warmup_steps)",
        params=(CYCLES, LAST_EPOCH),
        build=_cosine,
        past_the_end="Rebounds: the LR rises again.",
        pitfall=_FLAT_START + " num_cycles=0.5 is one way down; 1 is down and up again.",
        namesakes="Keras' and timm's cosines stay at the minimum past the end.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="cosine_with_restarts",
        description="A warm-up, then num_cycles cosines down to 0, each starting at base_lr.",
        formula=_WARMUP + "base_lr (1 + cos(pi ((num_cycles p) mod 1)))/2, 0 from num_training_steps on",
        params=(replace(CYCLES, doc="cosines after the warm-up", default=1, maximum=1e6), LAST_EPOCH),
        build=_cosine_with_restarts,
        past_the_end="Stays at 0.",
        pitfall=_FLAT_START + " Each restart jumps to base_lr, without a warm-up.",
        namesakes="torch's CosineAnnealingWarmRestarts is given the length of a cycle, not their number, and "
        "never ends.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="polynomial",
        description="A warm-up, then from base_lr to lr_end by a power of what is left.",
        formula=_WARMUP + "(base_lr - lr_end)(1 - p)^power + lr_end",
        params=(
            Param("lr_end", "number", "the LR at the end", default=1e-7, minimum=0.0),
            POWER,
            LAST_EPOCH,
        ),
        build=_polynomial,
        past_the_end="Stays at lr_end.",
        pitfall=_FLAT_START + " lr_end must be below the optimizer's lr (its default, not a group's own).",
        namesakes="torch's ends at 0, Paddle's and Keras' at 1e-4.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="constant",
        description="base_lr throughout.",
        formula="base_lr",
        params=(),
        build=_constant,
        past_the_end="Nothing ends.",
        pitfall="num_warmup_steps is ignored: constant_with_warmup has a warm-up.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="constant_with_warmup",
        description="A warm-up, then base_lr.",
        formula=_WARMUP + "base_lr",
        params=(),
        build=_constant_with_warmup,
        past_the_end="Nothing ends.",
        pitfall=_FLAT_START,
        needs_base_lr=True,
    ),
    ClassSpec(
        name="inverse_sqrt",
        description="A warm-up, then the inverse square root of the time.",
        formula=_WARMUP + "base_lr/sqrt((t + timescale - num_warmup_steps)/timescale)",
        params=(
            Param(
                "timescale",
                "number",
                "ticks over which it falls; num_warmup_steps where left out, 10000 without a warm-up",
                default=None,
                minimum=0.0,
                maximum=MAX_TICKS,
            ),
            LAST_EPOCH,
        ),
        build=_inverse_sqrt,
        past_the_end="Goes on falling.",
        pitfall=_FLAT_START,
        namesakes="Paddle's NoamDecay peaks at learning_rate/sqrt(d_model warmup_steps).",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="reduce_lr_on_plateau",
        description="torch's ReduceLROnPlateau.",
        formula="lr <- max(lr * factor, min_lr) after patience + 1 ticks without an improvement",
        params=PLATEAU_PARAMS,
        build=_plateau,
        past_the_end="Falls as long as the metric stands still.",
        pitfall="A tick is an evaluation. The warm-up is ignored.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="cosine_with_min_lr",
        description="A warm-up, then a cosine down to a minimum.",
        formula=_WARMUP + "base_lr (r + (1 - r)(1 + cos(2 pi num_cycles p))/2), r = min_lr_rate or min_lr/base_lr",
        params=(CYCLES, *_MIN_LR, LAST_EPOCH),
        build=_cosine_with_min_lr,
        past_the_end="Rebounds: the LR rises again.",
        pitfall=_FLAT_START + " The minimum does not hold in the warm-up.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="cosine_warmup_with_min_lr",
        description="A warm-up that starts above 0, then a cosine down to a minimum.",
        formula="base_lr (t + 1)/num_warmup_steps, or base_lr (w + (1 - w) t/(num_warmup_steps - 1)) with w = "
        "warmup_lr_rate; then as cosine_with_min_lr, with p one tick ahead",
        params=(
            CYCLES,
            *_MIN_LR,
            Param("warmup_lr_rate", "number", "the first LR as a share of base_lr", default=None, minimum=0.0),
            LAST_EPOCH,
        ),
        build=_cosine_warmup_with_min_lr,
        past_the_end="Rebounds: the LR rises again.",
        pitfall="It is one tick ahead of the other names: base_lr is reached in the warm-up's last tick, and the "
        "minimum one tick before num_training_steps.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="warmup_stable_decay",
        description="A warm-up, a level stretch, then a decay.",
        formula="base_lr (r + (1 - r) f), f rising in num_warmup_steps, 1 for num_stable_steps, falling in "
        "num_decay_steps; then base_lr r, r = min_lr_ratio",
        params=(
            Param("num_decay_steps", "number", "ticks of the decay", minimum=0.0, maximum=MAX_TICKS),
            Param(
                "num_stable_steps",
                "number",
                "ticks in between; what is left of num_training_steps where left out",
                default=None,
                minimum=0.0,
                maximum=MAX_TICKS,
            ),
            _kind("warmup", "linear"),
            _kind("decay", "cosine"),
            Param("min_lr_ratio", "number", "the least LR as a share of base_lr", default=0, minimum=0.0),
            CYCLES,
            LAST_EPOCH,
        ),
        build=_warmup_stable_decay,
        past_the_end="Stays at base_lr * min_lr_ratio.",
        pitfall="The warm-up starts at min_lr_ratio, too. With num_stable_steps given, num_training_steps is ignored.",
        namesakes="timm's WSDLRScheduler has t_initial without the warm-up.",
        needs_base_lr=True,
    ),
    GREEDY,
)
