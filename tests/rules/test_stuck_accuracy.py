"""ACC004: at chance since the run began."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, spec_of, steps
from trackside_service import detection
from trackside_service.domain.records import Record
from trackside_service.errors import InvalidInputError
from trackside_service.rules import Reading

CODE = "ACC004"
LN10, LN3 = math.log(10), math.log(3)
ACC = [0.1, 0.11, 0.095, 0.1, 0.105, 0.1, 0.098]


@pytest.mark.parametrize("declared", [{}, {"num_classes": 10}])
def test_an_accuracy_of_one_in_k_and_a_loss_of_ln_k(declared: dict[str, Any]) -> None:
    assert not alerts_of(epochs(val_acc=ACC[:5], val_loss=[LN10] * 5), CODE, **declared)
    (alert,) = alerts_of(epochs(val_acc=ACC, val_loss=[2.31, 2.303, 2.30, 2.304, 2.303, 2.303, 2.3]), CODE, **declared)
    assert (alert.severity, alert.subject, alert.evidence["classes"]) == ("warning", "val_acc", 10)
    assert (alert.opened.epoch, alert.detected.epoch) == (1, 6)  # type: ignore[union-attr]


def test_in_percent() -> None:
    (alert,) = alerts_of(epochs(val_acc=[100 * value for value in ACC], val_loss=[LN10] * 7), CODE)
    assert "guessing among 10 classes gives 10 %" in alert.detail
    assert alerts_of(epochs(val_acc=[0.1] * 7, val_loss=[math.log(1000)] * 7), CODE)  # a tenth of a percent


def test_neither_the_loss_nor_the_accuracy_alone() -> None:
    assert not alerts_of(epochs(val_acc=ACC, val_loss=[1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3]), CODE)
    assert not alerts_of(epochs(val_acc=[0.25, 0.27, 0.26, 0.27, 0.28, 0.26, 0.27], val_loss=[LN10] * 7), CODE)
    assert not alerts_of(epochs(val_acc=ACC), CODE)
    assert not alerts_of(epochs(val_acc=ACC, val_loss=[LN10] * 7), CODE, num_classes=100)


def test_always_the_same_answer() -> None:
    loss = [LN3 + n / 400 for n in range(9)]
    (alert,) = alerts_of(epochs(val_acc=[0.44, *[0.43] * 8], val_loss=loss), CODE)
    assert alert.evidence["classes"] == 3
    assert not alerts_of(epochs(val_acc=[0.84] * 9, val_loss=[LN3] * 9), CODE)  # it starts good
    assert not alerts_of(epochs(val_acc=[0.43] * 9, val_loss=[LN3 - n / 20 for n in range(9)]), CODE)


def test_a_loss_that_is_on_its_way_is_not_stuck() -> None:
    acc = [0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.17, 0.18, 0.19]
    assert not alerts_of(epochs(val_acc=acc, val_loss=[2.4 - n / 50 for n in range(10)]), CODE, num_classes=10)
    wandering = [2.25, 2.2, 2.15, 2.1, 2.05, 2.0, 1.95, 1.93, 1.9, 1.88]
    assert not alerts_of(epochs(val_acc=acc, val_loss=wandering), CODE)


def test_what_has_left_chance_once_is_judged_no_more() -> None:
    acc, loss = [0.1, 0.5, 0.6, *[0.1] * 12], [LN10, 1.2, 1.0, *[LN10] * 12]
    assert not alerts_of(epochs(val_acc=acc, val_loss=loss), CODE)
    odd = epochs(val_acc=[0.1, 0.5, *ACC], val_loss=[LN10, 1.2, *[LN10] * 7])
    assert len(alerts_of(odd, CODE)) == 1  # one odd evaluation is not leaving


def test_training_figures_by_epoch_where_there_are_no_others() -> None:
    assert alerts_of(epochs(train_acc=ACC, train_loss=[LN10] * 7), CODE)
    assert not alerts_of(epochs(train_acc=ACC, train_loss=[LN10] * 7, val_acc=[0.3] * 7, val_loss=[1.9] * 7), CODE)


def test_batches_are_judged_from_the_third_epoch_on() -> None:
    def batches(first: float, acc: list[float]) -> list[dict[str, Any]]:
        losses = [6.9076, 6.9091, 6.9048, 6.9069, 6.9074, 6.908, 6.9067, 6.9071, 6.9045]
        return [
            {"epoch": first + n / 1000, "metrics": {"train_acc": value, "train_loss": loss}}
            for n, (value, loss) in enumerate(zip(acc, losses, strict=True))
        ]

    few = [0.0, 0.0, 1.56, 0.0, 0.0, 0.0, 1.56, 0.0, 0.0]
    (alert,) = alerts_of(batches(11.9, few), CODE)
    assert (alert.subject, alert.evidence["classes"]) == ("train_acc", 1000)
    assert not alerts_of(batches(0.1, few), CODE)
    assert not alerts_of(batches(11.9, [6.0] * 9), CODE)


def test_batches_without_epochs_need_many() -> None:
    loss, acc = [LN10] * 250, [0.125, 0.0, 0.125, 0.25, 0.0] * 50
    assert not alerts_of(steps(train_loss=loss[:150], train_acc=acc[:150]), CODE)
    assert alerts_of(steps(train_loss=loss, train_acc=acc), CODE)
    assert not alerts_of(steps(train_loss=loss, train_acc=[0.4] * 250), CODE)


def test_a_rate_that_has_yet_to_rise_is_waited_for() -> None:
    schedule = {
        "framework": "torch",
        "class": "LinearLR",
        "params": {"start_factor": 0.001, "total_iters": 8},
        "base_lr": 0.1,
        "unit": "epoch",
    }
    log = epochs(val_acc=[*ACC, *ACC], val_loss=[LN10] * 14, lr=[1e-4] * 8 + [0.1] * 6)
    (alert,) = alerts_of(log, CODE, schedule=schedule)
    assert alert.detected.epoch == 9  # type: ignore[union-attr]
    assert "lr 0.1 to 1, or lr 0.1 to 0.01" in alert.advice


def test_a_tiny_rate_is_named() -> None:
    (alert,) = alerts_of(epochs(val_acc=ACC, val_loss=[LN10] * 7, lr=[1e-7] * 7), CODE)
    assert "1e-07 is low for any optimizer; try 1e-06 to 1e-05" in alert.advice


def test_values_that_are_not_finite_neither_count_nor_hide() -> None:
    acc, loss = [*ACC[:3], "NaN", *ACC[3:]], [LN10] * 8
    (alert,) = alerts_of(epochs(val_acc=acc, val_loss=loss), CODE)
    assert alert.detected.epoch == 7  # type: ignore[union-attr]
    assert not alerts_of(epochs(val_acc=ACC, val_loss=["NaN"] * 7), CODE)


def test_it_resolves_when_chance_is_left() -> None:
    log = epochs(val_acc=[*ACC, 0.5, 0.6], val_loss=[*[LN10] * 7, 1.5, 1.2])
    (alert,) = alerts_of(log, CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 9)  # type: ignore[union-attr]


def test_another_run_in_the_same_log_begins_anew() -> None:
    good = epochs(val_acc=[0.3, 0.5, 0.6], val_loss=[1.9, 1.2, 1.0])
    assert alerts_of([*good, *epochs(val_acc=ACC, val_loss=[LN10] * 7)], CODE)
    part = epochs(val_acc=ACC[:4], val_loss=[LN10] * 4)
    assert not alerts_of([*part, *part], CODE)


def test_what_is_behind_is_not_shown() -> None:
    context = detection.configure(spec_of())
    log = [Reading(Record({"val_acc": 0.1, "val_loss": LN10}, epoch=n), n, behind=n > 3) for n in range(12)]
    assert not detection.inspect(context, detection.begin(context), log).outcomes


@pytest.mark.parametrize(
    "params", [{"patience": 2}, {"loss_within": 0.5}, {"constant_within": 0.1}, {"above": 0.4}, {"batch_patience": 0}]
)
def test_a_bad_configuration_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        detection.configure(spec_of(rules={CODE: {"params": params}}))
