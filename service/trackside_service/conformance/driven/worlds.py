"""All states that a plateau or GreedyLR can be in, given metrics that are rounded, late or missing: a small set, pruned
by the LR.

Where a print leaves open whether a value was an improvement, or a value is missing, the plateau may have gone either
way; both are followed, and what the LR shows afterwards rules out one. States that agree in all but the best value are
held as one with an interval for it, so that there are few. What cannot be told is never called off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from trackside_service.conformance.explanation import FirstOff
from trackside_service.conformance.printing import FULL_DIGITS, MAX_DECIMALS, PrintFormat, deviation
from trackside_service.schedules.driving import Driver, Following
from trackside_service.schedules.kinds.greedy import Greedy
from trackside_service.schedules.kinds.plateau import Plateau

MOST: Final = 32
"""States that are told apart; beyond them, only how far the LR can have come down is kept (`reach`)."""
Key: TypeAlias = tuple[int, int, int]
CLEAN: Final[Key] = (FULL_DIGITS, MAX_DECIMALS, 1)
_ANY: Final = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class World:
    """A state that the plateau may be in: its level, ticks without improvement, ticks of rest left, and the best value
    from `low` to `high` (None: no value yet).

    `key`: from which format of the log's LRs on it is ruled out (`deviations`), since the point `blame`. Of GreedyLR,
    improvements in a row count below 0 in `bad`; `left` are the reductions in vain until it starts over, `peers` the
    LRs of the other groups.
    """

    level: float
    bad: int
    rest: int
    low: float | None
    high: float | None
    key: Key = CLEAN
    blame: FirstOff | None = None
    left: int = 0
    peers: tuple[float, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the best value is known."""
        low, high = self.low, self.high
        if low is None or high is None or low == high or math.isnan(low):
            return True
        return math.isfinite(low) and math.isfinite(high)


@dataclass(frozen=True, slots=True)
class Seen:
    """An observed LR with its place. What the log's prints had shown until then is the coarsest format that it can
    have (`style`, `digits`, `decimals`): more prints only make it finer. Where `below` is given, the number behind it
    lies from `below` under it to `above` over it, whatever the others show.
    """

    index: int
    value: float
    step: int | None
    epoch: float | None
    style: Literal["full", "significant", "fixed", "either"]
    digits: int
    decimals: int
    below: float | None = None
    above: float = 0.0

    @property
    def format(self) -> PrintFormat:
        """That format."""
        return PrintFormat(self.style, self.digits, self.decimals)

    def key(self, expected: float, peak: float) -> Key | None:
        """Return from which format on `expected` is ruled out; None where it is already."""
        if self.below is not None:
            return CLEAN if -self.below <= expected - self.value <= self.above else None
        key = deviation(self.value, expected, max(peak, expected))
        return key if key == CLEAN or self.format.explains(key) else None


def finest(keys: Iterable[Key]) -> Key:
    """Return the key of what one of the states with these keys explains."""
    digits, decimals, full = zip(*keys, strict=True)
    return max(digits), max(decimals), max(full)


def noted(key: Key, blame: FirstOff | None, now: Key, seen: Seen, expected: float) -> tuple[Key, FirstOff | None]:
    """Return the key and the blame of a state after `seen`, whose own key is `now` where `expected` is the LR."""
    if now == CLEAN:
        return key, blame
    both = (min(now[0], key[0]), min(now[1], key[1]), min(now[2], key[2]))
    if blame is None or both != key:
        blame = FirstOff(seen.index, seen.step, seen.epoch, expected, seen.value)
    return both, blame


def fresh(plateau: Following) -> World:
    """Return the state that the constructor leaves."""
    if isinstance(plateau, Greedy):
        peers = tuple(peer[0] for peer in plateau.peers)
        return World(plateau.lr, 0, 0, plateau.worst, plateau.worst, left=plateau.reset_start, peers=peers)
    if plateau.cooldown_ignores_metric:
        return World(plateau.lr, 0, 0, None, None)
    best = math.inf if plateau.mode == "min" else -math.inf
    return World(plateau.lr, 0, 0, best, best)


