"""The state of a comparison in progress: it agrees with the whole log, travels as JSON, and stays small."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackside_service.conformance import LrPoint, advance, conclude, dump, explain, judge, load, start
from trackside_service.conformance.keeping import MOST_KEPT
from trackside_service.conformance.tracker import absorb
from trackside_service.schedules import compile_schedule

CURVES: list[dict[str, Any]] = [
    {"framework": "torch", "class": "CosineAnnealingLR", "params": {"T_max": 20}, "base_lr": 0.003},
    {"framework": "torch", "class": "StepLR", "params": {"step_size": 4}, "base_lr": 0.1},
    {"framework": "torch", "class": "OneCycleLR", "params": {"max_lr": 0.02, "total_steps": 25}},
    {"framework": "torch", "class": "CosineAnnealingWarmRestarts", "params": {"T_0": 5, "T_mult": 2}, "base_lr": 1e-4},
    {"kind": "table", "values": [0.0, 0.001, 0.002, 0.0015, 0.0012, 0.0]},
    {"kind": "constant", "lr": 0.0003},
]
FORMS = ["%.6f", "%.4f", "%.8f", "%.1e", "%.3e", "%.2g", "%r"]


@st.composite
def logs(draw: st.DrawFn) -> tuple[dict[str, Any], list[LrPoint]]:
    """A schedule and a log that follows it, scaled, shifted or set by hand from somewhere on, in some format."""
    declaration = {**draw(st.sampled_from(CURVES)), "unit": draw(st.sampled_from(["step", "epoch"]))}
    if draw(st.booleans()):
        declaration["steps_per_epoch"] = draw(st.integers(1, 5))
    if draw(st.booleans()):
        declaration["reporting"] = {"when": "in_use", "step_base": 0, "epoch_base": 0}
    schedule = compile_schedule(declaration)
    form, factor = draw(st.sampled_from(FORMS)), draw(st.sampled_from([1.0, 1.0, 0.1, 3.0]))
    shift = draw(st.integers(0, 2))
    change, text = draw(st.integers(0, 60)), draw(st.booleans())
    where = draw(st.sampled_from(["step", "epoch", "both", "mixed"]))
    points = []
    for index in range(draw(st.integers(1, 40))):
        lr = float(schedule.groups[0].lrs(np.array([index + shift], dtype=np.float64))[0]) * factor
        lr = 0.5 if index >= change or math.isnan(lr) else lr
        shown = form % lr
        step = index if where in ("step", "both") or (where == "mixed" and index % 2) else None
        epoch = float(index) if where in ("epoch", "both") or (where == "mixed" and not index % 2) else None
        points.append(LrPoint(float(shown), step, epoch, shown if text else None))
    return declaration, points


@pytest.mark.parametrize("place", ["step", "epoch"])
def test_an_infinite_lr_is_off_even_where_the_schedule_overflows(place: str) -> None:
    declaration = {"framework": "torch", "class": "ExponentialLR", "params": {"gamma": 10.0}, "unit": "step"}
    schedule = compile_schedule({**declaration, "base_lr": 0.1, "steps_per_epoch": 4})
    points = [
        LrPoint(math.inf, tick if place == "step" else None, tick / 4 if place == "epoch" else None)
        for tick in range(320, 324)
    ]
    state = start(schedule)
    for point in points:
        state = advance(schedule, state, point)
    assert state == absorb(schedule, start(schedule), points)
    assert judge(schedule, state).verdict == "off_schedule"


@settings(max_examples=50, deadline=None)
@given(logs())
def test_point_by_point_agrees_with_the_whole_log(log: tuple[dict[str, Any], list[LrPoint]]) -> None:
    declaration, points = log
    schedule = compile_schedule(declaration)
    state = start(schedule)
    for count, point in enumerate(points, start=1):
        state = advance(schedule, state, point)
        if count % 7 == 0:
            state = load(json.loads(json.dumps(dump(state), allow_nan=False)))
        whole = absorb(schedule, start(schedule), points[:count])
        assert judge(schedule, state) == judge(schedule, whole)
    assert conclude(schedule, state) == explain(schedule, points)


@settings(max_examples=30, deadline=None)
@given(logs(), st.integers(1, 8))
def test_posts_of_any_size_give_the_same_state(log: tuple[dict[str, Any], list[LrPoint]], size: int) -> None:
    declaration, points = log
    schedule = compile_schedule(declaration)
    whole, parts = absorb(schedule, start(schedule), points), start(schedule)
    for begin in range(0, len(points), size):
        parts = absorb(schedule, parts, points[begin : begin + size])
    assert parts == whole


def test_a_long_log_keeps_its_first_point_off_and_a_small_state() -> None:
    declaration = {
        "framework": "torch",
        "class": "CosineAnnealingLR",
        "params": {"T_max": 20_000},
        "base_lr": 0.1,
        "unit": "step",
    }
    schedule = compile_schedule(declaration)
    lrs = schedule.lrs(range(20_000)).tolist()
    # The fault at 1,234 shows only at six decimals, and those show only at the log's very end.
    points = [LrPoint(round(lr, 3), step=u) for u, lr in enumerate(lrs)]
    points[1234] = LrPoint(round(lrs[1234], 3) - 0.002, step=1234)
    state = start(schedule)
    for begin in range(0, 20_000, 500):
        state = absorb(schedule, state, points[begin : begin + 500])
    verdict = judge(schedule, state)
    assert verdict.first_off is not None
    assert verdict.first_off.index == 1234
    assert len(state.series) <= MOST_KEPT
    assert len(json.dumps(dump(state))) < 7_000
    whole = explain(schedule, points)
    assert (whole.first_off, whole.convention) == (verdict.first_off, verdict.convention)


def test_a_format_that_tightens_late_is_held_against_the_early_points() -> None:
    declaration = {"kind": "constant", "lr": 0.001}
    schedule = compile_schedule(declaration)
    points = [LrPoint(0.001, step=0), LrPoint(0.00098, step=1), *(LrPoint(0.001, step=u) for u in range(2, 3000))]
    state = absorb(schedule, start(schedule), points[:1])
    state = absorb(schedule, state, [LrPoint(0.001, step=u) for u in range(1, 3000)])
    assert judge(schedule, state).verdict == "on_schedule"
    early = absorb(schedule, start(schedule), [LrPoint(0.00102, step=0), *points[2:]])
    late = advance(schedule, early, LrPoint(0.0010001234567, step=3000))
    verdict = judge(schedule, late)
    assert verdict.first_off is not None
    assert verdict.first_off.index == 0


def test_the_state_says_the_same_after_a_journey() -> None:
    schedule = compile_schedule({"kind": "constant", "lr": 0.001})
    points = [LrPoint(0.001, 0, 0.5, "1.0e-03"), LrPoint(float("nan"), 1), LrPoint(float("-inf"), 2)]
    state = absorb(schedule, start(schedule), points)
    again = load(json.loads(json.dumps(dump(state), allow_nan=False)))
    assert repr(again) == repr(state)
    assert again.points == 3
