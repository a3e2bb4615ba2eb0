"""What every canonical kind builds: a curve of absolute LR values over the ticks of one scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from trackside_service.schedules.params import Param

FloatArray: TypeAlias = npt.NDArray[np.float64]


class Curve(Protocol):
    """LR as a function of the tick (0 before the first `scheduler.step()`), in absolute values. Immutable and
    cheap to call.
    """

    @property
    def horizon(self) -> float | None:
        """Ticks after which nothing new is configured to happen; None where there is no such end."""

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return float64 LRs of the shape of `ticks` (>= 0, fractions allowed). NaN where the LR is not known."""

    def landmarks(self) -> Sequence[float]:
        """Return ticks among which the extremes within the horizon lie (the first cycle's, where there is no end)."""

    def restarts(self, up_to: float) -> FloatArray:
        """Return the ticks in (0, up_to] at which a cycle begins anew by design."""

    def followed_to(self, tick: float) -> int:
        """Return how many ticks are computed one after another to know the LR at `tick`: 0 for a closed form."""

    @property
    def metric_driven(self) -> bool:
        """Whether the LR depends on a metric that the run reports: without it, only tick 0 is known."""

    def driven_by(self, metric: FloatArray) -> Curve:
        """Return the curve that `metric` drives (its value i is the one that tick i + 1 was taken with)."""


class Plain:
    """What most curves share: no end, no restarts, the extreme at the start, no metric."""

    __slots__ = ()

    @property
    def horizon(self) -> float | None:
        """There is no end."""
        return None

    def landmarks(self) -> Sequence[float]:
        """Return the first tick."""
        return (0.0,)

    def restarts(self, up_to: float) -> FloatArray:  # noqa: ARG002
        """Return none."""
        return np.empty(0)

    def followed_to(self, tick: float) -> int:  # noqa: ARG002
        """Return 0: the LR is a function of the tick."""
        return 0

    @property
    def metric_driven(self) -> bool:
        """No metric is looked at."""
        return False

    def driven_by(self, metric: FloatArray) -> Curve:  # noqa: ARG002
        """Return the curve itself."""
        return cast("Curve", self)


Nest: TypeAlias = Callable[[Any, str], Curve]
"""Builds a nested declaration found at a pointer; it knows its depth."""


@dataclass(frozen=True, slots=True)
class KindSpec:
    """A canonical kind: its name on the wire, its parameters, what it computes, and how to build it.

    `build` gets the parameters as `params.read` returns them, the pointer of the declaration, and a builder of
    what is nested in it.
    """

    kind: Literal[
        "constant",
        "ramp",
        "decay",
        "piecewise",
        "inverse_time",
        "power_law",
        "restarts",
        "cyclic",
        "phases",
        "product",
        "plateau",
        "greedy",
        "table",
    ]
    description: str
    formula: str
    params: tuple[Param, ...]
    build: Callable[[Mapping[str, Any], str, Nest], Curve]
    needs_unit: bool = True
