"""LOSS008: other metrics that are not finite, as information."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, reloaded, report_of, steps

CODE = "LOSS008"


@pytest.mark.parametrize(("bad", "word"), [("NaN", "NaN"), ("Infinity", "infinite"), ("-Infinity", "infinite")])
def test_it_is_information(bad: str, word: str) -> None:
    series: dict[str, Any] = {"train_loss": [1.0, 0.9, 0.8], "val/f1": [0.1, bad, bad]}
    (alert,) = report_of(epochs(**series)).alerts
    assert (alert.code, alert.severity, alert.subject) == (CODE, "info", "val/f1")
    assert alert.opened.epoch == 2  # type: ignore[union-attr]
    assert f"val/f1 was {word} at epoch 2" in alert.detail


def test_what_other_rules_are_about_is_theirs() -> None:
    series: dict[str, Any] = {"lr": ["NaN"], "lr/1": ["NaN"], "train_loss": ["NaN"], "val_loss": ["NaN"]}
    assert not alerts_of(epochs(grad_norm=["NaN"], **series), CODE)


def test_several_metrics_are_one_alert() -> None:
    series: dict[str, Any] = {"a": ["NaN"] * 3, "b": [1.0, "NaN", "NaN"], "val_acc": [0.5, 0.5, "Infinity"]}
    (alert,) = alerts_of(epochs(**series), CODE)
    assert alert.subject == "a"
    assert alert.detail == "a was NaN at epoch 1; b was NaN at epoch 2; val_acc was infinite at epoch 3."
    many: dict[str, Any] = {f"m{number}": ["NaN"] for number in range(300)}
    (alert,) = alerts_of(epochs(**many), CODE)
    assert len(alert.evidence["metrics"]) == 20


def test_it_resolves_and_is_not_told_again() -> None:
    series: dict[str, Any] = {"a": ["NaN", 1.0, 1.0, "NaN", 1.0, 1.0, 1.0, "NaN", 1.0], "b": [1.0] * 9}
    (alert,) = alerts_of(epochs(**series), CODE)
    assert (alert.state, alert.resolved.epoch, alert.episode) == ("resolved", 7, 1)  # type: ignore[union-attr]


def test_huge_values_are_finite() -> None:
    assert not alerts_of(epochs(a=[1e308], b=[1e308]), CODE)


def test_an_accuracy_that_stays_so_is_a_warning() -> None:
    series: dict[str, Any] = {"train_acc": [0.1, 0.2, *["NaN"] * 3], "val_acc": [0.1, 0.2, *["NaN"] * 3]}
    (alert,) = alerts_of(epochs(**{name: values[:4] for name, values in series.items()}), CODE)
    assert alert.severity == "info"
    (alert,) = alerts_of(epochs(**series), CODE)
    assert (alert.severity, alert.opened.epoch) == ("warning", 3)  # type: ignore[union-attr]
    assert "train_acc and val_acc stayed so" in alert.detail
    later: dict[str, Any] = {"a": ["NaN"] * 8, "val_acc": [0.1, "NaN", "NaN", 0.1, "NaN", "NaN", "NaN", "NaN"]}
    (alert,) = alerts_of(epochs(**later), CODE)
    assert (alert.severity, alert.subject, alert.title) == ("warning", "a", "val_acc and 1 more not finite")


def test_an_accuracy_is_information_where_it_never_was_finite_or_a_loss_is_not() -> None:
    assert [each.severity for each in alerts_of(epochs(val_acc=["NaN"] * 9), CODE)] == ["info"]
    assert [each.severity for each in alerts_of(epochs(a=[0.1, *["NaN"] * 9]), CODE)] == ["info"]
    broken = epochs(train_loss=[1.0, *["NaN"] * 9], val_acc=[0.1, *["NaN"] * 9])
    assert [each.severity for each in alerts_of(broken, CODE)] == ["info"]


def test_a_batchs_accuracy_takes_ten() -> None:
    assert [each.severity for each in alerts_of(steps(train_acc=[0.1, *["NaN"] * 9]), CODE)] == ["info"]
    assert [each.severity for each in alerts_of(steps(train_acc=[0.1, *["NaN"] * 10]), CODE)] == ["warning"]


def test_its_state_goes_through_json() -> None:
    series: dict[str, Any] = {"a": ["NaN", 1.0, 1.0, 1.0, "-Infinity"], "b": [1.0, 1.0, 1.0, 1.0, "Infinity"]}
    assert reloaded(CODE, epochs(**series)) == [("Finding", "a"), ("Cleared", "a"), ("Finding", "a")]
    stays: dict[str, Any] = {"train_loss": ["NaN", 1.0, 1.0, 1.0, 1.0, 1.0], "val_acc": [0.1, 0.2, *["NaN"] * 4]}
    assert reloaded(CODE, epochs(**stays)) == [("Finding", "val_acc")] * 2
