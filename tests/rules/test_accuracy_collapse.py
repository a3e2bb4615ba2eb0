"""ACC001: collapses, and dips that are none."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, steps

CODE = "ACC001"


@pytest.mark.parametrize("scale", [1.0, 0.01])
@pytest.mark.parametrize("name", ["val_acc", "train_acc"])
def test_a_fall_to_zero_from_a_good_value_counts_at_once(name: str, scale: float) -> None:
    series: dict[str, Any] = {name: [30.0 * scale, 64.0 * scale, 0.0]}
    (alert,) = alerts_of(epochs(**series), CODE)
    assert (alert.severity, alert.subject) == ("critical", name)
    assert (alert.opened.epoch, alert.detected.epoch) == (3, 3)  # type: ignore[union-attr]
    assert alert.evidence["best"] == 64.0 * scale


def test_a_fall_to_zero_from_little_does_not() -> None:
    assert not alerts_of(epochs(val_acc=[2.0, 5.0, 0.0, 7.0]), CODE)
    assert not alerts_of(epochs(val_acc=[0.02, 0.15, 0.0, 0.2]), CODE)


def test_a_fall_to_chance_counts_where_the_classes_are_known() -> None:
    log = epochs(val_acc=[0.5, 0.8, 0.1])
    (alert,) = alerts_of(log, CODE, num_classes=10)
    assert "10 classes" in alert.detail
    assert not alerts_of(log, CODE)
    assert not alerts_of(epochs(val_acc=[0.3, 0.35, 0.1]), CODE, num_classes=10)  # not far above chance
    assert not alerts_of(epochs(val_acc=[0.55, 0.6, 0.5]), CODE, num_classes=2)


def test_under_half_of_the_best_for_three_evaluations() -> None:
    assert not alerts_of(epochs(val_acc=[60.0, 20.0, 25.0, 40.0, 20.0, 22.0]), CODE)
    (alert,) = alerts_of(epochs(val_acc=[60.0, 20.0, 25.0, 22.0]), CODE)
    assert (alert.opened.epoch, alert.detected.epoch) == (2, 4)  # type: ignore[union-attr]


def test_evaluations_count_and_not_records() -> None:
    (alert,) = alerts_of(epochs(train_loss=[1.0] * 9, val_acc=[60.0, None, None, 20.0, None, 20.0, None, 20.0]), CODE)
    assert (alert.opened.epoch, alert.detected.epoch) == (4, 8)  # type: ignore[union-attr]


def test_both_a_quarter_down_for_two() -> None:
    one_alone = epochs(val_acc=[80.0, 55.0, 55.0, 78.0], train_acc=[85.0, 86.0, 87.0, 88.0])
    assert not alerts_of(one_alone, CODE)
    (alert,) = alerts_of(epochs(val_acc=[80.0, 55.0, 55.0], train_acc=[85.0, 60.0, 60.0]), CODE)
    assert (alert.subject, alert.opened.epoch, alert.detected.epoch) == ("val_acc", 2, 3)  # type: ignore[union-attr]


def test_it_resolves_when_the_accuracy_is_back() -> None:
    (alert,) = alerts_of(epochs(val_acc=[80.0, 0.0, 50.0, 61.0, 82.0]), CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 4)  # type: ignore[union-attr]


def test_a_large_change_of_the_lr_before_it_is_told_with_numbers() -> None:
    schedule: dict[str, Any] = {
        "framework": "paddle",
        "class": "LinearWarmup",
        "params": {"learning_rate": 0.03, "warmup_steps": 1, "start_lr": 1e-4, "end_lr": 0.03},
        "unit": "epoch",
    }
    log = epochs(lr=[1e-4, 0.03, 0.03], val_acc=[48.0, 0.0, 0.0])
    (alert,) = alerts_of(log, CODE, schedule=schedule)
    assert alert.evidence["lr_ratio"] == pytest.approx(300)
    assert (alert.evidence["lr_before"], alert.evidence["lr_after"]) == (1e-4, 0.03)
    assert "rose 300 times, from 0.0001 (epoch 1) to 0.03 (epoch 2)" in alert.detail
    assert "warmup_steps 1 to 5" in alert.advice
    assert "end_lr 0.03 to 0.015" in alert.advice


def test_a_spike_of_the_lr_between_two_evaluations_is_seen() -> None:
    log = epochs(lr=[0.01, 0.01, 0.5, 0.01], val_acc=[40.0, 48.0, None, 0.0])
    (alert,) = alerts_of(log, CODE)
    assert "rose 50 times" in alert.detail


def test_a_steady_lr_is_not_blamed() -> None:
    (alert,) = alerts_of(epochs(lr=[0.01, 0.01, 0.012], val_acc=[40.0, 48.0, 0.0]), CODE)
    assert "learning rate" not in alert.detail
    assert "unfrozen" in alert.advice


def test_noise_of_batches_is_no_collapse() -> None:
    noisy = [0.5, 1.0, 0.25, 0.25, 0.375, 0.75, 0.25, 0.5, 0.0, 0.5] * 6
    assert not alerts_of(steps(train_acc=noisy), CODE)
    (alert,) = alerts_of(steps(train_acc=[*noisy, *[0.0, 0.125] * 18]), CODE)
    assert alert.opened.step > 60  # type: ignore[union-attr,operator]


def test_summaries_by_step_are_evaluations() -> None:
    (alert,) = alerts_of(steps(every=100, val_acc=[50.0, 60.0, 10.0, 10.0, 10.0]), CODE)
    assert alert.opened.step == 200  # type: ignore[union-attr]


def test_values_that_are_not_finite_neither_count_nor_hide() -> None:
    (alert,) = alerts_of(epochs(val_acc=[60.0, 10.0, "NaN", 10.0, 10.0]), CODE)
    assert (alert.opened.epoch, alert.detected.epoch) == (2, 5)  # type: ignore[union-attr]


def test_another_run_in_the_same_log_begins_from_its_own_start() -> None:
    assert not alerts_of([*epochs(val_acc=[50.0, 70.0, 80.0]), *epochs(val_acc=[10.0, 20.0, 30.0, 31.0])], CODE)


def test_both_accuracies_in_one_record_are_one_alert_with_both_numbers() -> None:
    (alert,) = alerts_of(epochs(train_acc=[70.0, 1.0], val_acc=[60.0, 0.0]), CODE, num_classes=100)
    assert (alert.subject, alert.title) == ("val_acc", "val_acc collapsed: 60 % to 0 %")
    assert "val_acc fell from 60 % at epoch 1 to 0 % at epoch 2." in alert.detail
    assert "train_acc fell from 70 % at epoch 1 to 1 % at epoch 2" in alert.detail
    assert (alert.evidence["value"], alert.evidence["best"]) == (0.0, 60.0)
    assert (alert.evidence["train_acc"], alert.evidence["train_acc_best"]) == (1.0, 70.0)


def test_what_collapses_after_the_first_joins_its_alert() -> None:
    records = [
        *epochs(train_acc=[70.0], val_acc=[60.0]),
        {"epoch": 2, "metrics": {"train_acc": 0.0}},
        {"epoch": 2, "metrics": {"val_acc": 0.0}},
    ]
    (first,) = alerts_of(records[:-1], CODE)
    assert "val_acc" not in first.detail
    (alert,) = alerts_of(records, CODE)
    assert (alert.subject, alert.title) == ("train_acc", "train_acc collapsed: 70 % to 0 %")
    assert alert.detail.endswith("val_acc fell from 60 % at epoch 1 to 0 % at epoch 2.")
    assert alert.evidence["val_acc_best"] == 60.0


def test_the_one_alert_resolves_when_both_are_back() -> None:
    (alert,) = alerts_of(epochs(train_acc=[70.0, 0.0, 69.0, 70.0], val_acc=[60.0, 0.0, 20.0, 20.0]), CODE)
    assert alert.state == "open"
    (alert,) = alerts_of(epochs(train_acc=[70.0, 0.0, 69.0, 70.0], val_acc=[60.0, 0.0, 20.0, 59.0]), CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 4)  # type: ignore[union-attr]
    log = epochs(train_acc=[70.0, 0.0, 69.0, 0.0], val_acc=[60.0, 0.0, 59.0, 58.0])
    assert [(one.subject, one.episode) for one in alerts_of(log, CODE)] == [("val_acc", 1), ("train_acc", 1)]


def test_what_falls_again_and_again_is_told_once_each() -> None:
    up_and_down = [70.0, 0.0] * 30
    (alert,) = alerts_of(epochs(train_acc=up_and_down, val_acc=[60.0] + [0.0] * 59), CODE)
    assert alert.detail.count("train_acc") == 1
    (alert,) = alerts_of(epochs(train_acc=[70.0] + [0.0] * 59, val_acc=up_and_down), CODE)
    assert alert.detail.count("val_acc") == 1
    assert alert.opened.epoch == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("log", "declared", "reason"),
    [
        (epochs(val_acc=[60.0, 0.0]), {}, "from a good value to zero at once"),
        (epochs(val_acc=[0.8, 0.1]), {"num_classes": 10}, "from a good value to chance (10 classes) at once"),
        (epochs(val_acc=[60.0, 20.0, 25.0, 22.0]), {}, "under half of its best for 3 evaluations"),
        (
            epochs(val_acc=[60.0, 20.0, 20.0]),
            {"rules": {CODE: {"params": {"patience": 2, "share": 0.4}}}},
            "under 40 % of its best for 2 evaluations",
        ),
        (steps(train_acc=[0.8] * 40 + [0.1] * 40), {}, "under half of its best for 20 records"),
        (
            epochs(val_acc=[80.0, 55.0, 55.0], train_acc=[85.0, 60.0, 60.0]),
            {},
            "training and validation both under three quarters of their best for 2 evaluations",
        ),
    ],
)
def test_the_reason_is_in_words(log: Any, declared: dict[str, Any], reason: str) -> None:
    (alert,) = alerts_of(log, CODE, **declared)
    assert alert.evidence["reason"] == reason


def named(name: str, values: list[float], **others: Any) -> list[dict[str, Any]]:
    """A log with these values of a metric whose name is none for a keyword."""
    log = epochs(score=values, **others)
    return [
        {**record, "metrics": {name if key == "score" else key: value for key, value in record["metrics"].items()}}
        for record in log
    ]


@pytest.mark.parametrize("name", ["metrics/mAP50(B)", "val/bbox_mAP", "mIoU", "eval_f1", "eval/bleu", "val_dice_coef"])
def test_a_score_that_stays_under_half_for_ten_is_a_warning(name: str) -> None:
    values = [0.2, 0.5, 0.6, *[0.2] * 10]
    assert not alerts_of(named(name, values[:-1]), CODE)
    (alert,) = alerts_of(named(name, values), CODE)
    assert (alert.severity, alert.subject) == ("warning", name)
    assert (alert.opened.epoch, alert.detected.epoch) == (4, 13)  # type: ignore[union-attr]


def test_a_score_next_to_nothing_for_five_is_enough() -> None:
    values = [0.2, 0.5, 0.6, *[0.01] * 5]
    assert not alerts_of(named("val/mAP", values[:-1]), CODE)
    (alert,) = alerts_of(named("val/mAP", values), CODE)
    assert alert.evidence["reason"] == "under a tenth of its best for 5 evaluations"


@pytest.mark.parametrize("name", ["eval_wer", "val_cer", "ppl", "class_acc", "f1", "val/mAP_s", "map_loss", "remap"])
def test_metrics_that_fall_or_of_which_nobody_knows_are_not_judged(name: str) -> None:
    assert not alerts_of(named(name, [0.2, 0.5, 0.6, *[0.01] * 30]), CODE)


def test_a_score_is_left_alone_where_there_is_a_validation_accuracy() -> None:
    values = [0.2, 0.5, 0.6, *[0.01] * 12]
    assert not alerts_of(named("val/mAP", values, val_acc=[0.5] * 15), CODE)
    late = [*named("val/mAP", values[:5]), *named("val/mAP", values[5:], val_acc=[0.5] * 10)]
    assert not alerts_of([{**record, "epoch": n} for n, record in enumerate(late)], CODE)


def test_a_metric_of_unknown_direction_needs_a_loss_that_agrees() -> None:
    values = [0.2, 0.5, 0.6, *[0.1] * 12]
    assert not alerts_of(named("val_metric", values), CODE)
    assert not alerts_of(named("val_metric", values, val_loss=[1.0 - n / 50 for n in range(15)]), CODE)
    assert alerts_of(named("val_metric", values, val_loss=[1.0] * 3 + [1.4] * 12), CODE)
    assert alerts_of(named("val_metric", values, val_loss=[1.0] * 3 + ["NaN"] * 12), CODE)


def test_training_accuracy_that_falls_beside_a_score_makes_it_critical() -> None:
    (alert,) = alerts_of(named("val/mAP", [0.2, 0.5, 0.6, *[0.01] * 5], train_acc=[0.53] * 7 + [0.0]), CODE)
    assert alert.severity == "critical"
    assert "train_acc fell from 0.53" in alert.detail


def test_a_dip_at_a_warm_restart_is_waited_for() -> None:
    lr = [0.1, 0.05, 0.01, 0.1, 0.09, 0.08, 0.07, 0.06, 0.05]
    train, val = (
        [50.0, 70.0, 85.0, 60.0, 60.0, 60.0, 70.0, 75.0, 80.0],
        [48.0, 65.0, 80.0, 55.0, 55.0, 55.0, 66.0, 70, 75],
    )
    assert not alerts_of(epochs(lr=lr, train_acc=train, val_acc=val), CODE)
    assert alerts_of(epochs(lr=[0.01] * 3 + lr[3:], train_acc=train, val_acc=val), CODE), "a rate that is new is none"
    stays = epochs(lr=[*lr, *[0.05] * 6], train_acc=[*train[:3], *[60.0] * 12], val_acc=[*val[:3], *[55.0] * 12])
    assert alerts_of(stays, CODE)[0].detected.epoch == 14  # type: ignore[union-attr]
    to_zero = epochs(lr=lr, val_acc=[*val[:3], *[0.0] * 6])
    assert alerts_of(to_zero, CODE)[0].detected.epoch == 6  # type: ignore[union-attr]


def restarts(cycle: int) -> list[dict[str, Any]]:
    """Sixty epochs of a healthy run whose accuracy dips from 66 % to 40 % at each warm restart."""
    out: list[dict[str, Any]] = []
    for epoch in range(60):
        lr = 0.05 * (1 + math.cos(math.pi * (epoch % cycle) / cycle))
        share = (0.75 - 3 * lr) * (1 - math.exp(-(epoch + 1) / 8))
        metrics = {"lr": lr, "val_loss": 4.7 * (1 - share), "train_acc": 100 * share, "val_acc": 100 * (share - 0.02)}
        out.append({"epoch": epoch, "metrics": metrics})
    return out


@pytest.mark.parametrize("cycle", [10, 20, 30])
def test_warm_restarts_are_waited_for_declared_or_not(cycle: int) -> None:
    schedule: dict[str, Any] = {
        "framework": "torch",
        "class": "CosineAnnealingWarmRestarts",
        "params": {"T_0": cycle},
        "base_lr": 0.1,
        "unit": "epoch",
    }
    log = restarts(cycle)
    unreported = [
        {**record, "metrics": {key: value for key, value in record["metrics"].items() if key != "lr"}} for record in log
    ]
    for code in (CODE, "ACC002"):
        assert not alerts_of(log, code)
        assert not alerts_of(log, code, schedule=schedule)
        assert not alerts_of(unreported, code, schedule=schedule)
    lost = [{**one, "metrics": {**one["metrics"], "val_acc": 0.0}} if one["epoch"] >= cycle else one for one in log]
    (alert,) = alerts_of(lost, CODE, schedule=schedule)
    assert alert.detected.epoch == cycle + 2  # type: ignore[union-attr]


@pytest.mark.parametrize("classes", [2, 10])
def test_small_validation_sets_jump_about(classes: int) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        level, low = (0.75, 0.5) if classes == 2 else (0.4, 0.1)
        chances = [level - (level - low) * math.exp(-epoch / 5) for epoch in range(50)]
        values = [sum(rng.random() < chance for _ in range(10)) / 10 for chance in chances]
        loss = [0.55 + 0.1 * math.exp(-epoch / 5) for epoch in range(50)]
        assert not alerts_of(epochs(val_acc=values, val_loss=loss), CODE, num_classes=classes), seed


GOOD = [0.31, 0.52, 0.67, 0.74, 0.81, 0.83, 0.82, 0.84]


def test_what_is_learned_again_is_no_collapse_and_what_stays_is() -> None:
    again = [0.12, 0.18, 0.25, 0.31, 0.36, 0.41, 0.44, 0.47]
    assert not alerts_of(epochs(val_acc=[*GOOD, *again]), CODE)
    assert alerts_of(epochs(val_acc=[*GOOD, *[0.12, 0.13, 0.11, 0.12]]), CODE)


def test_after_a_deep_fall_that_is_half_regained_the_best_begins_anew() -> None:
    later = [0.21, 0.33, 0.46, 0.53, 0.52, 0.53]
    assert not alerts_of(epochs(val_acc=[*GOOD, *later, 0.31, 0.32, 0.31, 0.33]), CODE), "half of 0.84, not of 0.53"
    assert alerts_of(epochs(val_acc=[*GOOD, *later, 0.11, 0.12, 0.11, 0.12]), CODE)


def test_a_quarter_lost_for_good_since_the_rate_rose_is_a_collapse_of_two_classes() -> None:
    acc = [0.71, 0.82, 0.86, 0.88, 0.89, *[0.503, 0.498, 0.501, 0.499, 0.502, 0.5]]
    (alert,) = alerts_of(epochs(val_acc=acc, lr=[1e-3] * 5 + [1e-2] * 6), CODE)
    assert (alert.opened.epoch, alert.detected.epoch) == (6, 11)  # type: ignore[union-attr]
    assert alert.evidence["lr_ratio"] == pytest.approx(10)
    assert "since the LR rose" in alert.evidence["reason"]
    assert not alerts_of(epochs(val_acc=acc, lr=[1e-3] * 11), CODE)
    assert not alerts_of(epochs(val_acc=acc[:10], lr=[1e-3] * 5 + [1e-2] * 5), CODE)


def test_the_few_samples_that_values_show_make_a_fall_to_zero_likely() -> None:
    assert not alerts_of(epochs(val_acc=[0.25] * 5 + [0.0]), CODE), "of four samples"
    assert alerts_of(epochs(val_acc=[0.2513] * 5 + [0.0]), CODE)


def test_what_alternates_is_not_learned_again() -> None:
    alternates = [0.1, 0.6] * 4
    assert not alerts_of(epochs(val_acc=[*GOOD, *alternates[:5]]), CODE)
    (alert,) = alerts_of(epochs(val_acc=[*GOOD, *alternates]), CODE)
    assert alert.opened.epoch == len(GOOD) + 1  # type: ignore[union-attr]
    assert not alerts_of(epochs(val_acc=[*GOOD, *[0.5, 0.6] * 6]), CODE), "it is not under half of its best mostly"


TASK: dict[str, Any] = {
    "train_loss": [1.6, 0.9, 0.5, 0.3, 0.2, 0.12, 0.08, 0.05],
    "train_acc": [0.4, 0.7, 0.85, 0.9, 0.94, 0.97, 0.98, 0.99],
    "val_acc": [0.3, 0.6, 0.75, 0.84, 0.9, 0.92, 0.93, 0.93],
}


def _two_tasks(val_acc: list[float], **later: list[float]) -> dict[str, Any]:
    second = {**TASK, "val_acc": val_acc, **later}
    return {name: [*values, *second[name]] for name, values in TASK.items()}


def test_further_classes_are_learned_and_are_measured_by_themselves() -> None:
    lower = [0.15, 0.2, 0.26, 0.31, 0.35, 0.39, 0.41, 0.42, *[0.42] * 8]
    rest: dict[str, Any] = {name: [*TASK[name], *[TASK[name][-1]] * 8] for name in ("train_loss", "train_acc")}
    assert not alerts_of(epochs(**_two_tasks(lower, **rest)), CODE)
    assert alerts_of(epochs(val_acc=[*TASK["val_acc"], *lower]), CODE), "nothing says that another task began"
    flat = [0.15, *[0.16] * 15]
    assert alerts_of(epochs(**_two_tasks(flat, **rest)), CODE), "the training is learned again, this is not"
    stays: dict[str, Any] = {name: [TASK[name][0]] * 16 for name in rest}
    assert alerts_of(epochs(**_two_tasks(lower, **stays)), CODE), "the training is not learned again"


def test_a_log_that_counts_its_tasks_tells_where_one_begins() -> None:
    acc = [0.9, 0.92, 0.93, 0.93, 0.93, 0.93, *[0.4] * 6]
    assert alerts_of(epochs(val_acc=acc), CODE)
    assert not alerts_of(epochs(val_acc=acc, task=[0] * 6 + [1] * 6), CODE)
    assert alerts_of(epochs(val_acc=acc, task=[0] * 12), CODE)
    assert alerts_of(epochs(val_acc=acc, task_loss=[0] * 6 + [1] * 6), CODE)
    assert alerts_of(epochs(val_acc=acc, task=[0, 1] * 6), CODE), "tasks that take turns"


def test_batches_whose_sum_is_not_finite_leave_a_best_that_is() -> None:
    log = steps(train_acc=[1e308] * 20 + [1.0] * 60)
    assert "inf" not in alerts_of(log, CODE)[0].title
