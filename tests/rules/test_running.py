"""Running statistics: what a single value moves and what it does not, and that they are bounded and storable."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Literal

import pytest
from numpy.random import default_rng

from trackside_service.rules import running
from trackside_service.rules.running import Series, Streak


def series_of(values: Sequence[float], better: Literal["lower", "higher"] = "lower") -> Series:
    series = Series()
    for epoch, value in enumerate(values, start=1):
        series = running.follow(series, value, (None, float(epoch)), better)
    return series


def test_start_and_best_are_medians_of_three() -> None:
    series = series_of([9.0, 5.0, 4.0, 0.1, 3.0, 2.9, 3.5])
    assert series.start == 5.0
    assert series.best == 2.9, "one lucky value is no best"
    assert (series.best_point, series.best_at, series.since_best) == (6, (None, 6.0), 1)
    assert series.last == 3.5


def test_before_three_values_there_is_no_best() -> None:
    series = series_of([2.0, 3.0])
    assert (series.start, series.best, series.since_best) == (3.0, None, 2)
    assert series_of([2.0, 3.0], "higher").start == 2.0
    assert (Series().last, Series().since_best) == (None, 0)


def test_higher_is_better_for_an_accuracy() -> None:
    series = series_of([0.1, 0.2, 0.3, 0.9, 0.4, 0.5, 0.2], "higher")
    assert (series.start, series.best) == (0.2, 0.5)
    assert running.improvement(series, "higher") == pytest.approx(0.3)


def test_improvement_is_never_negative() -> None:
    assert running.improvement(Series()) == 0.0
    assert running.improvement(series_of([1.0, 2.0, 3.0, 4.0])) == 0.0
    assert running.improvement(series_of([4.0, 3.0, 2.0, 1.0])) == pytest.approx(3.0 - 2.0)


def test_noise_is_the_median_absolute_difference() -> None:
    assert running.noise(series_of([1.0])) == 0.0
    assert running.noise(series_of([1.0, 1.2, 1.0, 1.2, 50.0, 1.0, 1.2])) == pytest.approx(0.2)


def test_jitter_is_the_deviation_about_the_course_whatever_the_trend() -> None:
    assert running.jitter(series_of([1.0, 2.0])) == 0.0
    assert running.jitter(series_of([9.0, 6.0, 4.0, 3.0, 2.5, 2.4])) == 0.0
    values = [10.0 - n / 5 + normal for n, normal in enumerate(default_rng(0).normal(0, 2, 24).tolist())]
    assert running.jitter(series_of(values)) == pytest.approx(2.0, rel=0.3)
    values[10] = 1e6
    assert running.jitter(series_of(values)) == pytest.approx(2.0, rel=0.5), "one spike is no noise"


def test_level_is_a_median() -> None:
    assert math.isnan(running.level(Series()))
    assert running.level(series_of([7.0, 1.0, 90.0, 2.0])) == 2.0
    assert running.level(series_of([1.0, 2.0, 3.0, 4.0, 5.0]), 5) == 3.0


def test_it_is_bounded_and_storable() -> None:
    series = series_of([1.0 / (1 + i) for i in range(10_000)])
    assert len(series.recent) == running.WINDOW
    assert series.points == 10_000
    text = json.dumps(running.dump_series(series), allow_nan=False)
    assert running.load_series(json.loads(text)) == series
    assert len(text) < 1_000
    for few in ([], [1.0], [1.0, 2.0, 3.0]):
        assert running.load_series(json.loads(json.dumps(running.dump_series(series_of(few))))) == series_of(few)


def test_a_streak_counts_and_knows_where_it_began() -> None:
    streak = Streak()
    for epoch, holds in enumerate([True, False, True, True, True]):
        streak = running.extended(streak, holds, (None, float(epoch)))
    assert streak == Streak(3, (None, 2.0))
    assert running.load_streak(json.loads(json.dumps(running.dump_streak(streak)))) == streak
    assert running.load_streak(running.dump_streak(Streak())) == Streak()
