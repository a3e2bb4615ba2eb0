"""What leaves now and what waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from trackside_service.grouping import URGENT, Choice, Waiting, choose

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = timedelta(seconds=30)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def waiting(number: int, **changes: Any) -> Waiting:
    values = {"alert_id": UUID(int=number), "attempts": 0, "lease": None, "urgent": False}
    return Waiting(number, **{**values, "created_at": NOW, "due_at": NOW, **changes})


def chosen(*rows: Waiting, told_at: datetime | None = None, now: datetime = NOW) -> Choice:
    return choose(rows, told_at=told_at, window=WINDOW, now=now)


def test_the_first_goes_at_once_with_all_there_is() -> None:
    assert chosen(waiting(1), waiting(2)) == Choice((1, 2))
    assert chosen(waiting(1), told_at=after(-30)) == Choice((1,))


def test_what_follows_waits_for_the_end_of_the_window() -> None:
    assert chosen(waiting(1), waiting(2), told_at=after(-1)) == Choice(held={1: after(29), 2: after(29)})


def test_what_was_held_leaves_when_its_time_has_come_and_all_that_waits_goes_along() -> None:
    held = waiting(1, due_at=after(29))
    new = waiting(2, created_at=after(28), due_at=after(28))
    assert chosen(held, told_at=after(-1), now=after(28)) == Choice()
    assert chosen(held, new, told_at=after(-1), now=after(29)) == Choice((1, 2))
    assert chosen(held, told_at=after(20), now=after(29)) == Choice((1,)), "it is not put off a second time"


def test_a_critical_one_waits_only_a_moment_and_takes_the_others_along() -> None:
    held, urgent = waiting(1, due_at=after(29)), waiting(2, urgent=True)
    soon = after(-1) + URGENT
    assert chosen(held, urgent, told_at=after(-1)) == Choice(held={2: soon})
    assert chosen(held, urgent, told_at=NOW - URGENT) == Choice((1, 2))


def test_what_was_tried_together_is_tried_again_alone() -> None:
    failed = [waiting(number, attempts=1, created_at=after(-5)) for number in (1, 3)]
    other = waiting(4, attempts=1, created_at=after(-5), due_at=after(-1))
    assert chosen(failed[0], waiting(2), failed[1], told_at=after(-5)) == Choice((1, 3))
    assert chosen(*failed, other) == Choice((4,)), "the longest due first"


def test_what_a_dead_courier_held_stays_together() -> None:
    dead, late = UUID(int=99), UUID(int=98)
    rows = [waiting(1, lease=dead), waiting(2, lease=dead, due_at=after(-9)), waiting(3, lease=late), waiting(4)]
    assert chosen(*rows, told_at=after(-60)) == Choice((1, 2))


def test_nothing_overtakes_an_earlier_event_of_its_alert() -> None:
    alert = UUID(int=7)
    opened = waiting(1, alert_id=alert, due_at=after(9))
    resolved = waiting(2, alert_id=alert, attempts=1)
    assert chosen(opened, resolved, told_at=NOW) == Choice()
    assert chosen(waiting(1, alert_id=None), waiting(2, alert_id=None)) == Choice((1, 2))


def test_a_clock_that_was_set_back_lengthens_no_window() -> None:
    assert chosen(waiting(1), told_at=after(3600)) == Choice(held={1: after(30)})


def test_what_is_about_no_alert_is_told_by_itself_and_at_once() -> None:
    off = waiting(3, alert_id=None, alone=True)
    assert chosen(waiting(1), waiting(2), off, told_at=after(-1)) == Choice((3,))
    assert chosen(waiting(1), waiting(3, alone=True, attempts=1, due_at=after(9))) == Choice((1,))
