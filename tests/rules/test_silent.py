"""RUN001: what counts as silence, and what is said about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.rules.support import spec_of
from trackside_service import detection
from trackside_service.domain.cadence import KNOWN_AFTER, Cadence, heard, is_old, restarted
from trackside_service.domain.findings import Finding
from trackside_service.domain.records import Position, Record
from trackside_service.errors import InvalidInputError
from trackside_service.rules import Silence

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = 3600.0


def _limit(cadence: Cadence, **declared: Any) -> float | None:
    return detection.silence_limit_s(detection.configure(spec_of(**declared)), cadence)


def _after(*pauses_s: float, limit_s: float | None = None) -> Cadence:
    cadence = heard(Cadence(), 99999.0, limit_s=limit_s)
    for pause_s in pauses_s:
        cadence = heard(cadence, pause_s, limit_s=limit_s)
    return cadence


def test_pauses_are_learned_and_the_start_is_none() -> None:
    assert heard(Cadence(), 5000.0, limit_s=None).longest_s == 0
    assert _after(2, 300, 2) == Cadence(4, 300)
    assert not _after(2, 300, 2).known
    assert _after(2, 300, 2, 2).known
    assert _after(*[1.0] * 1000).posts == KNOWN_AFTER


def test_a_new_process_has_a_start_of_its_own_and_keeps_the_pauses() -> None:
    again = restarted(_after(2, 300, 2, 2))
    assert again == Cadence(0, 300)
    assert heard(again, 8 * HOUR, limit_s=900) == Cadence(1, 300)


def test_a_silence_that_ended_widens_the_limit_within_bounds() -> None:
    assert _after(1, 1, 3000, limit_s=1800).longest_s == 3000
    assert _after(1, 1, 10 * HOUR, limit_s=1800).longest_s == 4 * 1800


@pytest.mark.parametrize(
    ("cadence", "declared", "limit_s"),
    [
        (Cadence(), {}, 4 * HOUR),
        (_after(2, 2, 2), {}, 4 * HOUR),  # the pauses are not known yet
        (_after(2, 2, 2, 2), {}, 0.5 * HOUR),
        (_after(2, 2, 2, 1200), {}, HOUR),  # an evaluation
        (_after(2 * HOUR), {}, 6 * HOUR),  # long epochs
        (Cadence(), {"heartbeat_s": 60}, 4 * HOUR),
        (_after(), {"heartbeat_s": 60}, 60),
        (_after(2, 2, 2, 1200), {"heartbeat_s": 60}, 60),
        (Cadence(), {"heartbeat_s": 9 * HOUR}, 9 * HOUR),
        (Cadence(), {"rules": {"RUN001": {"params": {"start_s": 600}}}}, 600),
        (_after(2, 2, 2, 100), {"rules": {"RUN001": {"params": {"factor": 10, "floor_s": 60}}}}, 1000),
        (Cadence(), {"rules": {"RUN001": {"enabled": False}}}, None),
    ],
)
def test_the_limit(cadence: Cadence, declared: dict[str, Any], limit_s: float | None) -> None:
    assert _limit(cadence, **declared) == limit_s


@pytest.mark.parametrize("params", [{"factor": 0.5}, {"floor_s": 0}, {"start_s": -1.0}])
def test_limits_that_mean_nothing_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        _limit(Cadence(), rules={"RUN001": {"params": params}})


def test_an_old_log_that_is_sent_in_is_told_from_news() -> None:
    def at(*hours: float | None) -> list[Record]:
        return [Record({}, time=None if hour is None else NOW - timedelta(hours=hour)) for hour in hours]

    assert not is_old(at(None), NOW)
    assert not is_old(at(), NOW)
    assert not is_old(at(0.9), NOW)  # a clock that is off
    assert is_old(at(1.1), NOW)
    assert not is_old(at(30, 20, 0.1), NOW)  # what had waited, up to now


def _found(silence: Silence, **declared: Any) -> Finding:
    (finding,) = detection.silence(detection.configure(spec_of(**declared)), silence)
    return finding


def test_it_says_since_when_where_and_what_was_normal() -> None:
    finding = _found(Silence(NOW, 1800, reported=True, place=Position(120, 3), longest_s=360))
    assert (finding.code, finding.subject, finding.severity) == ("RUN001", "run", "critical")
    assert finding.title == "Not heard of for 30 minutes"
    assert "2026-01-31 12:00:00 UTC, epoch 3, step 120" in finding.detail
    assert "the longest pause between its reports was 6 minutes" in finding.detail
    assert finding.opened == Position(120, 3)
    assert finding.evidence["limit_s"] == 1800


def test_it_says_whose_limit_it_was_and_what_never_began() -> None:
    declared = _found(Silence(NOW, 60, reported=True, place=Position(1), longest_s=5), heartbeat_s=60)
    assert "heartbeat_s" in declared.detail
    never = _found(Silence(NOW, 4 * HOUR, reported=False))
    assert never.title == "No record within 4 hours"
    assert never.opened is None
    quiet = _found(Silence(NOW, 60, reported=False), rules={"RUN001": {"severity": "info"}})
    assert quiet.severity == "info"
