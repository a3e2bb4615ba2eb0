"""A range test of the LR in front of the training."""

from __future__ import annotations

import math

import pytest

from tests.rules.support import alerts_of, epochs, reloaded, report_of, steps
from trackside_service.rules import lr_sweep

SWEEP = [1e-7 * 10 ** (8 * place / 99) for place in range(100)]
EXPLODES = [2.3 * math.exp(4 * max(0.0, math.log10(lr) + 0.5)) for lr in SWEEP]
TRAINS = [0.3 + 2.0 * math.exp(-place / 40) for place in range(200)]


@pytest.mark.parametrize("digits", [3, 17])
def test_it_is_known_by_one_factor_over_three_orders_of_magnitude(digits: int) -> None:
    sweep, known = lr_sweep.NONE, []
    for lr in SWEEP:
        sweep = lr_sweep.follow(sweep, float(f"{lr:.{digits - 1}e}"))
        known.append(sweep.is_test)
    assert known == [False] * 38 + [True] * 62
    assert lr_sweep.load(lr_sweep.dump(sweep)) == sweep
    assert not lr_sweep.follow(sweep, 1e-3).is_test


def test_a_warm_up_is_none() -> None:
    sweep = lr_sweep.NONE
    for place in range(1, 500):
        sweep = lr_sweep.follow(sweep, 1e-6 * place)
        assert not sweep.is_test


@pytest.mark.parametrize("digits", [3, 17])
def test_nothing_is_said_of_a_loss_that_explodes_in_it_nor_of_the_training_after(digits: int) -> None:
    lrs = [float(f"{lr:.{digits - 1}e}") for lr in SWEEP]
    assert not report_of(steps(train_loss=EXPLODES, lr=lrs)).alerts
    assert not report_of(steps(train_loss=[*EXPLODES, *TRAINS], lr=[*lrs, *[1e-3] * 200])).alerts


def test_the_training_after_it_is_judged_from_its_own_start() -> None:
    log = steps(train_loss=[*EXPLODES, *TRAINS, *[8.0] * 40], lr=[*SWEEP, *[1e-3] * 240])
    (alert,) = alerts_of(log, "LOSS002")
    assert alert.evidence["start"] == pytest.approx(2.25, abs=0.05)
    assert reloaded("LOSS002", log) == [("Finding", "train_loss")]
    assert not reloaded("LR002", log)
    assert alerts_of(steps(train_loss=EXPLODES), "LOSS002"), "nothing tells that it is one"


def test_a_rate_that_falls_a_hundredfold_after_another_rise_is_told() -> None:
    lrs = [1e-6 * place for place in range(1, 101)]
    assert alerts_of(epochs(lr=[*lrs, 1e-7]), "LR002")
    assert not alerts_of(epochs(lr=[*SWEEP, 1e-3]), "LR002")


def test_a_factor_that_no_number_holds_is_none() -> None:
    sweep = lr_sweep.follow(lr_sweep.follow(lr_sweep.NONE, 1e-300), 1e300)
    assert sweep == lr_sweep.Sweep(1e300, 1e300)
