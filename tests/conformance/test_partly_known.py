"""Schedules whose LR is known at some ticks only: what cannot be compared explains nothing."""

from __future__ import annotations

from typing import Any

import pytest

from trackside_service.conformance import LrPoint, explain
from trackside_service.schedules import compile_schedule

PLATEAU = {"framework": "torch", "class": "ReduceLROnPlateau", "params": {}, "base_lr": 0.1, "unit": "epoch"}
TABLE = {"kind": "table", "values": [0.1, 0.09, 0.08], "unit": "epoch"}
ONE_CYCLE = {
    "framework": "torch",
    "class": "OneCycleLR",
    "params": {"max_lr": 0.1, "total_steps": 4},
    "base_lr": 0.1,
    "unit": "epoch",
}


@pytest.mark.parametrize(
    ("declaration", "first", "lrs"),
    [
        (PLATEAU, 0, [0.05] * 12),
        (PLATEAU, 0, [3.0]),
        (TABLE, 2, [5.0] * 6),
        (ONE_CYCLE, 4, [0.5, 0.5]),
    ],
)
def test_a_convention_that_compares_nothing_does_not_win(
    declaration: dict[str, Any], first: int, lrs: list[float]
) -> None:
    points = [LrPoint(lr=lr, epoch=float(first + at)) for at, lr in enumerate(lrs)]
    found = explain(compile_schedule(declaration), points)
    assert found.verdict == "off_schedule"
    assert found.first_off is not None
    assert found.first_off.index == 0


def test_what_is_known_and_right_is_on_schedule() -> None:
    points = [LrPoint(lr=0.1, epoch=0.0), LrPoint(lr=0.1 / 7, epoch=9.0)]
    assert explain(compile_schedule(TABLE), points).verdict == "on_schedule"


def test_a_plateau_whose_metric_was_not_reported_is_undetermined() -> None:
    points = [LrPoint(lr=0.1, epoch=0.0), LrPoint(lr=0.01, epoch=30.0)]
    found = explain(compile_schedule(PLATEAU), points)
    assert found.verdict == "undetermined"
    assert "follows a metric" in (found.reason or "")


def test_a_schedule_that_is_previewed_but_not_replayed_is_undetermined() -> None:
    greedy: dict[str, Any] = {"framework": "transformers", "class": "get_scheduler", "base_lr": 0.1}
    greedy["params"] = {"name": "greedy", "scheduler_specific_kwargs": {"smooth": True}}
    schedule = compile_schedule({**greedy, "unit": "step"})
    assert explain(schedule, [LrPoint(lr=0.1, step=0)]).verdict == "on_schedule"
    later = explain(schedule, [LrPoint(lr=0.1, step=0), LrPoint(lr=0.095, step=30)])
    assert later.verdict == "undetermined"
    assert "previewed but not compared" in (later.reason or "")
    wrong = explain(schedule, [LrPoint(lr=0.01, step=0), LrPoint(lr=0.01, step=30)])
    assert (wrong.verdict, wrong.first_off.index if wrong.first_off else None) == ("off_schedule", 0)
