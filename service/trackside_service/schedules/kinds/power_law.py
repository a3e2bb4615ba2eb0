"""power_law: falls with a power of the time, as the inverse square root schedules do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import MAX_TICKS, Param


@dataclass(frozen=True, slots=True)
class PowerLaw(Plain):
    """lr(t) = max(lr ((t + shift)/timescale)^-power, floor)."""

    lr: float
    timescale: float
    shift: float
    power: float = 0.5
    floor: float = 0.0

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the power law, held above its floor; at t + shift = 0, where it has no value, the LR at 1."""
        clock = np.asarray(ticks, dtype=np.float64) + self.shift
        scaled = np.where(clock > 0.0, clock, 1.0) / self.timescale
        with np.errstate(over="ignore", under="ignore"):
            return np.maximum(self.lr * np.power(scaled, -self.power), self.floor)

    def landmarks(self) -> tuple[float, ...]:
        """Return the first ticks."""
        return (0.0, 1.0)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> PowerLaw:  # noqa: ARG001
    """Build from read parameters."""
    shift = values["timescale"] if values["shift"] is None else values["shift"]
    return PowerLaw(values["lr"], values["timescale"], shift, values["power"], values["floor"])


POWER_LAW = KindSpec(
    kind="power_law",
    description="The LR falls with a power of the time: with power 0.5 the inverse square root.",
    formula="lr(t) = max(lr * ((t + shift)/timescale)^(-power), floor)",
    params=(
        Param("lr", "number", "the LR where t + shift = timescale", minimum=0.0),
        Param("timescale", "number", "ticks over which it falls", minimum=1e-6, maximum=MAX_TICKS),
        Param(
            "shift",
            "number",
            "ticks added to the clock; timescale where left out, so that the LR starts at lr",
            default=None,
            minimum=0.0,
            maximum=MAX_TICKS,
            nullable=True,
        ),
        Param("power", "number", "the exponent", default=0.5, minimum=0.0, maximum=100.0),
        Param("floor", "number", "the LR is never below", default=0.0, minimum=0.0),
    ),
    build=build,
)
