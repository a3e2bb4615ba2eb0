"""A finished log through the whole engine."""

from __future__ import annotations

from tests.rules.support import epochs, report_of, spec_of
from trackside_service import replay
from trackside_service.domain.declarations import ProcessSpec, parse_records


def test_a_log_given_twice_is_judged_once() -> None:
    log = epochs(lr=[0.1] * 4, train_loss=[3.0, 2.0, "NaN", "NaN"], val_acc=[10.0, 50.0, 0.0, 0.0])
    once, twice = report_of(log), report_of([*log, *log])
    assert (twice.accepted, twice.duplicates) == (4, 4)
    assert twice.alerts == once.alerts
    assert {alert.code for alert in once.every} == {"LOSS001", "ACC001"}


def test_names_are_made_canonical_before_anything_is_placed_or_judged() -> None:
    log = [{"epoch": 1, "metrics": {"loss": 1.0}}, {"epoch": 1, "metrics": {"train_loss": 1.0}}]
    assert report_of(log).duplicates == 1
    report = report_of(epochs(odd=[1.0, "NaN"]), metric_names={"odd": "train_loss"})
    assert [alert.subject for alert in report.alerts] == ["train_loss"]


def test_sequence_numbers_count_where_the_process_is_named() -> None:
    log = [{"seq": n // 2, "step": n, "metrics": {"train_loss": 1.0}} for n in range(6)]
    spec, records = spec_of(), parse_records(log)
    assert replay.check(spec, records).duplicates == 0
    assert replay.check(spec, records, process=ProcessSpec("p")).duplicates == 3


def test_findings_on_the_plan_come_first_and_the_last_epoch_is_judged() -> None:
    plan = {"kind": "table", "values": [0.001, 1.0, 1.0, 1.0], "unit": "epoch"}
    log = [{"step": 3, "epoch": 1, "metrics": {"val_acc": 5.0, "lr": 1.0}}]
    report = report_of(log, schedule=plan, expectations=[{"metric": "val_acc", "min": 50}], steps_per_epoch=3)
    assert (report.alerts[0].code, report.alerts[-1].code) == ("PLAN001", "EXP001")


def test_the_report_knows_no_clock() -> None:
    log = epochs(train_loss=["NaN", "NaN"])
    assert report_of(log) == report_of(log)
    assert {alert.opened_at for alert in report_of(log).alerts} == {replay.NO_TIME}


def test_nothing_is_nothing() -> None:
    report = report_of([])
    assert (report.alerts, report.lr, report.accepted) == ((), None, 0)
