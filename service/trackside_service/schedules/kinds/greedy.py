"""greedy: raised while a reported metric improves, lowered while it does not. Replayed from it, one value a tick."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.kinds.table import Table
from trackside_service.schedules.params import MAX_TICKS, Param, refuse


@dataclass(frozen=True, slots=True)
class Greedy(Plain):
    """transformers' GreedyLR, step for step (`transformers.optimization.GreedyLR.step`, 5.23).

    After more than `patience` improvements in a row the LR is divided by `factor`, after as many values without one
    multiplied by it, between `min_lr` and `max_lr`; then `warmup` or `cooldown` ticks of rest. After `reset_start`
    reductions in vain, of all groups, it starts over from `lr`. `window`: how many values of the metric are averaged;
    0 for none, while 1 goes through the library's running sum, which keeps a NaN for good.

    `peers` are (lr, min_lr, max_lr) of the optimizer's other groups: they start over together.
    """

    lr: float
    factor: float = 0.95
    patience: int = 10
    threshold: float = 1e-6
    threshold_mode: Literal["rel", "abs"] = "abs"
    cooldown: int = 0
    warmup: int = 0
    min_lr: float = 1e-3
    max_lr: float = 1.0
    eps: float = 1e-8
    mode: Literal["min", "max"] = "min"
    window: int = 0
    reset_start: int = 500
    peers: tuple[tuple[float, float, float], ...] = ()

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

    @property
    def worst(self) -> float:
        """The best value before the first one."""
        return math.inf if self.mode == "min" else -math.inf

    def replay(self, metric: Iterable[float]) -> FloatArray:
        """Return the LRs before the first value and after each."""
        now = (self.lr, *(peer[0] for peer in self.peers))
        best, good, bad, resting, left = self.worst, 0, 0, 0, self.reset_start
        average = _Average(self.window)
        lrs = [self.lr]
        for value in map(float, metric):
            current = value if self.window < 1 else average.after(value)
            if resting > 0:
                resting -= 1
            else:
                better = self.better(current, best)
                best = current if better else best
                good, bad = (good + 1, 0) if better else (0, bad + 1)
                if good > self.patience or bad > self.patience:
                    now, left, anew = self.changed(now, left, up=better)
                    good, bad, resting = 0, 0, self.warmup if better else self.cooldown
                    if anew:
                        best, average = self.worst, _Average(self.window)
            lrs.append(now[0])
        return np.asarray(lrs, dtype=np.float64)

    def changed(self, lrs: tuple[float, ...], left: int, *, up: bool) -> tuple[tuple[float, ...], int, bool]:
        """Return the LRs of the group and its peers after a rise or a reduction, the reductions in vain that are left
        (of `left` before it), and whether it started over.
        """
        bounds = [(self.min_lr, self.max_lr), *(peer[1:] for peer in self.peers)]
        if up:
            raised = [min(lr / self.factor, most) for lr, (_, most) in zip(lrs, bounds, strict=True)]
            lrs = tuple(new if new - lr > self.eps else lr for lr, new in zip(lrs, raised, strict=True))
            return lrs, self.reset_start, False
        lowered = [max(lr * self.factor, least) for lr, (least, _) in zip(lrs, bounds, strict=True)]
        lrs = tuple(new if lr - new > self.eps else lr for lr, new in zip(lrs, lowered, strict=True))
        if any(lr > least for lr, (least, _) in zip(lrs, bounds, strict=True)):
            return lrs, left, False
        if left > 1:
            return lrs, left - 1, False
        return (self.lr, *(peer[0] for peer in self.peers)), self.reset_start, True

    def better(self, value: float, best: float) -> bool:
        """Say whether `value` improves on `best`, rounded as the library does it."""
        if self.threshold_mode == "abs":
            return value < best - self.threshold if self.mode == "min" else value > best + self.threshold
        return value < best * (1.0 - self.threshold) if self.mode == "min" else value > best * (1.0 + self.threshold)


class _Average:
    """The mean of the latest values, by a running sum as the library does it: the same float."""

    def __init__(self, window: int) -> None:
        self._window, self._values, self._sum = window, deque[float](), 0.0

    def after(self, value: float) -> float:
        self._values.append(value)
        self._sum += value
        if len(self._values) > self._window:
            self._sum -= self._values.popleft()
        return self._sum / len(self._values)


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Greedy:  # noqa: ARG001
    """Build from read parameters. Raises `ScheduleError` where the factor is not below 1."""
    if values["factor"] >= 1.0:
        raise refuse(f"{pointer}/factor", "the factor is below 1")
    return Greedy(**values)


def _ticks(name: str, says: str, default: int, least: int = 0) -> Param:
    return Param(name, "integer", says, default=default, minimum=least, maximum=MAX_TICKS)


GREEDY = KindSpec(
    kind="greedy",
    description="The LR is raised while a metric improves and lowered while it does not; replayed from the metric.",
    formula="lr <- min(lr / factor, max_lr) after more than patience improvements in a row, lr <- max(lr * factor, "
    "min_lr) after as many values without one; back to the start after reset_start reductions at min_lr",
    params=(
        Param("lr", "number", "the LR at the start", minimum=0.0),
        Param("factor", "number", "the factor, below 1", default=0.95, minimum=0.0, exclusive=True),
        _ticks("patience", "ticks in a row that change nothing yet", 10),
        Param("threshold", "number", "the least improvement that counts", default=1e-6, minimum=0.0),
        Param(
            "threshold_mode",
            "choice",
            "the threshold is relative to the best or absolute",
            default="abs",
            choices=("rel", "abs"),
        ),
        _ticks("cooldown", "ticks of rest after a reduction", 0),
        _ticks("warmup", "ticks of rest after a rise", 0),
        Param("min_lr", "number", "the LR is never lowered below", default=1e-3, minimum=0.0),
        Param("max_lr", "number", "the LR is never raised above", default=1.0, minimum=0.0),
        Param("eps", "number", "a change by no more than this is not made", default=1e-8, minimum=0.0),
        Param("mode", "choice", "whether less is better or more", default="min", choices=("min", "max")),
        _ticks("window", "values of the metric that are averaged; 0 for none", 0),
        _ticks("reset_start", "reductions at min_lr after which it starts over", 500),
    ),
    build=build,
)
