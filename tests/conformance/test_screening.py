"""Of very many hypotheses the right one is kept, whatever the telling points let through."""

from __future__ import annotations

import numpy as np
import pytest

from trackside_service.conformance import LrPoint, explain
from trackside_service.conformance.causes.screening import MANY, surviving
from trackside_service.schedules import compile_schedule

STATED = {"when": "in_use", "step_base": 0, "epoch_base": 0}
POINTS = 1_000


class Flat:
    """Hypothesis h of 100,000 is excluded at the points h mod 7 + 1 and h // 1,000 alone, but for those that are right.

    Counts how many were tried, points and hypotheses.
    """

    def __init__(self, right: set[float]) -> None:
        self.right, self.tried = np.array(sorted(right)), 0

    def __call__(self, each: np.ndarray, points: np.ndarray, /, *, whole: bool = False) -> np.ndarray:
        self.tried += len(each) * len(points)
        wrong = (each[:, None] % 7 + 1 == points) | (each[:, None] // 1_000 == points)
        mask = ~wrong | np.isin(each, self.right)[:, None]
        return mask.all(axis=-1) if whole else mask


@pytest.mark.parametrize("right", [{73.0}, {31_415.0}, {99_999.0}, {0.0, 50_000.0}])
def test_the_few_that_are_right_are_found_among_very_many(right: set[float]) -> None:
    tried = Flat(right)
    found = surviving(np.arange(100_000.0), [np.array([0]), np.array([500, 999])], POINTS, tried)
    assert set(found.tolist()) == right
    assert tried.tried < 100_000 * POINTS / 10


def test_the_one_that_is_right_is_found_where_every_other_fails_at_a_point_of_its_own() -> None:
    def tried(each: np.ndarray, points: np.ndarray, /, *, whole: bool = False) -> np.ndarray:
        mask = (each[:, None] != points) | (each == 1_777.0)[:, None]
        return mask.all(axis=-1) if whole else mask

    assert surviving(np.arange(4_000.0), [np.array([0]), np.array([3_999])], 4_000, tried).tolist() == [1_777.0]


def test_a_long_stretch_that_is_right_is_kept_whole() -> None:
    right = {float(each) for each in range(20_000, 20_000 + 4 * MANY)}
    found = surviving(np.arange(100_000.0), [np.array([0])], POINTS, Flat(right))
    assert set(found.tolist()) == right


def test_what_costs_too_much_gives_nothing() -> None:
    assert not len(surviving(np.arange(10.0), [np.array([0])], POINTS, lambda *_, **__: None))


@pytest.mark.parametrize("total", [2_000, 75_000])
@pytest.mark.parametrize("lag", [3, 10, 50])
def test_skipped_ticks_are_counted_in_long_runs(total: int, lag: int) -> None:
    params = {"name": "linear", "num_warmup_steps": 0, "num_training_steps": total}
    own = {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": 1e-3, "unit": "step"}
    schedule = compile_schedule({**own, "reporting": STATED})
    updates = np.arange(0, total, 2)
    lrs = schedule.lrs(np.maximum(updates - lag, 0.0)).tolist()
    answer = explain(schedule, [LrPoint(lr, step=int(at)) for at, lr in zip(updates, lrs, strict=True)])
    assert [(cause.cause, cause.params["ticks"]["value"]) for cause in answer.causes] == [("lagged", -lag)]


@pytest.mark.parametrize("length", [50, 100, 391])
def test_the_length_of_an_epoch_is_found_where_it_is_not_declared(length: int) -> None:
    params = {"T_max": 30 * length}
    own = {"framework": "torch", "class": "CosineAnnealingLR", "params": params, "base_lr": 0.1, "unit": "step"}
    schedule = compile_schedule({**own, "reporting": STATED})
    updates = np.arange(0, 30 * length, length // 2)
    texts = [f"{lr:.6f}" for lr in schedule.lrs(updates // length)]
    points = [LrPoint(float(text), step=int(at), text=text) for at, text in zip(updates, texts, strict=True)]
    cause = explain(schedule, points).causes[0]
    assert cause.cause == "stepped_per_epoch"
    assert cause.params["updates_per_tick"]["low"] <= length <= cause.params["updates_per_tick"]["high"]


def test_factors_that_fit_as_well_far_away_are_no_interval() -> None:
    own = {"framework": "torch", "class": "CosineAnnealingLR", "params": {"T_max": 3_000}, "base_lr": 0.1}
    schedule = compile_schedule({**own, "unit": "step", "reporting": STATED})
    updates = np.arange(0, 3_000, 50)
    texts = [f"{lr:.6f}" for lr in schedule.lrs(3.0 * updates)]
    points = [LrPoint(float(text), step=int(at), text=text) for at, text in zip(updates, texts, strict=True)]
    named = {cause.cause: cause for cause in explain(schedule, points).causes}
    assert named["accelerate_num_processes"].params["num_processes"] == {"value": 3, "low": 3, "high": 3}
