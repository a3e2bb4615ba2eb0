"""multi_step: multiplied by a factor at milestones."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from trackside_service.conformance.identification.bounds import geometric, roundest
from trackside_service.conformance.identification.families import FamilySpec, factors
from trackside_service.conformance.identification.found import Found, Number
from trackside_service.conformance.identification.log import Log, Rise, levels_of
from trackside_service.schedules.curve import FloatArray

MOST_DROPS = 12


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the milestones, each between the last point before a drop and the first after it.

    One factor explains all drops; a drop may be several at once. Every level is seen twice, but the last: otherwise any
    falling curve would be one.
    """
    if rise is not None and not rise.peaked:
        return
    first = 0 if rise is None else rise.count
    main = log.part(np.arange(len(log.ticks)) >= first)
    levels = levels_of(main)
    if not 2 <= len(levels) <= MOST_DROPS + 1:
        return
    if any(later[2] >= earlier[3] for earlier, later in itertools.pairwise(levels)):
        return
    if any(begin == end for begin, end, _, _ in levels[1:-1]):
        return
    low, high = np.asarray([level[2] for level in levels]), np.asarray([level[3] for level in levels])
    counts = next((each for each in _counts(low, high) if _fits(each, low, high)), None)
    if counts is None:
        return
    milestones = []
    for before, after in itertools.pairwise(levels):
        least, most = float(main.ticks[before[1]]) + 1.0, float(main.ticks[after[0]])
        named = roundest(least, most, log.wanted)
        if named is None:
            return
        milestones.append(Number(float(named), least, most))
    at = np.asarray([each.value for each in milestones])
    passed = np.append(0.0, counts[1:])
    fit = factors(log, rise, lambda ticks, width: passed[np.searchsorted(at, ticks, side="right")])  # noqa: ARG005
    if fit is None or fit.gamma.high >= 1.0:
        return
    repeated = [each for each, times in zip(milestones, np.diff(counts), strict=True) for _ in range(int(times))]
    curve = {
        "kind": "piecewise",
        "at": [int(each.value) for each in milestones],
        "values": [fit.top.value * fit.gamma.value ** int(times) for times in counts],
    }
    yield Found(
        "multi_step",
        {"lr": fit.top, "gamma": fit.gamma, "milestones": repeated},
        curve,
        fit.warmup,
        clock_from_start=True,
    )


def _counts(low: FloatArray, high: FloatArray) -> Iterable[FloatArray]:
    """Return how often the factor may have been applied up to each level: once a drop, or in proportion."""
    yield np.arange(len(low), dtype=np.float64)
    if low[-1] <= 0.0:
        return
    logs = -np.diff(np.log((low + high) / 2.0))
    smallest = float(np.min(logs))
    for parts in (1, 2):
        times = np.round(parts * logs / smallest)
        if times.max() <= 4 and times.max() > 1:
            yield np.append(0.0, np.cumsum(times))


def _fits(counts: FloatArray, low: FloatArray, high: FloatArray) -> bool:
    least, most = geometric(counts, low, high).top()
    return least <= most


MULTI_STEP = FamilySpec("multi_step", "multi-step decay", 4, search)
