"""ACC002: an accuracy or score that gets worse from its best, and dips that are expected."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, report_of, spec_of
from trackside_service import detection
from trackside_service.domain.records import Record
from trackside_service.errors import InvalidInputError
from trackside_service.rules import Reading

CODE = "ACC002"
RISE = [40.0, 55.0, 62.0, 66.0, 68.0, 68.5, 69.0]
FALL = [60.0, 59.0, 58.0, 57.0, 56.0, 55.0]
LOSS = [1.9, 1.5, 1.2, 1.1, 1.0, 1.0, 1.0, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]


def renamed(log: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The log with its `score` under another name."""
    return [
        {**record, "metrics": {name if key == "score" else key: value for key, value in record["metrics"].items()}}
        for record in log
    ]


def test_five_evaluations_clearly_under_the_best_with_a_loss_that_agrees() -> None:
    assert not alerts_of(epochs(val_acc=[*RISE, *FALL[:4]], val_loss=LOSS), CODE)
    (alert,) = alerts_of(epochs(val_acc=[*RISE, *FALL], val_loss=LOSS), CODE)
    assert (alert.severity, alert.subject) == ("warning", "val_acc")
    assert (alert.opened.epoch, alert.detected.epoch) == (8, 12)  # type: ignore[union-attr]
    assert alert.title == "val_acc degrades: 68.5 % to 56 %"
    assert (alert.evidence["best"], alert.evidence["val_loss_best"]) == (68.5, 1.0)
    assert "checkpoint of epoch 7" in alert.advice


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_fractions_and_percent_alike(scale: float) -> None:
    values = [value * scale for value in [*RISE, *FALL]]
    assert len(alerts_of(epochs(val_acc=values, val_loss=LOSS), CODE)) == 1
    little = [value * scale for value in [8.0, 10.0, 10.0, 10.0, 10.0, *[7.0] * 8]]
    assert not alerts_of(
        epochs(val_acc=little, val_loss=[1.0] * 5 + [2.0] * 8), CODE, metric_units={"val_acc": "percent"}
    )


def test_a_loss_that_goes_on_improving_disagrees() -> None:
    assert not alerts_of(epochs(val_acc=[*RISE, *FALL], val_loss=[2.0 - n / 20 for n in range(13)]), CODE)


def test_without_a_validation_loss_it_takes_twice_as_long() -> None:
    assert not alerts_of(epochs(val_acc=[*RISE, *FALL]), CODE)
    (alert,) = alerts_of(epochs(val_acc=[*RISE, *FALL, *[55.0] * 6]), CODE)
    assert alert.detected.epoch == 17  # type: ignore[union-attr]


def test_a_loss_that_is_not_finite_agrees() -> None:
    loss = [*LOSS[:7], *["NaN"] * 6]
    assert alerts_of(epochs(val_acc=[*RISE, *FALL], val_loss=loss), CODE)
    assert alerts_of(epochs(val_acc=[*RISE, *FALL], val_loss=[*LOSS[:7], *["Infinity"] * 6]), CODE)


def test_one_lucky_evaluation_is_no_best() -> None:
    assert not alerts_of(epochs(val_acc=[60.0, 61.0, 90.0, *[61.0, 60.0] * 6], val_loss=[1.0, 0.9, *[1.5] * 13]), CODE)


def test_values_that_are_not_finite_neither_count_nor_hide() -> None:
    values = [*RISE, *FALL[:3], "NaN", "Infinity", *FALL[3:]]
    (alert,) = alerts_of(epochs(val_acc=values, val_loss=[*LOSS[:7], *[1.5] * 8]), CODE)
    assert (alert.opened.epoch, alert.detected.epoch) == (8, 14)  # type: ignore[union-attr]


def test_evaluations_count_in_whatever_records_they_come() -> None:
    records = []
    for index, (acc, loss) in enumerate(zip([*RISE, *FALL], LOSS, strict=True)):
        records += [
            {"step": 100 * index + 10, "metrics": {"train_loss": 1.0, "lr": 0.1}},
            {"step": 100 * index + 90, "metrics": {"val_loss": loss}},
            {"step": 100 * index + 91, "metrics": {"val_acc": acc}},
        ]
    (alert,) = alerts_of(records, CODE)
    assert (alert.opened.step, alert.detected.step) == (791, 1191)  # type: ignore[union-attr]


def test_a_dip_at_a_higher_lr_is_expected() -> None:
    lr = [0.1, 0.08, 0.05, 0.02, 0.01, 0.01, 0.01, *[0.1, 0.095, 0.09, 0.08, 0.06, 0.05]]
    assert alerts_of(epochs(val_acc=[*RISE, *FALL], val_loss=LOSS, lr=[0.01] * 13), CODE)
    assert not alerts_of(epochs(val_acc=[*RISE, *FALL], val_loss=LOSS, lr=lr), CODE)
    longer = epochs(val_acc=[*RISE, *FALL, *FALL, *FALL], val_loss=[*LOSS, *[1.7] * 12], lr=[*lr, *[0.05] * 12])
    assert alerts_of(longer, CODE)  # but not for ever


def test_a_score_is_judged_by_its_own_patience_and_named() -> None:
    score = [0.4, 0.6, 0.61, 0.6, *[0.45] * 15]
    loss = [1.4, 1.2, 1.2, 1.2, *[1.5] * 15]
    assert not alerts_of(renamed(epochs(score=score[:-1], val_loss=loss), "metrics/mAP50(B)"), CODE)
    (alert,) = alerts_of(renamed(epochs(score=score, val_loss=loss), "metrics/mAP50(B)"), CODE)
    assert alert.subject == "metrics/mAP50(B)"


