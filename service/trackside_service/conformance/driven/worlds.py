"""All states that a plateau can be in, given metrics that are rounded, late or missing: a small set, pruned by the LR.

Where a print leaves open whether a value was an improvement, or a value is missing, the plateau may have gone either
way; both are followed, and what the LR shows afterwards rules out one. States that agree in all but the best value are
held as one with an interval for it, so that there are few. What cannot be told is never called off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from trackside_service.conformance.explanation import FirstOff
from trackside_service.conformance.printing import FULL_DIGITS, MAX_DECIMALS, PrintFormat, deviation
from trackside_service.schedules.driving import Driver
from trackside_service.schedules.kinds.plateau import Plateau

MOST: Final = 64
"""States that are told apart; beyond them, only how soon the next reduction can come is kept."""
_CLEAN: Final = (FULL_DIGITS, MAX_DECIMALS, 1)
_ANY: Final = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class World:
    """A state that the plateau may be in: its level, ticks without improvement, ticks of rest left, and the best value
    from `low` to `high` (None: no value yet).

    `key`: from which format of the log's LRs on it is ruled out (`deviations`), since the point `blame`.
    """

    level: float
    bad: int
    rest: int
    low: float | None
    high: float | None
    key: tuple[int, int, int] = _CLEAN
    blame: FirstOff | None = None

    @property
    def known(self) -> bool:
        """Whether the best value is known."""
        return self.low is None or self.low == self.high or (math.isfinite(self.low) and math.isfinite(self.high or 0))


@dataclass(frozen=True, slots=True)
class Seen:
    """An observed LR with its place. What the log's prints had shown until then is the coarsest format that it can
    have (`style`, `digits`, `decimals`): more prints only make it finer.
    """

    index: int
    value: float
    step: int | None
    epoch: float | None
    style: Literal["full", "significant", "fixed", "either"]
    digits: int
    decimals: int

    @property
    def format(self) -> PrintFormat:
        """That format."""
        return PrintFormat(self.style, self.digits, self.decimals)


def fresh(plateau: Plateau) -> World:
    """Return the state that the constructor leaves."""
    if plateau.cooldown_ignores_metric:
        return World(plateau.lr, 0, 0, None, None)
    best = math.inf if plateau.mode == "min" else -math.inf
    return World(plateau.lr, 0, 0, best, best)


def ticked(plateau: Plateau, worlds: Sequence[World], value: tuple[float, float] | None) -> tuple[World, ...]:
    """Return the states after a tick with a metric between two values; None where it is not known."""
    found: dict[tuple[float, int, int], World] = {}
    for world in worlds:
        for after in _after(plateau, world, value):
            place = (after.level, after.bad, after.rest)
            found[place] = _merged(found[place], after) if place in found else after
    return tuple(found.values())


def _after(plateau: Plateau, world: World, value: tuple[float, float] | None) -> Iterator[World]:
    if plateau.cooldown_ignores_metric and world.rest > 0:
        yield replace(world, rest=world.rest - 1)
        return
    for better in _comparisons(plateau, world, value):
        low, high = (value or _ANY) if better else (world.low, world.high)
        bad = 0 if better else world.bad + 1
        rest, level = world.rest, world.level
        if rest > 0:
            rest, bad = rest - 1, 0
        if bad > plateau.patience:
            rest, bad, level = plateau.cooldown, 0, lowered(plateau, level)
        yield World(level, bad, rest, low, high, world.key, world.blame)


def lowered(plateau: Plateau, level: float) -> float:
    """Return the level after a reduction."""
    below = max(level * plateau.factor, plateau.min_lr)
    return below if level - below > plateau.eps else level


def _comparisons(plateau: Plateau, world: World, value: tuple[float, float] | None) -> tuple[bool, ...]:
    if world.low is None or world.high is None:
        return (True,)
    if value is None:
        return (True, False)
    outcomes = {plateau.better(one, best) for one in value for best in (world.low, world.high)}
    return tuple(outcomes)


def _merged(one: World, other: World) -> World:
    digits, decimals, full = zip(one.key, other.key, strict=True)
    key = (max(digits), max(decimals), max(full))
    blame = one.blame if one.key == key else other.blame
    if one.low is None or other.low is None or one.high is None or other.high is None:
        return replace(one, key=key, blame=blame)
    return replace(one, low=min(one.low, other.low), high=max(one.high, other.high), key=key, blame=blame)


def loosened(plateau: Plateau, worlds: Sequence[World]) -> tuple[World, ...]:
    """Return the states after a tick of which nothing is known, as the soonest that the next reduction can come.

    There, a state stands for all with the same level that are less ready to be reduced.
    """
    found: dict[float, World] = {}
    for world in worlds:
        if world.rest > 0:
            _keep_readiest(found, replace(world, rest=world.rest - 1, bad=0))
            continue
        _keep_readiest(found, replace(world, bad=min(world.bad + 1, plateau.patience)))
        if world.bad + 1 > plateau.patience:
            level = lowered(plateau, world.level)
            _keep_readiest(found, replace(world, level=level, bad=0, rest=plateau.cooldown))
    return tuple(found.values())


def readiest(worlds: Sequence[World]) -> tuple[World, ...]:
    """Return one state a level: the one that can be reduced soonest."""
    found: dict[float, World] = {}
    for world in worlds:
        _keep_readiest(found, world)
    return tuple(found.values())


def _keep_readiest(found: dict[float, World], world: World) -> None:
    known = found.get(world.level)
    if known is None:
        found[world.level] = replace(world, low=_ANY[0], high=_ANY[1])
        return
    digits, decimals, full = zip(known.key, world.key, strict=True)
    key = (max(digits), max(decimals), max(full))
    readier = world if (-world.rest, world.bad) > (-known.rest, known.bad) else known
    found[world.level] = replace(
        readier, low=_ANY[0], high=_ANY[1], key=key, blame=known.blame if known.key == key else world.blame
    )


def matching(driver: Driver, worlds: Sequence[World], seen: Seen, tick: int, peak: float) -> tuple[World, ...]:
    """Return the states under which `seen` may be the LR after `tick` ticks; what its format leaves open is noted."""
    kept = []
    for world in worlds:
        expected = driver.lr_at(max(tick, 0), world.level)
        key = deviation(seen.value, expected, peak)
        if key == _CLEAN:
            kept.append(world)
            continue
        if not seen.format.explains(key):
            continue
        worst = (min(key[0], world.key[0]), min(key[1], world.key[1]), min(key[2], world.key[2]))
        blame = world.blame
        if blame is None or worst != world.key:
            blame = FirstOff(seen.index, seen.step, seen.epoch, expected, seen.value)
        kept.append(replace(world, key=worst, blame=blame))
    return tuple(kept)
