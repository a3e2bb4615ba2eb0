"""A schedule that one plateau, or GreedyLR, drives: its LR at a tick, from the level that it has come to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import Curve
from trackside_service.schedules.kinds.constant import Constant
from trackside_service.schedules.kinds.greedy import Greedy
from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.plateau import Plateau
from trackside_service.schedules.kinds.product import Product

Following: TypeAlias = Plateau | Greedy
"""What is stepped with a metric."""


@dataclass(frozen=True, slots=True)
class Driver:
    """The `plateau` inside a group's curve, and the tick `begins` whose metric it is given first."""

    plateau: Following
    begins: int
    settled: Callable[[float], Curve] | None

    def lr_at(self, tick: int, level: float) -> float:
        """Return the group's LR at `tick` (>= 0) while the plateau stands at `level`."""
        if self.settled is None:
            return level
        return float(self.settled(level).lrs(np.array([float(tick)]))[0])


def driver_of(schedule: CompiledSchedule, group: int = 0) -> Driver | None:
    """Return what drives the schedule's group at that place; None where no metric does, or several plateaus, or the
    running mean of a metric (GreedyLR's `window`), which is not replayed.
    """
    return _found(schedule.groups[group])


def _found(curve: Curve) -> Driver | None:
    if isinstance(curve, Plateau):
        return Driver(curve, 0, None)
    if isinstance(curve, Greedy):
        return None if curve.window else Driver(_alone(curve), 0, None)
    if isinstance(curve, Phases):
        at = [place for place, phase in enumerate(curve.phases) if phase.curve.metric_driven]
        inner = _found(curve.phases[at[0]].curve) if len(at) == 1 else None
        return None if inner is None else _in_turn(curve.phases, at[0], inner)
    if isinstance(curve, Product):
        at = [place for place, factor in enumerate(curve.factors) if factor.metric_driven]
        inner = _found(curve.factors[at[0]]) if len(at) == 1 else None
        return None if inner is None else _times(curve, at[0], inner)
    return None


def _alone(greedy: Greedy) -> Greedy:
    """Return it without the groups that go with it anyway: a Trainer always makes two, with and without decay."""
    own = (greedy.lr, greedy.min_lr, greedy.max_lr)
    return replace(greedy, peers=tuple(peer for peer in dict.fromkeys(greedy.peers) if peer != own))


def _in_turn(phases: tuple[Phase, ...], place: int, inner: Driver) -> Driver:
    phase = phases[place]
    start = 0.0 if place == 0 or phase.global_clock else phases[place - 1].until or 0.0

    def settled(level: float) -> Curve:
        own = replace(phase, curve=_at(inner, level))
        return Phases((*phases[:place], own, *phases[place + 1 :]))

    return Driver(inner.plateau, math.ceil(start) + inner.begins, settled)


def _times(product: Product, place: int, inner: Driver) -> Driver:
    factors = product.factors

    def settled(level: float) -> Curve:
        return Product(product.lr, (*factors[:place], _at(inner, level), *factors[place + 1 :]))

    return Driver(inner.plateau, inner.begins, settled)


def _at(driver: Driver, level: float) -> Curve:
    return Constant(level) if driver.settled is None else driver.settled(level)
