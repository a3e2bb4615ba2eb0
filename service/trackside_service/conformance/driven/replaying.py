"""The kept ticks replayed under another scheduler: whether that one explains every LR within its print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from trackside_service.conformance.driven.following import When
from trackside_service.conformance.driven.trail import Trail
from trackside_service.conformance.driven.worlds import MOST, World, fresh, lowered, ticked
from trackside_service.conformance.printing import PrintFormat, deviation, read_print
from trackside_service.schedules.driving import Driver, Following
from trackside_service.schedules.kinds.greedy import Greedy
from trackside_service.schedules.kinds.plateau import Plateau

_GAP: Final = 512
"""Missing ticks in a row that are replayed."""
_WORK: Final = 40_000
"""States of a plateau that one search goes through at most."""
_MANY: Final = 4 * MOST
"""States of GreedyLR that are told apart: beyond them nothing more fits, as it may go up and down from there."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What is known of one tick, as `following.Tick`: `value` is what the metric's print stands for."""

    value: tuple[float, float] | None
    lrs: tuple[float, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to the plateau before tick `at`: its LR is set, its counters begin anew."""

    at: int
    level: float | None = None
    anew: bool = False


@dataclass(slots=True)
class Replays:
    """The log to replay: its ticks from the schedule's first one on; `shown` is how its LRs are printed.

    `left`: the work that may still be done; once it is used up, nothing more fits.
    """

    driver: Driver
    ticks: Sequence[Tick]
    when: When
    shown: PrintFormat
    peak: float
    left: int = field(default=_WORK)

    def fits(
        self,
        plateau: Following | None = None,
        *,
        ticks: Sequence[Tick] | None = None,
        times: int = 1,
        scale: float = 1.0,
        change: Change | None = None,
    ) -> bool:
        """Say whether every LR is explained: by other parameters, `times` steps a tick, LRs that are multiplied by
        `scale`, a change on the way, or (`ticks`) other values of the metric.
        """
        return self.stop(plateau, ticks=ticks, times=times, scale=scale, change=change) is None

    def stop(
        self,
        plateau: Following | None = None,
        *,
        ticks: Sequence[Tick] | None = None,
        times: int = 1,
        scale: float = 1.0,
        change: Change | None = None,
    ) -> int | None:
        """Return the first tick whose LR is not explained, None where all are."""
        plateau = self.driver.plateau if plateau is None else plateau
        worlds: tuple[World, ...] = (fresh(plateau),)
        lost = False
        for at, tick in enumerate(self.ticks if ticks is None else ticks):
            if change is not None and at == change.at:
                worlds = _changed(plateau, worlds, change)
            self.left -= len(worlds) * times
            if self.left < 0:
                return at
            if self.when == "in_use":
                worlds = self._matching(worlds, tick.lrs, at, scale)
            before = worlds
            for _ in range(times if at >= self.driver.begins else 0):
                if lost and not isinstance(plateau, Greedy):
                    worlds = _loosened(plateau, worlds)
                else:
                    worlds = ticked(plateau, worlds, tick.value)
                if isinstance(plateau, Greedy):
                    worlds = worlds if len(worlds) <= _MANY else ()
                elif len(worlds) > MOST:
                    worlds, lost = _readiest(worlds), True
            if self.when == "after_step" and tick.whole:
                worlds = self._matching(worlds, tick.lrs, at + 1, scale)
            elif self.when == "after_step" and tick.lrs:
                # Inside the epoch the step may not have been taken yet.
                then = self._matching(worlds, tick.lrs[-1:], at + 1, scale)
                worlds = then or (worlds if self._matching(before, tick.lrs[-1:], at, scale) else ())
            if not worlds:
                return at
        return None

    def _matching(self, worlds: tuple[World, ...], lrs: Sequence[float], count: int, scale: float) -> tuple[World, ...]:
        for lr in lrs:
            worlds = tuple(
                world for world in worlds if self.explains(lr, scale * self.driver.lr_at(count, world.level))
            )
        return worlds

    def explains(self, lr: float, expected: float) -> bool:
        """Say whether an LR may be a print of `expected`."""
        return self.shown.explains(deviation(lr, expected, max(self.peak, expected)))

    def half(self, lr: float) -> float:
        """Return how far the LR behind a print may lie from it."""
        return float(self.shown.half_widths(np.array([lr]), self.peak)[0])

    def levels(self) -> list[tuple[float, float]]:
        """Return the levels that the LR shows, one after another, and how far each may be off."""
        found: list[tuple[float, float]] = []
        start = self.driver.plateau.lr
        if start == 0:  # from there no factor leads anywhere
            return found
        last = math.nan
        for at, tick in enumerate(self.ticks):
            for lr in tick.lrs if at >= self.driver.begins else ():
                if lr != last:
                    last = lr
                    unit = self.driver.lr_at(at, start) / start
                    if math.isfinite(unit) and unit > 0:
                        found.append((lr / unit, self.half(lr) / unit))
        return found


def _changed(plateau: Following, worlds: tuple[World, ...], change: Change) -> tuple[World, ...]:
    found = []
    for world in worlds:
        level = world.level if change.level is None else change.level
        after = replace(fresh(plateau), level=level) if change.anew else replace(world, level=level)
        if after not in found:
            found.append(after)
    return tuple(found)


def ticks_of(trail: Trail, name: str | None, base: int) -> list[Tick] | None:
    """Return the ticks with one metric's values (None: with none), those between them that were not reported included.

    None where the trail does not go back to the schedule's first tick, or has too many gaps.
    """
    place = trail.names.index(name) if name in trail.names else None
    values = [None if place is None else row.value(place) for row in trail.rows]
    finite = [read_print(value, None) for value in values if value is not None and math.isfinite(value)]
    decimals = max((one.decimals for one in finite), default=0)
    significant = max((one.significant for one in finite), default=1)
    found: list[Tick] = []
    missing = 0
    for row, value in zip(trail.rows, values, strict=True):
        gap = row.key - base - len(found)
        missing += max(gap, 0)
        if gap < 0 or missing > _GAP:
            return None
        found += [Tick(None, (), True)] * gap
        found.append(Tick(_between(value, decimals, significant), row.lrs, row.whole))
    return found


def _between(value: float | None, decimals: int, significant: int) -> tuple[float, float] | None:
    """Return what a metric's print stands for, in a log that shows so many decimals and digits."""
    if value is None or not math.isfinite(value):
        return None if value is None else (value, value)
    size = math.floor(math.log10(abs(value))) if value else -decimals
    half = 0.5005 * max(10.0 ** -min(decimals, 300), 10.0 ** max(size + 1 - significant, -300))
    return value - half, value + half


def _loosened(plateau: Plateau, worlds: Sequence[World]) -> tuple[World, ...]:
    """Return the states after a tick of which nothing is known, as the soonest that the next reduction can come.

    There, a state stands for all with the same level that are less ready to be reduced.
    """
    found: dict[float, World] = {}
    for world in worlds:
        if world.rest > 0:
            _keep__readiest(found, replace(world, rest=world.rest - 1, bad=0))
            continue
        _keep__readiest(found, replace(world, bad=min(world.bad + 1, plateau.patience)))
        if world.bad + 1 > plateau.patience:
            level = lowered(plateau, world.level)
            _keep__readiest(found, replace(world, level=level, bad=0, rest=plateau.cooldown))
    return tuple(found.values())


def _readiest(worlds: Sequence[World]) -> tuple[World, ...]:
    """Return one state a level: the one that can be reduced soonest."""
    found: dict[float, World] = {}
    for world in worlds:
        _keep__readiest(found, world)
    return tuple(found.values())


def _keep__readiest(found: dict[float, World], world: World) -> None:
    known = found.get(world.level)
    if known is None:
        found[world.level] = replace(world, low=-math.inf, high=math.inf)
        return
    digits, decimals, full = zip(known.key, world.key, strict=True)
    key = (max(digits), max(decimals), max(full))
    readier = world if (-world.rest, world.bad) > (-known.rest, known.bad) else known
    found[world.level] = replace(
        readier, low=-math.inf, high=math.inf, key=key, blame=known.blame if known.key == key else world.blame
    )
