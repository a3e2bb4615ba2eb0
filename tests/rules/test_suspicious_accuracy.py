"""ACC005: perfect, and contradicted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, spec_of
from trackside_service import detection
from trackside_service.domain.records import Record
from trackside_service.errors import InvalidInputError
from trackside_service.rules import Reading

CODE = "ACC005"


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_loss_that_did_not_follow(scale: float) -> None:
    log = epochs(val_acc=[0.6 * scale, 0.64 * scale, *[scale] * 3], val_loss=[1.2, 1.21, 1.2, 1.19, 1.2])
    assert not alerts_of(log[:-1], CODE)
    (alert,) = alerts_of(log, CODE)
    assert (alert.severity, alert.subject) == ("info", "val_acc")
    assert (alert.opened.epoch, alert.detected.epoch) == (3, 5)  # type: ignore[union-attr]
    assert "it was 1.2 where the accuracy was low" in alert.detail


def test_a_toy_problem_that_is_solved_is_left_alone() -> None:
    assert not alerts_of(epochs(val_acc=[1.0] * 9, val_loss=[0.2 / n for n in range(1, 10)]), CODE, num_classes=3)
    assert not alerts_of(epochs(val_acc=[0.5, 0.7, *[1.0] * 9], val_loss=[1.0, 0.8, *[0.5] * 9]), CODE)
    assert not alerts_of(epochs(val_acc=[1.0] * 9, train_acc=[0.8] * 9), CODE)
    assert not alerts_of(epochs(val_acc=[0.7, *[1.0] * 9], train_acc=[0.85] * 10), CODE)


def test_a_loss_of_guessing() -> None:
    log = epochs(val_acc=[1.0] * 4, val_loss=[2.25] * 4)
    assert alerts_of(log, CODE, num_classes=10, metric_units={"val_acc": "fraction"})
    assert not alerts_of(log, CODE, num_classes=100, rules={CODE: {"params": {"many_classes": 1000}}})


def test_a_training_accuracy_that_is_far_lower() -> None:
    log = epochs(val_acc=[80.0, 100.0, 100.0, 100.0], train_acc=[50.0, 60.0, 62.0, 63.0])
    (alert,) = alerts_of(log, CODE)
    assert "train_acc is 63 % at the same time" in alert.detail
    later = epochs(val_acc=[80.0, *[100.0] * 5], train_acc=[50.0, 60.0, 62.0, 63.0, 80.0, 90.0])
    (alert,) = alerts_of(later, CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 5)  # type: ignore[union-attr]


def test_perfect_from_the_start_among_many_classes() -> None:
    percent = {"val_acc": "percent"}
    assert alerts_of(epochs(val_acc=[100.0] * 3), CODE, num_classes=100)
    assert not alerts_of(epochs(val_acc=[70.0, 100.0, 100.0, 100.0, 100.0]), CODE, num_classes=100)
    assert not alerts_of(epochs(val_acc=[100.0] * 3), CODE, num_classes=10)
    assert not alerts_of(epochs(val_acc=[1.0] * 5, val_loss=[4.6] * 5), CODE, num_classes=100)  # may be one percent
    assert not alerts_of(epochs(val_acc=[1.0] * 5, val_loss=[4.6] * 5), CODE, num_classes=100, metric_units=percent)


def test_it_resolves_when_it_is_not_perfect_any_more() -> None:
    log = epochs(val_acc=[0.6, *[1.0] * 3, 0.7], val_loss=[1.2] * 5)
    (alert,) = alerts_of(log, CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 5)  # type: ignore[union-attr]


def test_values_that_are_not_finite_neither_count_nor_hide() -> None:
    log = epochs(val_acc=[0.6, 1.0, "NaN", 1.0, "Infinity", 1.0], val_loss=[1.2] * 6)
    (alert,) = alerts_of(log, CODE)
    assert alert.detected.epoch == 6  # type: ignore[union-attr]
    assert alerts_of(epochs(val_acc=[0.6, *[1.0] * 3], val_loss=[1.2, "NaN", "NaN", "NaN"]), CODE)


def test_another_run_in_the_same_log_begins_anew_and_what_is_behind_is_not_shown() -> None:
    first = epochs(val_acc=[0.6, 1.0, 1.0], val_loss=[1.2] * 3)
    assert not alerts_of([*first, *epochs(val_acc=[0.9, 1.0, 1.0], val_loss=[1.2] * 3)], CODE)
    context = detection.configure(spec_of())
    log = [
        Reading(Record({"val_acc": 0.6 if n == 0 else 1.0, "val_loss": 1.2}, epoch=n), n, behind=n > 2)
        for n in range(9)
    ]
    assert not detection.inspect(context, detection.begin(context), log).outcomes


@pytest.mark.parametrize("params", [{"patience": 2}, {"train_below": 1.0}, {"loss_share": 0.0}, {"many_classes": 1}])
def test_a_bad_configuration_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        detection.configure(spec_of(rules={CODE: {"params": params}}))
