"""How a scheduler goes on after its LR or its position was disturbed.

Most of PyTorch's schedulers compute the next LR from the current one (chained): a disturbed LR stays disturbed by the
same factor, above the floor. The others compute it from the base LR at every tick (closed form): they forget.
Formulas: the classes' own get_lr, torch 2.13 and paddle 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from trackside_service.conformance.causes.variants import class_of, edited, rebuilt
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_CHAINED: Final = frozenset(
    {
        ("torch", name)
        for name in (
            "StepLR",
            "MultiStepLR",
            "ConstantLR",
            "LinearLR",
            "ExponentialLR",
            "PolynomialLR",
            "CosineAnnealingLR",
            "MultiplicativeLR",
            "ChainedScheduler",
        )
    }
    | {("paddle", "CosineAnnealingDecay"), ("paddle", "LinearLR")}
)


@dataclass(frozen=True, slots=True)
class Chain:
    """A chained scheduler: `floor` is what the LR moves towards by ratios; `period` the ticks of a cosine's leg.

    `base` is the LR that the optimizer was given. A cosine that reached its minimum starts from the declared curve
    again: there the ratio is 0/0, and the class has a formula of its own.
    """

    schedule: CompiledSchedule
    floor: float
    base: float
    period: float | None = None

    def continued(
        self, place: FloatArray | float, level: FloatArray | float, position: FloatArray | float, ticks: FloatArray
    ) -> FloatArray:
        """Return the LRs at `ticks` of a scheduler that at tick `place` had `level` and its own clock at `position`.

        All broadcast. Ticks before `place` give nonsense.
        """
        start = np.asarray(position, dtype=np.float64)
        clock = start + np.maximum(ticks - place, 0.0)
        declared, here = self.schedule.lrs(clock), self.schedule.lrs(start)
        above = np.asarray(level, dtype=np.float64) - self.floor
        span = here - self.floor
        still = np.abs(span) <= 1e-14 * max(self.base, 1e-300)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            followed = self.floor + above * (declared - self.floor) / span
        if self.period is None:
            return np.where(still, np.broadcast_to(level, followed.shape), followed)
        least = self.period * (2.0 * np.ceil((start / self.period - 1.0) / 2.0 - 1e-12) + 1.0)
        rise = (self.base - self.floor) * (1.0 - np.cos(np.pi / self.period)) / 2.0
        risen = np.where(
            clock <= start, level, self.floor + (above + rise) / max(rise, 1e-300) * (declared - self.floor)
        )
        followed = np.where(still, risen, followed)
        until = np.where(still, least + 2.0 * self.period, least)
        return np.where(clock > until, declared, followed)

    def segment(self, ticks: FloatArray) -> FloatArray:
        """Return a number for each tick that changes where the scheduler forgets a disturbance."""
        if self.period is None:
            return np.zeros(ticks.shape)
        return np.ceil((ticks / self.period - 1.0) / 2.0 - 1e-12)


def chain_of(schedule: CompiledSchedule) -> Chain | None:
    """Return how the schedule's class goes on from an LR, None if it computes every LR from the base."""
    owner = class_of(schedule)
    if owner not in _CHAINED:
        return None
    params: dict[str, Any] = dict(schedule.source.get("params", {}))
    base = float(params.get("learning_rate", schedule.base_lrs[0] if schedule.base_lrs else 0.0))
    if owner[1] in ("CosineAnnealingLR", "CosineAnnealingDecay"):
        return Chain(schedule, float(params.get("eta_min", 0.0)), base, float(params["T_max"]))
    return Chain(schedule, 0.0, base)


@dataclass(frozen=True, slots=True)
class Phase:
    """A scheduler of a SequentialLR: it holds on ticks [start, end) and counts from `start`."""

    chain: Chain
    start: float
    end: float


def phases_of(schedule: CompiledSchedule) -> tuple[Phase, ...]:
    """Return the chained phases of a SequentialLR; one phase for a chained scheduler by itself; () for others."""
    own = chain_of(schedule)
    if own is not None:
        return (Phase(own, 0.0, np.inf),)
    if class_of(schedule) != ("torch", "SequentialLR"):
        return ()
    source = schedule.source
    marks = [0.0, *(float(mark) for mark in source["params"]["milestones"]), np.inf]
    found = []
    for place, inner in enumerate(source["params"]["schedulers"]):
        beside = {key: value for key, value in source.items() if key not in ("class", "params")}
        part = rebuilt(schedule, {**beside, **edited(inner, {})}) if isinstance(inner, dict) else None
        chain = None if part is None else chain_of(part)
        if chain is not None and place + 1 < len(marks):
            found.append(Phase(chain, marks[place], marks[place + 1]))
    return tuple(found)
