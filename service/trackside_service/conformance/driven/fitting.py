"""Schedulers that differ in one thing from the declared one and explain the whole log, the simplest first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from trackside_service.conformance.driven.replaying import Change, Replays, Tick
from trackside_service.conformance.intervals import among, between
from trackside_service.schedules.driving import Following
from trackside_service.schedules.kinds.greedy import Greedy

_PATIENCES: Final = (*range(31), 40, 50, 60, 75, 100)
_MULTIPLES: Final = (2, 3, 4, 5, 10)
_COOLDOWNS: Final = (*range(21), 25, 30, 40, 50, 100)
_RESETS: Final = (*range(1, 21), 25, 30, 40, 50, 100, 200, 500, 1000)
_THRESHOLDS: Final = (0.0, 1e-8, 1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2)
_TIMES: Final = (2, 3, 4, 8)
_BEFORE: Final = 64
"""Ticks before the first LR off at which the scheduler may have begun anew."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """One such scheduler. `what`: a parameter, or "metric", "double_step", "resume", "override"; `actual`: its value,
    {"value", "low", "high"} where an interval fits; `at`: the tick from which on.
    """

    what: str
    actual: Any = None
    at: int | None = None


def fitted(replays: Replays, others: Sequence[tuple[str, Sequence[Tick]]]) -> tuple[Fitted, ...]:
    """Return what explains the whole log; `others` are the ticks with another reported metric's values."""
    return tuple(_searched(replays, others))


def _searched(replays: Replays, others: Sequence[tuple[str, Sequence[Tick]]]) -> Iterator[Fitted]:
    plateau, levels = replays.driver.plateau, replays.levels()
    changed = len(levels) > 1
    for times in _TIMES:
        if replays.fits(times=times):
            yield Fitted("double_step", times)
            break
    multiples = (plateau.patience * times for times in _MULTIPLES)
    yield from _whole(replays, "patience", (*_PATIENCES, *multiples))
    if changed:
        yield from _greedy_factor(replays, levels) if isinstance(plateau, Greedy) else _factor(replays, levels)
        yield from _whole(replays, "cooldown", _COOLDOWNS)
        yield from _bound(replays, "min_lr", min(levels), 1e-3 if isinstance(plateau, Greedy) else 0.0)
    if isinstance(plateau, Greedy):
        yield from _bound(replays, "max_lr", max(levels, default=(0.0, 0.0)), 1.0)
        if changed:
            yield from _whole(replays, "warmup", _COOLDOWNS)
            yield from _whole(replays, "reset_start", _RESETS)
    yield from _threshold(replays)
    mode = "max" if plateau.mode == "min" else "min"
    if replays.fits(_with(plateau, mode=mode)):
        yield Fitted("mode", mode)
    for name, ticks in others:
        if replays.fits(ticks=ticks):
            yield Fitted("metric", name)


def began_anew(replays: Replays, first: int) -> Fitted | None:
    """Return where the scheduler may have lost its state, given the first tick off: the latest such places in a row."""
    for level in (None, replays.driver.plateau.lr):
        fits: list[int] = []
        for at in range(first, max(first - _BEFORE, 0), -1):
            if replays.fits(change=Change(at, level, anew=True)):
                fits.append(at)
            elif fits:
                break
        if fits:
            return Fitted("resume", among(fits).as_param(), fits[-1])
    return None


def set_by_hand(replays: Replays, first: int) -> Fitted | None:
    """Return it where the LR that is off explains all that follow, if the scheduler went on from it."""
    tick = replays.ticks[first]
    for lr in tick.lrs[::-1]:
        unit = replays.driver.lr_at(first, replays.driver.plateau.lr) / replays.driver.plateau.lr
        if unit > 0 and replays.fits(change=Change(first, lr / unit)):
            return Fitted("override", lr, first)
    return None


def _whole(replays: Replays, name: str, values: Iterable[int]) -> Iterator[Fitted]:
    """Try a parameter that counts ticks: the values that fit, as the one run of them that is nearest the declared."""
    plateau = replays.driver.plateau
    declared: int = getattr(plateau, name)
    tried = sorted(set(values) - {declared})
    fits = [value for value in tried if replays.fits(_with(plateau, **{name: value}))]
    if not fits:
        return
    nearest = min(fits, key=lambda value: abs(value - declared))
    tried = [value for value in tried if (value < declared) == (nearest < declared)]
    low = high = tried.index(nearest)
    while low > 0 and tried[low - 1] in fits:
        low -= 1
    while high + 1 < len(tried) and tried[high + 1] in fits:
        high += 1
    yield Fitted(name, among(tried[low : high + 1], nearest).as_param())


