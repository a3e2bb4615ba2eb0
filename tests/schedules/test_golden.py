"""The curves are the real libraries', to the last digits, past the end too (values: tests/golden/generate.py)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trackside_service.errors import ScheduleError
from trackside_service.schedules import FRAMEWORKS, compile_schedule, preview

GOLDEN = Path(__file__).parent.parent / "golden"
FILES = [json.loads(line) for file in sorted(GOLDEN.glob("*.jsonl")) for line in file.read_text().splitlines()]
CASES = [case for case in FILES if "metric" not in case]
DRIVEN = [case for case in FILES if "metric" in case]


def _id(case: dict[str, Any]) -> str:
    declaration = case["declaration"]
    return f"{declaration['framework']}-{declaration['class']}-{json.dumps(declaration['params'])[:60]}"


def _tolerance(case: dict[str, Any]) -> float:
    return 1e-6 if case["declaration"]["framework"] == "keras" else 1e-12  # Keras computes in float32


def _agree(got: list[list[float]], case: dict[str, Any]) -> None:
    assert len(got) == len(case["lrs"])
    for values, wanted in zip(got, case["lrs"], strict=True):
        np.testing.assert_allclose(values, wanted, rtol=0, atol=_tolerance(case) * max(abs(lr) for lr in wanted))


def test_every_library_and_nearly_every_class_is_there() -> None:
    seen = {(case["declaration"]["framework"], case["declaration"]["class"]) for case in FILES}
    names = {case["declaration"]["params"].get("name") for case in FILES}
    for framework in FRAMEWORKS:
        for spec in framework.classes:
            assert "function" in spec.formula + spec.description or (framework.framework, spec.name) in seen, spec.name
        assert {spec.name for spec in framework.named} <= names


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_every_tick_is_the_real_libraries(case: dict[str, Any]) -> None:
    _agree(preview(case["declaration"], steps=None, total=len(case["lrs"][0]), metric=None), case)


@pytest.mark.parametrize("case", DRIVEN, ids=_id)
def test_a_plateau_is_replayed_from_its_metric(case: dict[str, Any]) -> None:
    metric = [math.nan if value is None else value for value in case["metric"]]
    declaration = {**case["declaration"], "steps_per_epoch": 1}
    _agree(preview(declaration, steps=None, total=len(case["lrs"][0]), metric=metric), case)
    with pytest.raises(ScheduleError, match="depends on the metric"):
        preview(declaration, steps=[55], total=None, metric=None)
    with pytest.raises(ScheduleError, match="metric ends before it"):
        preview(declaration, steps=[80], total=None, metric=metric)


@pytest.mark.parametrize("case", [case for case in CASES if case["raises_at"] is not None], ids=_id)
def test_a_tick_that_the_real_class_refuses_is_refused(case: dict[str, Any]) -> None:
    schedule = compile_schedule(case["declaration"])
    assert schedule.refused_after == case["raises_at"] - 1
    assert np.isnan(schedule.lrs([case["raises_at"]]))[0]
    with pytest.raises(ScheduleError, match=f"update {case['raises_at']} would be the first without an LR"):
        preview(case["declaration"], steps=[0, case["raises_at"]], total=None, metric=None)


def test_no_other_case_is_refused_within_its_ticks() -> None:
    for case in CASES:
        if case["raises_at"] is None:
            last = compile_schedule(case["declaration"]).refused_after
            assert last is None or last >= len(case["lrs"][0]) - 1, case["declaration"]
    assert sum(case["raises_at"] is not None for case in CASES) >= 10


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_peak_is_the_largest_lr_of_the_cycle(case: dict[str, Any]) -> None:
    schedule = compile_schedule(case["declaration"])
    for group, lrs in enumerate(case["lrs"]):
        horizon = schedule.horizon
        if horizon is not None and horizon < len(lrs):
            last = horizon - 1 if schedule.total is not None else horizon  # total counts updates, from 0
            within = [abs(lr) for lr in lrs[: last + 1]]
            assert schedule.peak(group) == pytest.approx(max(within), rel=_tolerance(case))
