"""LOSS004: swings from epoch to epoch at the peak of the LR, and those that are none."""

from __future__ import annotations

import random
from typing import Any

from tests.rules.support import alerts_of, epochs, reloaded

CODE = "LOSS004"
DOWN = [3.0, 2.6, 2.2, 1.9, 1.6, 1.4, 1.2, 1.0]
SWINGS = [1.9, 1.1, 2.0, 1.3, 1.8, 1.2, 1.9, 1.1, 2.0, 1.3]
RISE = [0.001, 0.002, 0.003, 0.004, 0.005, 0.007, 0.009, 0.01]
ONE_CYCLE: dict[str, Any] = {
    "framework": "torch",
    "class": "OneCycleLR",
    "params": {"max_lr": 0.01, "total_steps": 40, "pct_start": 0.3},
    "base_lr": 0.01,
    "unit": "epoch",
}


def test_an_oscillation_at_the_peak() -> None:
    log = epochs(lr=[*RISE, *[0.01] * 10], train_loss=[*DOWN, *SWINGS])
    assert not alerts_of(log[:15], CODE)
    (alert,) = alerts_of(log, CODE)
    assert (alert.severity, alert.subject) == ("warning", "train_loss")
    assert (alert.opened.epoch, alert.detected.epoch) == (9, 16)  # type: ignore[union-attr]
    assert "between 1.1 and 2" in alert.title


def test_advice_has_the_schedules_own_numbers() -> None:
    log = epochs(train_loss=[*DOWN, *SWINGS])
    (alert,) = alerts_of(log, CODE, schedule=ONE_CYCLE)
    assert "pct_start 0.3 to 0.4" in alert.advice
    assert "max_lr 0.01 to 0.007" in alert.advice


def test_far_below_the_peak_it_is_none() -> None:
    assert not alerts_of(epochs(lr=[*[0.1] * 8, *[0.01] * 10], train_loss=[*DOWN, *SWINGS]), CODE)


def test_a_rate_that_still_rises_is_at_no_peak() -> None:
    rising = [0.001 * 1.2**epoch for epoch in range(18)]
    assert not alerts_of(epochs(lr=rising, train_loss=[*DOWN, *SWINGS]), CODE)


def test_without_any_rate_it_is_not_judged() -> None:
    assert not alerts_of(epochs(train_loss=[*DOWN, *SWINGS]), CODE)


def test_swings_that_lead_down_are_none() -> None:
    down = [value * 0.8**epoch for epoch, value in enumerate(SWINGS)]
    assert not alerts_of(epochs(lr=[0.01] * 18, train_loss=[*DOWN, *down]), CODE)


def test_a_loss_near_zero_may_tremble() -> None:
    small = [0.001 * value for value in SWINGS]
    assert not alerts_of(epochs(lr=[0.01] * 20, train_loss=[*DOWN, 0.5, 0.001, *small]), CODE)


def test_a_slow_wave_is_none() -> None:
    wave = [1.1, 1.3, 1.6, 1.9, 1.6, 1.3, 1.1, 1.4, 1.7, 2.0]
    assert not alerts_of(epochs(lr=[0.01] * 18, train_loss=[*DOWN, *wave]), CODE)


def test_a_validation_that_improves_disagrees() -> None:
    better = [0.3 + 0.02 * epoch for epoch in range(18)]
    assert not alerts_of(epochs(lr=[0.01] * 18, train_loss=[*DOWN, *SWINGS], val_acc=better), CODE)


def test_batches_swing_by_nature() -> None:
    rng = random.Random(5)

    def log(means: list[float]) -> list[dict[str, Any]]:
        return [
            {
                "step": 20 * epoch + batch,
                "metrics": {"lr": 0.01, "train_loss": max(0.1, mean + rng.uniform(-0.9, 0.9))},
            }
            for epoch, mean in enumerate(means)
            for batch in range(20)
        ]

    assert not alerts_of(log([*DOWN, *[1.0] * 12]), CODE, steps_per_epoch=20)
    (alert,) = alerts_of(log([*DOWN, *SWINGS, *SWINGS]), CODE, steps_per_epoch=20)
    assert alert.opened is not None
    assert alert.opened.step is not None


def test_it_resolves() -> None:
    (alert,) = alerts_of(epochs(lr=[0.01] * 24, train_loss=[*DOWN, *SWINGS, *[1.2] * 6]), CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 23)  # type: ignore[union-attr]
    (alert,) = alerts_of(epochs(lr=[0.01] * 22, train_loss=[*DOWN, *SWINGS, 0.8, 0.7, 0.6]), CODE)
    assert alert.resolved.epoch == 20  # type: ignore[union-attr]


def test_values_that_are_not_finite_and_gaps() -> None:
    swings: list[Any] = [1.9, 1.1, "NaN", 2.0, None, 1.3, 1.8, "Infinity", 1.2, 1.9, 1.1]
    (alert,) = alerts_of(epochs(lr=[0.01] * 19, train_loss=[*DOWN, *swings]), CODE)
    assert alert.opened.epoch == 9  # type: ignore[union-attr]


def test_another_life_begins_anew() -> None:
    first = epochs(lr=[0.01] * 13, train_loss=[*DOWN, *SWINGS[:5]])
    assert not alerts_of([*first, *epochs(lr=[0.01] * 5, train_loss=SWINGS[5:])], CODE)


def test_its_state_goes_through_json() -> None:
    log = epochs(lr=[0.01] * 24, train_loss=[*DOWN, *SWINGS, *[1.2] * 6], val_acc=[0.5] * 24)
    assert reloaded(CODE, log) == [("Finding", "train_loss"), ("Cleared", "train_loss")]


def test_a_loss_that_passes_through_zero_may_tremble_about_it() -> None:
    series = [2.0, 1.4, 0.9, 0.5, 0.2, 0.0, -0.1]
    series += [-0.05 + 0.21 * (-1) ** epoch / 2 for epoch in range(16)]
    assert not alerts_of(epochs(train_loss=series, lr=[0.1] * len(series)), CODE)
