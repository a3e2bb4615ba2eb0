"""A run of transformers resumed with more epochs: its state holds the LR, not the total."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trackside_service.conformance import Explanation, LrPoint, explain
from trackside_service.schedules import CompiledSchedule, compile_schedule

OLD, NEW, END = 100, 200, 200


def scheduled(name: str, total: int, warmup: int) -> CompiledSchedule:
    params = {"name": name, "num_warmup_steps": warmup, "num_training_steps": total}
    own: dict[str, Any] = {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": 0.1}
    return compile_schedule({**own, "unit": "step", "reporting": {"when": "in_use", "step_base": 0, "exact": True}})


def resumed(name: str, warmup: int, place: int, *, declared: int, since: int, every: int = 1) -> Explanation:
    updates = np.arange(float(END))
    old, new = (scheduled(name, total, warmup).lrs(updates) for total in (OLD, NEW))
    lrs = np.where(updates > place, new, old)  # the first update takes the checkpoint's LR
    points = [LrPoint(float(lrs[at]), step=at, text=repr(float(lrs[at]))) for at in range(since, END, every)]
    return explain(scheduled(name, declared, warmup), points, run_updates=END)


@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize("warmup", [0, 10])
@pytest.mark.parametrize("place", [60, 100])
@pytest.mark.parametrize("every", [1, 5])
def test_the_total_that_held_until_the_resume_is_told_by_what_was_declared_anew(
    name: str, warmup: int, place: int, every: int
) -> None:
    whole = resumed(name, warmup, place, declared=NEW, since=0, every=every)
    second = resumed(name, warmup, place, declared=NEW, since=place, every=every)
    for answer in (whole, second):
        assert answer.verdict == "off_schedule"
        (cause,) = answer.causes
        assert cause.cause == "total_changed_on_resume"
        assert cause.params["at_tick"]["low"] == place
        assert cause.params["total"]["value"] == OLD
        assert f"Up to step {place} " in cause.statement
    assert second.first_off is not None
    assert (second.first_off.index, second.first_off.step) == (0, place)


@pytest.mark.parametrize("place", [60, 100])
def test_the_total_that_holds_since_is_told_by_the_log_of_the_second_process_alone(place: int) -> None:
    (cause,) = resumed("linear", 10, place, declared=OLD, since=place).causes
    assert cause.cause == "total_changed_on_resume"
    assert (cause.params["total"]["value"], cause.params["at_tick"]["high"]) == (NEW, place + 1)


def test_a_first_update_off_where_the_run_begins_is_no_resume() -> None:
    schedule = scheduled("linear", NEW, 0)
    points = [LrPoint(0.04 if not at else float(schedule.lrs(np.array([at]))[0]), step=at) for at in range(20)]
    assert "total_changed_on_resume" not in [cause.cause for cause in explain(schedule, points).causes]
