"""FIT001: a gap between training and validation that persists while validation gets worse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, spec_of
from trackside_service import detection
from trackside_service.domain.records import Record
from trackside_service.errors import InvalidInputError
from trackside_service.rules import Reading

CODE = "FIT001"
TRAIN = [0.3, 0.5, 0.7, 0.85, 0.92, 0.95, 0.97, 0.98]
VAL = [0.3, 0.45, 0.5, 0.52, 0.53, 0.52, 0.53, 0.52]
LOSS = [2.0, 1.5, 1.3, 1.4, 1.8, 2.2, 2.6, 3.0]


def test_a_wide_gap_with_a_loss_that_rises() -> None:
    assert not alerts_of(epochs(train_acc=TRAIN[:7], val_acc=VAL[:7], val_loss=LOSS[:7]), CODE)
    (alert,) = alerts_of(epochs(train_acc=TRAIN, val_acc=VAL, val_loss=LOSS), CODE)
    assert (alert.severity, alert.subject) == ("warning", "val_acc")
    assert (alert.opened.epoch, alert.detected.epoch) == (5, 8)  # type: ignore[union-attr]
    assert alert.evidence["gap_points"] == pytest.approx(46)
    assert "checkpoint of epoch 4" in alert.advice


def test_in_percent_and_in_units_of_their_own() -> None:
    percent = epochs(train_acc=[100 * v for v in TRAIN], val_acc=[100 * v for v in VAL], val_loss=LOSS)
    (alert,) = alerts_of(percent, CODE)
    assert alert.evidence["gap_points"] == pytest.approx(46)
    mixed = epochs(train_acc=TRAIN, val_acc=[100 * v for v in VAL], val_loss=LOSS)
    units = {"train_acc": "fraction", "val_acc": "percent"}
    (alert,) = alerts_of(mixed, CODE, metric_units=units)
    assert alert.evidence["gap_points"] == pytest.approx(46)


def test_a_gap_alone_is_nothing() -> None:
    assert not alerts_of(epochs(train_acc=TRAIN * 3, val_acc=sorted(VAL * 3)), CODE)
    assert not alerts_of(epochs(train_acc=TRAIN, val_acc=VAL, val_loss=[2.0, 1.5, *[1.3] * 6]), CODE)


def test_a_loss_that_rises_without_a_gap_is_nothing() -> None:
    assert not alerts_of(epochs(train_acc=VAL, val_acc=VAL, val_loss=LOSS), CODE)


def test_under_twenty_points_a_loss_alone_is_information() -> None:
    (alert,) = alerts_of(epochs(train_acc=[v + 0.15 for v in VAL], val_acc=VAL, val_loss=LOSS), CODE)
    assert alert.severity == "info"


def test_it_becomes_a_warning_when_the_accuracy_falls_too() -> None:
    train = [*(v + 0.15 for v in VAL), *[0.68] * 6]
    log = epochs(train_acc=train, val_acc=[*VAL, *[0.45] * 6], val_loss=[*LOSS, *[3.0] * 6])
    (alert,) = alerts_of(log, CODE)
    assert (alert.severity, alert.opened.epoch) == ("warning", 5)  # type: ignore[union-attr]


def test_without_a_loss_a_falling_accuracy_is_enough_after_twice_as_long() -> None:
    train, val = [*TRAIN, *[0.98] * 6], [*VAL[:5], *[0.44] * 9]
    assert not alerts_of(epochs(train_acc=train[:12], val_acc=val[:12]), CODE)
    (alert,) = alerts_of(epochs(train_acc=train, val_acc=val), CODE)
    assert (alert.severity, alert.detected.epoch) == ("warning", 13)  # type: ignore[union-attr]


def test_a_fall_while_the_loss_is_at_its_best_is_the_noise_of_few_samples() -> None:
    log = epochs(train_acc=[*TRAIN, *[0.98] * 6], val_acc=[*VAL[:5], *[0.44] * 9], val_loss=[2.0, 1.5, *[1.3] * 12])
    assert not alerts_of(log, CODE)


def test_training_accuracies_of_batches_count_as_their_mean() -> None:
    records = []
    for epoch, (train, val, loss) in enumerate(zip(TRAIN, VAL, LOSS, strict=True)):
        values: list[Any] = [train - 0.1, min(1.0, train + 0.1), train, "NaN"]
        for batch, value in enumerate(values):
            records.append({"step": 100 * epoch + batch, "metrics": {"train_acc": value}})
        records.append({"step": 100 * epoch + 50, "metrics": {"val_acc": val, "val_loss": loss}})
    (alert,) = alerts_of(records, CODE)
    assert (alert.opened.step, alert.detected.step) == (450, 750)  # type: ignore[union-attr]


def test_values_that_are_not_finite_neither_count_nor_hide() -> None:
    loss = [*LOSS[:4], "NaN", *LOSS[5:]]
    (alert,) = alerts_of(epochs(train_acc=TRAIN, val_acc=VAL, val_loss=loss), CODE)
    assert alert.opened.epoch == 5  # type: ignore[union-attr]
    val = [*VAL[:5], "NaN", *VAL[6:], 0.52]
    (alert,) = alerts_of(epochs(train_acc=[*TRAIN, 0.99], val_acc=val, val_loss=[*LOSS, 3.2]), CODE)
    assert alert.detected.epoch == 9  # type: ignore[union-attr]


def test_it_resolves_when_the_gap_closes() -> None:
    (alert,) = alerts_of(epochs(train_acc=[*TRAIN, 0.6], val_acc=[*VAL, 0.55], val_loss=[*LOSS, 1.3]), CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 9)  # type: ignore[union-attr]


def test_another_run_in_the_same_log_begins_from_its_own_start() -> None:
    first = epochs(train_acc=TRAIN[:6], val_acc=VAL[:6], val_loss=LOSS[:6])
    assert not alerts_of([*first, *epochs(train_acc=TRAIN[:6], val_acc=VAL[:6], val_loss=LOSS[:6])], CODE)


def test_what_is_behind_is_not_shown() -> None:
    context = detection.configure(spec_of())
    rows = list(zip(TRAIN, VAL, LOSS, strict=True))
    log = [
        Reading(Record({"train_acc": train, "val_acc": val, "val_loss": loss}, epoch=n), n, behind=n > 5)
        for n, (train, val, loss) in enumerate([*rows, *rows])
    ]
    assert not detection.inspect(context, detection.begin(context), log).outcomes


@pytest.mark.parametrize("params", [{"gap": 0.0}, {"patience": 2}, {"gap": 30.0}, {"loss_rise": 0.0}])
def test_a_bad_configuration_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        detection.configure(spec_of(rules={CODE: {"params": params}}))


def test_further_classes_are_measured_by_themselves() -> None:
    loss = [1.6, 0.9, 0.5, 0.3, 0.2, 0.1, 0.05, 0.04, 0.04, 0.04]
    first: dict[str, Any] = {
        "train_loss": loss,
        "train_acc": [0.4, 0.7, 0.85, 0.9, 0.94, 0.97, 0.98, 0.99, 0.99, 0.99],
        "val_acc": [0.3, 0.6, 0.75, 0.84, 0.9, 0.92, 0.93, 0.93, 0.93, 0.93],
        "val_loss": [1.0, 0.7, 0.5, 0.4, 0.35, 0.32, 0.3, 0.3, 0.3, 0.3],
    }
    second: dict[str, Any] = {
        **first,
        "val_acc": [0.68 * one for one in first["val_acc"]],
        "val_loss": [1.4, *[1.2] * 9],
    }
    both: dict[str, Any] = {name: [*values, *second[name]] for name, values in first.items()}
    assert not alerts_of(epochs(**both), CODE)
    goes_on: dict[str, Any] = {
        **both,
        "train_loss": [*loss, *[0.04] * 10],
        "train_acc": [*first["train_acc"], *[0.99] * 10],
    }
    assert alerts_of(epochs(**goes_on), CODE), "the training goes on as it was"
    assert not alerts_of(epochs(**goes_on, task=[0] * 10 + [1] * 10), CODE), "the log says that another task began"
    overfits: dict[str, Any] = {name: [*values, *values[-1:] * 8] for name, values in both.items()}
    overfits["val_loss"][20:] = [2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2, 3.4]
    (alert,) = alerts_of(epochs(**overfits), CODE)
    assert alert.opened is not None
    assert alert.opened.epoch in range(21, 26)


def test_the_advice_raises_what_the_run_declares() -> None:
    log = epochs(train_acc=TRAIN, val_acc=VAL, val_loss=LOSS)
    adamw = {"class": "AdamW", "params": {"lr": 1e-3, "weight_decay": 0.01}}
    (alert,) = alerts_of(log, CODE, optimizer=adamw, params={"dropout": 0.3, "label_smoothing": 0.0})
    assert "weight_decay 0.01 to 0.02, dropout 0.3 to 0.5" in alert.advice
    (alert,) = alerts_of(log, CODE)
    assert "none is declared" in alert.advice
