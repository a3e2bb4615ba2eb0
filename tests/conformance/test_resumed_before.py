"""A run that was resumed without the scheduler's state, of which the second process's log alone is known."""

from __future__ import annotations

import numpy as np
import pytest

from trackside_service.conformance import Explanation, LrPoint, explain
from trackside_service.schedules import CompiledSchedule, compile_schedule

STATED = {"when": "in_use", "step_base": 0, "epoch_base": 0}


def cosine(unit: str) -> CompiledSchedule:
    own = {"framework": "torch", "class": "CosineAnnealingLR", "params": {"T_max": 200}, "base_lr": 0.1}
    return compile_schedule({**own, "unit": unit, "steps_per_epoch": 10, "reporting": STATED})


def behind(unit: str, by: int, begin: int, *, points: int = 12, every: int = 5, form: str = "%r") -> Explanation:
    schedule, at = cosine(unit), np.arange(begin, begin + points * every, every)
    prints = [form % float(lr) for lr in schedule.lrs(at - float(by))]
    where = [{"step": int(each)} if unit == "step" else {"epoch": float(each)} for each in at]
    observed = [LrPoint(float(text), text=text, **place) for text, place in zip(prints, where, strict=True)]
    return explain(schedule, observed, run_updates=2000)


@pytest.mark.parametrize("form", ["%r", "%.4e"])
@pytest.mark.parametrize(
    ("unit", "by", "begin"), [("step", 50, 50), ("step", 57, 60), ("step", 10, 12), ("epoch", 7, 7)]
)
def test_a_log_of_the_second_process_alone_tells_that_it_began_anew(unit: str, by: int, begin: int, form: str) -> None:
    causes = {cause.cause: cause for cause in behind(unit, by, begin, form=form).causes}
    assert list(causes)[:2] == ["lagged", "resume_no_state"]
    assert causes["resume_no_state"].params["at_tick"] == {"value": by, "low": by, "high": by}
    assert f"At {unit} {by}, before the log begins" in causes["resume_no_state"].statement


@pytest.mark.parametrize(("by", "begin"), [(3, 9), (9, 9), (40, 39)])
def test_few_skipped_updates_or_more_than_there_were_are_no_resume(by: int, begin: int) -> None:
    assert "resume_no_state" not in [cause.cause for cause in behind("step", by, begin).causes]


def test_two_points_are_too_few_to_tell_what_was_before_them() -> None:
    assert "resume_no_state" not in [cause.cause for cause in behind("step", 50, 60, points=2).causes]
