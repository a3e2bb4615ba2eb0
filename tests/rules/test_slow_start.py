"""ACC003: little is learned in the first epoch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, spec_of, steps
from trackside_service import detection
from trackside_service.domain.records import Record
from trackside_service.errors import InvalidInputError
from trackside_service.rules import Reading

CODE = "ACC003"
ONE_CYCLE: dict[str, Any] = {
    "framework": "torch",
    "class": "OneCycleLR",
    "params": {"max_lr": 0.01, "total_steps": 100, "div_factor": 10.0},
    "base_lr": 0.01,
    "unit": "epoch",
}


def test_an_accuracy_near_guessing_after_the_first_epoch() -> None:
    log = epochs(lr=[0.001, 0.001], train_acc=[1.58, 2.1])
    (alert,) = alerts_of(log, CODE, num_classes=100, schedule=ONE_CYCLE)
    assert (alert.severity, alert.subject, alert.opened.epoch) == ("info", "train_acc", 1)  # type: ignore[union-attr]
    assert "Guessing among 100 classes gives 1 %" in alert.detail
    assert "div_factor 10 to 5, so that the initial LR becomes 0.002." in alert.advice
    assert not alerts_of(epochs(val_acc=[11.0]), CODE, num_classes=100)


@pytest.mark.parametrize(("classes", "slow", "well"), [(2, 0.58, 0.61), (10, 0.19, 0.21), (1000, 0.002, 0.0031)])
def test_what_is_little_depends_on_the_classes(classes: int, slow: float, well: float) -> None:
    units = {"val_acc": "fraction"}
    assert alerts_of(epochs(val_acc=[slow]), CODE, num_classes=classes, metric_units=units)
    assert not alerts_of(epochs(val_acc=[well]), CODE, num_classes=classes, metric_units=units)


def test_an_expectation_of_the_first_epoch_goes_before() -> None:
    wanted = [{"metric": "val_acc", "epoch": 1, "min": 40.0}]
    (alert,) = alerts_of(epochs(val_acc=[30.0, 35.0]), CODE, num_classes=10, expectations=wanted)
    assert alert.evidence["enough"] == 40.0
    later = [{"metric": "val_acc", "epoch": 10, "min": 90.0}]
    assert not alerts_of(epochs(val_acc=[30.0] * 12), CODE, expectations=later)


def test_without_classes_or_expectation_nothing_is_said() -> None:
    assert not alerts_of(epochs(val_acc=[0.1, 0.1]), CODE)


def test_a_fine_tuning_that_starts_good_and_a_later_epoch_are_not_meant() -> None:
    assert not alerts_of(epochs(val_acc=[84.0, 1.0]), CODE, num_classes=10)
    assert not alerts_of(epochs(5, val_acc=[11.0, 11.0]), CODE, num_classes=10)


def test_an_evaluation_before_the_first_epoch_says_nothing() -> None:
    assert not alerts_of(epochs(0, val_acc=[9.8, 45.0]), CODE, num_classes=10)
    assert alerts_of(epochs(0, val_acc=[9.8, 12.0]), CODE, num_classes=10)


def test_one_accuracy_that_is_well_is_enough() -> None:
    assert not alerts_of(epochs(train_acc=[15.0], val_acc=[42.0]), CODE, num_classes=10)


def test_steps_are_counted_in_epochs_where_that_is_known() -> None:
    log = steps(every=100, val_acc=[9.0, 10.0, 12.0, 12.0])
    assert not alerts_of(log, CODE, num_classes=10)
    (alert,) = alerts_of(log, CODE, num_classes=10, steps_per_epoch=200)
    assert alert.opened.step == 200  # type: ignore[union-attr]


def test_training_accuracy_of_batches_is_left_alone() -> None:
    log = [{"epoch": 1 + n / 100, "metrics": {"train_acc": 0.0}} for n in range(50)]
    log += [{"epoch": 2.0, "metrics": {"train_acc": 0.0}}]
    assert not alerts_of(log, CODE, num_classes=10, metric_units={"train_acc": "fraction"})


def test_it_resolves_with_the_first_that_is_high_enough() -> None:
    (alert,) = alerts_of(epochs(val_acc=[11.0, 15.0, 30.0]), CODE, num_classes=10)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 3)  # type: ignore[union-attr]


def test_values_that_are_not_finite_and_records_behind_say_nothing() -> None:
    (alert,) = alerts_of(epochs(val_acc=["NaN", 11.0], train_acc=[11.0, 12.0], lr=["NaN", 0.1]), CODE, num_classes=10)
    assert alert.subject == "train_acc"
    context = detection.configure(spec_of(num_classes=10))
    late = [Reading(Record({"val_acc": 11.0}, epoch=1.0), n, behind=True) for n in range(3)]
    assert not detection.inspect(context, detection.begin(context), late).outcomes


def test_several_regularisers_at_once_are_named() -> None:
    declared: dict[str, Any] = {
        "num_classes": 10,
        "optimizer": {"class": "AdamW", "params": {"lr": 1e-4, "weight_decay": 0.07}},
        "params": {"mixup": 0.8, "label_smoothing": 0.1, "dropout": 0.0},
    }
    (alert,) = alerts_of(epochs(val_acc=[11.0]), CODE, **declared)
    assert "weight_decay 0.07, mixup 0.8, label_smoothing 0.1" in alert.advice
    assert "lr 0.0001 to 0.0003" in alert.advice
    (alert,) = alerts_of(epochs(val_acc=[11.0]), CODE, num_classes=10, params={"mixup": 0.8})
    assert "regularisers" not in alert.advice


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            {
                "framework": "paddle",
                "class": "LinearWarmup",
                "params": {"learning_rate": 0.1, "warmup_steps": 5, "start_lr": 0.0, "end_lr": 0.1},
                "unit": "epoch",
            },
            "start_lr 0 to 0.01",
        ),
        (
            {
                "framework": "torch",
                "class": "LinearLR",
                "params": {"start_factor": 0.01, "total_iters": 5},
                "base_lr": 0.1,
                "unit": "epoch",
            },
            "start_factor 0.01 to 0.02, so that the initial LR becomes 0.002",
        ),
    ],
)
def test_each_warm_up_has_its_own_knob(source: dict[str, Any], words: str) -> None:
    (alert,) = alerts_of(epochs(val_acc=[11.0]), CODE, num_classes=10, schedule=source)
    assert words in alert.advice


@pytest.mark.parametrize("params", [{"times": 1.0}, {"over": 0.0}])
def test_a_bad_configuration_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        detection.configure(spec_of(rules={CODE: {"params": params}}))
