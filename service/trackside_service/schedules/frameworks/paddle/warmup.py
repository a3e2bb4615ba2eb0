"""Paddle's LinearWarmup, over a number or any other scheduler, and ReduceOnPlateau."""

from __future__ import annotations

from dataclasses import replace

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.paddle.common import LEARNING_RATE, TAIL, VERBOSE, for_all
from trackside_service.schedules.frameworks.torch.plateau import whole_counts
from trackside_service.schedules.kinds.constant import Constant
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.plateau import Plateau, PlateauOfTicks
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.kinds.restarts import Restarts
from trackside_service.schedules.params import MAX_TICKS, Param, refuse


def _warmup(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params"
    first, last, over = values["start_lr"], values["end_lr"], values["warmup_steps"]
    if last <= first:
        raise refuse(
            f"{place}/end_lr",
            f"LinearWarmup refuses an end_lr ({last:g}) that is not greater than start_lr ({first:g})",
        )
    inner = values["learning_rate"]
    built = Built((Constant(inner),)) if isinstance(inner, float) else site.nest(inner, f"{place}/learning_rate")
    curve = Phases((Phase(Ramp(first, last, over), over), Phase(_set_by_number(built.groups[0]))))
    return replace(
        for_all(curve, site),
        total=None if built.total is None else over + built.total,
        refused_after=None if built.refused_after is None else over + built.refused_after,
        refusal=built.refusal,
    )


def _set_by_number(curve: Curve) -> Curve:
    """Return what becomes of the inner scheduler, which LinearWarmup does not step but sets: step(t - warmup_steps)."""
    if isinstance(curve, Restarts):
        return replace(curve, counting="log")
    return PlateauOfTicks(curve) if isinstance(curve, Plateau) else curve


def _plateau(values: Values, site: Site) -> Built:
    if values["factor"] >= 1.0:
        raise refuse(
            f"{site.pointer}/params/factor", "ReduceOnPlateau refuses a factor of 1 or more: it should be < 1.0"
        )
    names = ("factor", "threshold", "threshold_mode", "min_lr", "mode")
    chosen = {name: values[name] for name in names} | whole_counts(values)
    return for_all(
        Plateau(lr=values["learning_rate"], eps=values["epsilon"], cooldown_ignores_metric=True, **chosen), site
    )


WARMUP: tuple[ClassSpec, ...] = (
    ClassSpec(
        name="LinearWarmup",
        description="A line from start_lr towards end_lr over warmup_steps ticks, then a number or another scheduler.",
        formula="t < warmup_steps: start_lr + (end_lr - start_lr) t/warmup_steps; then learning_rate(t - warmup_steps)",
        params=(
            Param(
                "learning_rate",
                "schedule",
                "what follows the warm-up: a number or a scheduler {class, params}",
                or_number=True,
                minimum=0.0,
            ),
            Param("warmup_steps", "integer", "ticks of the warm-up", minimum=1, strict=True),
            Param("start_lr", "number", "the LR at tick 0", minimum=0.0),
            Param("end_lr", "number", "the LR that the warm-up aims at, above start_lr", minimum=0.0),
            *TAIL,
        ),
        build=_warmup,
        past_the_end="As what follows the warm-up does.",
        pitfall="warmup_steps counts ticks: a warm-up of one tick is a jump from start_lr, not a ramp. end_lr itself "
        "is never reached: tick warmup_steps has the first LR of what follows. Over a ReduceOnPlateau it passes the "
        "number of the tick as the metric, and the LR falls for no reason.",
        namesakes="torch's SequentialLR takes any number of schedulers; Hugging Face's warm-up starts at 0.",
    ),
    ClassSpec(
        name="ReduceOnPlateau",
        description="Multiplied by factor when a metric has not improved for more than patience ticks.",
        formula="lr <- max(lr * factor, min_lr) after patience + 1 ticks without an improvement; then cooldown "
        "ticks of "
        "rest, in which the metric is not looked at",
        params=(
            LEARNING_RATE,
            Param("mode", "choice", "whether less is better or more", default="min", choices=("min", "max")),
            Param("factor", "number", "the factor, below 1", default=0.1, minimum=0.0),
            Param(
                "patience",
                "number",
                "ticks without improvement that are borne: the reduction comes at the next",
                default=10,
                minimum=0,
                maximum=MAX_TICKS,
            ),
            Param("threshold", "number", "the least improvement that counts", default=1e-4, minimum=0.0),
            Param(
                "threshold_mode",
                "choice",
                "the threshold is a share of the best (rel) or absolute (abs)",
                default="rel",
                choices=("rel", "abs"),
            ),
            Param("cooldown", "number", "ticks of rest after a reduction", default=0, minimum=0, maximum=MAX_TICKS),
            Param("min_lr", "number", "never lowered below", default=0, minimum=0.0),
            Param("epsilon", "number", "a reduction by no more than this is not made", default=1e-8, minimum=0.0),
            VERBOSE,
        ),
        build=_plateau,
        past_the_end="Falls as long as the metric stands still, to min_lr or until a reduction would be below epsilon.",
        pitfall="patience=10 reduces after 11 ticks without improvement. The preview needs the metric, one value a "
        "tick.",
        namesakes="torch's ReduceLROnPlateau goes on comparing in the cooldown, calls epsilon eps, and has one "
        "min_lr a "
        "group.",
    ),
)
