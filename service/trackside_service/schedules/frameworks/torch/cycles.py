"""torch's OneCycleLR and CyclicLR."""

from __future__ import annotations

from trackside_service.schedules.frameworks.constructor import FUNCTION, LAST_EPOCH, Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.one_cycle import curve, ends, last_tick
from trackside_service.schedules.frameworks.torch import leaves
from trackside_service.schedules.kinds.cyclic import Cyclic
from trackside_service.schedules.params import MAX_TICKS, Param, refuse


def _per_group(values: Values, names: tuple[str, ...], site: Site) -> list[tuple[float, ...]]:
    """Return the named parameters group by group; a list has one value a group. Raises `ScheduleError` otherwise."""
    place = f"{site.pointer}/params"
    bases = site.base_lrs
    lists = [name for name in names if isinstance(values[name], list)]
    count = len(values[lists[0]]) if lists else len(bases) if bases else 1
    for name in lists:
        have = len(values[name])
        if have != count:
            raise refuse(f"{place}/{name}", f"{name} has {have} values, but {lists[0]} has {count}: one a group")
        if bases is not None and len(bases) not in (1, have):
            raise refuse(f"{place}/{name}", f"{name} has {have} values, but base_lr names {len(bases)} groups")
    return [tuple(values[name][index] if name in lists else values[name] for name in names) for index in range(count)]


def _one_cycle(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    total, epochs, per_epoch = values["total_steps"], values["epochs"], values["steps_per_epoch"]
    if total is None:
        if epochs is None or per_epoch is None:
            raise refuse(place, "OneCycleLR needs either total_steps, or epochs and steps_per_epoch")
        total = epochs * per_epoch
    legs = ends(total, values["pct_start"], three_phase=values["three_phase"])
    if legs[0] == 0:
        raise refuse(
            f"{place}/pct_start", "pct_start * total_steps is 1: the real class divides by zero at its first tick"
        )
    cosine, div, final_div = values["anneal_strategy"] == "cos", values["div_factor"], values["final_div_factor"]
    last = last_tick(total, legs)
    maxima = [top for (top,) in _per_group(values, ("max_lr",), site)]
    return Built(
        tuple(curve(total, legs, (top / div, top, top / div / final_div), cosine=cosine) for top in maxima),
        total=total,
        refused_after=last,
        refusal=f"OneCycleLR raises ValueError when stepped more than total_steps = {total} times",
        steps_per_epoch=per_epoch,
        part=tuple(
            leaves.one_cycle_lr(
                top,
                div,
                final_div,
                lambda low, high, least: curve(total, legs, (low, high, least), cosine=cosine),
                last,
            )
            for top in maxima
        ),
    )


def _cyclic(values: Values, site: Site) -> Built:
    up, down = values["step_size_up"], values["step_size_down"]
    down = up if down is None else down
    curves = [
        Cyclic(low, high, up, down, values["mode"], values["gamma"])
        for low, high in _per_group(values, ("base_lr", "max_lr"), site)
    ]
    return Built(tuple(curves), part=tuple(leaves.cyclic_lr(each.minimum, each) for each in curves))


def _momentum(name: str, what: str, default: float) -> Param:
    return Param(name, "number", f"the {what} momentum (of no effect on the LR)", default=default, per_group=True)


def _whole(name: str, other: str) -> Param:
    return Param(
        name, "integer", f"with {other}, in place of total_steps", default=None, minimum=1, strict=True, nullable=True
    )


CYCLES: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="OneCycleLR",
        description="Up from max_lr/div_factor to max_lr, then down to max_lr/div_factor/final_div_factor.",
        formula="cosine (or linear) legs that end at ticks pct_start*total_steps - 1 and total_steps - 1; three_phase: "
        "at pct_start*total_steps - 1, 2*pct_start*total_steps - 2 and total_steps - 1",
        params=(
            Param("max_lr", "number", "the peak, one number or one a group", minimum=0.0, per_group=True),
            Param("total_steps", "integer", "ticks of the whole cycle", default=None, minimum=1, strict=True),
            _whole("epochs", "steps_per_epoch"),
            _whole("steps_per_epoch", "epochs"),
            Param(
                "pct_start",
                "number",
                "the share of the cycle (0.0 to 1.0) spent rising",
                default=0.3,
                minimum=0.0,
                maximum=1.0,
                strict=True,
            ),
            Param("anneal_strategy", "choice", "the legs' shape", default="cos", choices=("cos", "linear")),
            Param("cycle_momentum", "boolean", "also cycle the momentum (of no effect on the LR)", default=True),
            _momentum("base_momentum", "least", 0.85),
            _momentum("max_momentum", "largest", 0.95),
            Param("div_factor", "number", "the first LR is max_lr/div_factor", default=25.0, minimum=1e-6),
            Param(
                "final_div_factor",
                "number",
                "the last LR is the first LR/final_div_factor",
                default=1e4,
                minimum=1e-6,
            ),
            Param("three_phase", "boolean", "down to the first LR as fast as up, then to the last", default=False),
            LAST_EPOCH,
        ),
        build=_one_cycle,
        past_the_end="Tick total_steps is taken and goes back up to the LR of tick total_steps - 2; the "
        "next raises ValueError.",
        pitfall="The last LR is max_lr/div_factor/final_div_factor (initial / final_div_factor), not "
        "max_lr/final_div_factor. The optimizer's lr is ignored, its momentum overwritten. pct_start * total_steps = 1 "
        "divides by zero.",
        namesakes="Paddle's ends at end_learning_rate, an LR of its own (1e-4 by default, which may be above the "
        "peak), and refuses three_phase with a share of half or more.",
    ),
    ClassSpec(
        name="CyclicLR",
        description="Triangles between base_lr and max_lr.",
        formula="base_lr + (max_lr - base_lr) * triangle(t) * (1, 1/2^cycle or gamma^t by mode)",
        params=(
            Param("base_lr", "number", "the LR at the foot, one number or one a group", minimum=0.0, per_group=True),
            Param("max_lr", "number", "the LR at the top, one number or one a group", minimum=0.0, per_group=True),
            Param("step_size_up", "number", "ticks up", default=2000, minimum=0.0, exclusive=True, maximum=MAX_TICKS),
            Param(
                "step_size_down",
                "number",
                "ticks down; as many as up where left out",
                default=None,
                minimum=0.0,
                maximum=MAX_TICKS,
            ),
            Param(
                "mode",
                "choice",
                "every triangle as high, half as high as the one before, or falling with gamma^t",
                default="triangular",
                choices=("triangular", "triangular2", "exp_range"),
            ),
            Param("gamma", "number", "the factor of exp_range, a tick", default=1.0, minimum=0.0),
            Param("scale_fn", "any", "a function that scales the triangles", default=None, fixed=FUNCTION),
            Param(
                "scale_mode",
                "choice",
                "what scale_fn is given (without it of no effect)",
                default="cycle",
                choices=("cycle", "iterations"),
            ),
            Param("cycle_momentum", "boolean", "also cycle the momentum (of no effect on the LR)", default=True),
            _momentum("base_momentum", "least", 0.8),
            _momentum("max_momentum", "largest", 0.9),
            LAST_EPOCH,
        ),
        build=_cyclic,
        past_the_end="Cycles without end.",
        pitfall="It overwrites the optimizer's lr with its own base_lr. step_size_up is half a triangle, 2000 ticks "
        "unless given: meant for batches, it never ends when stepped per epoch.",
        namesakes="Paddle's is the same with other names: base_learning_rate, max_learning_rate, exp_gamma, and "
        "step_size_up without a default.",
    ),
)
