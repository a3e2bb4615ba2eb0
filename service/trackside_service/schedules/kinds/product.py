"""product: schedules that multiply each other, each as a factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackside_service.schedules.curve import Curve, FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import MAX_PHASES, Param, refuse


@dataclass(frozen=True, slots=True)
class Product(Plain):
    """lr(t) = lr factor_1(t) factor_2(t) ..."""

    lr: float
    factors: tuple[Curve, ...]

    @property
    def horizon(self) -> float | None:
        """The end of the factor that ends last."""
        return max((factor.horizon for factor in self.factors if factor.horizon is not None), default=None)

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the product."""
        result = np.full(np.shape(ticks), self.lr, dtype=np.float64)
        for factor in self.factors:
            result = result * factor.lrs(ticks)
        return result

    def landmarks(self) -> Sequence[float]:
        """Return all factors' landmarks and, where one rises while another falls, ticks between them."""
        marks = {mark for factor in self.factors for mark in factor.landmarks()}
        marks |= {factor.horizon for factor in self.factors if factor.horizon is not None}
        between = np.linspace(0.0, max(marks), 1025) if len(self.factors) > 1 else np.empty(0)
        return (*sorted(marks), *(float(tick) for tick in between))

    def restarts(self, up_to: float) -> FloatArray:
        """Return all factors' restarts."""
        return np.unique(np.concatenate([factor.restarts(up_to) for factor in self.factors]))

    @property
    def metric_driven(self) -> bool:
        """Whether a factor is."""
        return any(factor.metric_driven for factor in self.factors)

    def driven_by(self, metric: FloatArray) -> Product:
        """Return the product of the factors that `metric` drives."""
        return Product(self.lr, tuple(factor.driven_by(metric) for factor in self.factors))


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Product:
    """Build from read parameters. Raises `ScheduleError` on a wrong number of factors."""
    place = f"{pointer}/factors"
    if not 1 <= len(values["factors"]) <= MAX_PHASES:
        raise refuse(place, f"factors has 1 to {MAX_PHASES} entries")
    factors = tuple(nest(inner, f"{place}/{index}") for index, inner in enumerate(values["factors"]))
    return Product(values["lr"], factors)


PRODUCT = KindSpec(
    kind="product",
    description="An LR times several schedules, each taken as a factor.",
    formula="lr(t) = lr * factor_1(t) * factor_2(t) * ...",
    params=(
        Param("lr", "number", "the LR that the factors multiply", minimum=0.0),
        Param("factors", "phases", "canonical kinds"),
    ),
    build=build,
)
