"""cyclic: triangles between two levels, the later ones as high as the first, half as high, or lower by a factor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from trackside_service.conformance.identification.bounds import least_squares
from trackside_service.conformance.identification.families import FamilySpec
from trackside_service.conformance.identification.found import Found, Number, whole
from trackside_service.conformance.identification.log import Log, Rise
from trackside_service.conformance.intervals import simplest
from trackside_service.schedules.curve import FloatArray

Mode: TypeAlias = Literal["triangular", "triangular2", "exp_range"]
_MODES: Final[tuple[Mode, ...]] = ("triangular", "triangular2", "exp_range")
_MOST: Final = 1_500
_SOFT: Final = 2e-3
_NEAR: Final = 3.0


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the lengths up and down and what the height does: down as long as up before any other length."""
    if rise is None or not rise.peaked or log.span <= 0:  # all points at one tick are no cycle
        return
    ups = _wholes(rise.after, rise.until)
    same = np.stack([ups, ups], axis=1)
    for mode in _MODES:
        found = _best(log, mode, same)
        if found is not None:
            yield found
            return
    valley = _valley(log, rise)
    if valley is None:
        return
    lengths = _wholes(*valley)  # of the whole cycle
    least = max(int(math.sqrt(len(ups) * len(lengths) / _MOST)), 1)
    pairs = [(up, length - up) for up in ups[::least] for length in lengths[::least] if length - up >= 1.0]
    if not pairs:
        return
    for mode in _MODES:
        found = _best(log, mode, np.asarray(pairs))
        if found is not None:
            yield found
            return


def _wholes(after: float, until: float) -> FloatArray:
    low, high = max(math.ceil(after), 1), max(math.floor(until), math.ceil(after), 1)
    return np.unique(np.round(np.linspace(low, high, min(high - low + 1, _MOST))))


def _valley(log: Log, rise: Rise) -> tuple[float, float] | None:
    """Return between which ticks the LR first turns up again."""
    low, high = log.low, log.high
    for index in range(rise.count + 1, len(low)):
        if low[index] > high[index - 1]:
            return float(log.ticks[max(index - 2, 0)]), float(log.ticks[index])
    return None


def _heights(ticks: FloatArray, pairs: FloatArray, mode: Mode, gamma: FloatArray) -> FloatArray:
    """Return the height over the foot, 1 at the first peak but for `gamma`: shape (pairs, points)."""
    up, length = pairs[:, :1], pairs.sum(axis=1)[:, None]
    cycle = np.floor(1.0 + ticks / length)
    place, share = 1.0 + ticks / length - cycle, up / length
    with np.errstate(divide="ignore", invalid="ignore"):
        height = np.where(place <= share, place / share, (place - 1.0) / (share - 1.0))
    if mode == "triangular2":
        height = height * np.exp2(np.maximum(1.0 - cycle, -1000.0))
    return np.asarray(height * np.exp(np.maximum(np.log(gamma[:, None]) * ticks, -700.0)), dtype=np.float64)


def _best(log: Log, mode: Mode, pairs: FloatArray) -> Found | None:
    soft = _SOFT * float(np.max(np.abs(log.values)))
    ones = np.ones(1)
    if mode != "exp_range":
        off = _off(log, mode, pairs, np.ones(len(pairs)), soft)
        for place in np.argsort(off, kind="stable")[:12]:
            if off[place] <= _NEAR:
                found = _found(log, mode, pairs[place], ones)
                if found is not None:
                    return found
        return None
    few = pairs[:: max(len(pairs) // 60, 1)]
    fading = np.exp(-np.geomspace(0.02, 12.0, 24) / log.span)
    off = _off(log, mode, np.repeat(few, len(fading), axis=0), np.tile(fading, len(few)), 10.0 * soft)
    best = int(np.argmin(off))
    if off[best] > _NEAR:
        return None
    gamma = float(np.tile(fading, len(few))[best])
    near = np.argsort(np.abs(pairs - few[best // len(fading)]).sum(axis=1), kind="stable")[:40]
    for pair, fine in _closer(log, pairs[near], gamma, soft):
        found = _found(log, mode, pair, _factors(fine, log.span))
        if found is not None:
            return found
    return None


def _closer(log: Log, pairs: FloatArray, gamma: float, soft: float) -> Iterator[tuple[FloatArray, float]]:
    """Refine the factor and the lengths together; the best lengths first."""
    wide, centre = 0.3, math.log(gamma)
    off, tried = np.zeros(len(pairs)), np.zeros(9)
    for _ in range(20):
        tried = np.exp(centre * (1.0 + wide * np.linspace(-1.0, 1.0, 9)))
        off = _off(log, "exp_range", np.repeat(pairs, 9, axis=0), np.tile(tried, len(pairs)), soft)
        best = int(np.argmin(off))
        centre, wide = math.log(float(tried[best % 9])), wide * 0.5
        order = np.argsort(off.reshape(-1, 9).min(axis=1), kind="stable")
        pairs = pairs[order[: max(len(pairs) // 2, 3)]]
        soft *= 0.5
    for pair in pairs[:3]:
        yield pair, math.exp(centre)


def _factors(gamma: float, span: float) -> FloatArray:
    """Return the factors to name: rounded, with as few digits as the log may allow first."""
    digits = range(2, 13)
    rounded = [round(gamma, each) for each in digits]
    near = [each for each in rounded if 0.0 < each < 1.0 and abs(math.log(each / gamma)) * span < 0.1]
    return np.asarray(list(dict.fromkeys([*near, gamma])))


def _off(log: Log, mode: Mode, pairs: FloatArray, gamma: FloatArray, soft: float) -> FloatArray:
    log.work.spend(3 * len(pairs) * len(log.ticks))
    height = _heights(log.ticks, pairs, mode, gamma)
    return least_squares([height, np.ones(height.shape)], log.values, np.maximum(log.halves, soft))


def _found(log: Log, mode: Mode, pair: FloatArray, gammas: FloatArray) -> Found | None:
    for gamma in gammas.tolist():
        log.work.spend(len(log.ticks) ** 2 // 4)
        leg = log.leg(_heights(log.ticks, pair[None, :], mode, np.asarray([gamma]))[0] - 1.0, (0.0, 1e30))
        least, most = leg.top()
        if not most > 0.0 or least > most:
            continue
        top = Number(simplest(max(least, 0.0), most), max(least, 0.0), most)
        low, high = leg.drop(top.value)
        foot_low, foot_high = max(top.value - high, 0.0), max(top.value - low, 0.0)
        if foot_low > foot_high:
            continue
        foot = Number(simplest(foot_low, foot_high), foot_low, foot_high)
        up, down = whole(float(pair[0])), whole(float(pair[1]))
        curve: dict[str, Any] = {"kind": "cyclic", "min": foot.value, "max": top.value, "mode": mode}
        curve |= {"up": int(up.value), "down": int(down.value)}
        numbers: dict[str, Number | list[Number]] = {"lr": top, "min": foot, "up": up, "down": down}
        if mode == "exp_range":
            curve["gamma"], numbers["gamma"] = gamma, whole(gamma)
        return Found("cyclic", numbers, curve, variant=mode)
    return None


CYCLIC = FamilySpec("cyclic", "triangular cycles", 7, search, (2, math.inf))
