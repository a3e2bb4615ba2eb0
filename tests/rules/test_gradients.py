"""GRAD001 and GRAD002: gradients that explode or vanish, and norms that are high or low for good reasons."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, reloaded, steps

EXPLODES, VANISHES = "GRAD001", "GRAD002"


def norms(count: int, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [1.2 * math.exp(0.5 * rng.gauss(0, 1)) for _ in range(count)]


LOSS = [2.0 - 0.01 * step for step in range(60)]


def test_an_explosion_takes_eight_records() -> None:
    log = steps(grad_norm=[*norms(60), *[60.0] * 8], train_loss=[*LOSS, *[2.5] * 8])
    assert not alerts_of(log[:-1], EXPLODES)
    (alert,) = alerts_of(log, EXPLODES, optimizer={"class": "Adam", "params": {"lr": 1e-3}})
    assert (alert.severity, alert.subject) == ("warning", "grad_norm")
    assert (alert.opened.step, alert.detected.step) == (60, 67)  # type: ignore[union-attr]
    assert "lr 0.001 to 0.0005" in alert.advice


def test_a_thousand_times_takes_three() -> None:
    (alert,) = alerts_of(steps(grad_norm=[*norms(60), 5e3, 7e4, 9e6]), EXPLODES)
    assert alert.detected.step == 62  # type: ignore[union-attr]


def test_by_epoch_it_takes_three() -> None:
    (alert,) = alerts_of(epochs(grad_norm=[*norms(12), 80.0, 90.0, 70.0]), EXPLODES)
    assert (alert.opened.epoch, alert.detected.epoch) == (13, 15)  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(5))
def test_single_spikes_are_none(seed: int) -> None:
    rng = random.Random(seed)
    spiky = [norm * (300 if rng.random() < 0.05 else 1) for norm in norms(400, seed)]
    assert not alerts_of(steps(grad_norm=spiky), EXPLODES)


def test_a_loss_that_does_not_suffer_disagrees() -> None:
    log = steps(grad_norm=[*norms(60), *[60.0] * 20], train_loss=[2.0 - 0.01 * step for step in range(80)])
    assert not alerts_of(log, EXPLODES)


def test_the_first_records_are_no_explosion() -> None:
    assert not alerts_of(steps(grad_norm=[0.01, 0.02, *[4.0] * 30]), EXPLODES)


def test_an_explosion_resolves() -> None:
    log = steps(grad_norm=[*norms(60), *[60.0] * 9, *norms(9, 7)])
    (alert,) = alerts_of(log, EXPLODES)
    assert (alert.state, alert.resolved.step) == ("resolved", 76)  # type: ignore[union-attr]


def test_values_that_are_not_finite_neither_count_nor_hide() -> None:
    high: list[Any] = [60.0, "NaN", 60.0, "Infinity", *[60.0] * 6]
    (alert,) = alerts_of(steps(grad_norm=[*norms(60), *high]), EXPLODES)
    assert (alert.opened.step, alert.detected.step) == (60, 69)  # type: ignore[union-attr]


def test_vanishing_from_the_first_record() -> None:
    log = steps(grad_norm=[3e-11] * 8, train_loss=[2.31] * 8)
    assert not alerts_of(log[:-1], VANISHES)
    (alert,) = alerts_of(log, VANISHES)
    assert (alert.severity, alert.subject, alert.opened.step) == ("warning", "grad_norm", 0)  # type: ignore[union-attr]
    assert len(alerts_of(steps(grad_norm=[0.0] * 8), VANISHES)) == 1, "without a loss as well"


def test_vanishing_from_what_it_was() -> None:
    log = steps(grad_norm=[*[900.0] * 5, *[1e-5] * 8], train_loss=[2.31] * 13)
    (alert,) = alerts_of(log, VANISHES, optimizer={"class": "AdamW", "params": {"lr": 0.01}})
    assert alert.opened.step == 5  # type: ignore[union-attr]
    assert "on one batch of step 5" in alert.advice
    assert "lr 0.01 to 0.005" in alert.advice


def test_a_run_that_has_converged_has_small_gradients() -> None:
    loss = [2.0 * 0.9**step for step in range(200)]
    log = steps(grad_norm=[0.5 * 0.9**step for step in range(200)], train_loss=loss)
    assert not alerts_of(log, VANISHES)


def test_a_few_small_ones_are_none() -> None:
    assert not alerts_of(steps(grad_norm=[1.0, *[0.0] * 7, 1.0, *[0.0] * 7, 1.0], train_loss=[2.3] * 17), VANISHES)


def test_vanishing_resolves() -> None:
    log = steps(grad_norm=[*[0.0] * 9, 1.0, 1.0, 1.0], train_loss=[2.3] * 12)
    (alert,) = alerts_of(log, VANISHES)
    assert (alert.state, alert.resolved.step) == ("resolved", 11)  # type: ignore[union-attr]


def test_another_life_begins_anew() -> None:
    first = steps(grad_norm=[*norms(60), *[60.0] * 5], train_loss=[*LOSS, *[2.5] * 5])
    assert not alerts_of([*first, *steps(grad_norm=[60.0] * 7, train_loss=[3.0] * 7)], EXPLODES)
    assert not alerts_of([*steps(grad_norm=[0.0] * 6), *steps(grad_norm=[1e-9] * 6)], VANISHES)


def test_their_state_goes_through_json() -> None:
    told = [("Finding", "grad_norm"), ("Cleared", "grad_norm")]
    log = steps(grad_norm=[*norms(60), *[60.0] * 9, *norms(9, 7)], train_loss=[*LOSS, *[2.5] * 18])
    assert reloaded(EXPLODES, log) == told
    assert reloaded(VANISHES, steps(grad_norm=[*[0.0] * 9, 1.0, 1.0, 1.0], train_loss=[2.3] * 12)) == told
