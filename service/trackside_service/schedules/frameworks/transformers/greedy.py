"""get_scheduler("greedy"): GreedyLR. Source: transformers/optimization.py, version 5.23."""

from __future__ import annotations

import math

from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.torch.plateau import whole_counts
from trackside_service.schedules.kinds.greedy import Greedy
from trackside_service.schedules.params import MAX_TICKS, Param, refuse

_SAME = ("factor", "threshold", "threshold_mode", "eps", "mode")


def _build(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params/scheduler_specific_kwargs"
    if values["factor"] >= 1.0:
        raise refuse(f"{place}/factor", "GreedyLR refuses a factor of 1 or more: Factor should be < 1.0")
    count = len(site.bases)
    bounds = {name: _each(values[name], count, f"{place}/{name}") for name in ("min_lr", "max_lr")}
    groups = list(zip(site.bases, bounds["min_lr"], bounds["max_lr"], strict=True))
    chosen = {name: values[name] for name in _SAME} | whole_counts(values)
    chosen |= {name: math.ceil(values[name]) for name in ("warmup", "reset_start")}
    window = math.floor(values["window_size"]) if values["smooth"] else 0
    return Built(
        tuple(
            Greedy(
                lr=lr,
                min_lr=least,
                max_lr=most,
                window=window,
                peers=(*groups[:place], *groups[place + 1 :]),
                **chosen,
            )
            for place, (lr, least, most) in enumerate(groups)
        )
    )


def _each(value: float | list[float], count: int, pointer: str) -> list[float]:
    if not isinstance(value, list):
        return [value] * count
    if len(value) != count:
        raise refuse(pointer, f"it has {len(value)} values, but base_lr names {count} groups")
    return value


def _ticks(name: str, says: str, default: int, least: int = 0) -> Param:
    return Param(name, "number", says, default=default, minimum=least, maximum=MAX_TICKS)


GREEDY = ClassSpec(
    name="greedy",
    description="GreedyLR: raised while a metric improves, lowered while it does not.",
    formula="lr <- min(lr / factor, max_lr) after patience + 1 improvements in a row; lr <- max(lr * factor, min_lr) "
    "after patience + 1 ticks without one; back to base_lr after reset_start reductions at min_lr",
    params=(
        Param("mode", "choice", "whether less is better or more", default="min", choices=("min", "max")),
        Param("factor", "number", "the factor, below 1", default=0.95, minimum=0.0, exclusive=True),
        _ticks("patience", "ticks in a row that change nothing yet: the change comes at the next", 10),
        Param("threshold", "number", "the least improvement that counts", default=1e-6, minimum=0.0),
        Param(
            "threshold_mode",
            "choice",
            "the threshold is a share of the best (rel) or absolute (abs)",
            default="abs",
            choices=("rel", "abs"),
        ),
        _ticks("cooldown", "ticks of rest after a reduction", 0),
        _ticks("warmup", "ticks of rest after a rise", 0),
        Param(
            "min_lr",
            "number",
            "never lowered below, one number or one a group",
            default=1e-3,
            minimum=0.0,
            per_group=True,
        ),
        Param("max_lr", "number", "never raised above, likewise", default=1.0, minimum=0.0, per_group=True),
        Param("eps", "number", "a change by no more than this is not made", default=1e-8, minimum=0.0),
        Param("verbose", "boolean", "prints each change", default=False),
        Param("smooth", "boolean", "the metric is averaged first", default=False),
        _ticks("window_size", "values that are averaged where smooth", 50, 1),
        _ticks("reset_start", "reductions at min_lr after which it starts over", 500),
    ),
    build=_build,
    past_the_end="Goes on, as the metric does.",
    pitfall="min_lr is 0.001 unless given: an LR below that, as most fine-tunings have, is never lowered. The preview "
    "needs the metric, one value a tick; in a run it is replayed from the metric that is reported (the Trainer steps "
    "it at each evaluation), though not where the metric is averaged first (smooth).",
    namesakes="ReduceLROnPlateau never raises the LR.",
    needs_base_lr=True,
)
