"""Logs of one LR, and long logs that hardly move: what curves meet by accident is not named."""

from __future__ import annotations

import numpy as np
import pytest
from tests.conformance.changed import get_scheduler, named, torch


@pytest.mark.parametrize("lr", [0.2, 0.03])
def test_a_constant_lr_is_no_bound_and_no_other_curve(lr: float) -> None:
    found = named(torch("CosineAnnealingLR", T_max=30), [lr] * 30, range(30), form="%g")
    assert set(found) == {"different_schedule"}
    assert f"No scheduler ran: the LR is constant at {lr:g}" in found["different_schedule"].statement
    assert found["different_schedule"].params["shape"] == "constant"


@pytest.mark.parametrize("every", [1, 7, 10, 25, 50])
def test_no_total_is_met_between_its_turns(every: int) -> None:
    ticks = range(0, 1000, every)
    found = named(get_scheduler("cosine", 100, 1000, 5e-4), [5e-4] * len(ticks), ticks, form="%.3e")
    assert set(found) == {"different_schedule"}
    assert "where cosine was declared" in found["different_schedule"].statement


def test_a_short_total_that_was_over_before_the_log_began_is_still_named() -> None:
    found = named(torch("PolynomialLR", "step", total_iters=300), [0.0] * 20, range(9, 209, 10), form="%.6f")
    assert "wrong_total" in found


@pytest.mark.parametrize("base", [3e-4, 1e-3, 2e-5])
def test_a_long_log_that_hardly_moves_names_its_total(base: float) -> None:
    ticks = range(0, 20_000, 50)
    declared, ran = (get_scheduler("cosine", 0, total, base) for total in (75_060, 91_599))
    cause = named(declared, ran, ticks, form="%.2e", per_epoch=391)["wrong_total"]
    assert cause.params["total"]["low"] <= 91_599 <= cause.params["total"]["high"]


def test_a_few_points_past_the_end_name_the_total() -> None:
    declared, ran = (get_scheduler("cosine", 469, total, 5e-5) for total in (2346, 1408))
    cause = named(declared, ran, range(390, 2346, 391), form="%.3e", per_epoch=391, run=2346)["wrong_total"]
    assert cause.params["total"]["value"] == 1408


def test_a_floor_comes_before_what_changes_on_the_way() -> None:
    steps = torch("MultiStepLR", milestones=[10, 20], gamma=0.1)
    lrs = np.maximum(0.1 * 0.1 ** (np.arange(30) // 10), 0.005).tolist()
    found = list(named(steps, lrs, range(30), form="%g"))
    assert found[0] == "clamped"
    assert "last_epoch_misuse" in found or "manual_override" in found or "param_mismatch" in found
