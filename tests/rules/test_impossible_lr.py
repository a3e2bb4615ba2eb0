"""LR004."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from tests.rules.support import alerts_of, epochs, spec_of, steps
from trackside_service import detection
from trackside_service.domain.findings import Finding
from trackside_service.domain.records import Record
from trackside_service.rules import Reading, impossible_lr
from trackside_service.schedules import compile_schedule

CODE = "LR004"


def rates(series: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Records of one epoch each, from series whose names are no identifiers."""
    named: dict[str, Any] = dict(series)
    return epochs(**named)


@pytest.mark.parametrize(
    ("value", "word"), [("NaN", "NaN"), ("Infinity", "infinite"), ("-Infinity", "infinite"), (-1e-5, "negative")]
)
def test_one_value_is_enough_and_is_told_once(value: Any, word: str) -> None:
    (alert,) = alerts_of(epochs(lr=[0.1, 0.05, value, value, value]), CODE)
    assert alert.severity == "critical"
    assert alert.state == "open"
    assert alert.title == f"lr is {word}"
    assert (alert.opened.epoch, alert.detected.epoch) == (3, 3)  # type: ignore[union-attr]
    assert alert.evidence["value"] == value
    assert "0.05 at epoch 2" in alert.detail


def test_the_aliases_are_rates_too_and_what_is_called_alike_is_not() -> None:
    assert len(alerts_of(epochs(learning_rate=[0.1, "NaN"]), CODE)) == 1
    assert not alerts_of(rates({"lr": [0.1, 0.1], "lr/decay": [-1.0, "NaN"], "dlr": ["NaN", -1.0]}), CODE)


@pytest.mark.parametrize(
    "schedule",
    [
        {"class": "CosineAnnealingLR", "params": {"T_max": 40}},
        {"class": "PolynomialLR", "params": {"total_iters": 40, "power": 0.9}},
        {"class": "LinearLR", "params": {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 30}},
    ],
)
def test_a_rate_of_0_at_the_end_is_sound(schedule: dict[str, Any]) -> None:
    declared = {"framework": "torch", "base_lr": 0.1, "unit": "epoch", **schedule}
    lrs = compile_schedule(declared).lrs(np.arange(41)).tolist()
    assert lrs[-1] <= 1e-15
    assert not alerts_of(epochs(lr=[*lrs, 0.0, -0.0]), CODE)
    assert not alerts_of(epochs(lr=[0.0] * 5 + lrs), CODE)


def test_a_rounding_error_below_0_is_no_negative_rate() -> None:
    assert not alerts_of(epochs(lr=[0.1, 0.05, -3e-18, -1e-12]), CODE)
    assert not alerts_of(epochs(lr=[-3e-18, 0.1]), CODE)
    # The first step of a line of a million steps past its end is small as well, and is one.
    assert len(alerts_of(epochs(lr=[0.1, 0.0, -1e-7]), CODE)) == 1
    assert len(alerts_of(epochs(lr=[0.1, 0.0, -1e-12]), CODE, rules={CODE: {"params": {"noise": 0.0}}})) == 1


def test_a_line_that_goes_on_below_0_is_told_with_the_run_s_length() -> None:
    values = [0.1 * (1 - epoch / 9) for epoch in range(12)]
    (alert,) = alerts_of(epochs(0, lr=values), CODE, total_epochs=12)
    assert alert.opened.epoch == 10  # type: ignore[union-attr]
    assert "the run's 12 epochs" in alert.advice


def test_every_group_is_looked_at_and_groups_are_one_alert() -> None:
    (alert,) = alerts_of(rates({"lr": [0.1] * 3, "lr/40": [0.1, "NaN", "NaN"]}), CODE)
    assert alert.subject == "lr/40"
    both = rates({"lr": [0.1, 0.1, 0.1, "NaN"], "lr/1": [0.1, "NaN", "NaN", "NaN"], "lr/2": [0.1, "NaN", 1, 1]})
    (alert,) = alerts_of(both, CODE)
    assert alert.subject == "lr/1"
    assert alert.evidence["groups"] == ["lr/1", "lr", "lr/2"]
    assert "`lr`, `lr/2`" in alert.detail
    assert alert.opened.epoch == 2  # type: ignore[union-attr]


def test_it_resolves_when_every_group_has_had_three_good_values() -> None:
    (alert,) = alerts_of(epochs(lr=["NaN", 0.1, 0.1, "NaN", 0.1, 0.1]), CODE)
    assert alert.state == "open"
    (alert,) = alerts_of(rates({"lr": ["NaN", 0.1, 0.1, 0.1, 0.1], "lr/1": ["NaN", "NaN", 0.1, 0.1, 0.1]}), CODE)
    assert alert.state == "resolved"
    assert alert.resolved.epoch == 5  # type: ignore[union-attr]
    first, second = alerts_of(epochs(lr=["NaN", 0.1, 0.1, 0.1, "NaN"]), CODE)
    assert (first.state, second.state, second.episode) == ("resolved", "open", 2)


def test_it_sees_records_that_are_behind_and_they_do_not_resolve_it() -> None:
    late = {"step": 1, "metrics": {"lr": "NaN"}}
    (alert,) = alerts_of([*steps(train_loss=[1.0, 0.9, 0.8, 0.7]), late], CODE)
    assert "came late" in alert.detail
    context = detection.configure(spec_of())
    bad = Reading(Record({"lr": math.nan}, step=9), 0)
    good = [Reading(Record({"lr": 0.1}, step=step), step, behind=True) for step in range(1, 8)]
    outcomes = detection.inspect(context, detection.begin(context), [bad, *good]).outcomes
    assert [type(one) for one in outcomes if one.code == CODE] == [Finding]


def test_its_state_is_small_and_survives_storage() -> None:
    context = detection.configure(spec_of())
    many = {"lr": math.inf} | {f"lr/{group}": -1.0 for group in range(1, 2000)}
    state, parameters = impossible_lr.State(), impossible_lr.Parameters()
    for step in range(5):
        record = Record({"lr": 0.1} if step == 0 else many, step=step)
        state, _ = impossible_lr.check(context, parameters, state, Reading(record, step))
    written = json.dumps(impossible_lr.dump(state), allow_nan=False)
    assert len(written) < 2000
    assert impossible_lr.load(json.loads(written)) == state
