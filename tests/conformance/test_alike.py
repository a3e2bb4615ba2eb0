"""Logs that several causes explain alike: the likely one is named, before those that it takes luck to meet."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from trackside_service.conformance import Cause, LrPoint, explain
from trackside_service.schedules import CompiledSchedule, compile_schedule

STATED = {"when": "in_use", "step_base": 0, "epoch_base": 0}


def declared(name: str, unit: str = "step", base: float = 0.1, per_epoch: int = 10, **params: Any) -> CompiledSchedule:
    own = {"framework": "torch", "class": name, "params": params, "base_lr": base}
    return compile_schedule({**own, "unit": unit, "steps_per_epoch": per_epoch, "reporting": STATED})


def transformers(name: str, total: int, warmup: int) -> CompiledSchedule:
    params = {"name": name, "num_warmup_steps": warmup, "num_training_steps": total}
    own = {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": 5e-5}
    return compile_schedule({**own, "unit": "step", "steps_per_epoch": 10, "reporting": STATED})


def chained(warmup: int) -> CompiledSchedule:
    ramp = {"class": "LinearLR", "params": {"start_factor": 1 / 3, "total_iters": warmup}}
    cosine = {"class": "CosineAnnealingLR", "params": {"T_max": 18_000}}
    return declared("ChainedScheduler", base=3e-3, per_epoch=500, schedulers=[ramp, cosine])


def causes(schedule: CompiledSchedule, at: np.ndarray, lrs: np.ndarray, form: str) -> list[Cause]:
    points = []
    for place, lr in zip(at.tolist(), lrs.tolist(), strict=True):
        where = {"step": int(place)} if schedule.unit == "step" else {"epoch": float(place)}
        points.append(LrPoint(float(form % lr), text=form % lr, **where))
    return list(explain(schedule, points).causes)


def names(found: list[Cause]) -> list[str]:
    return [cause.cause for cause in found]


def test_many_times_too_fast_is_named_where_nothing_likelier_explains_the_log() -> None:
    schedule, at = transformers("cosine", 60, 1), np.array([9.0, 19.0, 29.0, 39.0])
    found = causes(schedule, at, schedule.lrs(16 * at), "%.2e")
    assert names(found) == ["accelerate_num_processes", "grad_accum_micro_step"]
    assert found[0].params["num_processes"]["value"] == 16


@pytest.mark.parametrize(("count", "points"), [(100, 60), (250, 60), (1000, 20), (73, 30)])
@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_any_number_of_micro_batches_is_likely_that_somebody_may_have(name: str, count: int, points: int) -> None:
    schedule, at = transformers(name, 20_000, 1_000), np.arange(0.0, 7.0 * points, 7.0)
    found = names(causes(schedule, at, schedule.lrs(count * at), "%.2e"))
    assert found[:2] == ["accelerate_num_processes", "grad_accum_micro_step"]


def test_a_warmup_of_other_length_is_told_before_processes_that_nobody_has() -> None:
    at = np.arange(0.0, 14_000.0, 20.0)  # as often as this, 1,799 times too fast looks like too fast backwards
    found = names(causes(chained(3600), at, chained(7).lrs(at), "%.8f"))
    assert found == ["mixed_units"]


def test_a_total_of_epochs_that_is_twice_as_long_is_named_beside_a_scheduler_that_is_not_stepped() -> None:
    schedule = declared("CosineAnnealingLR", "epoch", 5e-4, T_max=10, eta_min=5e-5)
    found = names(causes(schedule, np.array([0.0, 1.0]), np.array([5e-4, 5e-4]), "%.1e"))
    assert found[0] == "never_stepped"
    assert "wrong_total" in found


@pytest.mark.parametrize(("points", "named"), [(60, True), (200, False)])
def test_a_flat_line_may_be_a_total_that_counts_every_process_of_64(points: int, named: bool) -> None:
    schedule, at = declared("CosineAnnealingLR", T_max=40 if named else 20), np.arange(float(points))
    found = names(causes(schedule, at, np.full(points, 0.1), "%.1e"))
    assert found[0] == "never_stepped"
    assert ("wrong_total" in found) is named
    assert not set(found) & {"grad_accum_total", "world_size_total"}


def test_a_run_at_a_hundred_times_the_rate_is_as_noisy_as_its_own_rates() -> None:
    params = {"initial_learning_rate": 1e-4, "first_decay_steps": 120, "m_mul": 0.9}
    own = {"framework": "keras", "class": "CosineDecayRestarts", "params": params, "unit": "step"}
    schedule = compile_schedule({**own, "reporting": STATED})
    at = np.arange(19.0, 240.0, 20.0)
    lrs = schedule.lrs(at).astype(np.float32).astype(np.float64) * 100 * (1 + 1e-7) + 3e-9  # what float32 loses
    assert names(causes(schedule, at, lrs, "%r"))[0] == "scale"


def test_a_warmup_that_nothing_decays_behind_is_told() -> None:
    schedule, at = transformers("cosine", 400, 50), np.arange(0.0, 400.0, 5.0)
    constant = transformers("constant_with_warmup", 400, 50)
    found = causes(schedule, at, constant.lrs(at), "%.2e")
    assert "different_schedule" in names(found)
    told = next(cause for cause in found if cause.cause == "different_schedule")
    assert told.params == {"shape": "constant", "lr": pytest.approx(5e-5), "after": 50}


def test_an_lr_that_stays_where_the_warmup_led_it_was_set_by_no_hand() -> None:
    schedule, at = transformers("linear", 45, 9), np.arange(45.0)
    found = names(causes(schedule, at, transformers("constant_with_warmup", 45, 9).lrs(at), "%r"))
    assert found == ["different_schedule", "manual_override"]
    elsewhere = np.where(at > 12, schedule.lrs(np.array([12.0])), schedule.lrs(at))
    assert names(causes(schedule, at, elsewhere, "%r"))[0] == "manual_override"


@pytest.mark.parametrize(("framework", "name"), [("paddle", "PiecewiseDecay"), ("keras", "PiecewiseConstantDecay")])
@pytest.mark.parametrize("form", ["%r", "%.4f"])
@pytest.mark.parametrize(("place", "level"), [(0, 0.5), (0, 0.3), (1, 0.02), (2, 0.003), (2, 0.0002), (2, 1.0)])
def test_one_level_of_a_schedule_of_steps_may_be_another(
    framework: str, name: str, form: str, place: int, level: float
) -> None:
    def stepped(*values: float) -> CompiledSchedule:
        params = {"boundaries": [10, 20], "values": list(values)}
        own = {"framework": framework, "class": name, "params": params, "unit": "step"}
        return compile_schedule({**own, "reporting": STATED})

    levels, at = [0.1, 0.01, 0.001], np.arange(30.0)
    actual = [*levels[:place], level, *levels[place + 1 :]]
    found = causes(stepped(*levels), at, stepped(*actual).lrs(at), form)
    told = next(cause for cause in found if cause.cause == "param_mismatch")
    assert told.params["path"] == f"/params/values/{place}"
    assert told.params["actual"]["value"] == pytest.approx(level, rel=0.5 if form == "%.4f" else 1e-6)
    assert f"`values[{place}]`" in told.statement
    assert "manual_override" not in names(found)[: names(found).index("param_mismatch")]


@pytest.mark.parametrize("lr", [float("inf"), 1.7e308])
@pytest.mark.parametrize("form", ["%.3f", "%.2e"])
def test_the_largest_of_floats_is_told_without_a_warning(lr: float, form: str) -> None:
    at = np.arange(6.0)
    found = causes(declared("StepLR", step_size=3), at, np.where(at > 3, lr, 0.1), form)
    assert names(found)


def test_a_log_that_ends_in_a_longer_warmup_may_be_that_or_a_longer_total() -> None:
    def warmed(warmup: int) -> CompiledSchedule:
        ramp = {"class": "LinearLR", "params": {"start_factor": 0.1, "total_iters": warmup}}
        cosine = {"class": "CosineAnnealingLR", "params": {"T_max": 20 - warmup}}
        return declared("SequentialLR", "epoch", per_epoch=20, schedulers=[ramp, cosine], milestones=[warmup])

    at = np.arange(10.0)
    found = names(causes(warmed(1), at, warmed(10).lrs(at), "%.4e"))
    assert {"warmup_extra", "wrong_total"} <= set(found)


def test_a_factor_at_the_schedules_own_step_is_its_gamma_before_it_is_a_hand() -> None:
    at = np.arange(15.0)
    schedule = declared("MultiStepLR", "epoch", milestones=[8, 20], gamma=0.5)
    found = names(causes(schedule, at, np.where(at >= 8, 0.03, 0.1), "%.3f"))
    assert found[:2] == ["param_mismatch", "manual_override"]
    elsewhere = names(causes(schedule, at, np.where(at >= 8, 0.03, 0.1) * np.where(at >= 12, 0.5, 1.0), "%.4f"))
    assert elsewhere != found


def test_very_many_jumps_to_either_side_are_searched_to_the_end(caplog: pytest.LogCaptureFixture) -> None:
    params = {"boundaries": [1000, 2000], "values": [0.1, 0.01, 0.1]}
    own = {"framework": "paddle", "class": "PiecewiseDecay", "params": params, "unit": "step"}
    schedule, at = compile_schedule({**own, "steps_per_epoch": 10, "reporting": STATED}), np.arange(0.0, 2000.0, 10.0)
    with caplog.at_level(logging.ERROR):
        found = causes(schedule, at, np.where((at >= 1000) & (at < 1500), 0.01, 0.1), "%.4f")
    assert not caplog.records
    assert "last_epoch_misuse" in names(found)
