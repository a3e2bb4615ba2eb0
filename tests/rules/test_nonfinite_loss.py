"""LOSS001."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, steps

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


def test_it_sees_records_that_are_behind() -> None:
    late = {"step": 1, "metrics": {"train_loss": "NaN"}}
    # An addition at a place that the run has left is behind, and all other rules are blind to it.
    records = [*steps(lr=[0.1, 0.1, 0.1, 0.1]), late]
    assert len(alerts_of(records, CODE)) == 1


def test_its_patience_can_be_set() -> None:
    rules = {CODE: {"params": {"train_patience": 2}, "severity": "warning"}}
    assert not alerts_of(epochs(train_loss=[1.0, "NaN", 1.0]), CODE, rules=rules)
    (alert,) = alerts_of(epochs(train_loss=[1.0, "NaN", "NaN"]), CODE, rules=rules)
    assert (alert.severity, alert.opened.epoch) == ("warning", 2)  # type: ignore[union-attr]
