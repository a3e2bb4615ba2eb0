"""The curves are the real libraries', to the last digits, past the end too (values: tests/golden/generate.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trackside_service.errors import ScheduleError
from trackside_service.schedules import compile_schedule, preview

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = [
    json.loads(line) for name in ("torch", "paddle") for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines()
]


def _id(case: dict[str, Any]) -> str:
    declaration = case["declaration"]
    return f"{declaration['framework']}-{declaration['class']}-{json.dumps(declaration['params'])[:60]}"


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_every_tick_is_the_real_libraries(case: dict[str, Any]) -> None:
    count = len(case["lrs"][0])
    got = preview(case["declaration"], steps=None, total=count, metric=None)
    assert len(got) == len(case["lrs"])
    for values, wanted in zip(got, case["lrs"], strict=True):
        np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-13 * max(abs(lr) for lr in wanted))


@pytest.mark.parametrize("case", [case for case in CASES if case["raises_at"] is not None], ids=_id)
def test_a_tick_that_the_real_class_refuses_is_refused(case: dict[str, Any]) -> None:
    schedule = compile_schedule(case["declaration"])
    assert schedule.refused_after == case["raises_at"] - 1
    assert np.isnan(schedule.lrs([case["raises_at"]]))[0]
    with pytest.raises(ScheduleError, match=f"update {case['raises_at']} would be the first without an LR"):
        preview(case["declaration"], steps=[0, case["raises_at"]], total=None, metric=None)


def test_no_other_case_is_refused() -> None:
    assert all(
        compile_schedule(case["declaration"]).refused_after is None for case in CASES if case["raises_at"] is None
    )
    assert sum(case["raises_at"] is not None for case in CASES) >= 10


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_peak_is_the_largest_lr_of_the_cycle(case: dict[str, Any]) -> None:
    schedule = compile_schedule(case["declaration"])
    for group, lrs in enumerate(case["lrs"]):
        horizon = schedule.horizon
        if horizon is not None:
            last = horizon - 1 if schedule.total is not None else horizon  # total counts updates, from 0
            within = [abs(lr) for lr in lrs[: last + 1]]
            assert schedule.peak(group) == pytest.approx(max(within), rel=1e-12)
