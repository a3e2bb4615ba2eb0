"""LOSS001."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, spec_of, steps
from trackside_service import detection
from trackside_service.domain.findings import Finding
from trackside_service.domain.records import Record
from trackside_service.rules import Reading

CODE = "LOSS001"
ONE_CYCLE: dict[str, Any] = {
    "framework": "torch",
    "class": "OneCycleLR",
    "params": {"max_lr": 0.08, "total_steps": 40},
    "base_lr": 0.08,
    "unit": "epoch",
}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_one_training_loss_is_enough_and_is_told_once(value: str) -> None:
    (alert,) = alerts_of(epochs(train_loss=[2.0, 1.5, value, value, value]), CODE)
    assert alert.severity == "critical"
    assert alert.state == "open"
    assert (alert.opened.epoch, alert.detected.epoch) == (3, 3)  # type: ignore[union-attr]
    assert alert.evidence["last_finite"] == 1.5
    assert alert.evidence["value"] == value
    assert "1.5 at epoch 2" in alert.detail


def test_a_validation_loss_needs_three_in_a_row() -> None:
    assert not alerts_of(epochs(val_loss=[1.0, "NaN", "NaN", 0.9, "NaN", "NaN", 0.8]), CODE)
    (alert,) = alerts_of(epochs(val_loss=[1.0, "NaN", "Infinity", "NaN"]), CODE)
    assert (alert.opened.epoch, alert.detected.epoch) == (2, 4)  # type: ignore[union-attr]


def test_it_resolves_after_three_finite_values_and_never_while_nan_goes_on() -> None:
    assert alerts_of(epochs(train_loss=["NaN"] * 30), CODE)[0].state == "open"
    assert alerts_of(epochs(train_loss=["NaN", 1.0, 1.0, "NaN", 1.0, 1.0]), CODE)[0].state == "open"
    first, second = alerts_of(epochs(train_loss=["NaN", 1.0, 1.0, 1.0, "NaN"]), CODE)
    assert first.state == "resolved"
    assert first.resolved.epoch == 4  # type: ignore[union-attr]
    assert (second.state, second.episode) == ("open", 2)


def test_the_advice_has_the_numbers_of_the_plan() -> None:
    (alert,) = alerts_of(epochs(train_loss=[2.0, "NaN"]), CODE, schedule=ONE_CYCLE)
    assert "max_lr 0.08 to 0.04" in alert.advice
    assert "pct_start 0.3 to 0.4" in alert.advice


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"schedule": {"kind": "constant", "lr": 0.3}}, "lr 0.3 to 0.15"),
        ({"optimizer": {"class": "SGD", "params": {"lr": 0.5}}}, "lr 0.5 to 0.25"),
        ({}, "halve the learning rate"),
        (
            {
                "schedule": {
                    "framework": "paddle",
                    "class": "StepDecay",
                    "params": {"learning_rate": 0.02, "step_size": 3},
                    "unit": "epoch",
                }
            },
            "learning_rate 0.02 to 0.01",
        ),
        (
            {
                "schedule": {
                    "framework": "torch",
                    "class": "StepLR",
                    "params": {"step_size": 3},
                    "base_lr": [0.2, 0.1],
                    "unit": "epoch",
                }
            },
            "lr 0.2 to 0.1",
        ),
    ],
)
def test_whatever_sets_the_peak_is_named(declared: dict[str, Any], words: str) -> None:
    (alert,) = alerts_of(epochs(train_loss=["NaN"]), CODE, **declared)
    assert words in alert.advice


def test_a_learning_rate_that_is_no_number_either_is_said_in_words() -> None:
    (alert,) = alerts_of(epochs(lr=[0.1, "NaN"], train_loss=[1.0, "NaN"]), CODE)
    assert "The learning rate is not a finite number either (NaN)." in alert.detail
    (alert,) = alerts_of(epochs(lr=[0.1, 0.05], train_loss=[1.0, "NaN"]), CODE)
    assert "The learning rate is 0.05." in alert.detail


def test_it_sees_records_that_are_behind() -> None:
    late = {"step": 1, "metrics": {"train_loss": "NaN"}}
    # An addition at a place that the run has left is behind, and all other rules are blind to it.
    records = [*steps(lr=[0.1, 0.1, 0.1, 0.1]), late]
    assert len(alerts_of(records, CODE)) == 1


def at(step: int, life: int = 0, *, behind: bool = False, starts_life: bool = False, **metrics: float) -> Reading:
    return Reading(Record(metrics, step=step), step, life=life, behind=behind, starts_life=starts_life)


def codes(*readings: Reading) -> list[str]:
    context = detection.configure(spec_of())
    outcomes = detection.inspect(context, detection.begin(context), readings).outcomes
    return [type(one).__name__ for one in outcomes if one.code == CODE]


def test_a_resumed_run_that_turns_to_nan_again_has_failed_again() -> None:
    context = detection.configure(spec_of())
    dead = [at(9, train_loss=1.5), at(10, train_loss=math.nan), at(11, train_loss=1.0), at(12, train_loss=1.0)]
    resumed = at(10, 1, starts_life=True, train_loss=1.4)

    def said(*readings: Reading) -> list[tuple[str, int | None]]:
        state = detection.inspect(context, detection.begin(context), dead).state
        state = detection.load(context, detection.dump(state)) or state
        outcomes = detection.inspect(context, state, readings).outcomes
        return [
            (type(each).__name__, place.step)
            for each in outcomes
            if each.code == CODE and (place := each.opened if isinstance(each, Finding) else each.position) is not None
        ]

    again = at(11, 1, train_loss=math.nan)
    assert said(resumed, again, at(12, 1, train_loss=math.nan)) == [("Cleared", 10), ("Finding", 11)]
    assert said(at(10, 1, starts_life=True, train_loss=math.nan)) == [("Cleared", 10), ("Finding", 10)]
    # Well again for three values of its own, whatever the process before it had counted.
    assert said(resumed, at(11, 1, train_loss=1.3)) == []
    assert said(resumed, at(11, 1, train_loss=1.3), at(12, 1, train_loss=1.3)) == [("Cleared", 12)]
    # What comes late from before says nothing about the new process.
    assert said(resumed, at(5, 0, behind=True, train_loss=math.nan)) == []


def test_finite_values_that_come_late_do_not_resolve_it() -> None:
    dead = [at(99, train_loss=1.0), at(100, train_loss=math.nan)]
    late = [at(step, behind=True, train_loss=1.0) for step in (50, 51, 52, 53)]
    assert codes(*dead, *late) == ["Finding"]
    # They do not break a row either: NaN at 100, 101 and 102 are three.
    broken = [at(step, val_loss=math.nan) for step in (100, 101, 102)]
    late = [at(step, behind=True, val_loss=1.0) for step in (50, 51)]
    assert codes(broken[0], late[0], broken[1], late[1], broken[2]) == ["Finding"]


def test_what_comes_late_is_not_the_last_value() -> None:
    context = detection.configure(spec_of())
    readings = [
        at(99, train_loss=1.5, lr=0.1),
        at(50, behind=True, train_loss=9.0, lr=0.7),
        at(100, train_loss=math.nan),
    ]
    (finding,) = detection.inspect(context, detection.begin(context), readings).outcomes
    assert isinstance(finding, Finding)
    assert finding.evidence["last_finite"] == 1.5
    assert finding.evidence["last_finite_at"] == {"step": 99, "epoch": None}
    assert finding.evidence["lr"] == 0.1


def test_a_late_nan_opens_it_and_does_not_hold_it_open() -> None:
    healthy = [at(step, train_loss=1.0) for step in (1, 2, 3, 4)]
    late = at(2, behind=True, train_loss=math.nan)
    assert codes(*healthy, late) == ["Finding"]
    after = [at(step, train_loss=1.0) for step in (5, 6, 7)]
    assert codes(*healthy, late, after[0], after[1]) == ["Finding"], "values of before it opened do not count"
    assert codes(*healthy, late, after[0], late, after[1], late, after[2]) == ["Finding", "Cleared"]
    context = detection.configure(spec_of())
    (finding,) = detection.inspect(context, detection.begin(context), [*healthy, late]).outcomes
    assert isinstance(finding, Finding)
    assert "was NaN at step 2, in a record that came late; the last finite value was 1 at step 4" in finding.detail


def test_its_patience_can_be_set() -> None:
    rules = {CODE: {"params": {"train_patience": 2}, "severity": "warning"}}
    assert not alerts_of(epochs(train_loss=[1.0, "NaN", 1.0]), CODE, rules=rules)
    (alert,) = alerts_of(epochs(train_loss=[1.0, "NaN", "NaN"]), CODE, rules=rules)
    assert (alert.severity, alert.opened.epoch) == ("warning", 2)  # type: ignore[union-attr]


def test_where_no_value_was_finite_there_is_no_checkpoint_to_go_back_to() -> None:
    declared: dict[str, Any] = {"optimizer": {"class": "SGD", "params": {"lr": 0.1}}}
    (never,) = alerts_of(epochs(train_loss=["NaN", "NaN"]), CODE, **declared)
    (late,) = alerts_of(epochs(train_loss=[1.0, "NaN"]), CODE, **declared)
    assert "checkpoint" not in never.advice
    assert "checkpoint of before the first NaN" in late.advice
    assert all("lr 0.1 to 0.05" in one.advice for one in (never, late))


@pytest.mark.parametrize("values", [["NaN"], ["NaN", "Infinity"]])
def test_a_validation_loss_that_was_never_finite_is_told_at_the_end(values: list[str]) -> None:
    (alert,) = alerts_of(epochs(train_loss=[2.0, 1.5, 1.2, 1.1], val_loss=[None, *values]), CODE)
    assert (alert.severity, alert.subject, alert.opened.epoch) == ("warning", "val_loss", 2)  # type: ignore[union-attr]
    assert alert.title == "val_loss was never finite"
    assert not alerts_of(epochs(val_loss=[*values, 2.0]), CODE)
    assert not alerts_of(epochs(val_loss=[2.0, *values]), CODE)


def test_the_end_does_not_repeat_what_was_told() -> None:
    (alert,) = alerts_of(epochs(val_loss=["NaN"] * 4), CODE)
    assert alert.severity == "critical"
