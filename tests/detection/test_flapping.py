"""An alert that comes and goes is told a few times, and then stays until it is quiet."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from tests.detection.test_alerting import FINDING, NOW, RUN
from trackside_service import alerting
from trackside_service.domain.alerts import Alert, AlertChange, Past, past_of
from trackside_service.domain.findings import Cleared, Outcome
from trackside_service.domain.records import Position

CLEARED = Cleared("ACC001", "val_acc", Position(epoch=7))
MINUTE = timedelta(minutes=1)


class Story:
    """A run's alerts over several posts."""

    def __init__(self) -> None:
        self.standing: dict[UUID, Alert] = {}
        self.past: dict[tuple[str, str], Past] = {}
        self._ids = count(1)

    def post(self, now: datetime, *outcomes: Outcome) -> list[AlertChange]:
        changes = alerting.reconcile(
            RUN,
            tuple(self.standing.values()),
            outcomes,
            now=now,
            new_id=lambda: UUID(int=next(self._ids)),
            past=self.past,
        )
        for change in changes:
            self.standing[change.alert.id] = change.alert
            self.past[change.alert.fingerprint] = past_of(change.alert)
        self.standing = {each: alert for each, alert in self.standing.items() if alert.state == "open"}
        return list(changes)


def events(changes: list[AlertChange]) -> list[tuple[str, int]]:
    return [(change.event, change.alert.episode) for change in changes]


def flapping() -> Story:
    """Three episodes in quick succession; the third is open, at minute 50."""
    story = Story()
    for number in range(3):
        assert events(story.post(NOW + 20 * number * MINUTE, FINDING)) == [("opened", number + 1)]
        if number < 2:
            assert events(story.post(NOW + (20 * number + 10) * MINUTE, CLEARED)) == [("resolved", number + 1)]
    (alert,) = story.standing.values()
    assert alert.is_flapping
    return story


def test_the_third_episode_in_quick_succession_stays_open_until_it_is_quiet() -> None:
    story = flapping()
    (calm,) = story.post(NOW + 50 * MINUTE, CLEARED)
    assert (calm.event, calm.alert.state, calm.worsened) == ("changed", "open", False)
    assert story.post(NOW + 55 * MINUTE, CLEARED) == []
    (back,) = story.post(NOW + 60 * MINUTE, FINDING)
    assert (back.event, back.alert.episode, back.alert.calm_since, back.worsened) == ("changed", 3, None, False)
    story.post(NOW + 70 * MINUTE, CLEARED)
    assert story.post(NOW + 129 * MINUTE) == []
    (over,) = story.post(NOW + 130 * MINUTE)
    assert (over.event, over.alert.state, over.alert.resolved) == ("resolved", "resolved", Position(epoch=7))
    assert over.alert.resolved_at == NOW + 70 * MINUTE
    # After an hour of quiet it is an ordinary alert again.
    (opened,) = story.post(NOW + 140 * MINUTE, FINDING)
    assert (opened.event, opened.alert.episode, opened.alert.is_flapping) == ("opened", 4, False)


def test_episodes_that_are_far_apart_are_each_told() -> None:
    story = Story()
    for number in range(5):
        assert events(story.post(NOW + 120 * number * MINUTE, FINDING)) == [("opened", number + 1)]
        assert events(story.post(NOW + (120 * number + 10) * MINUTE, CLEARED)) == [("resolved", number + 1)]


def test_the_run_s_end_waits_for_nothing() -> None:
    story = flapping()
    story.post(NOW + 50 * MINUTE, CLEARED)
    (over,) = alerting.end(tuple(story.standing.values()), now=NOW + 51 * MINUTE)
    assert (over.event, over.alert.state, over.alert.resolved_at) == ("resolved", "resolved", NOW + 50 * MINUTE)


def test_it_is_due_when_it_has_been_quiet_for_long_enough() -> None:
    story = flapping()
    (calm,) = story.post(NOW + 50 * MINUTE, CLEARED)
    assert alerting.due_at(calm.alert) == NOW + 110 * MINUTE
