"""timm's schedulers with cycles: CosineLRScheduler, TanhLRScheduler, PolyLRScheduler."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.timm.common import (
    IN_EPOCHS,
    K_DECAY,
    LR_MIN,
    T_INITIAL,
    TAIL,
    check_cycles,
    cycles,
    each,
    warmed,
    warmup,
)
from trackside_service.schedules.kinds.restarts import Restarts
from trackside_service.schedules.params import Param, refuse


def _cycle(base: float, values: Values, shape: Literal["cosine", "poly", "tanh"]) -> Restarts:
    return Restarts(
        base,
        values["lr_min"],
        values["t_initial"],
        values["cycle_mul"],
        values["cycle_decay"],
        limit=values["cycle_limit"],
        shape=shape,
        power=values.get("power", 1.0),
        k=values.get("k_decay", 1.0),
        lb=values.get("lb", 0.0),
        ub=values.get("ub", 1.0),
        counting="log",
    )


def _cosine(values: Values, site: Site) -> Built:
    check_cycles(values, site)

    def curve(base: float) -> Curve:
        return warmed(base, values, _cycle(base, values, "cosine"), prefix=values["warmup_prefix"])

    return each(values, site, curve)


def _poly(values: Values, site: Site) -> Built:
    check_cycles(values, site)

    def curve(base: float) -> Curve:
        own = _cycle(base, values, "poly")
        return warmed(base, values, own, prefix=values["warmup_prefix"])

    return each(values, site, curve)


def _tanh(values: Values, site: Site) -> Built:
    check_cycles(values, site)
    if values["lb"] >= values["ub"]:
        raise refuse(f"{site.pointer}/params/lb", "TanhLRScheduler refuses an lb that is not below ub")

    def curve(base: float) -> Curve:
        own = _cycle(base, values, "tanh")
        top = None if values["warmup_prefix"] else float(own.lrs(np.asarray([float(values["warmup_t"])]))[0])
        if values["warmup_t"] and top is not None and math.isnan(top):
            raise refuse(
                f"{site.pointer}/params/cycle_mul",
                "with cycle_mul below 1 the cycles end in the warm-up: it raises",
            )
        return warmed(base, values, own, prefix=values["warmup_prefix"], top=top)

    return each(values, site, curve)


_CLOCK = (
    "warmup_prefix is false by default: the schedule's clock runs during the warm-up, and the warm-up is followed by "
    "an LR that has already fallen (a jump down). The warm-up is then part of t_initial."
)

CYCLED: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="CosineLRScheduler",
        description="Half a cosine from base_lr to lr_min, in one cycle or several, after a warm-up.",
        formula="lr_min + (base_lr cycle_decay^i - lr_min)(1 + cos(pi t^k/T^k))/2, t the time in cycle i of length T = "
        "t_initial cycle_mul^i",
        params=(T_INITIAL, LR_MIN, *cycles(), *warmup(prefix=False), IN_EPOCHS, *TAIL, K_DECAY),
        build=_cosine,
        past_the_end="lr_min from cycle_limit on (1: from t_initial).",
        pitfall=_CLOCK + " Past t_initial the LR is lr_min: 0 unless given.",
        namesakes="torch's CosineAnnealingLR rebounds past its end.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="TanhLRScheduler",
        description="Down from base_lr to lr_min along a hyperbolic tangent.",
        formula="lr_min + (base_lr cycle_decay^i - lr_min)(1 - tanh(lb (1 - x) + ub x))/2, x the share of cycle i done",
        params=(
            T_INITIAL,
            Param("lb", "number", "where the tangent begins", default=-7.0, minimum=-1e3, maximum=1e3),
            Param("ub", "number", "where it ends, above lb", default=3.0, minimum=-1e3, maximum=1e3),
            LR_MIN,
            *cycles(),
            *warmup(prefix=False),
            IN_EPOCHS,
            *TAIL,
        ),
        build=_tanh,
        past_the_end="lr_min from cycle_limit on (1: from t_initial).",
        pitfall="It stays high for most of the run and then falls fast. The warm-up ends at the curve's own value.",
        needs_base_lr=True,
    ),
    ClassSpec(
        name="PolyLRScheduler",
        description="From base_lr to lr_min by a power of what is left, in one cycle or several, after a warm-up.",
        formula="lr_min + (base_lr cycle_decay^i - lr_min)(1 - t^k/T^k)^power",
        params=(
            T_INITIAL,
            Param("power", "number", "the exponent", default=0.5, minimum=1e-6, maximum=1e3),
            LR_MIN,
            *cycles(),
            *warmup(prefix=False),
            IN_EPOCHS,
            *TAIL,
            K_DECAY,
        ),
        build=_poly,
        past_the_end="lr_min from cycle_limit on (1: from t_initial).",
        pitfall="power is 0.5 by default; create_scheduler passes its decay_rate (0.1) as power. " + _CLOCK,
        namesakes="torch's, Paddle's, Keras' and Hugging Face's have power 1 by default.",
        needs_base_lr=True,
    ),
)
