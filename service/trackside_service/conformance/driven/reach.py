"""How far down a plateau can have come by now, where its state is not known: a range of levels, whatever the gap.

It costs the same for one tick as for a million, and for all factors. What it excludes, no metric explains.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from trackside_service.conformance.driven.worlds import CLEAN, Key, Seen, World, finest, lowered, noted, unknown_best
from trackside_service.conformance.explanation import FirstOff
from trackside_service.schedules.driving import Driver
from trackside_service.schedules.kinds.plateau import Plateau

LEVELS: Final = 4096
"""Reductions that are told apart."""
_FEW: Final = 4


@dataclass(frozen=True, slots=True)
class Reach:
    """From `least` to `most` reductions so far; one more than `most` in `due` ticks (1 or more) at the soonest.

    `key`, `blame`: as a `World` has them.
    """

    least: int
    most: int
    due: int
    key: Key = CLEAN
    blame: FirstOff | None = None


@lru_cache(maxsize=32)
def levels_of(plateau: Plateau) -> tuple[array[float], bool]:
    """Return the levels after 0, 1, 2 ... reductions, and whether they end there: no more is told apart otherwise."""
    levels = array("d", [plateau.lr])
    while len(levels) < LEVELS:
        below = lowered(plateau, levels[-1])
        if below == levels[-1]:
            return levels, True
        levels.append(below)
    return levels, False


def _period(plateau: Plateau) -> int:
    return plateau.cooldown + plateau.patience + 1


def reach_of(plateau: Plateau, worlds: Sequence[World]) -> Reach:
    """Return the range that covers all of the states (at least one)."""
    levels, _ = levels_of(plateau)
    reaches = []
    for world in worlds:
        at = min(bisect_left(levels, -world.level, key=lambda level: -level), len(levels) - 1)
        due = max(world.rest + plateau.patience + 1 - world.bad, 1)
        reaches.append(Reach(at, at, due, world.key, world.blame))
    return _covering(plateau, reaches)


def united(plateau: Plateau, one: Reach, other: Reach) -> Reach:
    """Return the range that covers both."""
    return _covering(plateau, (one, other))


def _covering(plateau: Plateau, reaches: Sequence[Reach]) -> Reach:
    least, most = min(one.least for one in reaches), max(one.most for one in reaches)
    due = min(one.due + (most - one.most) * _period(plateau) for one in reaches)
    key = finest(one.key for one in reaches)
    blame = next((one.blame for one in reaches if one.key == key), reaches[0].blame)
    return Reach(least, most, due, key, blame)


def waited(plateau: Plateau, reach: Reach, ticks: int) -> Reach:
    """Return the range after so many ticks."""
    if ticks < reach.due:
        return replace(reach, due=reach.due - ticks)
    more, rest = divmod(ticks - reach.due, _period(plateau))
    last = len(levels_of(plateau)[0]) - 1
    return replace(reach, most=min(reach.most + 1 + more, last), due=_period(plateau) - rest)


def narrowed(driver: Driver, reach: Reach, seen: Seen, tick: int, peak: float) -> Reach | None:
    """Return the range under which `seen` may be the LR after `tick` ticks; None where it cannot."""
    levels, ended = levels_of(driver.plateau)
    last = len(levels) - 1

    def key_of(at: int) -> Key | None:
        expected = driver.lr_at(tick, levels[at])
        if at == last and not ended and seen.value <= expected:
            return CLEAN  # further down than is told apart
        return seen.key(expected, peak)

    def fits(at: int) -> bool:
        return key_of(at) is not None

    around = _around(driver, reach, seen, tick)
    fitting = [at for at in around if fits(at)]
    if not fitting:
        return None
    if reach.most - reach.least < _FEW:
        first, final = fitting[0], fitting[-1]
    else:  # those that fit lie side by side
        first = reach.least + bisect_left(range(reach.least, fitting[0]), True, key=fits)
        final = fitting[-1] + bisect_left(range(fitting[-1] + 1, reach.most + 1), True, key=lambda at: not fits(at))
    best = finest(key for at in fitting if (key := key_of(at)) is not None)
    due = reach.due if final == reach.most else 1
    both, blame = noted(reach.key, reach.blame, best, seen, driver.lr_at(tick, levels[fitting[0]]))
    return Reach(first, final, due, both, blame)


def nearest(driver: Driver, reach: Reach, seen: Seen, tick: int) -> float:
    """Return the LR in the range that is nearest to what was seen."""
    levels, _ = levels_of(driver.plateau)
    lrs = [driver.lr_at(tick, levels[at]) for at in _around(driver, reach, seen, tick)]
    return min(lrs, key=lambda lr: (abs(lr - seen.value), lr))


def _around(driver: Driver, reach: Reach, seen: Seen, tick: int) -> Sequence[int]:
    """Return all of a short range; of a long one those next to what was seen, above and below."""
    inside = range(reach.least, reach.most + 1)
    if len(inside) <= _FEW:
        return inside
    levels, _ = levels_of(driver.plateau)
    at = bisect_left(inside, True, key=lambda place: driver.lr_at(tick, levels[place]) <= seen.value)
    return inside[max(at - 1, 0) : at + 1]


def known_again(plateau: Plateau, reach: Reach) -> World | None:
    """Return the state where only one is left, though with any best value: the LR was reduced at this very tick."""
    levels, _ = levels_of(plateau)
    if reach.least != reach.most or reach.due != _period(plateau) or reach.most == len(levels) - 1:
        return None
    return unknown_best(World(levels[reach.most], 0, plateau.cooldown, None, None, reach.key, reach.blame))
