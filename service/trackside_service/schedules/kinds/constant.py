"""constant: the same LR at every tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest
from trackside_service.schedules.params import Param


@dataclass(frozen=True, slots=True)
class Constant:
    """lr(t) = lr."""

    lr: float

    @property
    def horizon(self) -> float | None:
        """There is no end."""
        return None

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return `lr` everywhere."""
        return np.full(np.shape(ticks), self.lr, dtype=np.float64)

    def landmarks(self) -> Sequence[float]:
        """Return the first tick."""
        return (0.0,)

    def restarts(self, up_to: float) -> FloatArray:  # noqa: ARG002
        """Return none."""
        return np.empty(0)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Constant:  # noqa: ARG001
    """Build from read parameters."""
    return Constant(values["lr"])


CONSTANT = KindSpec(
    kind="constant",
    description="The same learning rate throughout.",
    formula="lr(t) = lr",
    params=(Param("lr", "number", "the learning rate", minimum=0.0),),
    build=build,
    needs_unit=False,
)
