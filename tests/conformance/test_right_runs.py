"""A right run is never called off, however it counts and prints; a wrong one is seen wherever the print can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from random import Random
from typing import Any

import numpy as np
import pytest
from tests.conformance.right_runs import FLOAT32, PRINTS, draw

from trackside_service.conformance import Explanation, LrPoint, advance, dump, explain, judge, load, start
from trackside_service.schedules import CompiledSchedule, compile_schedule

RUNS_EACH = 50


@pytest.mark.parametrize("part", range(8))
def test_a_right_run_is_never_off_at_any_of_its_points(part: int) -> None:
    for number in range(part * RUNS_EACH, (part + 1) * RUNS_EACH):
        run = draw(Random(number))
        state = start(run.schedule)
        for count, point in enumerate(run.points):
            state = advance(run.schedule, state, point)
            if count < 8 or count % 13 == 0 or count == len(run.points) - 1:
                verdict = judge(run.schedule, state)
                assert verdict.verdict != "off_schedule", (number, run.text, count, verdict, run.points[count])
        assert explain(run.schedule, run.points) == judge(run.schedule, state), (number, run.text)


def prefixes(schedule: CompiledSchedule, points: list[LrPoint]) -> list[Explanation]:
    """Return the verdicts at each point, without causes."""
    states = list(accumulate(points, partial(advance, schedule), initial=start(schedule)))
    return [judge(schedule, state) for state in states[1:]]


TOLD = ("%.0e", "%.1e", "%.2e", "%.1g", "%.2g", "%.2f", "%.3f", "%.4f", "%.6f", "float32", "float64", "float16")
TOLD = (*TOLD, "progress bar", "cut 8", "float32 itself", *(f"float32 {form}" for form in FLOAT32))
REPORTING = {"when": "in_use", "step_base": 0, "epoch_base": 0}
COSINE: dict[str, Any] = {"framework": "torch", "class": "CosineAnnealingLR", "params": {"T_max": 100}, "unit": "step"}
STEPS: dict[str, Any] = {"framework": "torch", "class": "StepLR", "params": {"step_size": 30}, "unit": "step"}
TOO_COARSE = {
    ("cosine 1e-3", "%.2f", "twice"),
    ("cosine 1e-3", "%.2f", "half"),
    ("cosine 1e-3", "%.2f", "frozen"),
    ("cosine 1e-3", "%.3f", "half"),  # 0.001 and then 0.000: the right LRs, cut off
    *(("cosine 3e-5", form, fault) for form in ("%.2f", "%.3f") for fault in ("twice", "tenfold", "half", "frozen")),
    *(("cosine 3e-5", "%.4f", fault) for fault in ("half", "frozen")),
}
"""Runs whose print a right run could have as well: 0.00 all over, or a digit in the last place that it has."""


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("form", TOLD)
@pytest.mark.parametrize(
    ("name", "declaration", "base"),
    [
        ("cosine 1e-1", COSINE, 0.1),
        ("cosine 1e-3", COSINE, 0.001),
        ("cosine 3e-5", COSINE, 3e-5),
        ("steps 1e-1", STEPS, 0.1),
    ],
)
def test_a_wrong_lr_is_seen_wherever_the_print_can_tell(
    name: str, declaration: dict[str, Any], base: float, form: str, text: bool
) -> None:
    schedule = compile_schedule({**declaration, "base_lr": base, "reporting": REPORTING})
    right = schedule.lrs(np.arange(0, 100, 4))
    wrong = {"twice": right * 2, "tenfold": right * 10, "half": right / 2, "frozen": np.full(right.shape, right[0])}
    for fault, lrs in wrong.items():
        texts = [PRINTS[form](lr) for lr in lrs.tolist()]
        points = [LrPoint(float(each), 4 * i, text=each if text else None) for i, each in enumerate(texts)]
        verdict = explain(schedule, points)
        expected = "undetermined" if (name, form, fault) in TOO_COARSE else "off_schedule"
        assert verdict.verdict == expected, (fault, verdict, texts)
        if expected == "off_schedule":
            family = "frozen" if fault == "frozen" else "scale"
            assert family in [cause.family for cause in verdict.causes], (fault, verdict.causes)


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("form", sorted(PRINTS))
@pytest.mark.parametrize("base", [0.01, 3e-4])
def test_a_right_lr_is_not_off_however_it_is_printed(base: float, form: str, text: bool) -> None:
    schedule = compile_schedule({**COSINE, "base_lr": base, "reporting": REPORTING})
    texts = [PRINTS[form](lr) for lr in schedule.lrs(range(100)).tolist()]
    points = [LrPoint(float(each), step, text=each if text else None) for step, each in enumerate(texts)]
    for count in (2, 3, 10, 60, 100):
        assert explain(schedule, points[:count]).verdict != "off_schedule", (count, texts[:count])


RESUMED = [("%.3f", "%.6f"), ("%.4f", "%.6f"), ("%.1e", "%.3e"), ("%.2e", "%r"), ("%.4f", "%r")]


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize(("before", "after"), RESUMED)
def test_a_resume_may_print_finer(before: str, after: str, text: bool) -> None:
    schedule = compile_schedule({**COSINE, "base_lr": 0.01, "reporting": REPORTING})
    right = schedule.lrs(range(100))
    for lrs, off in ((right, False), (right * 2, True), (right * 10, True), (np.full(100, 0.01), True)):
        texts = [(before if step < 50 else after) % lr for step, lr in enumerate(lrs.tolist())]
        points = [LrPoint(float(each), step, text=each if text else None) for step, each in enumerate(texts)]
        state = start(schedule)
        for point in points:
            state = advance(schedule, state, point)
            assert off or judge(schedule, state).verdict != "off_schedule", (point, texts)
        assert (judge(schedule, state).verdict == "off_schedule") is off
        assert explain(schedule, points).verdict == judge(schedule, state).verdict


def test_a_digit_all_over_is_undetermined_until_no_reading_of_it_is_right() -> None:
    schedule = compile_schedule({**COSINE, "base_lr": 0.001, "reporting": REPORTING})
    verdicts = prefixes(schedule, [LrPoint(0.001, step) for step in range(99)])
    assert [each.verdict for each in verdicts[:10]] == ["on_schedule"] * 10
    half = next(count for count, lr in enumerate(schedule.lrs(range(100))) if lr < 0.0005)
    assert {each.verdict for each in verdicts[20 : half - 2]} == {"undetermined"}
    assert "coarsely" in str(verdicts[half - 3].reason)
    assert {each.verdict for each in verdicts[half:]} == {"off_schedule"}
    first = verdicts[-1].first_off
    assert first is not None
    assert first.index == 15  # where 0.001 in two digits is excluded


def test_a_digit_that_is_said_to_be_exact_is_off_where_it_is_not_the_lr() -> None:
    exact = compile_schedule({**COSINE, "base_lr": 0.001, "reporting": {**REPORTING, "exact": True}})
    frozen = [LrPoint(0.001, step) for step in range(100)]
    state = load(json.loads(json.dumps(dump(advance(exact, start(exact), frozen[0])))))
    verdict = judge(exact, advance(exact, state, frozen[1]))
    assert (verdict.verdict, verdict.first_off and verdict.first_off.index) == ("off_schedule", 1)
    causes = [cause.cause for cause in explain(exact, frozen[:20]).causes]
    assert causes[0] == "never_stepped"
    right = [LrPoint(lr, step) for step, lr in enumerate(exact.lrs(range(100)).tolist())]
    assert explain(exact, right).verdict == "on_schedule"
    assert explain(exact, [LrPoint(round(point.lr, 4), point.step) for point in right]).verdict == "off_schedule"


def rounded(schedule: CompiledSchedule, decimals: int, factor: float, updates: range) -> list[LrPoint]:
    """Return points as transformers prints them: the epoch that is done, rounded, and the LR of the next update."""
    per_epoch = schedule.steps_per_epoch or 1
    lrs = (schedule.lrs(np.array(updates) + 1) * factor).tolist()
    return [LrPoint(lr, epoch=round((u + 1) / per_epoch, decimals)) for u, lr in zip(updates, lrs, strict=True)]


@pytest.mark.parametrize("decimals", [0, 1, 2, 3])
@pytest.mark.parametrize("factor", [1.0, 0.1, 2.0])
def test_rounded_epochs_still_show_a_factor(decimals: int, factor: float) -> None:
    declaration = {**COSINE, "params": {"T_max": 3000}, "base_lr": 0.003, "steps_per_epoch": 1000}
    schedule = compile_schedule(declaration)
    verdict = explain(schedule, rounded(schedule, decimals, factor, range(9, 2900, 50)))
    assert verdict.verdict == ("on_schedule" if factor == 1.0 else "off_schedule"), verdict
    if factor != 1.0 and decimals:
        assert "scale" in [cause.cause for cause in verdict.causes]


@pytest.mark.parametrize(("every", "cut"), [(10, int), (8, int), (14, int), (10, round), (9, round)])
def test_whole_epochs_that_are_cut_off_or_rounded_are_no_alarm(every: int, cut: Callable[[float], int]) -> None:
    schedule = compile_schedule({**COSINE, "params": {"T_max": 300}, "base_lr": 0.1, "steps_per_epoch": 7})
    updates = list(range(0, 300, every))
    points = [
        LrPoint(lr, epoch=cut(u / 7)) for u, lr in zip(updates, schedule.lrs(np.array(updates)).tolist(), strict=True)
    ]
    assert "off_schedule" not in [each.verdict for each in prefixes(schedule, points)]
    for factor in (0.5, 1.3):
        scaled = [LrPoint(point.lr * factor, epoch=point.epoch) for point in points]
        assert prefixes(schedule, scaled)[-1].verdict == "off_schedule"
    frozen = [LrPoint(0.1, epoch=point.epoch) for point in points]
    assert prefixes(schedule, frozen)[-1].verdict == "off_schedule"


def test_whole_epochs_still_show_what_no_stride_explains() -> None:
    schedule = compile_schedule({**COSINE, "params": {"T_max": 3910}, "base_lr": 0.1, "steps_per_epoch": 391})
    lrs = schedule.lrs(np.arange(0, 3910, 391)).tolist()
    assert explain(schedule, [LrPoint(lr, epoch=e) for e, lr in enumerate(lrs)]).verdict == "on_schedule"
    seldom = [LrPoint(lr, epoch=e) for e, lr in enumerate(schedule.lrs(range(10)).tolist())]  # stepped per epoch
    frozen = [LrPoint(0.1, epoch=e) for e in range(10)]
    raised = [LrPoint(lr * (1.01 if e == 5 else 1), epoch=e) for e, lr in enumerate(lrs)]
    for points in (seldom, frozen, raised):
        assert prefixes(schedule, points)[-1].verdict == "off_schedule"
    first = prefixes(schedule, raised)[-1].first_off
    assert first is not None
    assert first.index == 5


def test_epochs_rounded_beyond_use_leave_it_undetermined() -> None:
    schedule = compile_schedule(
        {**COSINE, "params": {"T_max": 3_000_000}, "base_lr": 0.003, "steps_per_epoch": 1_000_000}
    )
    verdict = explain(schedule, rounded(schedule, 2, 1.0, range(5_000, 400_000, 50_000)))
    assert verdict.verdict == "undetermined"
    assert "rounded too coarsely" in str(verdict.reason)


def test_a_rounded_epoch_next_to_an_epoch_s_end_may_be_of_either() -> None:
    schedule = compile_schedule({**STEPS, "unit": "epoch", "params": {"step_size": 1}, "base_lr": 0.1})
    points = [LrPoint(0.1 * 0.1 ** (u // 400), epoch=round(u / 400, 2)) for u in range(0, 1600, 7)]
    assert [point.epoch for point in points if point.lr > 0.09][-1] == 1.0
    assert explain(schedule, points).verdict == "on_schedule"
    frozen = [LrPoint(0.1, epoch=point.epoch) for point in points]
    assert explain(schedule, frozen).verdict == "off_schedule"
