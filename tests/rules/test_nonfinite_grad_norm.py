"""GRAD003: gradient norms that are not finite, and single overflows, which are none."""

from __future__ import annotations

import pytest

from tests.rules.support import alerts_of, epochs, reloaded, steps

CODE = "GRAD003"


@pytest.mark.parametrize(("bad", "word"), [("NaN", "NaN"), ("Infinity", "infinite"), ("-Infinity", "infinite")])
def test_never_finite_is_told_at_the_third(bad: str, word: str) -> None:
    log = steps(50, train_loss=[4.35, 4.54, 4.33], grad_norm=[bad] * 3)
    assert not alerts_of(log[:2], CODE)
    (alert,) = alerts_of(log, CODE)
    assert (alert.severity, alert.subject) == ("warning", "grad_norm")
    assert (alert.opened.step, alert.detected.step) == (0, 100)  # type: ignore[union-attr]
    assert alert.title == f"grad_norm is {word}"
    assert "never finite" in alert.detail
    assert "4.33" in alert.detail


def test_without_any_loss() -> None:
    assert len(alerts_of(steps(50, lr=[3e-4] * 3, grad_norm=["NaN"] * 3), CODE)) == 1


def test_overflows_of_mixed_precision_are_none() -> None:
    assert not alerts_of(steps(grad_norm=[1.0, *["Infinity"] * 9, 1.0, "NaN", *["Infinity"] * 8, 2.0]), CODE)
    assert not alerts_of(steps(grad_norm=["Infinity", "Infinity", 900.0, 3.0]), CODE)


@pytest.mark.parametrize("every", [1, 5])
def test_the_first_updates_of_dynamic_loss_scaling_are_none(every: int) -> None:
    assert not alerts_of(steps(every, grad_norm=[*["NaN"] * 9, 1.0, 1.0]), CODE)
    (alert,) = alerts_of(steps(every, grad_norm=["NaN"] * 10), CODE)
    assert "never finite" in alert.detail
    by_epoch = [{**record, "epoch": (record["step"] + 1) / 500} for record in steps(every, grad_norm=["NaN"] * 9)]
    assert not alerts_of(by_epoch, CODE)
    for record in by_epoch:
        del record["step"]
    assert not alerts_of(by_epoch, CODE)


def test_records_of_later_updates_or_of_epochs_are_no_such_start() -> None:
    late = [{**record, "step": record["step"] + 5426} for record in steps(grad_norm=["NaN"] * 3)]
    assert len(alerts_of(late, CODE)) == 1
    an_epoch_each = [{**record, "epoch": record["step"]} for record in steps(grad_norm=["NaN"] * 3)]
    assert len(alerts_of(an_epoch_each, CODE)) == 1


def test_a_loss_scale_that_falls_is_the_scaler_at_work() -> None:
    scales = [65536 / 2**index for index in range(16)]
    assert not alerts_of(steps(50, grad_norm=[*["NaN"] * 16, 1.0], loss_scale=scales), CODE)
    (alert,) = alerts_of(steps(50, grad_norm=["NaN"] * 20, loss_scale=[*scales, 1.0, 1.0, 1.0]), CODE)
    assert (alert.opened.step, alert.detected.step) == (850, 950)  # type: ignore[union-attr]
    constant = steps(50, grad_norm=["NaN"] * 3, loss_scale=[1.0] * 3)
    assert len(alerts_of(constant, CODE)) == 1


def test_ten_in_a_row_where_it_was_finite() -> None:
    log = steps(grad_norm=[1.5, *["NaN"] * 10])
    (alert,) = alerts_of(log, CODE, optimizer={"class": "AdamW", "params": {"lr": 0.01}})
    assert (alert.opened.step, alert.detected.step) == (1, 10)  # type: ignore[union-attr]
    assert "1.5" in alert.detail
    assert "lr 0.01 to 0.005" in alert.advice


def test_a_loss_that_is_not_finite_is_another_rules() -> None:
    assert not alerts_of(steps(train_loss=["NaN"] * 5, grad_norm=["NaN"] * 5), CODE)
    late = steps(train_loss=[1.0] + ["NaN"] * 20, grad_norm=[1.0] + ["NaN"] * 20)
    assert not alerts_of(late, CODE)


def test_records_without_it_are_no_gap() -> None:
    log = epochs(train_loss=[1.0] * 6, grad_norm=["NaN", None, "NaN", None, None, "NaN"])
    (alert,) = alerts_of(log, CODE)
    assert (alert.opened.epoch, alert.detected.epoch) == (1, 6)  # type: ignore[union-attr]


def test_it_resolves_after_three() -> None:
    (alert,) = alerts_of(steps(10, grad_norm=["NaN"] * 4 + [1.0, 1.0, "NaN", 1.0, 1.0, 1.0]), CODE)
    assert (alert.state, alert.resolved.step) == ("resolved", 90)  # type: ignore[union-attr]


def test_another_life_begins_anew() -> None:
    first, second = steps(10, grad_norm=["NaN", "NaN", 1.0]), steps(10, grad_norm=["Infinity", "Infinity"])
    assert not alerts_of([*first, *second], CODE)
    (alert,) = alerts_of([*first, *steps(10, grad_norm=["Infinity"] * 3)], CODE)
    assert "never finite" in alert.detail


def test_its_state_goes_through_json() -> None:
    log = steps(train_loss=[1.0] * 20, grad_norm=[2.0] + ["NaN"] * 12 + [1.0] * 7)
    assert reloaded(CODE, log) == [("Finding", "grad_norm"), ("Cleared", "grad_norm")]


def test_its_patience_can_be_set() -> None:
    rules = {CODE: {"params": {"never_patience": 1}}}
    assert len(alerts_of(epochs(grad_norm=["NaN"]), CODE, rules=rules)) == 1
