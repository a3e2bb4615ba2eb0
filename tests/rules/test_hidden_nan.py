"""LOSS006: numbers that stand where a loss has broken, and the same numbers where nothing has."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, reloaded, steps

CODE = "LOSS006"
NOISY = [1.2 + 0.1 * math.sin(7 * index) for index in range(60)]


def test_a_fall_to_exactly_0() -> None:
    log = steps(train_loss=[*NOISY, *[0.0] * 3], grad_norm=[1.0] * 60 + ["NaN"] * 3)
    assert not alerts_of(log[:-1], CODE)
    (alert,) = alerts_of(log, CODE, optimizer={"class": "Adam", "params": {"lr": 0.004}})
    assert (alert.severity, alert.subject, alert.title) == ("warning", "train_loss", "train_loss is exactly 0")
    assert (alert.opened.step, alert.detected.step) == (60, 62)  # type: ignore[union-attr]
    assert "lr 0.004 to 0.002" in alert.advice
    assert f"{NOISY[-1]:.6g}" in alert.detail


def test_0_from_the_first_record_with_a_low_accuracy() -> None:
    (alert,) = alerts_of(steps(every=10, train_loss=[0] * 6, train_acc=[0] * 6), CODE)
    assert (alert.opened.step, alert.detected.step) == (0, 20)  # type: ignore[union-attr]
    assert len(alerts_of(steps(train_loss=[0] * 6, grad_norm=["NaN"] * 6), CODE)) == 1
    assert len(alerts_of(epochs(train_loss=[0] * 6, val_acc=[12.0] * 6), CODE)) == 1


def test_0_that_is_sound() -> None:
    sound: list[dict[str, Any]] = [
        {"train_loss": [0.0] * 40, "grad_norm": [0.3 + 0.001 * index for index in range(40)]},  # a loss of 0 by design
        {"train_loss": [0.0] * 40},  # nothing else is known
        {"train_loss": [0.0] * 40, "train_acc": [0.99] * 40},
        {"train_loss": [1.0, 0.1, 0.01, 0.001, 0.0004, 0.0002, 0.0001, *[0.0] * 30]},  # printed with few decimals
        {"train_loss": [0.3, 0.2, 0.0, 0.1, 0.0, 0.0, 0.2, 0.0, 0.1, *[0.0] * 30]},  # a hinge that is often satisfied
    ]
    for series in sound:
        assert not alerts_of(steps(**series), CODE), series


@pytest.mark.parametrize(
    ("value", "classes"), [(6.90776, 1000), (2.302585, 10), (0.6931471824645996, 2), (11.0903549, 65536)]
)
def test_arriving_at_exactly_ln_k(value: float, classes: int) -> None:
    log = steps(every=20, train_loss=[value + 0.004, value, value, value])
    assert not alerts_of(log[:-1], CODE)
    (alert,) = alerts_of(log, CODE)
    assert alert.evidence["classes"] == classes
    assert (alert.opened.step, alert.detected.step) == (20, 60)  # type: ignore[union-attr]
    assert f"ln {classes}" in alert.title


def test_a_side_loss_at_exactly_ln_k() -> None:
    log = steps(train_loss=[6.9116, 6.9050, 6.9063, 6.9068], loss_cls=[6.91161, 6.90776, 6.90776, 6.90776])
    (alert,) = alerts_of(log, CODE)
    assert alert.subject == "loss_cls"
    assert not alerts_of(steps(bbox=[6.91161, 6.90776, 6.90776, 6.90776]), CODE), "no loss by its name"


def test_beginning_at_ln_k_is_normal() -> None:
    # A last layer that begins at zero, and a preference loss against a copy of the model.
    start = [0.693147] * 6
    assert not alerts_of(steps(train_loss=[*start, 0.693101, 0.6928, 0.69, 0.68]), CODE)
    (alert,) = alerts_of(steps(train_loss=[0.693147] * 10), CODE)
    assert alert.detected.step == 9  # type: ignore[union-attr]


def test_ln_k_by_rounding_is_none() -> None:
    assert not alerts_of(steps(train_loss=[0.7, 0.69, 0.69, 0.69, 0.6931, 0.6931, 0.6931, 0.6931]), CODE)


def test_the_declared_classes_are_the_only_ones() -> None:
    log = steps(train_loss=[2.4, 2.302585, 2.302585, 2.302585])
    assert len(alerts_of(log, CODE, num_classes=10)) == 1
    assert not alerts_of(log, CODE, num_classes=100)


@pytest.mark.parametrize("value", [87.3365, 1746.73, 873.365, 87.33654475055311, 16.1181, 16.118095])
def test_a_ceiling(value: float) -> None:
    (alert,) = alerts_of(steps(every=100, train_loss=[184.354, value, value]), CODE)
    assert (alert.opened.step, alert.detected.step) == (100, 200)  # type: ignore[union-attr]
    assert "ceiling" in alert.title


def test_exactly_constant_epochs() -> None:
    log = epochs(train_loss=[2.31, 1.948331, *[1.723117] * 5], val_loss=[2.2, 2.1, 2.0, 2.0, 2.0, 2.0, 2.0])
    assert not alerts_of(log[:-1], CODE)
    (alert,) = alerts_of(log, CODE)
    assert (alert.subject, alert.opened.epoch, alert.detected.epoch) == ("train_loss", 3, 7)  # type: ignore[union-attr]
    assert len(alerts_of(epochs(train_loss=NOISY[:8], val_loss=[1.723117] * 8), CODE)) == 1


def test_what_to_do_about_a_constant_one_names_the_optimizer_and_the_rate() -> None:
    log = epochs(train_loss=[2.31, *[2.302714] * 14], lr=[0.003] * 15)
    (alert,) = alerts_of(log, CODE, optimizer={"class": "AdamW", "params": {"lr": 0.003}})
    assert "weights about epoch 2" in alert.advice
    assert "AdamW does not hold these parameters" in alert.advice
    assert "0 (it is 0.003)" in alert.advice
    assert "lr 0.003 to 0.0015" in alert.advice


def test_constant_by_rounding_is_none() -> None:
    assert not alerts_of(epochs(train_loss=[2.3, *[0.0012] * 40], val_loss=[1.5, *[1.234] * 40]), CODE)


def test_constant_where_the_lr_has_gone_is_none() -> None:
    log = epochs(lr=[0.1, 0.05, *[0.0] * 20], train_loss=[2.0, 1.5, *[1.234567] * 20])
    assert not alerts_of(log, CODE)
    assert alerts_of(epochs(lr=[0.1] * 22, train_loss=[2.0, 1.5, *[1.234567] * 20]), CODE)


def test_an_epochs_loss_printed_with_every_record_is_none() -> None:
    carried = [{"step": step, "metrics": {"train_loss": 1 / 7 + 1 / (1 + step // 50)}} for step in range(400)]
    assert not alerts_of(carried, CODE, steps_per_epoch=50)
    carried = [{"step": step, "metrics": {"val_loss": 1 / 7 + 1 / (1 + step // 50)}} for step in range(400)]
    assert not alerts_of(carried, CODE)
    stuck = [{"step": step, "metrics": {"train_loss": 1 / 7}} for step in range(120)]
    (alert,) = alerts_of(stuck, CODE, steps_per_epoch=50)
    assert alert.detected.step == 50  # type: ignore[union-attr]


def test_values_that_are_not_finite_neither_count_nor_raise() -> None:
    log = steps(train_loss=["NaN", 1746.73, "Infinity", 1746.73, "NaN", "-Infinity"])
    assert len(alerts_of(log, CODE)) == 1
    assert not alerts_of(steps(train_loss=["NaN"] * 10, val_loss=["Infinity"] * 10), CODE)


def test_it_resolves_after_three_other_values() -> None:
    (alert,) = alerts_of(steps(train_loss=[9.0, *[87.3365] * 3, 5.0, 4.0, 3.0, 2.0]), CODE)
    assert (alert.state, alert.resolved.step) == ("resolved", 6)  # type: ignore[union-attr]


def test_another_life_begins_anew() -> None:
    first, second = epochs(train_loss=[2.0, 1.9, *[1.723117] * 3]), epochs(train_loss=[*[1.723117] * 3, 1.6])
    assert not alerts_of([*first, *second], CODE)


def test_its_state_goes_through_json() -> None:
    log = steps(train_loss=[*NOISY, *[0.0] * 6, *NOISY[:5], 2.31, *[2.302585] * 4, *NOISY[:5]], loss_a=NOISY)
    told = [("Finding", "train_loss"), ("Cleared", "train_loss")] * 2
    assert reloaded(CODE, log) == told


def test_its_patience_can_be_set() -> None:
    rules = {CODE: {"params": {"epochs": 3}}}
    assert alerts_of(epochs(train_loss=[1.723117] * 3), CODE, rules=rules)


def test_what_converged_without_noise_stays_and_what_breaks_stops() -> None:
    assert not alerts_of(epochs(train_loss=[3.1, 1.7, 1.2, 1.0312, 1.031201, *[1.031202] * 9]), CODE)
    assert alerts_of(epochs(train_loss=[3.1, 1.7, 1.2, 1.0612, 1.045201, *[1.031202] * 9]), CODE)
