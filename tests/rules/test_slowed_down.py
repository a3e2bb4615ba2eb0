"""RUN004."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.rules.support import alerts_of, spec_of
from trackside_service import detection
from trackside_service.domain.alerts import Alert
from trackside_service.domain.records import Position
from trackside_service.errors import InvalidInputError
from trackside_service.rules import slowed_down

CODE = "RUN004"
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _log(durations: Iterable[float], *, every: int = 1, clock: bool = True) -> list[dict[str, Any]]:
    """A record each `every` steps, made after so many seconds."""
    time, records = BEGAN, []
    for number, seconds in enumerate(durations):
        time += timedelta(seconds=seconds)
        record: dict[str, Any] = {"step": number * every, "metrics": {"train_loss": 1.0}}
        records.append(record | ({"time": time.isoformat()} if clock else {}))
    return records


def _alerts(durations: Sequence[float], **options: Any) -> list[Alert]:
    return alerts_of(_log(durations, **options), CODE)


def test_a_step_that_takes_three_times_as_long_for_two_windows_is_told() -> None:
    (alert,) = _alerts([10] * 60 + [35] * 40, every=10)
    assert (alert.severity, alert.state, alert.subject) == ("info", "open", "pace")
    assert alert.title == "A step takes 3.5 times as long as before"
    assert alert.evidence["seconds"] == pytest.approx(3.5)
    assert alert.evidence["seconds_before"] == pytest.approx(1.0)
    assert alert.opened is not None
    assert 600 <= (alert.opened.step or 0) <= 700
    assert not _alerts([10] * 60 + [35] * 20, every=10)


def test_it_resolves_when_the_pace_is_back() -> None:
    (alert,) = _alerts([10] * 60 + [35] * 40 + [11] * 20)
    assert alert.state == "resolved"
    assert alert.resolved == Position(107)


def test_pauses_the_start_and_slight_changes_are_normal() -> None:
    assert not _alerts([900, 300] + [10] * 60)  # compilation
    assert not _alerts(([10] * 9 + [600]) * 20)  # evaluations
    assert not _alerts([10] * 60 + [25] * 60)
    assert not _alerts([0.01] * 60 + [0.05] * 60)  # milliseconds


def test_without_times_and_with_a_clock_that_jumps_it_is_silent() -> None:
    assert not _alerts([10] * 60 + [35] * 40, clock=False)
    assert not _alerts([10] * 60 + [-3600] + [10] * 60 + [86400] + [10] * 60)


def test_many_records_at_one_place_are_one_interval() -> None:
    records = []
    for number, record in enumerate(_log([10] * 100)):
        records.append(record)
        records += [{**record, "metrics": {f"extra{each}": 1.0}} for each in range(number % 7)]
    assert not alerts_of(records, CODE)


def test_another_process_has_a_pace_of_its_own() -> None:
    slow = [{**record, "epoch": 0} for record in _log([35] * 60)]
    assert not alerts_of([*_log([10] * 60), *slow], CODE)


def test_the_state_comes_back_from_storage() -> None:
    context = detection.configure(spec_of())
    state = slowed_down.start(context, slowed_down.Parameters())
    assert slowed_down.load(slowed_down.dump(state)) == state
    stored = slowed_down.State("step", 7.0, 1.5, (7, None), 20, ((1.0, 2.0),), 0.5, 3, (4, None), True)
    assert slowed_down.load(slowed_down.dump(stored)) == stored


@pytest.mark.parametrize("params", [{"window": 2}, {"clears_below": 3.0}, {"factor": 1.0}])
def test_parameters_that_mean_nothing_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        detection.configure(spec_of(rules={CODE: {"params": params}}))
