"""No right run is off however its LRs are printed, and wrong ones are seen in every format and in two of them."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import accumulate
from random import Random
from typing import Any

import numpy as np
import pytest
from tests.conformance.printed_runs import CUT, FORMS, draw, printed

from trackside_service.conformance import LrPoint, absorb, advance, contradicts, dump, explain, judge, load, start
from trackside_service.conformance.printing import read_print
from trackside_service.schedules import compile_schedule

STATED = {"when": "in_use", "step_base": 0, "epoch_base": 0}
COSINE: dict[str, Any] = {
    "framework": "torch",
    "class": "CosineAnnealingLR",
    "params": {"T_max": 100},
    "base_lr": 0.01,
    "unit": "step",
    "reporting": STATED,
}


@pytest.mark.parametrize("lives", [1, 2])
@pytest.mark.parametrize("part", range(4))
def test_a_right_run_is_not_off_however_it_is_printed(lives: int, part: int) -> None:
    verdicts: Counter[str] = Counter()
    for number in range(part * 150, (part + 1) * 150):
        run = draw(Random(f"{lives} {number}"), lives=lives)
        verdict = judge(run.schedule, absorb(run.schedule, start(run.schedule), run.points))
        verdicts[verdict.verdict] += 1
        assert verdict.verdict != "off_schedule", (number, run.text, verdict)
    assert verdicts["on_schedule"] > (100 if lives == 1 else 70)


@pytest.mark.parametrize("lives", [1, 2])
@pytest.mark.parametrize("part", range(2))
def test_a_right_run_is_not_off_at_any_of_its_points(lives: int, part: int) -> None:
    for number in range(part * 60, (part + 1) * 60):
        run = draw(Random(f"prefix {lives} {number}"), lives=lives)
        states = list(accumulate(run.points[:100], partial(advance, run.schedule), initial=start(run.schedule)))[1:]
        for state in states:
            assert judge(run.schedule, state).verdict != "off_schedule", (number, run.text, state.points)
        assert load(dump(states[-1])) == states[-1]
        whole = absorb(run.schedule, start(run.schedule), run.points[:100])
        assert judge(run.schedule, whole) == judge(run.schedule, states[-1])


def told(before: str, after: str, *, texted: bool, lrs: np.ndarray | None = None) -> Any:
    schedule = compile_schedule(COSINE)
    values = (schedule.lrs(np.arange(100.0)) if lrs is None else lrs)[:95].tolist()  # until four decimals show nothing
    return explain(schedule, printed(values, range(95), (before, after), texted=texted, resumed=50))


@pytest.mark.parametrize("texted", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [("repr", "%.6f"), ("repr", "%.4f"), ("%.6f", "%.4f"), ("%.4f", "%.6f"), ("%.3e", "%.6f"), ("repr", "float16")],
)
def test_a_log_of_two_formats_is_on_schedule_where_it_shows_them(before: str, after: str, texted: bool) -> None:
    right = told(before, after, texted=texted)
    assert right.verdict != "off_schedule"
    if (before, after) != ("repr", "float16"):
        assert right.verdict == "on_schedule"
    lrs = compile_schedule(COSINE).lrs(np.arange(100.0))
    wrong = told(before, after, texted=texted, lrs=lrs * 0.5)
    assert wrong.verdict == "off_schedule"
    assert "scale" in [cause.cause for cause in wrong.causes]


@pytest.mark.parametrize("texted", [True, False])
def test_the_first_point_off_is_no_right_one_that_is_printed_coarser(texted: bool) -> None:
    lrs = compile_schedule(COSINE).lrs(np.arange(100.0))
    lrs[70:] *= 0.5
    wrong = told("repr", "%.5f", texted=texted, lrs=lrs)
    assert wrong.first_off is not None
    assert wrong.first_off.index == 70
    assert "manual_override" in [cause.cause for cause in wrong.causes]


def test_a_zero_of_no_decimals_is_no_proof() -> None:
    lrs = compile_schedule(COSINE).lrs(np.arange(100.0))
    lrs[62:] *= 0.1  # 0.0032 and less, which is 0.0 then
    points = printed(lrs[:70].tolist(), range(70), ("repr", "%.3f"), texted=False, resumed=50)
    assert explain(compile_schedule(COSINE), points).verdict == "undetermined"
    assert explain(compile_schedule(COSINE), points[:62]).verdict == "on_schedule"


@pytest.mark.parametrize("texted", [True, False])
@pytest.mark.parametrize("form", sorted(CUT))
def test_a_cut_off_log_is_right_and_says_so(form: str, texted: bool) -> None:
    schedule = compile_schedule(COSINE)
    steps = list(range(100))
    right = printed(schedule.lrs(np.arange(100.0)).tolist(), steps, (form,), texted=texted, resumed=100)
    verdict = explain(schedule, right)
    assert verdict.verdict != "off_schedule"
    assert verdict.convention is not None
    coarse = ("first 4", "first 5", "floor 3", "floor %.3f")  # too few different prints to tell
    exact = ("first 10", "floor 8")  # within the noise of floats
    assert (verdict.convention.get("prints") == "cut_off") is (form not in coarse + exact), verdict
    half = printed((0.5 * schedule.lrs(np.arange(100.0))).tolist(), steps, (form,), texted=texted, resumed=100)
    assert explain(schedule, half).verdict == "off_schedule"


def test_a_cut_off_log_that_goes_wrong_is_off_since_then() -> None:
    schedule = compile_schedule(COSINE)
    lrs = schedule.lrs(np.arange(100.0))
    lrs[60:] *= 0.5
    wrong = explain(schedule, printed(lrs.tolist(), list(range(100)), ("floor %.4f",), texted=True, resumed=100))
    assert wrong.first_off is not None
    assert wrong.first_off.index == 60
    assert "manual_override" in [cause.cause for cause in wrong.causes]


@pytest.mark.parametrize(("form", "verdict"), [("%.2e", "off_schedule"), ("%.6f", "undetermined")])
def test_what_a_formatter_writes_with_an_exponent_is_not_cut_off(form: str, verdict: str) -> None:
    params = {"initial_learning_rate": 5e-5, "decay_steps": 600, "end_learning_rate": 5e-6}
    declared = {"framework": "keras", "class": "PolynomialDecay", "params": params, "unit": "step"}
    schedule = compile_schedule({**declared, "reporting": {"when": "in_use", "step_base": 0}})
    late = [(step, form % schedule.lrs([step + 1.0])[0]) for step in range(19, 140, 20)]  # 4.85e-05 of 4.8575e-05
    answer = explain(schedule, [LrPoint(float(text), step, text=text) for step, text in late])
    assert answer.verdict == verdict
    assert verdict == "undetermined" or (answer.first_off is not None and answer.first_off.index == 0)


def test_whether_a_print_is_cut_off_or_the_lr_is_half_stays_open_until_a_point_tells() -> None:
    schedule = compile_schedule({**COSINE, "base_lr": 0.001, "params": {"T_max": 20, "eta_min": 0.0005}})
    half = [
        LrPoint(float(f"{lr:.3f}"), step, text=f"{lr:.3f}")
        for step, lr in enumerate((schedule.lrs(range(20)) / 2).tolist())
    ]
    verdict = explain(schedule, half[1:])
    assert verdict.verdict == "undetermined"
    assert "cut off" in str(verdict.reason)
    finer = [*half, LrPoint(0.00025, 20, text="0.0002500")]
    assert explain(schedule, finer).verdict == "off_schedule"


def test_one_digit_beside_full_precision_is_that_digit() -> None:
    schedule = compile_schedule({**COSINE, "base_lr": 1.0})
    lrs = schedule.lrs(np.arange(100.0)).tolist()
    for texted in (True, False):
        assert (
            explain(schedule, printed(lrs, range(100), ("repr", "%.1g"), texted=texted, resumed=3)).verdict
            != "off_schedule"
        )
        twice = [2 * lr for lr in lrs]
        wrong = explain(schedule, printed(twice, range(100), ("repr", "%.1g"), texted=texted, resumed=3))
        assert wrong.verdict == "off_schedule"


@pytest.mark.parametrize("form", ["float16", "bfloat16"])
@pytest.mark.parametrize("lr", [0.05, 0.001, 3e-4, 1e-5, 0.3])
def test_a_short_float_is_a_print_of_its_number(form: str, lr: float) -> None:
    value = float(FORMS[form](lr))
    assert value != lr
    for text in (f"{lr:.6f}", f"{lr:.8f}", repr(lr)):
        assert not contradicts(value, text)
    assert not contradicts(lr, repr(value))
    for text in (f"{lr * 1.05 + 1e-5:.8f}", f"{lr / 2:.8f}"):
        assert contradicts(value, text)
    assert contradicts(0.0512345, "0.051200")


def test_short_floats_are_known_by_their_bits() -> None:
    assert read_print(0.10009765625, None).float_reach == pytest.approx(0.1 / 256, rel=0.01)
    assert read_print(0.5, None).float_reach == 0.0
    assert read_print(0.5, "0.5000").float_reach == 0.0
    assert read_print(0.0512345, None).float_reach == 0.0
