"""What timm's schedulers share: the warm-up, the first LR, the cycles and the noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import Built, Site, Values
from trackside_service.schedules.kinds.constant import Constant
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.params import MAX_TICKS, Param, refuse

_NOISE = (
    "its noise is drawn from a torch generator at every tick, and cannot be previewed: send a table "
    '({"kind": "table", "values": [the LR at each tick]}), read off the live scheduler'
)
_INITIALIZED = (
    "the real class raises KeyError on an optimizer that has no initial_lr yet; leave it out, and where another "
    "scheduler has set initial_lr, give that as base_lr"
)
IN_EPOCHS = Param(
    "t_in_epochs", "boolean", "whether step(epoch) sets the LR (true) or step_update(update)", default=True
)
TAIL: tuple[Param, ...] = (
    Param("noise_range_t", "any", "from which tick on there is noise; none", default=None, fixed=_NOISE),
    Param("noise_pct", "number", "how much noise (of no effect without it)", default=0.67),
    Param("noise_std", "number", "how much noise (of no effect without it)", default=1.0),
    Param("noise_seed", "integer", "its seed (of no effect without it)", default=42, nullable=True),
    Param("initialize", "boolean", "keep the optimizer's LRs as initial_lr", default=True, fixed=_INITIALIZED),
)
LR_MIN = Param("lr_min", "number", "the minimum, the same for every group", default=0.0, minimum=0.0)


def warmup(*, prefix: bool | None) -> tuple[Param, ...]:
    """Return the warm-up's parameters; `prefix` is that class's default of warmup_prefix (None: it has none)."""
    own = (
        Param("warmup_t", "number", "ticks of the warm-up", default=0, minimum=0.0, maximum=MAX_TICKS),
        Param("warmup_lr_init", "number", "the LR at tick 0, with a warm-up", default=0.0, minimum=0.0),
    )
    if prefix is None:
        return own
    about = "whether the schedule begins after the warm-up (true) or has run from tick 0 on (false)"
    return (*own, Param("warmup_prefix", "boolean", about, default=prefix))


def cycles() -> tuple[Param, ...]:
    """Return the cycles' parameters."""
    return (
        Param(
            "cycle_mul",
            "number",
            "each cycle is so many times as long as the one before",
            default=1.0,
            minimum=0.0,
            exclusive=True,
            maximum=1e6,
        ),
        Param("cycle_decay", "number", "each maximum is so many times the one before", default=1.0, minimum=0.0),
        Param("cycle_limit", "number", "cycles in all; then lr_min", default=1, minimum=0.0, maximum=MAX_TICKS),
    )


T_INITIAL = Param("t_initial", "number", "ticks of the first cycle", minimum=0.0, exclusive=True, maximum=MAX_TICKS)
K_DECAY = Param("k_decay", "number", "t^k/T^k in place of t/T", default=1.0, minimum=1e-3, maximum=100.0)


def warmed(base: float, values: Values, curve: Curve, *, prefix: bool, top: float | None = None) -> Curve:
    """Return `curve` behind its warm-up: towards `top` (base where not given). Without one, tick 0 has base itself:
    the constructor sets it, and the schedule is first asked at tick 1.
    """
    warm, first = values["warmup_t"], values["warmup_lr_init"]
    if warm:
        rise = Ramp(first, base if top is None else top, warm)
        return Phases((Phase(rise, warm), Phase(curve, global_clock=not prefix)))
    if float(curve.lrs(np.zeros(1))[0]) == base:
        return curve
    return Phases((Phase(Constant(base), 1.0), Phase(curve, global_clock=True)))


def each(values: Values, site: Site, curve: Callable[[float], Curve]) -> Built:
    """Return one curve a parameter group, and what a shrinking cycle_mul raises."""
    groups = tuple(curve(base) for base in site.bases)
    ratio = values.get("cycle_mul", 1.0)
    if ratio >= 1.0:
        return Built(groups)
    total, shift = values["t_initial"], values["warmup_t"] if values["warmup_prefix"] else 0.0
    last = math.ceil(total / (1.0 - ratio)) - 1
    while last > 0 and 1.0 - last / total * (1.0 - ratio) <= 0.0:
        last -= 1
    return Built(
        groups,
        refused_after=max(math.ceil(last + shift), math.ceil(values["warmup_t"]) - 1),
        refusal="with cycle_mul below 1 the cycles come to an end, and the real class raises ValueError",
    )


def check_cycles(values: Values, site: Site) -> None:
    """Refuse cycles that hardly grow: they would be too many."""
    if 1.0 < values["cycle_mul"] < 1.01 or 0.99 < values["cycle_mul"] < 1.0:
        raise refuse(f"{site.pointer}/params/cycle_mul", "cycle_mul is 1, or differs from it by 0.01 or more here")
