"""LOSS005: runs that get nowhere from the start, and plateaus that are none of its business."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, reloaded, steps

CODE = "LOSS005"
FLAT: dict[str, Any] = {
    "train_loss": [2.305 - 0.0003 * epoch for epoch in range(14)],
    "val_loss": [2.304 + 0.001 * (-1) ** epoch for epoch in range(14)],
    "val_acc": [0.1 + 0.003 * (-1) ** epoch for epoch in range(14)],
}
PEAK: dict[str, Any] = {
    "framework": "torch",
    "class": "OneCycleLR",
    "params": {"max_lr": 0.01, "total_steps": 20, "div_factor": 10, "final_div_factor": 1000},
    "base_lr": 0.01,
    "unit": "epoch",
}


def test_ten_values_without_progress() -> None:
    log = epochs(**FLAT)
    assert not alerts_of(log[:9], CODE)
    (alert,) = alerts_of(log, CODE)
    assert (alert.severity, alert.subject) == ("warning", "train_loss")
    assert (alert.opened.epoch, alert.detected.epoch) == (1, 10)  # type: ignore[union-attr]
    assert "val_acc began at" in alert.detail


@pytest.mark.parametrize("better", ["train_loss", "val_loss", "val_acc"])
def test_anything_that_improves_is_progress(better: str) -> None:
    step = 0.01 if better == "val_acc" else -0.01
    series = {**FLAT, better: [FLAT[better][0] + step * epoch for epoch in range(14)]}
    assert not alerts_of(epochs(**series), CODE)


def test_rarely_reported_metrics_count_by_their_points() -> None:
    rare = [{"epoch": epoch, "metrics": {"val_loss": 2.3}} for epoch in range(1, 60, 5)]
    (alert,) = alerts_of(rare, CODE)
    assert alert.detected.epoch == 46, "ten values, not ten epochs"  # type: ignore[union-attr]


def test_a_fine_tuning_that_starts_well_has_little_to_gain() -> None:
    assert not alerts_of(epochs(**{**FLAT, "val_acc": [0.84, 0.845] * 7}), CODE)
    assert not alerts_of(epochs(**{**FLAT, "val_acc": [84.0, 84.5] * 7}), CODE)


def test_only_values_at_a_rate_that_can_learn_count() -> None:
    low = [1e-5] * 12 + [0.01, 0.01]
    assert not alerts_of(epochs(lr=[0.01] + low[1:12] + [0.01] * 2, **FLAT), CODE)
    assert alerts_of(epochs(lr=[0.01] * 14, **FLAT), CODE)
    # The same where the rate is declared and not reported: ten of its fourteen epochs are at a tenth of the peak.
    assert alerts_of(epochs(**FLAT), CODE, schedule=PEAK)
    late_peak = {**PEAK, "params": {**PEAK["params"], "total_steps": 60, "pct_start": 0.9, "div_factor": 1e4}}
    assert not alerts_of(epochs(**FLAT), CODE, schedule=late_peak)


def test_it_judges_late() -> None:
    assert not alerts_of(epochs(**FLAT), CODE, total_epochs=100)
    assert alerts_of(epochs(**FLAT), CODE, total_epochs=50)


def test_a_plateau_after_progress_is_none() -> None:
    plateau = [6.0, 4.0, 3.0, 2.5, *[2.3] * 40]
    assert not alerts_of(epochs(lr=[0.1] * 44, train_loss=plateau), CODE)


def test_a_log_that_begins_late_with_losses_alone_is_not_known() -> None:
    assert not alerts_of(epochs(49, train_loss=FLAT["train_loss"]), CODE)
    assert alerts_of(epochs(1, train_loss=FLAT["train_loss"]), CODE)


def test_a_loss_that_gets_much_worse_is_another_matter() -> None:
    assert not alerts_of(
        epochs(train_loss=[1.05, 1.05, 1.11, 1.23, 1.18, 1.31, 1.22, 1.18, 1.25, 1.28, 1.27, 1.2]), CODE
    )


def test_means_of_batches_are_compared() -> None:
    rng = random.Random(3)
    log = [
        {"step": step, "metrics": {"train_loss": 2.3 + 0.3 * rng.uniform(-1, 1), "val_acc": 0.1}}
        for step in range(1300)
    ]
    (alert,) = alerts_of(log, CODE, steps_per_epoch=100)
    assert alert.subject in ("train_loss", "val_acc")


def test_rewards_and_adversaries_are_not_judged() -> None:
    assert not alerts_of(epochs(episode_reward=[1.0] * 14, **FLAT), CODE)


def test_values_that_are_not_finite_and_gaps() -> None:
    gaps = {name: [*values[:3], "NaN", None, *values[5:]] for name, values in FLAT.items()}
    series: dict[str, Any] = gaps
    (alert,) = alerts_of(epochs(lr=[0.1] * 14, **series), CODE)
    assert alert.detected.epoch == 12  # type: ignore[union-attr]


def test_it_resolves_once_anything_improves() -> None:
    series: dict[str, Any] = {name: [*values, *[values[-1]] * 5] for name, values in FLAT.items()}
    series["train_loss"][14:] = [2.2, 2.1, 2.0, 1.9, 1.8]
    (alert,) = alerts_of(epochs(**series), CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 16)  # type: ignore[union-attr]


def test_another_life_begins_anew() -> None:
    half: dict[str, Any] = {name: values[:8] for name, values in FLAT.items()}
    other: dict[str, Any] = {name: [value * 1.001 for value in values[:8]] for name, values in FLAT.items()}
    assert not alerts_of([*epochs(**half), *epochs(**other)], CODE)


def test_its_state_goes_through_json() -> None:
    series: dict[str, Any] = {name: [*values, *[values[-1]] * 5] for name, values in FLAT.items()}
    series["train_loss"][14:] = [2.2, 2.1, 2.0, 1.9, 1.8]
    assert reloaded(CODE, epochs(lr=[0.1] * 19, **series)) == [("Finding", "train_loss"), ("Cleared", "train_loss")]


def test_advice_late_in_a_run_raises_the_final_rate() -> None:
    (alert,) = alerts_of(epochs(**FLAT), CODE, schedule=PEAK, total_epochs=20)
    assert "final_div_factor 1000 to 100, so that the final LR becomes 1e-05" in alert.advice
    (alert,) = alerts_of(epochs(**FLAT), CODE, schedule=PEAK, total_epochs=50)
    assert "final_div_factor" not in alert.advice
    assert "div_factor 10 to 5" in alert.advice


def test_advice_names_what_over_constrains() -> None:
    (alert,) = alerts_of(
        epochs(lr=[3e-5] * 14, **FLAT),
        CODE,
        optimizer={"class": "AdamW", "params": {"lr": 3e-5, "weight_decay": 0.05}},
        params={"dropout": 0.5, "label_smoothing": 0.1, "epochs": 20},
    )
    assert "weight_decay 0.05, dropout 0.5, label_smoothing 0.1" in alert.advice
    assert "over-constrain" in alert.advice
    (alert,) = alerts_of(epochs(lr=[0.1] * 14, **FLAT), CODE, optimizer={"class": "SGD", "params": {"lr": 0.1}})
    assert "over-constrain" not in alert.advice
    assert "lr 0.1 to 0.3" in alert.advice


def test_its_parameters_can_be_set() -> None:
    (alert,) = alerts_of(epochs(**FLAT), CODE, rules={CODE: {"params": {"points": 6}}})
    assert alert.detected.epoch == 6  # type: ignore[union-attr]


def test_what_came_before_the_log_is_not_known() -> None:
    slow = [0.2231, 0.2243, 0.2248, 0.2251, 0.2253, 0.2255, 0.2257, 0.2259, 0.2262, 0.2264]
    assert alerts_of(epochs(1, val_acc=slow), CODE)
    assert not alerts_of(epochs(26, val_acc=slow), CODE)
    early, late = (
        [{"step": first + 26 * place, "metrics": {"val_acc": value}} for place, value in enumerate(slow)]
        for first in (10, 600)
    )
    assert alerts_of(early, CODE)
    assert not alerts_of(late, CODE)


def test_a_training_loss_of_which_nothing_tells_the_epochs_shows_progress() -> None:
    flat, falling = [0.1] * 12, [2.3 - 0.1 * place for place in range(12)]
    assert alerts_of(steps(50, val_acc=flat), CODE)
    assert not alerts_of(steps(50, val_acc=flat, train_loss=falling), CODE)


def test_a_loss_below_zero_has_no_size_to_take_a_share_of() -> None:
    slow = [10.0 + 0.02 * (-1) ** place - 0.002 * place for place in range(14)]
    assert alerts_of(epochs(train_loss=slow, val_loss=slow), CODE)
    below = [value - 20 for value in slow]
    assert not alerts_of(epochs(train_loss=below, val_loss=below), CODE)


def test_validation_at_every_step_is_that_of_a_batch() -> None:
    assert not alerts_of(steps(1, val_acc=[0.0] * 40), CODE)


def test_what_comes_down_slowly_and_surely_makes_progress() -> None:
    slow = [1.2 - 0.0006 * place for place in range(12)]
    assert not alerts_of(epochs(train_loss=slow, val_loss=slow), CODE), "half a percent, without noise"
    noisy = [value + 0.002 * (-1) ** place for place, value in enumerate(slow)]
    assert alerts_of(epochs(train_loss=noisy, val_loss=noisy), CODE)
