"""transformers' get_*_schedule functions, which get_scheduler calls by name: the same schedules, with all parameters
side by side. Source: transformers/optimization.py, version 5.23 (TYPE_TO_SCHEDULER_FUNCTION).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from trackside_service.errors import ScheduleError
from trackside_service.schedules.frameworks.constructor import LAST_EPOCH, Built, ClassSpec, Site, Values
from trackside_service.schedules.frameworks.transformers.names import NAMES
from trackside_service.schedules.params import MAX_TICKS, REQUIRED, Faults, Param

_CALLED: Final[Mapping[str, str]] = {
    "linear": "get_linear_schedule_with_warmup",
    "cosine": "get_cosine_schedule_with_warmup",
    "cosine_with_restarts": "get_cosine_with_hard_restarts_schedule_with_warmup",
    "polynomial": "get_polynomial_decay_schedule_with_warmup",
    "constant": "get_constant_schedule",
    "constant_with_warmup": "get_constant_schedule_with_warmup",
    "inverse_sqrt": "get_inverse_sqrt_schedule",
    "reduce_lr_on_plateau": "get_reduce_on_plateau_schedule",
    "cosine_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup",
    "cosine_warmup_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "warmup_stable_decay": "get_wsd_schedule",
    "greedy": "get_greedy_schedule",
}
_NO_WARMUP: Final = ("constant", "reduce_lr_on_plateau", "greedy")
_NO_TOTAL: Final = (*_NO_WARMUP, "constant_with_warmup", "inverse_sqrt")

WARMUP_STEPS: Final = Param("num_warmup_steps", "number", "updates of the warm-up", minimum=0, maximum=MAX_TICKS)
TRAINING_STEPS: Final = Param(
    "num_training_steps", "number", "updates in all, the warm-up included", minimum=0, maximum=MAX_TICKS
)


def _counts(name: str) -> tuple[Param, ...]:
    total = replace(TRAINING_STEPS, default=None if name == "warmup_stable_decay" else REQUIRED)
    return ((WARMUP_STEPS,) if name not in _NO_WARMUP else ()) + ((total,) if name not in _NO_TOTAL else ())


def _restated(name: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what says a call of the function as the call of get_scheduler that does the same."""

    def restate(params: Mapping[str, Any]) -> dict[str, Any]:
        shared = {key: params[key] for key in ("num_warmup_steps", "num_training_steps") if key in params}
        own = {key: value for key, value in params.items() if key not in shared}
        further = {"scheduler_specific_kwargs": own} if own and not name.startswith("constant") else {}
        return {"class": "get_scheduler", "params": {"name": name, **shared, **further}}

    return restate


def _build(spec: ClassSpec) -> Callable[[Values, Site], Built]:
    def build(values: Values, site: Site) -> Built:
        whole = {"name": spec.name, "num_warmup_steps": None, "num_training_steps": None, **values}
        try:
            return spec.build(whole, site)
        except ScheduleError as error:  # the builders point to where get_scheduler has these parameters
            faults = Faults()
            for fault in error.faults:
                faults.add(fault.pointer.replace("/params/scheduler_specific_kwargs", "/params"), fault.message)
            faults.settle()
            raise

    return build


def _function(spec: ClassSpec) -> ClassSpec:
    own = spec.params or (LAST_EPOCH,)
    return ClassSpec(
        name=_CALLED[spec.name],
        description=f'What get_scheduler("{spec.name}") calls: see there.',
        formula=f'as "{spec.name}"',
        params=(*_counts(spec.name), *own),
        build=_build(spec),
        past_the_end=spec.past_the_end,
        needs_base_lr=True,
        restated=_restated(spec.name),
    )


FUNCTIONS: Final[tuple[ClassSpec, ...]] = tuple(_function(spec) for spec in NAMES)