@pytest.mark.parametrize("name", ["eval_wer", "eval_cer", "val_err", "rmse", "ppl", "eval_T005_f1", "f1", "ema_score"])
def test_metrics_that_fall_or_of_which_nobody_knows_are_not_judged(name: str) -> None:
    log = epochs(score=[0.4, 0.6, 0.61, 0.6, *[0.45] * 40], val_loss=[1.0] * 4 + [1.5] * 40)
    assert alerts_of(renamed(log, "eval_f1"), CODE)
    assert not alerts_of(renamed(log, name), CODE)


def test_a_metric_of_unknown_direction_needs_the_loss_beside_it() -> None:
    score = [0.4, 0.6, 0.61, 0.6, *[0.45] * 40]
    assert not alerts_of(epochs(val_metric=score), CODE)
    assert not alerts_of(epochs(val_metric=score, val_loss=[1.0 - n / 100 for n in range(44)]), CODE)
    assert alerts_of(epochs(val_metric=score, val_loss=[1.0] * 4 + [1.5] * 40), CODE)


@pytest.mark.parametrize(
    ("train", "words"),
    [([2.0 - n / 8 for n in range(13)], "overfits"), ([1.0] * 7 + [2.0] * 6, "get worse together"), ([], "prepared")],
)
def test_the_training_loss_tells_overfitting_from_divergence(train: list[float], words: str) -> None:
    log = epochs(val_acc=[*RISE, *FALL], val_loss=LOSS, train_loss=train)
    (alert,) = alerts_of(log, CODE, optimizer={"class": "SGD", "params": {"lr": 0.1}})
    assert words in alert.advice
    assert "lr 0.1 to 0.05" in alert.advice


def test_advice_says_what_a_second_evaluation_would_tell_and_how_the_rate_went() -> None:
    log = epochs(val_acc=[*RISE, *FALL], val_loss=LOSS, lr=[0.01] * 7 + [0.015] * 6)
    (alert,) = alerts_of(log, CODE)
    assert "if it no longer gives 68.5 %, the validation data" in alert.advice
    assert "0.01 there and is 0.015 now" in alert.advice


def test_a_collapse_is_left_to_acc001() -> None:
    codes = [one.code for one in report_of(epochs(val_acc=[*RISE, *[20.0] * 12], val_loss=[*LOSS, *[2.0] * 6])).alerts]
    assert "ACC001" in codes
    assert CODE not in codes


def test_it_resolves_when_half_is_regained_and_can_come_back() -> None:
    log = epochs(val_acc=[*RISE, *FALL, 66.0, 66.0, 66.0], val_loss=[*LOSS, 1.1, 1.1, 1.1])
    (alert,) = alerts_of(log, CODE)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 15)  # type: ignore[union-attr]


def test_what_was_regained_makes_the_next_time_wait_for_twice_as_long() -> None:
    dip, back = [58.0] * 6, [69.0] * 6
    acc = [*RISE, *(dip + back) * 4]
    loss = [1.0 if value > 60 else 1.4 for value in acc]
    (alert,) = alerts_of(epochs(val_acc=acc, val_loss=loss), CODE)
    assert (alert.state, alert.opened.epoch) == ("resolved", 8)  # type: ignore[union-attr]
    acc = [*RISE, *dip, *back, *[58.0] * 20]
    first, second = alerts_of(epochs(val_acc=acc, val_loss=[1.0 if value > 60 else 1.4 for value in acc]), CODE)
    assert (first.state, second.state) == ("resolved", "open")
    assert second.detected.epoch == 31  # type: ignore[union-attr]


def test_another_run_in_the_same_log_begins_from_its_own_start() -> None:
    second = epochs(val_acc=[30.0, 40.0, 50.0, 55.0, 56.0, 56.0, 56.5], val_loss=[2.0] * 7)
    assert not alerts_of([*epochs(val_acc=RISE, val_loss=LOSS), *second], CODE)


def test_what_is_behind_is_not_shown() -> None:
    context = detection.configure(spec_of())
    state = detection.begin(context)
    log = [Reading(Record({"val_acc": value, "val_loss": 1.0}, epoch=n), n) for n, value in enumerate(RISE)]
    late = [Reading(Record({"val_acc": 50.0, "val_loss": 2.0}, epoch=1.0), 9, behind=True)] * 9
    assert not detection.inspect(context, state, [*log, *late]).outcomes


@pytest.mark.parametrize(
    "params", [{"fall": 0.0}, {"patience": 2}, {"score_fall": 1.5}, {"expected": 0}, {"noise": -1}]
)
def test_a_bad_configuration_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        detection.configure(spec_of(rules={CODE: {"params": params}}))


def test_a_rate_that_nobody_reports_may_cycle_and_is_waited_for() -> None:
    best = [0.9 - 0.6 * 0.8**place for place in range(40)]
    acc = [*best, *[0.7] * 40]
    loss = [2.3 * (1.05 - value) for value in acc]
    (alert,) = alerts_of(epochs(val_acc=acc, val_loss=loss), CODE)
    assert alert.detected.epoch == 60, "half of the forty before"  # type: ignore[union-attr]
    (alert,) = alerts_of(epochs(val_acc=acc, val_loss=loss, lr=[1e-3] * 80), CODE)
    assert alert.detected.epoch == 45, "it is reported, and stays as it is"  # type: ignore[union-attr]
