"""What a declaration may say, and what it comes to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.schedules.declared import CYCLE, STEP, refused, with_params

from trackside_service.errors import ScheduleError
from trackside_service.schedules import compile_schedule, preview


def test_canonical_kinds_are_flat_and_compute_their_formulas() -> None:
    def lrs(total: int, **declaration: Any) -> list[float]:
        return preview({"unit": "step", **declaration}, steps=None, total=total, metric=None)[0]

    assert lrs(2, kind="constant", lr=0.3) == [0.3, 0.3]
    assert lrs(4, kind="ramp", **{"from": 1, "to": 3}, over=2) == [1, 2, 3, 3]
    assert lrs(4, kind="ramp", **{"from": 1, "to": 3}, over=2, after="continue") == [1, 2, 3, 4]
    assert lrs(3, kind="ramp", **{"from": 1, "to": 0}, over=2, shape="cosine") == pytest.approx([1, 0.5, 0])
    assert lrs(5, kind="decay", lr=8, gamma=0.5, every=2) == [8, 8, 4, 4, 2]
    assert lrs(3, kind="decay", lr=4, gamma=0.25, every=2, staircase=False) == [4, 2, 1]
    assert lrs(4, kind="restarts", max=1, t0=2) == pytest.approx([1, 0.5, 1, 0.5])
    assert lrs(3, kind="table", values=[0.1, 0.7, 0.2]) == [0.1, 0.7, 0.2]
    inner = {"kind": "ramp", "from": 0, "to": 4, "over": 4}
    phases = [{"until": 2, "schedule": inner}, {"clock": "global", "schedule": inner}]
    assert lrs(6, kind="phases", phases=phases) == [0, 1, 2, 3, 4, 4]


def test_the_other_kinds_compute_their_formulas_too() -> None:
    def lrs(total: int, metric: list[float] | None = None, **declaration: Any) -> list[float]:
        return preview({"unit": "step", **declaration}, steps=None, total=total, metric=metric)[0]

    leg = {"kind": "ramp", "from": 1, "to": 0, "over": 4}
    assert lrs(3, **leg, shape="poly", power=2) == pytest.approx([1, 0.5625, 0.25])
    assert lrs(3, **leg, shape="one_minus_pow", power=0.5) == pytest.approx([1, 0.5, 1 - math.sqrt(0.5)])
    assert lrs(5, **leg, shape="exponential", ratio=0.25)[4] == 0
    assert lrs(7, **leg, after="stretch") == pytest.approx([1, 0.75, 0.5, 0.25, 0, 0.375, 0.25])
    assert lrs(5, **leg, shape="cosine", cycles=1) == pytest.approx([1, 0.5, 0, 0.5, 1])
    assert lrs(4, kind="piecewise", at=[1, 3], values=[3, 2, 1]) == [3, 2, 2, 1]
    assert lrs(4, kind="piecewise", at=[1, 3], values=[3, 2, 1], boundary="after") == [3, 3, 2, 2]
    assert lrs(3, kind="inverse_time", lr=6, rate=1) == [6, 3, 2]
    assert lrs(3, kind="inverse_time", lr=6, rate=1, every=2, staircase=True) == [6, 6, 3]
    assert lrs(4, kind="power_law", lr=2, timescale=1) == pytest.approx([2, math.sqrt(2), 2 / math.sqrt(3), 1])
    assert lrs(3, kind="power_law", lr=2, timescale=1, floor=1.5)[2] == 1.5
    assert lrs(6, kind="cyclic", min=0, max=2, up=2) == pytest.approx([0, 1, 2, 1, 0, 1])
    assert lrs(6, kind="cyclic", min=0, max=2, up=2, down=1, mode="triangular2") == pytest.approx([0, 1, 2, 0, 0.5, 1])
    assert lrs(6, kind="restarts", max=4, t0=2, peak_decay=0.5, limit=2, min=1)[::2] == pytest.approx([4, 2, 1])
    factors = [{"kind": "decay", "lr": 1, "gamma": 0.5}, {"kind": "constant", "lr": 3}]
    assert lrs(3, kind="product", lr=2, factors=factors) == [6, 3, 1.5]
    assert lrs(5, [1, 1, 1, 1], kind="plateau", lr=8, factor=0.5, patience=1, cooldown=0) == [8, 8, 8, 4, 4]


@pytest.mark.parametrize(
    ("function", "name", "params"),
    [
        ("get_cosine_schedule_with_warmup", "cosine", {"num_cycles": 1.5}),
        ("get_polynomial_decay_schedule_with_warmup", "polynomial", {"power": 2.0}),
        ("get_linear_schedule_with_warmup", "linear", {}),
    ],
)
def test_a_function_of_transformers_is_the_get_scheduler_call_that_it_is(
    function: str, name: str, params: dict[str, Any]
) -> None:
    shared = {"num_warmup_steps": 3, "num_training_steps": 20}
    whole = {"framework": "transformers", "base_lr": [0.1, 0.2], "unit": "step"}
    own = compile_schedule({**whole, "class": function, "params": {**shared, **params}})
    called = {"name": name, **shared} | ({"scheduler_specific_kwargs": params} if params else {})
    assert own.source == {**whole, "class": "get_scheduler", "params": called}
    same = compile_schedule(own.source)
    assert own.groups == same.groups
    assert (own.name, own.total) == (same.name, same.total)


def test_a_schedule_that_a_metric_drives_says_so_and_needs_one() -> None:
    params = {"patience": 1, "factor": 0.5}
    declaration = {**STEP, "class": "ReduceLROnPlateau", "params": params, "steps_per_epoch": 2}
    schedule = compile_schedule(declaration)
    assert schedule.metric_driven
    assert not compile_schedule(STEP).metric_driven
    assert np.isnan(schedule.lrs([0, 1])).tolist() == [False, True]
    assert preview(declaration, steps=None, total=8, metric=[3, 3, 3, 3])[0] == [0.1] * 6 + [0.05] * 2
    assert preview(STEP | {"steps_per_epoch": 1}, steps=[3], total=None, metric=[1.0])[0] == [0.1]


def test_nested_schedulers_that_leave_traces_are_followed_for_millions_of_ticks() -> None:
    members = [
        {"class": "LinearLR", "params": {"start_factor": 0.1, "total_iters": 1000}},
        {"class": "CosineAnnealingLR", "params": {"T_max": 900_000, "eta_min": 1e-4}},
    ]
    chained = {**STEP, "class": "ChainedScheduler", "params": {"schedulers": members}}
    schedule = compile_schedule(chained)
    lrs = schedule.lrs(np.arange(1_000_000))
    assert lrs.shape == (1_000_000,)
    assert lrs[900_000] == pytest.approx(1e-4)
    assert np.isnan(schedule.lrs([10**9]))[0]


def test_a_constant_needs_no_unit_and_lies_anywhere() -> None:
    schedule = compile_schedule({"kind": "constant", "lr": 0.0003})
    assert schedule.flat
    assert schedule.lrs_at_updates([0, 10**9]).tolist() == [0.0003, 0.0003]


def test_steps_per_epoch_of_schedule_and_run_agree() -> None:
    assert compile_schedule({**STEP, "steps_per_epoch": 5}, steps_per_epoch=5).steps_per_epoch == 5
    assert compile_schedule(STEP, steps_per_epoch=5).steps_per_epoch == 5
    assert refused({**STEP, "steps_per_epoch": 5}, steps_per_epoch=6)[1] == ["/steps_per_epoch"]
    of_class = {**CYCLE, "params": {"max_lr": 0.1, "epochs": 4, "steps_per_epoch": 7}}
    assert compile_schedule(of_class).steps_per_epoch == 7


def test_an_epoch_schedule_places_updates_by_steps_per_epoch() -> None:
    schedule = compile_schedule({**STEP, "steps_per_epoch": 3})
    assert schedule.lrs_at_updates([0, 29, 30]).tolist() == pytest.approx([0.1, 0.1, 0.01])
    with pytest.raises(ScheduleError, match="steps_per_epoch is needed"):
        compile_schedule(STEP).lrs_at_updates([0])


def test_groups_follow_base_lr() -> None:
    schedule = compile_schedule({**STEP, "base_lr": [0.1, 0.02]})
    assert schedule.base_lrs == (0.1, 0.02)
    assert [schedule.peak(group) for group in (0, 1)] == [0.1, 0.02]
    assert len(preview({**STEP, "base_lr": [0.1, 0.02], "steps_per_epoch": 1}, steps=[0], total=None, metric=None)) == 2


def test_defaults_that_say_nothing_about_the_lr_are_known() -> None:
    assert compile_schedule(with_params(STEP, last_epoch=-1)).name == "StepLR"
    assert compile_schedule(with_params(CYCLE, cycle_momentum=False, base_momentum=0.8, max_momentum=[0.9])).groups
    params = {"learning_rate": 0.1, "step_size": 2, "verbose": True, "last_epoch": -1}
    paddle = {"framework": "paddle", "class": "StepDecay", "params": params, "unit": "epoch", "base_lr": 0.1}
    assert compile_schedule(paddle).framework == "paddle"


def test_restarts_are_by_design_only() -> None:
    params = {"T_0": 3, "T_mult": 2}
    warm = compile_schedule({**STEP, "class": "CosineAnnealingWarmRestarts", "params": params})
    assert warm.restarts(30).tolist() == [3, 9, 21]
    rebound = compile_schedule({**STEP, "class": "CosineAnnealingLR", "params": {"T_max": 3}})
    assert rebound.restarts(30).tolist() == []


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 1e-300, "decay_rate": 0.5}),
        ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 1e-300}),
    ],
)
def test_a_length_too_small_for_keras_floats_is_no_crash(name: str, params: dict[str, float]) -> None:
    schedule = compile_schedule({"framework": "keras", "class": name, "params": params, "unit": "step"})
    assert schedule.lrs(np.arange(5.0)).shape == (5,)


def test_preview_is_bounded_and_refuses_what_it_does_not_know() -> None:
    for steps, total in ((None, None), ([1], 3), (None, 0), (None, 10**9), ([-1], None)):
        with pytest.raises(ScheduleError):
            preview(CYCLE, steps=steps, total=total, metric=None)
    with pytest.raises(ScheduleError, match="OneCycleLR raises ValueError"):
        preview(CYCLE, steps=None, total=102, metric=None)
    with pytest.raises(ScheduleError, match="not known at update 2"):
        preview({"kind": "table", "values": [0.1, 0.2], "unit": "step"}, steps=None, total=5, metric=None)


def test_a_million_updates_are_previewed_at_once() -> None:
    long = {**CYCLE, "params": {"max_lr": 0.1, "total_steps": 1_000_000}}
    (lrs,) = preview(long, steps=None, total=1_000_000, metric=None)
    assert np.argmax(lrs) == 299_999
