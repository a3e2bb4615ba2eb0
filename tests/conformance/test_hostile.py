"""Declarations and logs that nobody has: no exception, no warning, few causes, an answer in JSON; and a bug in one
search loses neither the verdict nor the other searches.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from tests.conformance.misuse import draw_setting

from trackside_service.conformance import LrPoint, advance, as_wire, explain, judge, start, verdicts
from trackside_service.conformance.causes import CAUSES
from trackside_service.conformance.causes.evidence import Evidence, Fit
from trackside_service.errors import ScheduleError
from trackside_service.schedules import CompiledSchedule, compile_schedule
from trackside_service.schedules.frameworks.torch.recursion import MOST_TICKS

SELECTION = "trackside_service.conformance.causes.selection"
COSINE: dict[str, Any] = {
    "framework": "torch",
    "class": "CosineAnnealingLR",
    "params": {"T_max": 30},
    "base_lr": 0.1,
    "unit": "step",
    "reporting": {"when": "in_use", "step_base": 0, "epoch_base": 0},
}
CHAIN: dict[str, Any] = {
    **COSINE,
    "class": "ChainedScheduler",
    "params": {
        "schedulers": [
            {"class": "ExponentialLR", "params": {"gamma": 0.999999}},
            {"class": "CosineAnnealingLR", "params": {"T_max": 5000, "eta_min": 0.001}},
        ]
    },
}
ODD_LRS = [0.0, -0.1, math.nan, math.inf, 1e-320, 1e308, 0.1, 0.01]


def hostile(rng: Random) -> tuple[CompiledSchedule, list[LrPoint]] | None:
    """Return a usual declaration with odd numbers in it, None where it is refused, and an odd log."""
    setting = draw_setting(rng)
    declaration = setting.make(**setting.args)
    if rng.random() < 0.1:
        declaration = json.loads(json.dumps(CHAIN))
    params = declaration["params"]
    for name, value in list(params.items()):
        if isinstance(value, (int, float)) and not isinstance(value, bool) and rng.random() < 0.3:
            params[name] = rng.choice([0, 0.0, 1, 2, value * 2, value * 1000, 1e-12])
    if rng.random() < 0.25:
        declaration["base_lr"] = rng.choice([0.0, 1e-300, 1e30, 1])
    beside: dict[str, Any] = {"unit": setting.unit, "steps_per_epoch": rng.choice([setting.per_epoch, 1, None])}
    if rng.random() < 0.5:
        beside["reporting"] = {"when": "in_use", "step_base": 0, "epoch_base": 0}
    try:
        schedule = compile_schedule({**declaration, **beside})
    except ScheduleError:
        return None
    points: list[LrPoint] = []
    for i in range(rng.choice([1, 2, 3, 5, 20, 60])):
        fresh = rng.random() < 0.7 or not points
        lr = rng.choice([*ODD_LRS, 10 ** rng.uniform(-8, 1)]) if fresh else points[-1].lr
        if rng.random() < 0.2:
            lr = float(schedule.lrs(np.array([float(i)]))[0])
        step = rng.choice([None, i, i * 10, 10**9, 2**62])
        points.append(LrPoint(lr, step, rng.choice([None, float(i), i * 0.37, 1e12, -1.0])))
    return schedule, points


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_sent_is_answered(seed: int) -> None:
    rng = Random(f"hostile {seed}")
    for _ in range(3):
        drawn = hostile(rng)
        if drawn is None:
            continue
        schedule, points = drawn
        answer = explain(schedule, points, run_updates=rng.choice([None, 1, 100, 10**9]))
        json.dumps(as_wire(answer), allow_nan=False)
        assert len(answer.causes) <= 6
        assert bool(answer.causes) == (answer.verdict == "off_schedule")
        state = start(schedule)
        for point in points:
            state = advance(schedule, state, point)
        assert (judge(schedule, state).verdict, state.placed) == (answer.verdict, state.placed)


def test_steps_that_floats_cannot_tell_apart_are_not_placed() -> None:
    schedule = compile_schedule(COSINE)
    far = [LrPoint(0.05, step=2**62), LrPoint(0.05, step=2**62 + 1)]
    assert explain(schedule, far).verdict == "undetermined"
    assert explain(schedule, [LrPoint(0.1, step=0), *far]).verdict == "on_schedule"
    assert judge(schedule, advance(schedule, start(schedule), far[0])).verdict == "undetermined"


def test_far_ticks_of_a_chain_are_composed_as_if_followed_one_by_one() -> None:
    schedule = compile_schedule(CHAIN)
    scheduled, lr, expected = schedule.lrs(np.arange(40_000)), 0.1, [0.1]
    for t in range(1, 40_000):
        lr *= 0.999999
        if (t - 1 - 5000) % 10_000 == 0:
            lr += (0.1 - 0.001) * (1 - math.cos(math.pi / 5000)) / 2
        else:
            ratio = (1 + math.cos(math.pi * t / 5000)) / (1 + math.cos(math.pi * (t - 1) / 5000))
            lr = ratio * (lr - 0.001) + 0.001
        expected.append(lr)
    np.testing.assert_allclose(scheduled, expected, rtol=0, atol=1e-10)
    assert np.isnan(schedule.lrs(np.array([MOST_TICKS + 1.0]))).all()


def test_a_value_that_is_no_number_is_called_that() -> None:
    for value in (math.nan, math.inf):
        (cause,) = explain(compile_schedule(COSINE), [LrPoint(value, step=3)]).causes
        assert "step 3" in cause.statement
        assert "not a finite number" in cause.statement
        assert "nan" not in cause.statement


def _raising(evidence: Evidence) -> list[Fit]:
    raise ZeroDivisionError(f"{len(evidence.views)} views")


@pytest.mark.usefixtures("failing_search")
def test_a_search_that_raises_costs_its_own_family_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = compile_schedule(COSINE)
    points = [LrPoint(float(schedule.lrs(2 * t)), step=t) for t in range(12)]
    whole = explain(schedule, points)
    broken = [replace(spec, search=_raising) if spec.family == "shift" else spec for spec in CAUSES]
    monkeypatch.setattr(verdicts, "CAUSES", tuple(broken))
    with caplog.at_level(logging.ERROR):
        assert explain(schedule, points) == whole
    assert [record.getMessage() for record in caplog.records if record.name == SELECTION] == [
        "the search for causes of the family shift failed"
    ]
    monkeypatch.setattr(verdicts, "CAUSES", tuple(replace(spec, search=_raising, deep=_raising) for spec in CAUSES))
    answer = explain(schedule, points)
    assert (answer.verdict, answer.first_off) == ("off_schedule", whole.first_off)
    assert [cause.cause for cause in answer.causes] == ["different_schedule"]
