"""transformers.get_scheduler: its names to canonical kinds. Formulas: transformers/optimization.py, version 5.23."""

from __future__ import annotations

from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, FrameworkSpec, Site, Values
from trackside_service.schedules.frameworks.transformers.names import NAMES
from trackside_service.schedules.params import MAX_TICKS, Param, brief, read, refuse


def _get_scheduler(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params/scheduler_specific_kwargs"
    spec = next(each for each in NAMES if each.name == values["name"])
    given = values["scheduler_specific_kwargs"]
    if given is None or spec.name in ("constant", "constant_with_warmup"):  # the real function does not look at them
        given = {}
    if not isinstance(given, dict):
        raise refuse(place, f"scheduler_specific_kwargs is an object, not {brief(given)}")
    own = read(given, spec.params, owner=f"get_scheduler({spec.name!r})", pointer=place)
    return spec.build({**values, **own}, site)


TRANSFORMERS = FrameworkSpec(
    framework="transformers",
    title="Hugging Face (transformers.get_scheduler)",
    version="5.23",
    base_lr="The optimizer's lr, one number or one a parameter group. Where a schedule looks at the optimizer's "
    "default "
    "lr (min_lr, lr_end), the first group's is taken for it.",
    classes=(
        ClassSpec(
            name="get_scheduler",
            description="The schedule of that name; a tick is an optimizer update.",
            formula="see the names",
            params=(
                Param("name", "choice", "the schedule", choices=tuple(each.name for each in NAMES)),
                Param(
                    "num_warmup_steps", "number", "updates of the warm-up", default=None, minimum=0, maximum=MAX_TICKS
                ),
                Param(
                    "num_training_steps",
                    "number",
                    "updates in all, the warm-up included",
                    default=None,
                    minimum=0,
                    maximum=MAX_TICKS,
                ),
                Param("scheduler_specific_kwargs", "any", "the further parameters of that name", default=None),
            ),
            build=_get_scheduler,
            past_the_end="As the name says.",
            pitfall="num_training_steps includes the warm-up and counts updates of the optimizer: divided by gradient "
            "accumulation, and by the number of processes unless the loader was sharded before.",
            needs_base_lr=True,
        ),
    ),
    named=NAMES,
)
