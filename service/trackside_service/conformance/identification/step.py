"""step: multiplied by a factor every so many ticks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from trackside_service.conformance.identification.bounds import geometric, roundest
from trackside_service.conformance.identification.families import FamilySpec, factors
from trackside_service.conformance.identification.found import Found, Number
from trackside_service.conformance.identification.log import Log, Rise, levels_of
from trackside_service.schedules.curve import FloatArray

MOST_SIZES = 20_000


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the step size and factor: the log is cut where its value changes, and a size puts its drops there.

    After a warm-up the steps are counted from its end, or from the run's start.
    """
    if rise is not None and not rise.peaked:
        return
    for from_start in (False,) if rise is None else (False, True):
        found = _sized(log, rise, from_start=from_start)
        if found is not None:
            yield found
            return


def _sized(log: Log, rise: Rise | None, *, from_start: bool) -> Found | None:
    first = 0 if rise is None else rise.count
    main = log.part(np.arange(len(log.ticks)) >= first)
    levels = levels_of(main)
    if len(levels) < 2 or len(levels) == len(main.ticks):
        return None
    if any(later[2] >= earlier[3] for earlier, later in itertools.pairwise(levels)):
        return None
    origin = 0.0
    if rise is not None and not from_start:
        plateau = log.part(np.arange(len(log.ticks)) < first + levels[0][1] + 1)
        flat = factors(plateau, rise, lambda ticks, width: np.zeros(ticks.shape))  # noqa: ARG005
        if flat is None or flat.warmup is None:
            return None
        origin = flat.warmup.ticks.value
    starts = main.ticks[[level[0] for level in levels]] - origin
    ends = main.ticks[[level[1] for level in levels]] - origin
    longest, most = float(np.max(ends - starts)), float(starts[1])
    low, high = max(int(longest) + 1, 2), int(most)
    if high < low:
        return None
    sizes = np.unique(np.round(np.linspace(low, high, min(high - low + 1, MOST_SIZES))))
    begun, ended = np.floor(starts[None, :] / sizes[:, None]), np.floor(ends[None, :] / sizes[:, None])
    sizes = sizes[np.all(begun == ended, axis=1) & np.all(begun[:, 1:] > begun[:, :-1], axis=1)]
    good = [size for size in sizes[:: max(len(sizes) // 400, 1)] if _fits(levels, starts, float(size))]
    if not good:
        return None
    size = roundest(good[0], good[-1], log.wanted)
    if size is None or float(size) not in good:
        size = int(good[len(good) // 2])
    every = float(size)
    fit = factors(
        log,
        rise,
        lambda ticks, width: np.floor_divide(ticks if from_start else np.maximum(ticks - origin, 0.0), every),  # noqa: ARG005
    )
    if fit is None or fit.gamma.high >= 1.0:
        return None
    curve = {"kind": "decay", "lr": fit.top.value, "gamma": fit.gamma.value, "every": size, "staircase": True}
    numbers = {"lr": fit.top, "gamma": fit.gamma, "every": Number(every, good[0], good[-1])}
    drops = len(levels) - 1
    note = f"{drops} drop{'s' if drops > 1 else ''} seen"
    return Found("step", numbers, curve, fit.warmup, clock_from_start=from_start, note=note)


def _fits(levels: list[tuple[int, int, float, float]], starts: FloatArray, size: float) -> bool:
    low, high = np.asarray([level[2] for level in levels]), np.asarray([level[3] for level in levels])
    least, most = geometric(np.floor(starts / size), low, high).top()
    return least <= most


STEP = FamilySpec("step", "step decay", 4, search)
