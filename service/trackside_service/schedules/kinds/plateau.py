"""plateau: lowered when a reported metric no longer improves. Replayed from that metric, one value a tick."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.kinds.table import Table
from trackside_service.schedules.params import MAX_TICKS, Param

_MOST: Final = 4_000_000
"""Ticks that are replayed at most."""


@dataclass(frozen=True, slots=True)
class Plateau(Plain):
    """The LR times `factor` after more than `patience` ticks without an improvement beyond `threshold`.

    PyTorch and Paddle differ in the cooldown that follows: PyTorch still compares each value with the best
    (`cooldown_ignores_metric` false), Paddle does not look at it.
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8
    mode: Literal["min", "max"] = "min"
    cooldown_ignores_metric: bool = False

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return `lr` at tick 0; without the metric the others are not known (NaN)."""
        return np.where(np.asarray(ticks, dtype=np.float64) < 1.0, self.lr, np.nan)

    @property
    def metric_driven(self) -> bool:
        """It is."""
        return True

    def driven_by(self, metric: FloatArray) -> Table:
        """Return the LRs before the first value and after each."""
        return Table(self.replay(metric))

    def replay(self, metric: Iterable[float]) -> FloatArray:
        """Return the LRs before the first value and after each (ReduceLROnPlateau.step of both libraries)."""
        paddle = self.cooldown_ignores_metric
        lr, bad, resting = self.lr, 0, 0
        best = None if paddle else (math.inf if self.mode == "min" else -math.inf)
        lrs = [lr]
        for value in map(float, metric):  # numpy's own would warn of inf - inf
            if paddle and resting > 0:
                resting -= 1
            else:
                if best is None or self.better(value, best):
                    best, bad = value, 0
                else:
                    bad += 1
                if resting > 0:
                    resting -= 1
                    bad = 0
                if bad > self.patience:
                    resting, bad = self.cooldown, 0
                    lowered = max(lr * self.factor, self.min_lr)
                    if lr - lowered > self.eps:
                        lr = lowered
            lrs.append(lr)
        return np.asarray(lrs, dtype=np.float64)

    def better(self, value: float, best: float) -> bool:
        """Say whether `value` improves on `best`, rounded as the library does it."""
        threshold = self.threshold
        if self.threshold_mode == "abs":
            return value < best - threshold if self.mode == "min" else value > best + threshold
        if self.cooldown_ignores_metric:  # Paddle's way to say the same, which rounds otherwise
            return value < best - best * threshold if self.mode == "min" else value > best + best * threshold
        return value < best * (1.0 - threshold) if self.mode == "min" else value > best * (threshold + 1.0)


@dataclass(frozen=True, slots=True)
class PlateauOfTicks(Plain):
    """A plateau that is fed the number of the tick in place of a metric, as Paddle's LinearWarmup does."""

    plateau: Plateau
    _known: list[FloatArray] = field(default_factory=list, repr=False, compare=False)

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the LRs after the values 0, 1, ... t; NaN beyond four million ticks."""
        clock = np.floor(np.asarray(ticks, dtype=np.float64))
        most = int(min(np.max(clock, initial=0.0), _MOST)) + 1
        if not self._known or len(self._known[0]) <= most:
            self._known[:] = [self.plateau.replay(range(max(1024, 2 * most)))[1:]]
        values = self._known[0]
        place = np.minimum(clock, len(values) - 1).astype(np.int64)
        return np.where(clock < len(values), values[place], np.nan)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Plateau:  # noqa: ARG001
    """Build from read parameters."""
    return Plateau(**values)


PLATEAU = KindSpec(
    kind="plateau",
    description="The LR is lowered when a metric has stopped improving; replayed from the metric that is reported.",
    formula="lr <- max(lr * factor, min_lr) after more than patience ticks without an improvement; then cooldown ticks",
    params=(
        Param("lr", "number", "the LR at the start", minimum=0.0),
        Param("factor", "number", "the factor", default=0.1, minimum=0.0, maximum=1.0),
        Param(
            "patience", "integer", "ticks without improvement that are borne", default=10, minimum=0, maximum=MAX_TICKS
        ),
        Param("threshold", "number", "the least improvement that counts", default=1e-4, minimum=0.0),
        Param(
            "threshold_mode",
            "choice",
            "the threshold is relative to the best or absolute",
            default="rel",
            choices=("rel", "abs"),
        ),
        Param("cooldown", "integer", "ticks of rest after a reduction", default=0, minimum=0, maximum=MAX_TICKS),
        Param("min_lr", "number", "the LR is never lowered below", default=0.0, minimum=0.0),
        Param("eps", "number", "a reduction by no more than this is not made", default=1e-8, minimum=0.0),
        Param("mode", "choice", "whether less is better or more", default="min", choices=("min", "max")),
        Param(
            "cooldown_ignores_metric",
            "boolean",
            "during the rest the metric is not looked at (Paddle)",
            default=False,
        ),
    ),
    build=build,
)
