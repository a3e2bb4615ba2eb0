"""torch's ReduceLROnPlateau, which Hugging Face and timm use as well."""

from __future__ import annotations

import math

from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, Site, Values
from trackside_service.schedules.kinds.plateau import Plateau
from trackside_service.schedules.params import MAX_TICKS, Param, refuse

PLATEAU_PARAMS: tuple[Param, ...] = (
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
    Param("min_lr", "number", "never lowered below, one number or one a group", default=0, minimum=0.0, per_group=True),
    Param("eps", "number", "a reduction by no more than this is not made", default=1e-8, minimum=0.0),
)


def whole_counts(values: Values, patience: str = "patience", cooldown: str = "cooldown") -> dict[str, int]:
    """Return a plateau's patience and cooldown as ticks: counters go by ones, so a fraction rounds the one down (more
    than 2.5 is 3) and the other up (2.5 is at rest until the third).
    """
    return {"patience": math.floor(values[patience]), "cooldown": math.ceil(values[cooldown])}


def build_plateau(values: Values, site: Site, place: str) -> Built:
    """Build from the parameters of ReduceLROnPlateau, at `place` (a pointer)."""
    if values["factor"] >= 1.0:
        raise refuse(f"{place}/factor", "ReduceLROnPlateau refuses a factor of 1 or more: Factor should be < 1.0")
    bases, floors = site.bases, values["min_lr"]
    if isinstance(floors, list) and len(floors) != len(bases):
        raise refuse(f"{place}/min_lr", f"min_lr has {len(floors)} values, but base_lr names {len(bases)} groups")
    floors = floors if isinstance(floors, list) else [floors] * len(bases)
    names = ("factor", "threshold", "threshold_mode", "eps", "mode")
    chosen = {name: values[name] for name in names} | whole_counts(values)
    return Built(tuple(Plateau(lr=base, min_lr=floor, **chosen) for base, floor in zip(bases, floors, strict=True)))


def _build(values: Values, site: Site) -> Built:
    return build_plateau(values, site, f"{site.pointer}/params")


PLATEAU = ClassSpec(
    name="ReduceLROnPlateau",
    description="The LR is multiplied by factor when a metric has not improved for more than patience ticks.",
    formula="lr <- max(lr * factor, min_lr) after patience + 1 ticks without an improvement; then cooldown "
    "ticks of rest",
    params=PLATEAU_PARAMS,
    build=_build,
    past_the_end="Falls as long as the metric stands still, to min_lr or until a reduction would be below eps.",
    pitfall="patience=10 reduces after 11 ticks without improvement. mode='min' with an accuracy reduces as long as "
    "the model learns. The preview needs the metric, one value a tick; in a run it is what the run reports as val_loss "
    "(val_acc where mode is max), or what the schedule's `metric` names.",
    namesakes="In the cooldown torch still compares each value with the best; Paddle's ReduceOnPlateau does not look "
    "at it. timm's PlateauLRScheduler expects a metric that rises (mode='max').",
    needs_base_lr=True,
)
