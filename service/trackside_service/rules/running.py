"""Robust running statistics of one metric, in bounded memory: where it began, its best, its noise, and streaks.

A rule keeps a `Series` a metric in its state and feeds it with finite values only. Single outliers move none of this:
start and best are medians of three values in a row, noise is a median over a window. So one lucky batch is no best
that the run is measured by for ever after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final, Literal, TypeAlias

from trackside_service.rules.places import Place, place_from

Better: TypeAlias = Literal["lower", "higher"]
WINDOW: Final = 24
_NEIGHBOURS: Final = 3
_OF_NORMAL: Final = 0.45  # what `jitter` measures of independent normal values, in their standard deviations


@dataclass(frozen=True, slots=True)
class Series:
    """One metric so far.

    `points` counts its values; `recent` holds the last `WINDOW` of them, oldest first. `start` is the median of the
    first three (while there are fewer: the worst of them), `best` the best median of three in a row and None before
    there are three; it was reached with point number `best_point` (from 1), at `best_at`.
    """

    points: int = 0
    start: float | None = None
    best: float | None = None
    best_point: int = 0
    best_at: Place | None = None
    recent: tuple[float, ...] = ()

    @property
    def last(self) -> float | None:
        """The latest value."""
        return self.recent[-1] if self.recent else None

    @property
    def since_best(self) -> int:
        """How many points came after the best one; all of them where there is no best yet."""
        return self.points - self.best_point


def follow(series: Series, value: float, here: Place, better: Better = "lower") -> Series:
    """Return the series after a finite `value` at `here`."""
    recent = (*series.recent[-(WINDOW - 1) :], value)
    points = series.points + 1
    if points < _NEIGHBOURS:
        start = max(recent) if better == "lower" else min(recent)
        return Series(points, start, None, 0, None, recent)
    middle = sorted(recent[-_NEIGHBOURS:])[1]
    begun = middle if points == _NEIGHBOURS else series.start
    best = series.best
    if best is None or (middle < best if better == "lower" else middle > best):
        return Series(points, begun, middle, points, here, recent)
    return Series(points, begun, best, series.best_point, series.best_at, recent)


def followed(series: Series, value: float | None, here: Place, better: Better = "lower") -> Series:
    """Return the series after a value that may be missing or not finite: then as it was."""
    return series if value is None or not math.isfinite(value) else follow(series, value, here, better)


def level(series: Series, values: int = _NEIGHBOURS) -> float:
    """Return the median of the last `values` values (at most `WINDOW`); NaN before the first."""
    return median(series.recent[-values:]) if series.recent else math.nan


def noise(series: Series) -> float:
    """Return the median absolute difference of neighbouring values in the window; 0 before there are two.

    A trend adds its slope to it, which for a metric that goes slowly is little.
    """
    return noise_of(series.recent)


def noise_of(values: Sequence[float]) -> float:
    """Return the median absolute difference of neighbours in `values`; 0 where there are none."""
    if len(values) < 2:
        return 0.0
    return median(abs(one - other) for one, other in pairwise(values))


def jitter(series: Series) -> float:
    """Return the standard deviation of a metric about its own course, whatever its trend; 0 where it is monotone.

    Each value of the window lies some way off the median of itself and its two neighbours: the mean of that, without
    the largest tenth (single spikes), is about 0.45 standard deviations of independent normal values, by
    simulation. A trend of one deviation a step takes half off it.
    """
    return jitter_of(series.recent)


def jitter_of(values: Sequence[float]) -> float:
    """Return the same of any values, oldest first."""
    if len(values) < _NEIGHBOURS:
        return 0.0
    apart = sorted(
        abs(one - sorted((before, one, after))[1])
        for before, one, after in zip(values, values[1:], values[2:], strict=False)
    )
    counted = apart[: len(apart) - len(apart) // 10]
    return sum(counted) / len(counted) / _OF_NORMAL


def improvement(series: Series, better: Better = "lower") -> float:
    """Return how far the best lies on the good side of the start; 0 before there is a best, never negative."""
    if series.best is None or series.start is None:
        return 0.0
    return max(0.0, series.start - series.best if better == "lower" else series.best - series.start)


def dump_series(series: Series) -> list[Any]:
    """Return the series as JSON values."""
    place = None if series.best_at is None else list(series.best_at)
    return [series.points, series.start, series.best, series.best_point, place, list(series.recent)]


def load_series(data: Sequence[Any]) -> Series:
    """Undo `dump_series`."""
    points, start, best, best_point, best_at, recent = data
    return Series(points, start, best, best_point, place_from(best_at), tuple(recent))


@dataclass(frozen=True, slots=True)
class Streak:
    """How many times in a row something has held up to now, and where that began."""

    count: int = 0
    since: Place | None = None


NONE: Final = Streak()


def extended(streak: Streak, holds: bool, here: Place) -> Streak:
    """Return the streak after it held at `here`, or did not."""
    if not holds:
        return NONE
    return Streak(streak.count + 1, here if streak.count == 0 else streak.since)


def dump_streak(streak: Streak) -> list[Any]:
    """Return the streak as JSON values."""
    return [streak.count, None if streak.since is None else list(streak.since)]


def load_streak(data: Sequence[Any]) -> Streak:
    """Undo `dump_streak`."""
    count, since = data
    return Streak(count, place_from(since))
