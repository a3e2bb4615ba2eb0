"""What transformers' schedules share: factors of base_lr, after a warm-up that starts at 0."""

from __future__ import annotations

from collections.abc import Callable

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import Built, Site, Values
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.ramp import Ramp
from trackside_service.schedules.params import Param, refuse

CYCLES = Param(
    "num_cycles", "number", "periods of the cosine after the warm-up; 0.5 goes down to 0", default=0.5, minimum=0.0
)
POWER = Param("power", "number", "the exponent", default=1.0, minimum=0.0, maximum=1e3)


def warmup_steps(values: Values, site: Site) -> float:
    """Return num_warmup_steps. Raises `ScheduleError` where it is left out."""
    steps: float | None = values["num_warmup_steps"]
    if steps is None:
        raise refuse(
            f"{site.pointer}/params/num_warmup_steps", f"{values['name']} requires `num_warmup_steps` (0 for none)"
        )
    return steps


def training_steps(values: Values, site: Site) -> float:
    """Return num_training_steps. Raises `ScheduleError` where it is left out."""
    steps: float | None = values["num_training_steps"]
    if steps is None:
        raise refuse(
            f"{site.pointer}/params/num_training_steps", f"{values['name']} requires `num_training_steps`: the total"
        )
    return steps


def warmed(base: float, warm: float, after: Curve, *, rise: Curve | None = None) -> Curve:
    """Return `after`, on a clock of its own, behind the warm-up 0, 1/w, 2/w ... of base (or `rise`)."""
    if warm <= 0:
        return after
    return Phases((Phase(rise or Ramp(0.0, base, max(warm, 1.0)), warm), Phase(after)))


def each(site: Site, curve: Callable[[float], Curve], *, total: float | None = None) -> Built:
    """Return one curve a parameter group. `total`: num_training_steps, where the schedule has an end there."""
    return Built(tuple(curve(base) for base in site.bases), total=total)
