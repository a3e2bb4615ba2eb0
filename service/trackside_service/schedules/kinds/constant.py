"""constant: the same LR at every tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import Param


@dataclass(frozen=True, slots=True)
class Constant(Plain):
    """lr(t) = lr."""

    lr: float

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return `lr` everywhere."""
        return np.full(np.shape(ticks), self.lr, dtype=np.float64)


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