def ticked(plateau: Following, worlds: Sequence[World], value: tuple[float, float] | None) -> tuple[World, ...]:
    """Return the states after a tick with a metric between two values; None where it is not known."""
    found: dict[tuple[float, int, int, int, tuple[float, ...]], World] = {}
    for world in worlds:
        for after in _after(plateau, world, value):
            place = (after.level, after.bad, after.rest, after.left, after.peers)
            found[place] = _merged(found[place], after) if place in found else after
    return tuple(found.values())


def _after(plateau: Following, world: World, value: tuple[float, float] | None) -> Iterator[World]:
    if isinstance(plateau, Greedy):
        yield from _greedily(plateau, world, value)
        return
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


def _greedily(greedy: Greedy, world: World, value: tuple[float, float] | None) -> Iterator[World]:
    if world.rest > 0:
        yield replace(world, rest=world.rest - 1)
        return
    for better in _comparisons(greedy, world, value):
        low, high = (value or _ANY) if better else (world.low, world.high)
        streak = min(world.bad, 0) - 1 if better else max(world.bad, 0) + 1
        if abs(streak) <= greedy.patience:
            yield replace(world, bad=streak, low=low, high=high)
            continue
        (level, *peers), left, anew = greedy.changed((world.level, *world.peers), world.left, up=better)
        if anew:
            low = high = greedy.worst
        rest = greedy.warmup if better else greedy.cooldown
        yield World(level, 0, rest, low, high, world.key, world.blame, left, tuple(peers))


def lowered(plateau: Plateau, level: float) -> float:
    """Return the level after a reduction."""
    below = max(level * plateau.factor, plateau.min_lr)
    return below if level - below > plateau.eps else level


def _comparisons(plateau: Following, world: World, value: tuple[float, float] | None) -> tuple[bool, ...]:
    if world.low is None or world.high is None:
        return (True,)
    if value is None:
        return (True, False)
    best = (world.low, world.high)
    if any(math.isnan(one) for one in (*value, *best)):
        return (False,)  # an interval has no NaN as its end unless it is one
    if any(one[0] != one[1] and (math.isinf(one[0]) or math.isinf(one[1])) for one in (value, best)):
        # An end that is not known is no value: what a library makes of an infinite one, inf - inf say, is not meant.
        return (True, False)
    outcomes = {plateau.better(one, other) for one in set(value) for other in set(best)}
    return tuple(outcomes)


def _merged(one: World, other: World) -> World:
    key = finest((one.key, other.key))
    blame = one.blame if one.key == key else other.blame
    if one.low is None or other.low is None or one.high is None or other.high is None:
        return replace(one, key=key, blame=blame)
    low, high = hull((one.low, one.high), (other.low, other.high))
    return replace(one, low=low, high=high, key=key, blame=blame)


def hull(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Return what covers both intervals; all values where only one of them is not a number."""
    nan = math.isnan(one[0]), math.isnan(other[0])
    if nan[0] != nan[1]:
        return _ANY
    return min(one[0], other[0]), max(one[1], other[1])


def unknown_best(world: World) -> World:
    """Return the state with any best value."""
    return replace(world, low=_ANY[0], high=_ANY[1])


def matching(driver: Driver, worlds: Sequence[World], seen: Seen, tick: int, peak: float) -> tuple[World, ...]:
    """Return the states under which `seen` may be the LR after `tick` ticks; what its format leaves open is noted."""
    kept = []
    found: dict[float, tuple[float, Key | None]] = {}  # states often share a level
    for world in worlds:
        if world.level not in found:
            expected = driver.lr_at(max(tick, 0), world.level)
            found[world.level] = (expected, seen.key(expected, peak))
        expected, key = found[world.level]
        if key is None:
            continue
        if key == CLEAN:
            kept.append(world)
            continue
        both, blame = noted(world.key, world.blame, key, seen, expected)
        kept.append(replace(world, key=both, blame=blame))
    return tuple(kept)
