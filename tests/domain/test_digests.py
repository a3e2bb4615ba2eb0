"""When a digest is due, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.support.outbox import after, make_alert, make_run

from trackside_service.domain.digests import MOST_NAMED, Digest, next_digest

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "now", "due"),
    [
        ("08:00", NOON, datetime(2026, 3, 2, 8, 0, tzinfo=UTC)),
        ("12:00", NOON, datetime(2026, 3, 2, 12, 0, tzinfo=UTC)),
        ("12:01", NOON, datetime(2026, 3, 1, 12, 1, tzinfo=UTC)),
        ("23:59", datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC), datetime(2027, 1, 1, 23, 59, tzinfo=UTC)),
        # The time of day is UTC's, whatever zone the clock has.
        ("08:00", datetime(2026, 3, 1, 9, 0, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 3, 1, 8, tzinfo=UTC)),
    ],
)
def test_it_is_due_at_that_time_next(at: str, now: datetime, due: datetime) -> None:
    assert next_digest(at, now) == due


@pytest.mark.parametrize("at", ["8:00", "24:00", "08:60", "08:00:00", "", "noon"])
def test_what_is_no_time_of_day_is_refused(at: str) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        next_digest(at, NOON)


def test_the_worst_are_named_the_oldest_first_and_all_are_counted() -> None:
    run = make_run()
    warnings = [(make_alert(severity="warning", opened_at=after(-each)), run) for each in range(MOST_NAMED)]
    grave = (make_alert(severity="critical"), run)
    told = Digest(after(-9), after(0), standing=[*warnings, grave], opened=3).as_wire()
    assert told["open"] == {"info": 0, "warning": MOST_NAMED, "critical": 1}
    assert (told["runs"], len(told["alerts"]), told["alerts"][0]["severity"]) == (1, MOST_NAMED, "critical")
    assert told["alerts"][1]["id"] == str(warnings[-1][0].id)
    assert told["alerts"][0]["run"] == {"id": str(run.id), "project": "vision", "name": "resnet-7"}


def test_it_is_empty_where_nothing_stands_and_nothing_happened() -> None:
    assert Digest(after(-9), after(0)).is_empty
    assert not Digest(after(-9), after(0), resolved=1).is_empty
