"""Causes that a thoughtful reader would strike off are not named; the run's own length tells some apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trackside_service.conformance import Cause, LrPoint, explain
from trackside_service.schedules import CompiledSchedule, compile_schedule

STATED = {"when": "in_use", "step_base": 0, "epoch_base": 0}
UPDATES = np.arange(0.0, 200.0, 5.0)


def torch_form(name: str, unit: str = "step", per_epoch: int | None = None, **params: Any) -> CompiledSchedule:
    own = {"framework": "torch", "class": name, "params": params, "base_lr": 0.1, "unit": unit, "reporting": STATED}
    return compile_schedule(own if per_epoch is None else {**own, "steps_per_epoch": per_epoch})


def linear(total: int, warmup: int = 0, **beside: Any) -> CompiledSchedule:
    params = {"name": "linear", "num_warmup_steps": warmup, "num_training_steps": total}
    own = {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": 0.1}
    return compile_schedule({**own, "unit": "step", "reporting": STATED, **beside})


def causes(
    schedule: CompiledSchedule, at: np.ndarray, lrs: np.ndarray, run_updates: int | None = None, form: str | None = None
) -> dict[str, Cause]:
    by_step = schedule.unit == "step"
    points = []
    for place, lr in zip(at, lrs, strict=True):
        text = None if form is None else form % lr
        value = float(lr) if text is None else float(text)
        points.append(
            LrPoint(value, step=int(place) if by_step else None, epoch=None if by_step else float(place), text=text)
        )
    return {cause.cause: cause for cause in explain(schedule, points, run_updates=run_updates).causes}


def test_a_total_that_is_the_runs_own_length_was_not_counted_too_often() -> None:
    declared, ran = linear(200), linear(400)
    lrs = ran.lrs(UPDATES)
    assert {"wrong_total", "grad_accum_total", "world_size_total"} <= set(causes(declared, UPDATES, lrs, 200))
    told = causes(declared, UPDATES, lrs, 400)
    assert set(told) == {"wrong_total"}
    assert told["wrong_total"].params["total"]["value"] == 400
    assert "The run takes 400 updates" in told["wrong_total"].advice


def test_the_runs_length_says_how_many_batches_an_epoch_has() -> None:
    schedule = torch_form("PolynomialLR", unit="epoch", total_iters=100)
    epochs = np.arange(10.0)
    lrs = schedule.lrs(epochs * 130)
    guessed, told = (causes(schedule, epochs, lrs, run)["stepped_per_batch"] for run in (None, 13_000))
    assert guessed.params["factor"]["low"] < 130 < guessed.params["factor"]["high"]
    assert told.params["factor"] == {"value": 130, "low": 130, "high": 130}


def test_a_schedule_of_twice_the_runs_updates_was_meant_to_step_twice() -> None:
    schedule, updates = linear(200, 20), np.arange(0.0, 100.0, 5.0)
    lrs = schedule.lrs(updates * 2)
    assert "double_step" in causes(schedule, updates, lrs, 200)
    told = causes(schedule, updates, lrs, 100)
    assert "double_step" not in told
    assert "grad_accum_micro_step" in told


def test_a_resume_is_not_past_the_new_total() -> None:
    declared = linear(200)
    for total in (300, 60):
        lrs = np.where(UPDATES >= 120, linear(total).lrs(UPDATES), declared.lrs(UPDATES))
        change = causes(declared, UPDATES, lrs)["total_changed_on_resume"].params
        if total == 300:
            assert change["total"]["value"] == 300
        else:  # the LR is 0 from there on: the new total was reached in between
            assert (change["total"]["low"], change["total"]["high"]) == (116, 120)
            assert 116 <= change["total"]["value"] <= 120


def test_beside_a_scheduler_that_is_never_stepped_no_fast_clock_is_named() -> None:
    schedule = torch_form("CosineAnnealingLR", T_max=400)
    frozen = causes(schedule, UPDATES[:30], np.full(30, 0.1), form="%.3f")
    assert next(iter(frozen)) == "never_stepped"
    assert not set(frozen) & {"accelerate_num_processes", "grad_accum_micro_step", "total_changed_on_resume"}


def test_as_many_processes_as_an_epoch_has_batches_is_said_by_the_batches() -> None:
    schedule = torch_form("CosineAnnealingLR", unit="epoch", per_epoch=4, T_max=30)
    epochs = np.arange(7.0)
    assert set(causes(schedule, epochs, schedule.lrs(epochs * 4))) == {"stepped_per_batch"}


@pytest.mark.parametrize(
    ("unit", "declared", "ran", "how"),
    [
        ("step", 40, 4, "its length was given in epochs"),
        ("step", 4, 40, "multiplied by the updates of an epoch"),
        ("epoch", 4, 40, "its length was given in updates"),
        ("epoch", 40, 4, "divided by the updates of an epoch"),
    ],
)
def test_a_mixed_unit_is_told_in_its_own_direction(unit: str, declared: int, ran: int, how: str) -> None:
    beside = {"unit": unit, "steps_per_epoch": 10}
    ticks = np.arange(0.0, 100.0, 1.0)
    named = causes(linear(200, declared, **beside), ticks, linear(200, ran, **beside).lrs(ticks))
    assert how in named["mixed_units"].statement


def test_only_two_calls_are_called_two() -> None:
    schedule = compile_schedule(
        {
            "framework": "paddle",
            "class": "CosineAnnealingDecay",
            "params": {"learning_rate": 0.1, "T_max": 100},
            "unit": "epoch",
            "reporting": STATED,
        }
    )
    epochs = np.arange(30.0)
    twice, thrice = (causes(schedule, epochs, schedule.lrs(epochs * k))["double_step"] for k in (2, 3))
    assert "one of the two calls" in twice.advice
    assert "all but one of the 3 calls" in thrice.advice


def test_an_lr_set_below_the_floor_is_a_level_change() -> None:
    schedule = torch_form("CosineAnnealingLR", T_max=200, eta_min=0.05)
    right = schedule.lrs(UPDATES)
    lrs = np.where(UPDATES >= 100, 0.05 - 0.3 * (right - 0.05), right)
    assert causes(schedule, UPDATES, lrs)["manual_override"].params["factor"]["value"] == pytest.approx(-0.3)


def test_an_odd_factor_comes_behind_what_needs_no_number() -> None:
    declared, ran = linear(300, 30), linear(300, 0)
    updates = np.arange(30.0, 300.0, 10.0)
    named = list(causes(declared, updates, ran.lrs(updates)))
    assert named[0] == "warmup_missing"
    assert "scale" in named


def test_a_factor_beyond_every_float_costs_no_verdict() -> None:
    own = {"framework": "torch", "class": "CosineAnnealingLR", "params": {"T_max": 400}, "base_lr": 1e-310}
    schedule = compile_schedule({**own, "unit": "step", "reporting": STATED})
    assert causes(schedule, UPDATES, torch_form("CosineAnnealingLR", T_max=400).lrs(UPDATES))


def test_a_resume_at_the_first_tick_is_not_told_a_second_time_as_a_wrong_position() -> None:
    schedule = torch_form("CosineAnnealingLR", T_max=400)
    lrs = schedule.lrs(np.where(UPDATES >= 80.0, UPDATES - 80.0, UPDATES))
    assert list(causes(schedule, UPDATES, lrs)) == ["resume_no_state"]
    behind = schedule.lrs(np.where(UPDATES >= 80.0, UPDATES - 30.0, UPDATES))
    assert causes(schedule, UPDATES, behind)["last_epoch_misuse"].params["jump"]["value"] == -30


@pytest.mark.parametrize("times", [2, 3])
def test_accelerate_does_not_step_timms_schedulers(times: int) -> None:
    own = {"framework": "timm", "class": "CosineLRScheduler", "params": {"t_initial": 40}, "base_lr": 0.1}
    schedule = compile_schedule({**own, "unit": "epoch", "reporting": STATED})
    epochs = np.arange(12.0)
    named = causes(schedule, epochs, schedule.lrs(times * epochs))
    assert named["double_step"].params["factor"] == times
    assert "grows by " + str(times) in named["double_step"].statement
    assert "accelerate_num_processes" not in named
