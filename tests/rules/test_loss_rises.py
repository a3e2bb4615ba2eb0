"""LOSS002 and LOSS003: losses that rise and stay, and rises that are expected or mean nothing."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, reloaded, report_of, steps

DIVERGES, SPIKES = "LOSS002", "LOSS003"
FALLING = [2.3, 1.6, 1.2, 0.9, 0.7, 0.6, 0.5, 0.45, 0.42, 0.4]


def batches(count: int, *, noise: float = 0.1, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [0.3 + 2.0 * math.exp(-step / 40) + noise * rng.gauss(0, 1) for step in range(count)]


def codes(records: list[dict[str, Any]], **declared: Any) -> set[str]:
    return {alert.code for alert in report_of(records, **declared).alerts} & {DIVERGES, SPIKES}


def test_a_spike_that_stays() -> None:
    log = epochs(train_loss=[*FALLING, 1.9, 2.0, 1.8, 1.9])
    assert not alerts_of(log[:-1], SPIKES)
    (alert,) = alerts_of(log, SPIKES)
    assert (alert.severity, alert.subject) == ("warning", "train_loss")
    assert (alert.opened.epoch, alert.detected.epoch) == (11, 14)  # type: ignore[union-attr]
    assert codes(log) == {SPIKES}


def test_single_spikes_however_high_are_none() -> None:
    log = epochs(train_loss=[*FALLING, 900.0, 0.4, 50.0, 60.0, 0.39, *[0.38] * 4, 1e9, 0.38])
    assert not codes(log)


def test_a_divergence_by_epochs() -> None:
    log = epochs(train_loss=[*FALLING[:6], 7.0, 11.0, 9.0, 30.0], val_loss=[*FALLING[:6], 9.0, 8.0, 9.0, 10.0])
    (alert,) = alerts_of(log, DIVERGES, optimizer={"class": "SGD", "params": {"lr": 0.5}})
    assert (alert.severity, alert.subject) == ("critical", "train_loss")
    assert (alert.opened.epoch, alert.detected.epoch) == (7, 10)  # type: ignore[union-attr]
    assert "lr 0.5 to 0.25" in alert.advice
    assert codes(log) == {DIVERGES}, "one of the two tells of it"


@pytest.mark.parametrize("seed", range(5))
def test_by_batch_it_takes_eight_records_and_noise_takes_none(seed: int) -> None:
    calm = batches(300, seed=seed)
    assert not codes(steps(train_loss=calm))
    spiked = [*calm, *[value + 1.0 for value in batches(40, seed=seed + 50)[-12:]]]
    (alert,) = alerts_of(steps(train_loss=spiked), SPIKES)
    assert (alert.opened.step, alert.detected.step) == (300, 307)  # type: ignore[union-attr]
    diverged = [*calm, *[8.0 * (2 + index) for index in range(12)]]
    (alert,) = alerts_of(steps(train_loss=diverged), DIVERGES)
    assert alert.opened.step == 300  # type: ignore[union-attr]


def test_ten_times_as_far_takes_three_values() -> None:
    (alert,) = alerts_of(epochs(train_loss=[*FALLING, 90.0, 1e4, 1e3]), DIVERGES)
    assert (alert.opened.epoch, alert.detected.epoch) == (11, 13)  # type: ignore[union-attr]
    (alert,) = alerts_of(steps(train_loss=[2.3, 2.4, 2.5, 90.0, 700.0, 9e4]), DIVERGES)
    assert (alert.opened.step, alert.detected.step) == (3, 5)  # type: ignore[union-attr]


def test_a_loss_that_comes_down_from_far_is_none() -> None:
    assert not codes(steps(train_loss=[1200.0 / (1 + step) + 5 for step in range(100)]))
    assert not codes(steps(train_loss=[2.3, 4.0, 5.0, 4.5, 4.0, 3.0, *batches(100)]))


def test_negative_losses() -> None:
    falling = [-10.0 - 20 * step + 5 * math.sin(step) for step in range(60)]
    assert not codes(epochs(train_loss=falling))
    (alert,) = alerts_of(epochs(train_loss=[*falling, 3e3, 4e3, 5e3, 6e3]), DIVERGES)
    assert alert.opened.epoch == 61  # type: ignore[union-attr]


def test_a_loss_near_zero_is_measured_by_what_it_came_down() -> None:
    small = [2.3 * 0.6**epoch + 1e-3 for epoch in range(30)]
    assert not codes(epochs(train_loss=[*small, *[0.01, 0.02, 0.03, 0.02] * 3]))


def test_a_restart_of_the_lr_explains_a_rise() -> None:
    cycle = [0.1, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04, 0.02, 0.01, 0.001]
    loss = [*FALLING, 1.9, 1.8, 1.8, 1.7, 1.6, 1.2, 1.0, 0.8, 0.6, 0.4, *[1.9] * 5]
    assert codes(epochs(train_loss=loss)) == {SPIKES}
    assert not codes(epochs(lr=cycle * 3, train_loss=loss))
    schedule: dict[str, Any] = {
        "framework": "torch",
        "class": "CosineAnnealingWarmRestarts",
        "params": {"T_0": 10},
        "base_lr": 0.1,
        "unit": "epoch",
    }
    for first in (0, 1):
        assert not codes(epochs(first, train_loss=loss), schedule=schedule), "the LR is not reported, only declared"
    other = {**schedule, "params": {"T_0": 50}}
    assert codes(epochs(1, train_loss=loss), schedule=other) == {SPIKES}


def test_a_rise_during_which_something_reaches_its_best_is_none() -> None:
    loss = [*FALLING, 1.9, 2.0, 1.8, 1.9, 1.9]
    better = [0.1 + 0.05 * epoch for epoch in range(15)]
    assert not codes(epochs(train_loss=loss, val_acc=better))
    worse = [*better[:10], 0.3, 0.3, 0.2, 0.2, 0.2]
    assert codes(epochs(train_loss=loss, val_acc=worse)) == {SPIKES}


@pytest.mark.parametrize("score", ["val/mAP", "val/f1", "val_miou", "recall@1"])
def test_a_rise_during_which_the_score_reaches_its_best_is_none(score: str) -> None:
    # A triplet loss when the mining of hard examples begins.
    loss = [0.05 + 0.15 * math.exp(-epoch) if epoch < 5 else 0.25 - 0.001 * epoch for epoch in range(40)]
    better = [0.5 + 0.3 * (1 - math.exp(-epoch / 10)) for epoch in range(40)]

    def said(**scores: Any) -> set[str]:
        return codes(epochs(train_loss=loss, **scores))

    assert not said(**{score: better})
    assert said(**{score: [*better[:5], *[0.4] * 35]})
    assert said(**{score: better[::-1]})
    assert said(val_metric=better), "nobody knows which way is better"
    assert not said(val_metric=better, **{score: better})


@pytest.mark.parametrize("name", ["rollout/ep_rew_mean_reward", "d_loss", "loss_G", "train/disc_loss", "approx_kl"])
def test_losses_that_do_not_tell_how_a_run_does(name: str) -> None:
    series: dict[str, Any] = {name: [1.0] * 20, "train_loss": [*FALLING, *[30.0] * 10]}
    assert not codes(epochs(**series))
    assert codes(epochs(train_loss=series["train_loss"], loss_cls=[1.0] * 20)) == {DIVERGES}


def test_they_resolve() -> None:
    (alert,) = alerts_of(epochs(train_loss=[*FALLING, *[1.9] * 5, *[0.5] * 4]), SPIKES)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 19)  # type: ignore[union-attr]
    (alert,) = alerts_of(epochs(train_loss=[*FALLING, *[30.0] * 5, *[0.5] * 4]), DIVERGES)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 19)  # type: ignore[union-attr]


def test_values_that_are_not_finite_neither_count_nor_hide() -> None:
    loss = [*FALLING, 1.9, "NaN", 2.0, "Infinity", 1.8, 1.9]
    (alert,) = alerts_of(epochs(train_loss=loss), SPIKES)
    assert (alert.opened.epoch, alert.detected.epoch) == (11, 16)  # type: ignore[union-attr]


def test_another_life_begins_anew() -> None:
    assert not codes([*epochs(train_loss=FALLING), *epochs(train_loss=[2.3, 2.1, 2.0, 1.9, 1.8, 1.7])])
    assert codes(epochs(train_loss=[*FALLING, 2.3, 2.1, 2.2, 2.3, 2.1, 2.2]))


def test_gaps_are_no_values() -> None:
    loss = [each for value in [*FALLING, 1.9, 2.0, 1.8, 1.9] for each in (value, None)]
    (alert,) = alerts_of(epochs(train_loss=loss, lr=[0.1] * len(loss)), SPIKES)
    assert alert.opened.epoch == 21  # type: ignore[union-attr]


@pytest.mark.parametrize("code", [DIVERGES, SPIKES])
def test_their_state_goes_through_json(code: str) -> None:
    log = epochs(
        train_loss=[*FALLING, *([30.0] if code == DIVERGES else [1.9]) * 5, *[0.5] * 5],
        val_loss=FALLING * 2,
        lr=[0.1 / (1 + epoch) for epoch in range(20)],
    )
    assert reloaded(code, log) == [("Finding", "train_loss"), ("Cleared", "train_loss")]


def test_their_patience_can_be_set() -> None:
    rules = {SPIKES: {"params": {"epochs": 2}}}
    (alert,) = alerts_of(epochs(train_loss=[*FALLING, 1.9, 2.0]), SPIKES, rules=rules)
    assert alert.detected.epoch == 12  # type: ignore[union-attr]


def test_a_rise_beside_which_nothing_is_lost_means_something_else() -> None:
    rise, acc = [*FALLING, *[6.0, 6.1, 5.9, 6.0, 6.1, 6.0]], [0.2, 0.4, 0.55, 0.62, 0.7, 0.74, 0.78, 0.8, 0.81, 0.82]
    assert "LOSS002" in codes(epochs(train_loss=rise, val_acc=[*acc, *[0.3, 0.2] * 3]))
    assert not codes(epochs(train_loss=rise, val_acc=[*acc, *[0.81, 0.8] * 3]))


def test_a_hundred_times_the_start_twice_in_a_row_is_enough_in_the_shortest_log() -> None:
    (alert,) = alerts_of(epochs(train_loss=[0.69, 0.9, 35.0, 1200.0, 1.1e6]), DIVERGES)
    assert (alert.opened.epoch, alert.detected.epoch, alert.severity) == (4, 5, "critical")  # type: ignore[union-attr]
    assert not codes(epochs(train_loss=[0.69, 0.9, 35.0, 1200.0, 0.8, 1100.0, 0.7]))
    assert not codes(epochs(train_loss=[1e-5, 2e-5, 0.3, 0.2, 0.1])), "it has yet to get its size"
    assert not codes(epochs(train_loss=[0.69, 0.9, 35.0, 1200.0, 1.1e6], reward=[1.0] * 5))


def test_a_divergence_told_at_once_resolves_when_the_loss_is_back() -> None:
    told = reloaded(DIVERGES, epochs(train_loss=[0.69, 0.9, 300.0, 400.0, *[0.7] * 4]))
    assert told == [("Finding", "train_loss"), ("Cleared", "train_loss")]
