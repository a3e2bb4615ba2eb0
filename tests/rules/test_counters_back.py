"""RUN005."""

from __future__ import annotations

from collections.abc import Sequence

from tests.rules.support import alerts_of, epochs, spec_of
from trackside_service import replay
from trackside_service.domain.alerts import Alert
from trackside_service.domain.declarations import ProcessSpec
from trackside_service.domain.records import Position, Record

CODE = "RUN005"


def _by_process(*places: int) -> Sequence[Alert]:
    """The alerts about a process that reports these steps."""
    records = [Record({"train_loss": 1.0}, step=step, seq=number) for number, step in enumerate(places)]
    report = replay.check(spec_of(), records, process=ProcessSpec("a"))
    assert not report.faults
    return [alert for alert in report.alerts if alert.code == CODE]


def test_a_log_that_was_appended_to_is_information_until_it_is_past_the_place() -> None:
    first = epochs(1, train_loss=[1.0] * 9)
    (alert,) = alerts_of([*first, *epochs(1, train_loss=[2.0] * 5)], CODE)
    assert (alert.severity, alert.state, alert.subject) == ("info", "open", "counters")
    assert alert.opened == Position(epoch=1)
    assert "epoch 9 came epoch 1" in alert.detail
    (alert,) = alerts_of([*first, *epochs(1, train_loss=[2.0] * 12)], CODE)
    assert (alert.state, alert.resolved) == ("resolved", Position(epoch=9))


def test_a_process_that_counts_again_is_a_warning() -> None:
    (alert,) = _by_process(*range(0, 100, 10), *range(0, 50, 10))
    assert (alert.severity, alert.state) == ("warning", "open")
    assert (alert.opened, alert.detected) == (Position(0), Position(40))
    (alert,) = _by_process(*range(0, 100, 10), *range(0, 200, 10))
    assert (alert.state, alert.resolved) == ("resolved", Position(90))


def test_records_for_an_earlier_place_and_late_ones_are_nothing() -> None:
    assert not _by_process(*range(100), 50, *range(100, 200), 150, 120, 110, 90)
    assert not _by_process(*range(100), 60, 50, 40, 30, 20, 10)  # they do not move forward
    assert not _by_process(*range(100), 1, 2, 3, 4, *range(100, 110), 5, 6)  # no five in a row
    merged = [{"epoch": epoch, "metrics": {"val_acc": 5.0}} for epoch in range(1, 9)]
    assert not alerts_of([*epochs(1, train_loss=[1.0] * 9), *merged], CODE)


def test_a_run_that_goes_forward_says_nothing() -> None:
    assert not alerts_of(epochs(1, train_loss=[1.0] * 50), CODE)
    mixed = [{"step": step, "metrics": {"loss": 1.0}} for step in range(30)]
    mixed += [{"epoch": 1, "metrics": {"val_acc": 5.0}}]
    assert not alerts_of(mixed, CODE)
