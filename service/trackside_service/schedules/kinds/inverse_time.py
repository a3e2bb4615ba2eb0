"""inverse_time: divided by a line that grows with time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.kinds.decay import periods
from trackside_service.schedules.params import MAX_TICKS, Param


@dataclass(frozen=True, slots=True)
class InverseTime(Plain):
    """lr(t) = lr/(1 + rate k), k = t/every, or its floor where `staircase`."""

    lr: float
    rate: float
    every: float = 1.0
    staircase: bool = False
    single: bool = False

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return lr/(1 + rate t/every)."""
        times = periods(ticks, self.every, staircase=self.staircase, single=self.single)
        return np.asarray(self.lr / (1.0 + self.rate * times), dtype=np.float64)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> InverseTime:  # noqa: ARG001
    """Build from read parameters."""
    return InverseTime(values["lr"], values["rate"], values["every"], values["staircase"])


INVERSE_TIME = KindSpec(
    kind="inverse_time",
    description="The LR is divided by 1 plus a rate times the time.",
    formula="lr(t) = lr/(1 + rate t/every), with the floor of t/every where staircase is true",
    params=(
        Param("lr", "number", "the LR at the start", minimum=0.0),
        Param("rate", "number", "how fast it falls", minimum=0.0),
        Param("every", "number", "ticks of one period", default=1.0, minimum=1e-6, maximum=MAX_TICKS),
        Param("staircase", "boolean", "in steps or smoothly (false)", default=False),
    ),
    build=build,
)
