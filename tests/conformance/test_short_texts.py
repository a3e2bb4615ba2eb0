"""Short prints in logs that show more elsewhere: what `repr` and `%g` leave of a round number hides little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from trackside_service.conformance import Explanation, LrPoint, explain
from trackside_service.schedules import compile_schedule

STATED = {"when": "in_use", "step_base": 0, "epoch_base": 0}
COSINE = {"framework": "torch", "class": "CosineAnnealingLR", "params": {"T_max": 30}, "base_lr": 0.1, "unit": "epoch"}
LRS = [float(lr) for lr in compile_schedule(COSINE).lrs(np.arange(30.0))]


def hugging_face(name: str, warmup: int, base: float) -> dict[str, Any]:
    params = {"name": name, "num_warmup_steps": warmup, "num_training_steps": 1_000}
    return {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": base, "unit": "step"}


def told(declaration: dict[str, Any], texts: Sequence[str], every: int = 1) -> Explanation:
    schedule = compile_schedule({**declaration, "reporting": STATED})
    by_step = declaration["unit"] == "step"
    points = [
        LrPoint(float(text), step=at * every if by_step else None, epoch=None if by_step else float(at), text=text)
        for at, text in enumerate(texts)
    ]
    return explain(schedule, points)


@pytest.mark.parametrize("text", ["0.1", "0.0"])
def test_a_round_number_set_by_hand_is_seen_in_a_log_of_repr(text: str) -> None:
    answer = told(COSINE, [*map(repr, LRS[:15]), *[text] * 15])
    assert answer.first_off is not None
    assert answer.first_off.index == 15
    assert answer.causes[0].cause == "manual_override"


def test_a_floor_is_seen_in_a_log_of_repr() -> None:
    answer = told(COSINE, [repr(max(lr, 0.01)) for lr in LRS])
    assert [cause.cause for cause in answer.causes] == ["clamped"]


def test_a_print_that_is_cut_off_lies_below_its_number() -> None:
    params = {"boundaries": [15, 22], "values": [0.05, 0.01, 0.002]}
    declared = {"framework": "paddle", "class": "PiecewiseDecay", "params": params, "unit": "epoch"}
    answer = told(declared, [*["0.05"] * 15, *["0.010000000000000002"] * 7, *["0.01"] * 8])
    assert answer.first_off is not None
    assert answer.first_off.index == 22


@pytest.mark.parametrize("coarse", ["round 3", "round 4", "%.2g", "%.1f"])
@pytest.mark.parametrize("fine", ["repr", "%.6f"])
def test_a_resume_may_print_coarser(fine: str, coarse: str) -> None:
    def shown(form: str, lr: float) -> str:
        if form.startswith("round"):
            return repr(round(lr, int(form[-1])))
        return repr(lr) if form == "repr" else form % lr

    half = 29 if coarse == "%.1f" else 15
    texts = [shown(fine if at < half else coarse, lr) for at, lr in enumerate(LRS)]
    assert told(COSINE, texts).verdict != "off_schedule"


def test_a_zero_with_an_exponent_is_zero() -> None:
    params = {"learning_rate": 1e-4, "decay_steps": 10, "end_lr": 0.0}
    declared = {"framework": "paddle", "class": "PolynomialDecay", "params": params, "unit": "epoch"}
    answer = told(declared, ["1.00e-04", *["0.00e+00"] * 9])
    assert answer.first_off is not None
    assert answer.first_off.index == 1


def test_a_log_of_zeros_is_off_where_a_decimal_would_show_it_and_else_says_what_to_send() -> None:
    assert told(hugging_face("cosine", 100, 0.1), ["0.0"] * 100, every=10).causes[0].cause == "never_stepped"
    small = told(hugging_face("cosine", 100, 5e-4), ["0.0"] * 100, every=10)
    assert small.verdict == "undetermined"
    assert '"exact": true' in (small.reason or "")


STEPS = np.arange(0, 300, 5)
UNSTATED = {**COSINE, "steps_per_epoch": 10}


@pytest.mark.parametrize(("ticks", "cause"), [(1, "step_before_optimizer"), (-1, "lagged")])
def test_one_tick_that_no_way_of_reading_explains_is_a_shift(ticks: int, cause: str) -> None:
    schedule = compile_schedule(UNSTATED)
    texts = [f"{lr:.6f}" for lr in schedule.lrs(np.maximum(STEPS // 10 + ticks, 0.0))]
    points = [
        LrPoint(float(text), step=int(step), epoch=float(step // 10), text=text)
        for step, text in zip(STEPS, texts, strict=True)
    ]
    answer = explain(schedule, points)
    assert answer.verdict == "off_schedule"
    assert answer.causes[0].cause == cause


@pytest.mark.parametrize("unit", ["step", "epoch"])
def test_epochs_from_one_that_count_what_is_done_are_a_convention(unit: str) -> None:
    params = {"start_factor": 0.1, "total_iters": 100 if unit == "step" else 9}
    own = {"framework": "torch", "class": "LinearLR", "params": params, "base_lr": 0.1, "unit": unit}
    schedule = compile_schedule({**own, "steps_per_epoch": 10})
    updates = np.arange(100)
    lrs = schedule.lrs(updates if unit == "step" else updates // 10).tolist()
    points = [LrPoint(lr, epoch=round(1 + (at + 1) / 10, 1)) for at, lr in zip(updates.tolist(), lrs, strict=True)]
    answer = explain(schedule, points)
    assert answer.verdict == "on_schedule"
    assert answer.convention is not None
    counted = (answer.convention["at"], answer.convention["epoch_base"])
    assert counted == (("end", 2) if unit == "step" else ("start", 1))  # an epoch of one decimal may be rounded
    assert explain(schedule, [LrPoint(2 * point.lr, epoch=point.epoch) for point in points]).verdict == "off_schedule"


def test_a_small_number_without_an_exponent_shows_fixed_decimals() -> None:
    params = {"decay_t": 10, "warmup_t": 5, "warmup_lr_init": 5e-7}
    declared = {"framework": "timm", "class": "StepLRScheduler", "params": params, "base_lr": 1e-3, "unit": "epoch"}
    answer = told(declared, ["0.000001"] * 12)  # 5e-7 to six decimals
    assert answer.first_off is not None
    assert answer.first_off.index == 1
    assert answer.causes[0].cause == "never_stepped"


def test_why_nothing_is_placed_is_said_truly() -> None:
    schedule = compile_schedule(hugging_face("linear", 0, 0.1))
    assert "no point says its step" in (explain(schedule, [LrPoint(0.1), LrPoint(0.09)]).reason or "")
    assert "name epochs only" in (explain(schedule, [LrPoint(0.1, epoch=0.0), LrPoint(0.09, epoch=1.0)]).reason or "")
