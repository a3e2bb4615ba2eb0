"""LOSS007: losses at ln k that agree with the accuracy, and losses that are there by accident."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, reloaded, steps

CODE = "LOSS007"


def around(centre: float, by: float, count: int, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [centre + by * rng.uniform(-1, 1) for _ in range(count)]


def late(records: list[dict[str, Any]], by: int = 78_000) -> list[dict[str, Any]]:
    return [{**record, "step": record["step"] + by} for record in records]


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("classes", [3, 6, 10, 12])
def test_few_classes_whose_accuracy_is_chance(classes: int, scale: float) -> None:
    # Validation never learns; training creeps on by remembering.
    log = epochs(
        train_loss=[math.log(classes) * (1 - 0.02 * epoch) for epoch in range(9)],
        val_loss=around(1.01 * math.log(classes), 0.01, 9),
        val_acc=[scale * value for value in around(1 / classes, 0.1 / classes, 9)],
    )
    assert not alerts_of(log[:5], CODE)
    (alert,) = alerts_of(log, CODE)
    assert (alert.severity, alert.subject, alert.evidence["classes"]) == ("warning", "val_loss", classes)
    assert (alert.opened.epoch, alert.detected.epoch) == (1, 6)  # type: ignore[union-attr]
    assert f"ln {classes}" in alert.title


def test_an_accuracy_above_chance_disagrees() -> None:
    log = epochs(val_loss=around(math.log(10), 0.005, 12), val_acc=around(0.3, 0.01, 12))
    assert not alerts_of(log, CODE)
    assert alerts_of(epochs(val_loss=around(math.log(10), 0.005, 12), val_acc=around(0.1, 0.01, 12)), CODE)


def test_an_accuracy_that_climbs_disagrees() -> None:
    climbing = [0.1 + 0.01 * epoch for epoch in range(12)]
    assert not alerts_of(epochs(val_loss=around(2.30, 0.005, 12), val_acc=climbing[4:] + climbing[:4]), CODE)


def test_a_loss_that_falls_below_is_learning() -> None:
    falling = [math.log(6) - 0.02 * epoch for epoch in range(12)]
    assert not alerts_of(epochs(val_loss=falling, val_acc=around(0.17, 0.01, 12)), CODE)


def test_a_loss_that_comes_down_through_ln_k_is_learning() -> None:
    falling = [2.6 - 0.05 * epoch for epoch in range(12)]
    assert not alerts_of(epochs(val_loss=falling, val_acc=[0.1] * 12), CODE)


def test_many_classes_and_three_late_records() -> None:
    log = late(steps(every=20, train_loss=[6.9063, 6.90727, 6.9073], val_acc=[0.001, None, None]))
    (alert,) = alerts_of(log, CODE)
    assert (alert.subject, alert.opened.step, alert.detected.step) == ("train_loss", 78_000, 78_040)  # type: ignore[union-attr]
    assert "6.9078" in alert.detail
    assert "val_acc is 0.001" in alert.detail
    early = steps(every=20, train_loss=[6.9063, 6.90727, 6.9073], val_acc=[0.001, None, None])
    assert not alerts_of(early, CODE), "every run begins there"


def test_many_classes_by_batch() -> None:
    losses, hits = around(6.9065, 0.002, 9), [0.0, 0.0, 1.56, 0.0, 0.0, 0.0, 0.0, 1.56, 0.0]
    places: list[dict[str, Any]] = [{"epoch": 11 + 0.9 + 0.001 * index} for index in range(9)]
    log = [
        {**place, "metrics": {"train_loss": loss, "train_acc": hit}}
        for place, loss, hit in zip(places, losses, hits, strict=True)
    ]
    assert not alerts_of(log[:5], CODE)
    assert len(alerts_of(log, CODE)) == 1
    for record in log:
        record["metrics"]["train_acc"] = 4.7
    assert not alerts_of(log, CODE)


def test_few_classes_by_batch_are_judged_by_medians() -> None:
    def log(share: float, middle: float) -> list[dict[str, Any]]:
        hits = [float(random.Random(step).random() < share) for step in range(60)]
        return late(steps(train_loss=around(middle, 0.3, 60), train_acc=hits))

    assert len(alerts_of(log(0.1, math.log(10)), CODE, num_classes=10)) == 1
    assert not alerts_of(log(0.1, 2.0), CODE, num_classes=10)
    assert not alerts_of(log(0.8, math.log(10)), CODE, num_classes=10)


def test_pinned_without_any_accuracy() -> None:
    pinned = [math.log(65536) * (1 - 1e-6 * index) for index in range(8)]
    rising = [10.38, 10.47, 10.63, 10.58, 10.75, 10.9]
    (alert,) = alerts_of(epochs(train_loss=[*rising, *pinned]), CODE)
    assert (alert.evidence["classes"], alert.opened.epoch, alert.detected.epoch) == (65536, 7, 12)  # type: ignore[union-attr]
    assert not alerts_of(epochs(train_loss=[*rising, *around(math.log(65536), 0.01, 8)]), CODE), "near is not pinned"


def test_pinned_while_the_lr_warms_up_is_none() -> None:
    loss = [math.log(65536) - 2e-4 * epoch for epoch in range(20)]
    rising = [1e-4 * (epoch + 1) for epoch in range(20)]
    assert len(alerts_of(epochs(train_loss=loss), CODE)) == 1
    assert not alerts_of(epochs(train_loss=loss, lr=rising), CODE)
    (alert,) = alerts_of(epochs(train_loss=loss, lr=[*rising[:9], *[1e-3] * 11]), CODE)
    assert (alert.opened.epoch, alert.detected.epoch) == (10, 15)  # type: ignore[union-attr]
    schedule = {
        "framework": "torch",
        "class": "LinearLR",
        "params": {"start_factor": 0.01, "total_iters": 20},
        "base_lr": 1e-3,
        "unit": "epoch",
    }
    assert not alerts_of(epochs(train_loss=loss), CODE, schedule=schedule)
    short = {**schedule, "params": {"start_factor": 0.01, "total_iters": 5}}
    assert len(alerts_of(epochs(train_loss=loss), CODE, schedule=short)) == 1
    assert reloaded(CODE, epochs(train_loss=loss, lr=[*rising[:9], *[1e-3] * 11])) == [("Finding", "train_loss")]


def test_a_converged_loss_may_lie_anywhere() -> None:
    falling = [4.0 * 0.7**epoch + math.log(3) for epoch in range(40)]
    assert not alerts_of(epochs(val_loss=falling), CODE)


def test_the_declared_classes_are_the_only_ones() -> None:
    log = epochs(val_loss=around(math.log(6), 0.005, 10), val_acc=around(1 / 6, 0.01, 10))
    assert len(alerts_of(log, CODE, num_classes=6)) == 1
    assert not alerts_of(log, CODE, num_classes=100)
    many = late(steps(train_loss=around(math.log(977), 0.002, 12), val_acc=[0.001] * 12))
    assert not alerts_of(many, CODE)
    assert len(alerts_of(many, CODE, num_classes=977)) == 1


def test_a_box_loss_is_no_cross_entropy() -> None:
    series: dict[str, Any] = {"val/box_loss": [math.log(3)] * 12, "val_acc": [0.33] * 12}
    assert not alerts_of(epochs(**series), CODE)


def test_an_lr_of_next_to_nothing_explains_it() -> None:
    series: dict[str, Any] = {"val_loss": around(math.log(3), 0.002, 12), "val_acc": [0.33] * 12}
    assert alerts_of(epochs(lr=[0.1] * 12, **series), CODE)
    assert not alerts_of(epochs(lr=[0.1, *[0.0] * 11], **series), CODE)


def test_values_that_are_not_finite_and_gaps() -> None:
    losses = around(math.log(3), 0.002, 12)
    losses[3:5] = ["NaN", "Infinity"]  # type: ignore[list-item]
    (alert,) = alerts_of(epochs(val_loss=losses, val_acc=[0.33, None, "NaN", *[0.33] * 9]), CODE)
    assert alert.opened.epoch == 1  # type: ignore[union-attr]
    assert alert.detected.epoch == 8  # type: ignore[union-attr]


def test_it_resolves_when_the_loss_has_left() -> None:
    stuck, acc = around(math.log(3), 0.002, 10), [0.33] * 14
    (alert,) = alerts_of(epochs(val_loss=[*stuck, 0.9, 0.8, 0.7, 0.6], val_acc=acc), CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 13)  # type: ignore[union-attr]


def test_another_life_begins_anew() -> None:
    def half() -> list[dict[str, Any]]:
        return epochs(val_loss=around(math.log(3), 0.002, 5), val_acc=[0.33] * 5)

    assert not alerts_of([*half(), *half()], CODE)


def test_its_state_goes_through_json() -> None:
    log = epochs(val_loss=[*around(math.log(3), 0.002, 10), 0.9, 0.8, 0.7], val_acc=[33.0] * 13, lr=[0.1] * 13)
    assert reloaded(CODE, log) == [("Finding", "val_loss"), ("Cleared", "val_loss")]


def test_advice_has_the_runs_own_numbers() -> None:
    schedule = {
        "framework": "torch",
        "class": "OneCycleLR",
        "params": {"max_lr": 0.01, "total_steps": 100, "div_factor": 10},
        "base_lr": 0.01,
        "unit": "epoch",
    }
    log = epochs(val_loss=around(math.log(3), 0.002, 10), val_acc=[0.33] * 10)
    (alert,) = alerts_of(log, CODE, schedule=schedule)
    assert "div_factor 10 to 5" in alert.advice
    assert "max_lr 0.01 to 0.005" in alert.advice


def test_its_parameters_can_be_set_and_are_checked() -> None:
    log = epochs(val_loss=around(math.log(3), 0.002, 10), val_acc=[0.33] * 10)
    assert not alerts_of(log, CODE, rules={CODE: {"params": {"points": 12}}})
    assert len(alerts_of(log, CODE, rules={CODE: {"params": {"points": 5}}})) == 1


def test_a_loss_that_comes_down_through_a_logarithm_is_not_pinned_to_it() -> None:
    through = [round(math.log(5) * (1.012 - 0.0006 * place), 4) for place in range(20)] + [1.6095] * 6
    assert not alerts_of(epochs(train_loss=through), CODE)
    assert alerts_of(epochs(train_loss=[1.6095] * 26), CODE)


def test_four_values_are_enough_where_they_hardly_move() -> None:
    loss, acc = [1.0987, 1.0984, 1.0990, 1.0986, 1.0985, 1.0987], [0.33, 0.34, 0.33, 0.33, 0.33, 0.33]
    (alert,) = alerts_of(epochs(train_loss=loss, val_loss=loss, train_acc=acc), CODE)
    assert alert.detected.epoch == 4  # type: ignore[union-attr]
    wider = [value * factor for value, factor in zip(loss, [1.0, 1.008, 1.0, 1.008, 1.0, 1.008], strict=True)]
    (alert,) = alerts_of(epochs(train_loss=wider, val_loss=loss, train_acc=acc), CODE)
    assert alert.detected.epoch == 6  # type: ignore[union-attr]


def test_the_largest_numbers_are_no_fault() -> None:
    assert not alerts_of(steps(100, train_loss=[1.7e308] * 80 + [math.log(32000)] * 3), CODE)
    assert not alerts_of(steps(100, train_loss=[1.7e308, -1.7e308] * 40 + [math.log(32000)] * 3), CODE)
