"""EXP001: expectations of every form, judged when they can be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, epochs, spec_of
from trackside_service import detection
from trackside_service.domain.alerts import Alert
from trackside_service.domain.findings import Cleared, Finding
from trackside_service.domain.records import Record
from trackside_service.rules import Reading
from trackside_service.rules.expectation_words import subject_of

CODE = "EXP001"


def broken(records: list[dict[str, Any]], *expectations: dict[str, Any], **declared: Any) -> list[Alert]:
    return alerts_of(records, CODE, expectations=list(expectations), **declared)


def at(alert: Alert) -> tuple[Any, Any]:
    assert alert.opened is not None
    assert alert.detected is not None
    return alert.opened.epoch, alert.detected.epoch


def test_a_bound_at_an_epoch() -> None:
    wish = {"metric": "val_acc", "epoch": 2, "min": 30}
    (alert,) = broken(epochs(val_acc=[10.0, 20.0, 50.0]), wish)
    assert at(alert) == (2, 2)
    assert (alert.severity, alert.subject) == ("warning", "val_acc at epoch 2 >= 30")
    assert alert.evidence["value"] == 20.0
    assert "20 %" in alert.detail
    assert not broken(epochs(val_acc=[10.0, 30.0, 5.0]), wish)


def test_the_epoch_is_the_one_that_is_printed() -> None:
    wish = {"metric": "val_acc", "epoch": 0, "min": 30}
    assert len(broken(epochs(0, val_acc=[10.0, 50.0]), wish)) == 1
    (alert,) = broken(epochs(1, val_acc=[10.0, 50.0]), wish)
    assert (alert.severity, alert.evidence["missing"]) == ("info", "epoch"), "the log counts from 1"


def test_a_range_of_epochs_and_its_end() -> None:
    wish = {"metric": "train_loss", "from_epoch": 2, "until_epoch": 3, "max": 1.0}
    (alert,) = broken(epochs(train_loss=[5.0, 3.0, 0.5, 9.0]), wish)
    assert at(alert) == (2, 2)
    assert (alert.state, alert.resolved.epoch) == ("resolved", 3)  # type: ignore[union-attr]


def test_the_drop_below_the_best_so_far() -> None:
    wish = {"metric": "val_acc", "max_drop": 2.0}
    assert not broken(epochs(val_acc=[50.0, 48.0, 60.0, 58.5, 58.0]), wish)
    (alert,) = broken(epochs(val_acc=[50.0, 60.0, 57.0]), wish)
    assert at(alert) == (3, 3)
    assert alert.evidence["best"] == 60.0


def test_the_distance_above_another_metric_of_the_same_epoch() -> None:
    wish = {"metric": "train_acc", "max_above": {"metric": "val_acc", "by": 5}}
    assert not broken(epochs(train_acc=[60.0, 90.0], val_acc=[56.0, 86.0]), wish)
    (alert,) = broken(epochs(train_acc=[60.0, 90.0], val_acc=[56.0, 80.0]), wish)
    assert at(alert) == (2, 2)
    assert alert.evidence["other"] == 80.0
    assert "over-fitting" in alert.advice


def test_the_other_metric_may_come_in_a_record_of_its_own() -> None:
    wish = {"metric": "train_acc", "max_above": {"metric": "val_acc", "by": 5}}
    apart = [
        {"epoch": 1, "metrics": {"train_acc": 60.0}},
        {"epoch": 1, "metrics": {"val_acc": 58.0}},
        {"epoch": 2, "metrics": {"train_acc": 80.0}},  # far above the last epoch's validation: not comparable
        {"epoch": 2, "metrics": {"val_acc": 78.0}},
    ]
    assert not broken(apart, wish)
    apart[-1] = {"epoch": 2, "metrics": {"val_acc": 70.0}}
    assert len(broken(apart, wish)) == 1


def test_with_steps_the_last_value_of_the_epoch_counts() -> None:
    wish = {"metric": "train_acc", "epoch": 1, "min": 50}
    records: list[dict[str, Any]] = [
        {"step": 10, "epoch": 1, "metrics": {"train_acc": 20.0}},
        {"step": 90, "epoch": 1, "metrics": {"train_acc": 55.0}},
        {"step": 110, "epoch": 2, "metrics": {"train_loss": 1.0}},
    ]
    assert not broken(records, wish)
    records[1]["metrics"]["train_acc"] = 45.0
    (alert,) = broken(records, wish)
    assert at(alert) == (1, 2)
    # Nothing follows: the run's end judges its last epoch.
    (alert,) = broken(records[:2], wish)
    assert at(alert) == (1, 1)


def test_steps_without_epochs_are_counted_by_steps_per_epoch() -> None:
    wish = {"metric": "train_acc", "epoch": 1, "min": 50}
    records = [{"step": s, "metrics": {"train_acc": float(s)}} for s in (5, 15, 25)]
    (alert,) = broken(records, wish, steps_per_epoch=10)
    assert alert.opened.step == 15  # type: ignore[union-attr]
    (alert,) = broken(records, wish)
    assert (alert.severity, alert.evidence["missing"]) == ("info", "epochs"), "nothing tells their epoch"


def test_a_value_that_is_not_finite_meets_no_bound() -> None:
    for wish in ({"min": 0}, {"max": 100}, {"max_drop": 5}):
        assert len(broken(epochs(val_acc=[50.0, "NaN"]), {"metric": "val_acc", **wish})) == 1


def test_percent_bounds_of_a_declared_fraction_are_converted() -> None:
    wish = {"metric": "val_acc", "epoch": 1, "min": 40}
    log = epochs(val_acc=[0.45])
    assert not broken(log, wish, metric_units={"val_acc": "fraction"})
    (alert,) = broken(log, wish)  # a bound above 1 says percent
    assert "metric_units" in alert.advice


def test_an_alias_is_the_same_metric() -> None:
    assert len(broken(epochs(eval_accuracy=[10.0]), {"metric": "val_accuracy", "min": 40})) == 1
    wish = {"metric": "quality", "min": 40}
    assert len(broken(epochs(quality=[10.0]), wish, metric_names={"quality": "val_acc"})) == 1


def test_a_first_epoch_far_too_low_has_advice_for_the_plan() -> None:
    plan = {
        "framework": "torch",
        "class": "OneCycleLR",
        "params": {"max_lr": 0.4, "total_steps": 20, "div_factor": 20},
        "base_lr": 0.4,
        "unit": "epoch",
    }
    (alert,) = broken(epochs(train_acc=[2.0]), {"metric": "train_acc", "epoch": 1, "min": 10}, schedule=plan)
    assert "div_factor 20 to 10, so that the initial LR becomes 0.04" in alert.advice


def test_each_expectation_has_an_alert_of_its_own() -> None:
    wishes = [{"metric": "val_acc", "epoch": epoch, "min": 90} for epoch in (1, 2)]
    assert [at(alert) for alert in broken(epochs(val_acc=[5.0, 5.0]), *wishes)] == [(1, 1), (2, 2)]


def test_expectations_that_differ_read_differently() -> None:
    wishes: list[dict[str, Any]] = [
        {"metric": "val_acc", "epoch": 1, "min": 90.0000001},
        {"metric": "val_acc", "epoch": 1, "min": 90.0000002},
        {"metric": "val_acc", "epoch": 1, "min": 1234567},
        {"metric": "val_acc", "epoch": 1, "min": 1234568},
        {"metric": "val_acc", "max_drop": 2.00000001},
        {"metric": "val_acc", "max_drop": 2.00000002},
        {"metric": "val_acc", "max_above": {"metric": "train_acc", "by": 0.3}},
        {"metric": "val_acc", "max_above": {"metric": "train_acc", "by": 0.1 + 0.2}},
        {"metric": "val_acc", "epoch": 1, "min": 90},
        {"metric": "val_acc at epoch 1", "min": 90},
    ]
    subjects = [subject_of(each) for each in spec_of(expectations=wishes).expectations]
    assert len(set(subjects)) == len(wishes)
    assert subjects[0] == "val_acc at epoch 1 >= 90.0000001"
    assert subjects[-2:] == ["val_acc at epoch 1 >= 90", "'val_acc at epoch 1' >= 90"]
    assert len(broken(epochs(val_acc=[5.0]), *wishes[:2])) == 2


@pytest.mark.parametrize("metric", ["val_acc", "top1"])
def test_any_metric_can_be_expected_of(metric: str) -> None:
    series: dict[str, Any] = {metric: [5.0]}
    assert len(broken(epochs(**series), {"metric": metric, "min": 10})) == 1


def test_a_later_value_for_the_same_epoch_is_the_one_that_counts() -> None:
    records = [*epochs(val_acc=[5.0]), *epochs(val_acc=[50.0])]
    (alert,) = broken(records, {"metric": "val_acc", "epoch": 1, "min": 10})
    assert alert.state == "resolved"


def test_what_the_end_judged_is_judged_again_after_a_resume() -> None:
    context = detection.configure(spec_of(expectations=[{"metric": "val_acc", "epoch": 1, "min": 10}]))
    cut_off = Reading(Record({"val_acc": 5.0}, step=3, epoch=1.0), 0)
    state = detection.inspect(context, detection.begin(context), [cut_off]).state
    ending = detection.conclude(context, state)
    assert [type(one) for one in ending.outcomes] == [Finding]
    resumed = [Reading(Record({"val_acc": 50.0}, step=n, epoch=n / 4), n, life=1) for n in (4, 9)]
    outcomes = detection.inspect(context, ending.state, resumed).outcomes
    assert [type(one) for one in outcomes if one.code == "EXP001"] == [Cleared]


def unknown(
    records: list[dict[str, Any]], *expectations: dict[str, Any], **declared: Any
) -> list[tuple[Any, Any, Any]]:
    alerts = [one for one in broken(records, *expectations, **declared) if one.severity == "info"]
    return [(one.evidence["missing"], one.evidence["metric"], one.detected.epoch) for one in alerts if one.detected]


def test_a_metric_that_is_never_reported_is_said_when_its_epoch_is_long_over() -> None:
    wish = {"metric": "val_acc", "epoch": 2, "min": 30}
    assert not [one for one in inspected(epochs(train_acc=[1.0, 2.0, 3.0]), wish) if isinstance(one, Finding)]
    found = inspected(epochs(train_acc=[1.0, 2.0, 3.0, 4.0, 5.0]), wish)
    (finding,) = [one for one in found if isinstance(one, Finding)]
    assert (finding.severity, finding.subject) == ("info", "val_acc at epoch 2 >= 30")
    assert finding.detected is not None
    assert finding.detected.epoch == 4
    assert "never reported" in finding.detail
    assert "train_acc" in finding.advice


def test_at_the_end_it_is_said_of_every_expectation_that_could_not_be_judged() -> None:
    log = epochs(train_acc=[1.0, 2.0, 3.0], val_acc=[None, 40.0, None])
    never, partly = {"metric": "val_los", "max": 1.0}, {"metric": "val_acc", "from_epoch": 3, "min": 1}
    compares = {"metric": "train_acc", "max_above": {"metric": "val_accuracy_top5", "by": 10}}
    assert unknown(log, never, partly, compares) == [
        ("metric", "val_los", 3),
        ("epoch", "val_acc", 3),
        ("other", "val_accuracy_top5", 3),
    ]
    assert not unknown(log, {"metric": "train_acc", "max": 9}, {"metric": "val_acc", "epoch": 2, "min": 1})


def test_nothing_is_missed_of_what_the_run_did_not_come_to() -> None:
    wishes = [{"metric": "val_acc", "epoch": 50, "min": 30}, {"metric": "val_acc", "from_epoch": 50, "min": 30}]
    assert not unknown(epochs(train_acc=[1.0, 2.0, 3.0]), *wishes)
    assert not unknown([], {"metric": "val_acc", "min": 30})


@pytest.mark.parametrize("name", ["val_accuracy", "eval_accuracy", "valid_acc", "mine"])
def test_a_metric_under_an_alias_is_reported(name: str) -> None:
    log = epochs(**{name: [40.0] * 6})  # type: ignore[arg-type]
    own = {"mine": "val_acc"}
    assert not broken(log, {"metric": "val_acc", "epoch": 2, "min": 30}, metric_names=own)
    assert not broken(log, {"metric": name, "epoch": 2, "min": 30}, metric_names=own)


def test_what_comes_late_after_all_is_judged() -> None:
    wish = {"metric": "val_acc", "from_epoch": 1, "until_epoch": 2, "min": 30}
    log = epochs(train_acc=[1.0] * 5)
    late = {"epoch": 2, "metrics": {"val_acc": 40.0}}
    judged = [type(one).__name__ for one in inspected([*log, late], wish)]
    assert judged == ["Finding", "Cleared"]
    low = {"epoch": 2, "metrics": {"val_acc": 10.0}}
    *_, last = inspected([*log, low], wish)
    assert isinstance(last, Finding)
    assert last.severity == "warning"


def inspected(records: list[dict[str, Any]], *expectations: dict[str, Any]) -> list[Any]:
    """The outcomes while the run goes on."""
    context = detection.configure(spec_of(expectations=list(expectations)))
    readings = [Reading(Record(one["metrics"], epoch=one["epoch"]), place) for place, one in enumerate(records)]
    return list(detection.inspect(context, detection.begin(context), readings).outcomes)
