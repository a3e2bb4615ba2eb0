"""What a plateau run that went wrong is answered: the parameter that really differs, with its value, first."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.conformance.plateaus import NAMED, first_cause, losses, lrs_of, together, with_params

from trackside_service.conformance import (
    Explanation,
    LrPoint,
    absorb,
    advance,
    conclude,
    dump,
    explain,
    load,
    start,
)
from trackside_service.conformance.driven.trail import TICKS
from trackside_service.schedules import compile_schedule

EPOCHS = 60
PRINTS: dict[str, Callable[[float], float]] = {
    "full": lambda value: value,
    "%.4g": lambda value: float(f"{value:.4g}"),
    "%.3f": lambda value: float(f"{value:.3f}"),
}


def answer(points: Sequence[Any], declared: dict[str, Any] = NAMED) -> Explanation:
    schedule = compile_schedule(declared)
    return conclude(schedule, absorb(schedule, start(schedule), points))


@pytest.mark.parametrize("shown", sorted(PRINTS))
@pytest.mark.parametrize(
    ("name", "actual"),
    [
        ("patience", 2),
        ("patience", 5),
        ("patience", 8),
        ("cooldown", 5),
        ("factor", 0.1),
        ("factor", 0.25),
        ("min_lr", 0.03),
        ("min_lr", 0.04),
        ("threshold", 0.1),
        ("mode", "max"),
    ],
)
def test_the_parameter_that_differs_comes_first_with_its_value(name: str, actual: Any, shown: str) -> None:
    metric = losses(EPOCHS)
    lrs = [PRINTS[shown](lr) for lr in lrs_of(with_params(**{name: actual}), metric)]
    found = first_cause(answer(together(lrs, metric=metric)))
    assert (found.cause, found.family) == ("param_mismatch", "other_schedule")
    assert found.params["parameter"] == name
    said = found.params["actual"]
    if isinstance(actual, str):
        assert said == actual
        assert found.params["declared"] == "min"
    else:
        assert said["low"] <= actual <= said["high"]
        assert said["value"] == pytest.approx(actual, rel=0.02)


def test_a_floor_that_is_not_there_is_no_higher_than_the_least_lr() -> None:
    metric = losses(EPOCHS)
    found = first_cause(answer(together(lrs_of(NAMED, metric), metric=metric), with_params(min_lr=0.03)))
    assert (found.cause, found.params["parameter"]) == ("param_mismatch", "min_lr")
    assert (found.params["actual"]["value"], found.params["actual"]["low"]) == (0, 0)


def test_another_group_is_named() -> None:
    metric = losses(EPOCHS)
    declared = {**NAMED, "base_lr": [0.1, 0.02]}
    found = first_cause(answer(together(lrs_of({**NAMED, "base_lr": 0.02}, metric), metric=metric), declared))
    assert (found.cause, found.family, found.params) == ("other_group", "scale", {"group": 1, "base_lr": 0.02})


@pytest.mark.parametrize("shown", sorted(PRINTS))
def test_a_factor_is_bounded_by_the_prints(shown: str) -> None:
    metric = losses(EPOCHS)
    lrs = [PRINTS[shown](lr) for lr in lrs_of(with_params(factor=0.3), metric)]
    found = first_cause(answer(together(lrs, metric=metric)))
    actual = found.params["actual"]
    assert actual["low"] < 0.3 < actual["high"]
    assert (actual["high"] - actual["low"] < 1e-5) == (shown == "full")


def test_another_metric_that_is_reported_too() -> None:
    given, named = [0.9 * value for value in losses(EPOCHS, seed=3)], losses(EPOCHS)
    points = [
        LrPoint(lr, epoch=float(at), metrics=(("val_loss", named[at]), ("train_loss", given[at])))
        for at, lr in enumerate(lrs_of(NAMED, given)[:EPOCHS])
    ]
    found = first_cause(answer(points))
    assert (found.params["parameter"], found.params["actual"]) == ("metric", "train_loss")
    assert found.params["declared"] == "val_loss"


def twice(metric: Sequence[float], times: int = 2) -> list[float]:
    """The LRs of a loop that calls step() so many times an epoch."""
    return lrs_of(NAMED, [value for value in metric for _ in range(times)])[::times]


def test_two_steps_an_epoch() -> None:
    metric = losses(EPOCHS)
    found = answer(together(twice(metric), metric=metric))
    assert (first_cause(found).cause, first_cause(found).params) == ("double_step", {"k": 2})
    assert "2 times per epoch" in first_cause(found).statement


@pytest.mark.parametrize("metric_step", [3, 7])
def test_no_resume_without_a_sign_of_it(metric_step: int) -> None:
    metric = losses(EPOCHS, seed=metric_step)
    for wrong in ({"patience": 6}, {"factor": 0.2}, {"cooldown": 4}):
        found = answer(together(lrs_of(with_params(**wrong), metric), metric=metric))
        assert {cause.cause for cause in found.causes} == {"param_mismatch"}


def test_a_resume_without_state_is_dated() -> None:
    metric = losses(EPOCHS)
    lrs = lrs_of(NAMED, metric[:30])[:30] + lrs_of(NAMED, metric[30:])
    found = first_cause(answer(together(lrs, metric=metric)))
    assert found.cause == "resume_no_state"
    assert found.params["tick"]["low"] <= 30 <= found.params["tick"]["high"]


@pytest.mark.parametrize(("epoch", "lr"), [(30, 0.07), (3, 0.05)])
def test_an_lr_that_was_set_by_hand(epoch: int, lr: float) -> None:
    metric = losses(EPOCHS)
    after = [value * lr / 0.1 for value in lrs_of(NAMED, metric)]
    found = answer(together([0.1] * epoch + after[epoch:], metric=metric))
    assert first_cause(found).cause == "manual_override"
    assert found.first_off is not None
    assert found.first_off.index == epoch


def test_a_scale_has_an_interval() -> None:
    metric = losses(EPOCHS)
    found = first_cause(answer(together([float(f"{lr * 0.3:.2g}") for lr in lrs_of(NAMED, metric)], metric=metric)))
    assert found.cause == "scale"
    factor = found.params["factor"]
    assert factor["low"] < 0.3 < factor["high"]
    assert factor["value"] == 0.3


def test_an_lr_that_never_changes() -> None:
    metric = losses(EPOCHS)
    found = first_cause(answer(together([0.1] * EPOCHS, metric=metric)))
    assert found.cause == "never_stepped"
    assert "stopped improving" in found.statement


def test_the_parameter_is_called_as_the_framework_does() -> None:
    timm = {
        "framework": "timm",
        "class": "PlateauLRScheduler",
        "params": {"patience_t": 3, "decay_rate": 0.5, "mode": "min"},
        "base_lr": 0.1,
        "unit": "epoch",
        "metric": "val_loss",
    }
    metric = losses(EPOCHS)
    for name, actual in (("patience_t", 5), ("decay_rate", 0.25), ("cooldown_t", 5), ("lr_min", 0.03)):
        wrong = {**timm, "params": {**timm["params"], name: actual}}  # type: ignore[dict-item]
        found = first_cause(answer(together(lrs_of(wrong, metric), metric=metric), timm))
        assert (found.params["parameter"], found.params["actual"]["value"]) == (name, actual)


def test_point_by_point_and_through_storage_the_same_causes() -> None:
    metric = [*losses(EPOCHS)[:40], math.nan, *losses(EPOCHS)[41:]]
    points = together(lrs_of(with_params(patience=5), metric), metric=metric)
    schedule = compile_schedule(NAMED)
    state = start(schedule)
    for point in points:
        state = load(json.loads(json.dumps(dump(advance(schedule, state, point)))))
    assert conclude(schedule, state) == answer(points)
    assert conclude(schedule, state).causes[0].params["parameter"] == "patience"


def test_what_is_kept_is_bounded_and_a_late_first_off_has_an_answer() -> None:
    metric = [1.0 / (at + 1) for at in range(TICKS + 100)]
    lrs = [0.1] * (TICKS + 40) + [0.033] * 60
    schedule = compile_schedule(NAMED)
    state = absorb(schedule, start(schedule), together(lrs, metric=metric))
    assert len(state.trail.rows) == TICKS
    assert len(json.dumps(dump(state)["trail"])) < 4_000
    found = conclude(schedule, state)
    assert first_cause(found).cause == "manual_override"


def test_the_search_ends_on_a_metric_that_says_little() -> None:
    """One decimal leaves dozens of states open at every tick."""
    metric = [round(value, 1) for value in losses(250, seed=4)]
    points = together([0.1] * 20 + [0.03] * 230, metric=metric)
    assert answer(points).causes


def test_what_is_off_before_the_plateau_begins_is_no_hand() -> None:
    timm: dict[str, Any] = {
        "framework": "timm",
        "class": "PlateauLRScheduler",
        "params": {"patience_t": 3, "mode": "min", "warmup_t": 5, "warmup_lr_init": 1e-4},
        "base_lr": 0.1,
        "unit": "epoch",
        "metric": "val_loss",
    }
    metric = losses(EPOCHS)
    shorter = {**timm, "params": {**timm["params"], "warmup_t": 3}}
    assert first_cause(answer(together(lrs_of(shorter, metric), metric=metric), timm)).cause == "different_schedule"


def test_a_plateau_that_begins_at_zero_has_a_verdict() -> None:
    schedule = compile_schedule({"kind": "plateau", "lr": 0.0, "factor": 0.0, "patience": 0, "unit": "epoch"})
    points = [LrPoint(0.01, epoch=float(epoch), text="0.0100") for epoch in range(2)]
    assert explain(schedule, points).verdict == "off_schedule"