def _factor(replays: Replays, levels: Sequence[tuple[float, float]]) -> Iterator[Fitted]:
    """Solve for the factor: the k-th level is the first one times its k-th power."""
    plateau = replays.driver.plateau
    low, high = 0.0, math.inf
    falling = [(plateau.lr, 0.0), *(each for each in levels if each[0] + each[1] < plateau.lr)]
    for number, ((before, _), (level, half)) in enumerate(pairwise(falling), 1):
        if level >= before or level <= half or level <= plateau.min_lr + half:
            break
        least, most = ((level - half) / plateau.lr) ** (1 / number), ((level + half) / plateau.lr) ** (1 / number)
        if max(low, least) > min(high, most):
            break
        low, high = max(low, least), min(high, most)
    if not math.isfinite(high) or low <= plateau.factor <= high:
        return
    found = between(low, high)
    if replays.fits(replace(plateau, factor=found.value)):
        yield Fitted("factor", found.as_param())


def _greedy_factor(replays: Replays, levels: Sequence[tuple[float, float]]) -> Iterator[Fitted]:
    """Solve for GreedyLR's factor: each change divides by it or multiplies with it, until a bound is met."""
    greedy = replays.driver.plateau
    assert isinstance(greedy, Greedy)
    low, high, power = 0.0, 1.0, 0
    for (before, _), (level, half) in pairwise([(greedy.lr, 0.0), *levels]):
        if level == before or level <= half:
            continue
        if abs(level - greedy.min_lr) <= half or abs(level - greedy.max_lr) <= half:
            break
        power += 1 if level < before else -1
        if power == 0:
            continue
        ends = [((level + side) / greedy.lr) ** (1 / power) for side in (-half, half)]
        if max(low, min(ends)) > min(high, max(ends)):
            break
        low, high = max(low, min(ends)), min(high, max(ends))
    if low <= 0.0 or low <= greedy.factor <= high:
        return
    found = between(low, high)
    if found.value < 1.0 and replays.fits(replace(greedy, factor=found.value)):
        yield Fitted("factor", found.as_param())


def _bound(replays: Replays, name: str, seen: tuple[float, float], usual: float) -> Iterator[Fitted]:
    """Try the constructor's own bound, which the LR need not have met; else the least LR that was seen as the floor, or
    the highest as the ceiling.
    """
    plateau = replays.driver.plateau
    level, half = seen
    found = between(max(level - half, 0.0), level + half)
    if found.low <= getattr(plateau, name) <= found.high or level <= 0.0:
        return
    if usual != getattr(plateau, name) and replays.fits(_with(plateau, **{name: usual})):
        yield Fitted(name, among((found.low, found.high, usual), usual).as_param())
    elif replays.fits(_with(plateau, **{name: found.value})):
        yield Fitted(name, found.as_param())


def _threshold(replays: Replays) -> Iterator[Fitted]:
    plateau = replays.driver.plateau
    absolute = "abs" if plateau.threshold_mode == "rel" else "rel"
    others = (value for value in _THRESHOLDS if value != plateau.threshold)
    fits = [value for value in others if replays.fits(replace(plateau, threshold=value))]
    if fits:
        nearest = min(fits, key=lambda value: abs(math.log10(value + 1e-9) - math.log10(plateau.threshold + 1e-9)))
        yield Fitted("threshold", among(_beside(fits, nearest, plateau), nearest).as_param())
    elif replays.fits(_with(plateau, threshold_mode=absolute)):
        yield Fitted("threshold_mode", absolute)


def _beside(fits: Sequence[float], nearest: float, plateau: Following) -> list[float]:
    """Return the values that fit on the same side of the declared one."""
    return [value for value in fits if (value < plateau.threshold) == (nearest < plateau.threshold)]


def _with(plateau: Following, **changed: Any) -> Following:
    """Return it with other parameters, which are named at run time."""
    return replace(plateau, **changed)
