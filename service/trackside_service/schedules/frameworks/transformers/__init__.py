"""transformers.get_scheduler: its names to canonical kinds. Formulas: transformers/optimization.py, version 5.23."""

from __future__ import annotations

from dataclasses import replace

from trackside_service.schedules.frameworks.constructor import (
    LAST_EPOCH,
    Built,
    ClassSpec,
    FrameworkSpec,
    Site,
    Values,
)
from trackside_service.schedules.frameworks.transformers.functions import FUNCTIONS, TRAINING_STEPS, WARMUP_STEPS
from trackside_service.schedules.frameworks.transformers.names import NAMES
from trackside_service.schedules.params import Param, brief, read, refuse

_BESIDE = {each.name: "it stands in params itself" for each in (WARMUP_STEPS, TRAINING_STEPS)}
_FURTHER = {
    param.name: "it belongs in scheduler_specific_kwargs, which is one of params"
    for each in NAMES
    for param in each.params
    if param is not LAST_EPOCH
}


def _get_scheduler(values: Values, site: Site) -> Built:
    place = f"{site.pointer}/params/scheduler_specific_kwargs"
    spec = next(each for each in NAMES if each.name == values["name"])
    given = values["scheduler_specific_kwargs"]
    if given is None or spec.name in ("constant", "constant_with_warmup"):  # the real function does not look at them
        given = {}
    if not isinstance(given, dict):
        raise refuse(place, f"scheduler_specific_kwargs is an object, not {brief(given)}")
    own = read(given, spec.params, owner=f"get_scheduler({spec.name!r})", pointer=place, elsewhere=_BESIDE)
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
                replace(WARMUP_STEPS, default=None),
                replace(TRAINING_STEPS, default=None),
                Param("scheduler_specific_kwargs", "any", "the further parameters of that name", default=None),
            ),
            build=_get_scheduler,
            past_the_end="As the name says.",
            pitfall="num_training_steps includes the warm-up and counts updates of the optimizer: divided by gradient "
            "accumulation, and by the number of processes unless the loader was sharded before.",
            needs_base_lr=True,
            elsewhere=_FURTHER,
        ),
        *FUNCTIONS,
    ),
    named=NAMES,
)
