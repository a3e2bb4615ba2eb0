"""Where a cycle of the LR begins anew, by what is reported and by what is declared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rules.support import epochs, readings_of, spec_of, steps
from trackside_service import detection
from trackside_service.rules.lr_course import Course, advance, dump_course, load_course, share_of_peak

RESTARTS: dict[str, Any] = {
    "framework": "torch",
    "class": "CosineAnnealingWarmRestarts",
    "params": {"T_0": 4},
    "base_lr": 0.1,
    "unit": "epoch",
}


def restarts(records: list[dict[str, Any]], **declared: Any) -> list[int]:
    context, course, found = detection.configure(spec_of(**declared)), Course(), []
    for index, reading in enumerate(readings_of(records, **declared)):
        course, anew = advance(context, course, reading)
        course = load_course(json.loads(json.dumps(dump_course(course), allow_nan=False)))
        found += [index] if anew else []
    return found


def test_a_reported_lr_tells_it() -> None:
    assert restarts(epochs(lr=[0.1, 0.07, 0.02, 0.1, 0.07, 0.02, 0.0, 0.09])) == [3, 7]
    assert restarts(epochs(lr=[0.001, 0.01, 0.1, 0.1, 0.05])) == [], "a warm-up is none"
    assert restarts(epochs(lr=[0.1, 0.01, 0.5])) == [], "higher than ever is none"
    assert restarts(epochs(lr=[0.1, 0.01, "NaN", 0.012, 0.01])) == []


@pytest.mark.parametrize("first", [0, 1])
def test_a_declared_schedule_tells_it_where_no_lr_is_reported(first: int) -> None:
    assert restarts(epochs(first, train_loss=[1.0] * 12), schedule=RESTARTS)[0] == 4 - first
    in_steps = {**RESTARTS, "unit": "step", "params": {"T_0": 2000}}
    log = steps(every=500, train_loss=[1.0] * 40)
    assert restarts(log, schedule=in_steps)[::2] == [4, 8, 12, 16, 20, 24, 28, 32, 36], "and at the record after"


def test_a_schedule_without_restarts_has_none() -> None:
    constant = {"kind": "constant", "lr": 0.1}
    assert restarts(steps(every=100, train_loss=[1.0] * 100), schedule=constant) == []


def test_the_share_of_the_peak() -> None:
    context = detection.configure(spec_of(schedule=RESTARTS))
    assert share_of_peak(context, Course(0.01, 0.1, 0.01), (None, 3.0), 0.0) == pytest.approx(0.1)
    assert share_of_peak(context, Course(), (None, 2.0), 0.1) == pytest.approx(0.5)
    assert share_of_peak(context, Course(), (7, None), 0.1) is None
    assert share_of_peak(detection.configure(spec_of()), Course(), (None, 2.0), 0.0) is None
