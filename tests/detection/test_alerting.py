"""Findings against open alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from trackside_service import alerting
from trackside_service.domain.alerts import Alert, AlertChange, Past, past_of
from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.records import Position

RUN = UUID(int=77)
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
FINDING = Finding(
    code="ACC001",
    subject="val_acc",
    severity="warning",
    title="t",
    detail="d",
    advice="a",
    opened=Position(epoch=2),
    detected=Position(epoch=3),
    evidence={"value": 1.0},
)


def reconcile(
    *outcomes: Outcome,
    standing: tuple[Alert, ...] = (),
    now: datetime = NOW,
    past: dict[tuple[str, str], Past] | None = None,
    ended: bool = False,
) -> list[AlertChange]:
    ids = count(1 + len(standing))
    return list(
        alerting.reconcile(
            RUN, standing, outcomes, now=now, new_id=lambda: UUID(int=next(ids)), past=past or {}, ended=ended
        )
    )


def test_a_finding_opens_an_alert_once() -> None:
    (change,) = reconcile(FINDING)
    alert = change.alert
    assert (change.event, alert.state, alert.episode, alert.run_id) == ("opened", "open", 1, RUN)
    assert (alert.opened, alert.detected, alert.opened_at) == (Position(epoch=2), Position(epoch=3), NOW)
    assert reconcile(FINDING, standing=(alert,), now=LATER) == []
    assert len(reconcile(FINDING, FINDING, replace(FINDING, subject="train_acc"))) == 2


def test_new_words_and_a_higher_severity_change_it_and_a_lower_one_does_not_calm_it() -> None:
    (opened,) = reconcile(FINDING)
    worse = replace(FINDING, severity="critical", opened=Position(epoch=9), evidence={"value": 2.0})
    (change,) = reconcile(worse, standing=(opened.alert,), now=LATER)
    assert (change.event, change.previous, change.worsened) == ("changed", "warning", True)
    assert (change.alert.severity, change.alert.opened, change.alert.changed_at) == (
        "critical",
        Position(epoch=2),
        LATER,
    )
    assert change.alert.evidence == {"value": 2.0}
    (again,) = reconcile(replace(FINDING, detail="other"), standing=(change.alert,))
    assert (again.alert.severity, again.alert.detail, again.worsened) == ("critical", "other", False)
    # Numbers alone are no news.
    assert reconcile(replace(FINDING, evidence={"value": 5.0}), standing=(opened.alert,)) == []


def test_it_resolves_and_comes_back_as_another_episode() -> None:
    (opened,) = reconcile(FINDING)
    cleared = Cleared("ACC001", "val_acc", Position(epoch=7))
    (change,) = reconcile(cleared, standing=(opened.alert,), now=LATER)
    assert (change.event, change.alert.state, change.alert.resolved_at) == ("resolved", "resolved", LATER)
    assert change.alert.resolved == Position(epoch=7)
    assert change.alert.id == opened.alert.id
    (second,) = reconcile(FINDING, past={("ACC001", "val_acc"): past_of(change.alert)})
    assert (second.event, second.alert.episode) == ("opened", 2)
    assert reconcile(cleared) == []


def test_all_in_one_post() -> None:
    cleared = Cleared("ACC001", "val_acc", Position(epoch=7))
    changes = reconcile(FINDING, cleared, FINDING)
    assert [(change.event, change.alert.episode) for change in changes] == [
        ("opened", 1),
        ("resolved", 1),
        ("opened", 2),
    ]
    assert len({change.alert.id for change in changes}) == 2
    # What opens and grows worse in one post is told once, as it is in the end.
    (once,) = reconcile(FINDING, replace(FINDING, severity="critical", title="worse"))
    assert (once.event, once.alert.severity, once.alert.title) == ("opened", "critical", "worse")


def test_a_change_is_told_once_with_the_severity_of_before() -> None:
    (opened,) = reconcile(FINDING)
    changes = reconcile(
        replace(FINDING, detail="1"), replace(FINDING, detail="2", severity="critical"), standing=(opened.alert,)
    )
    assert [(change.event, change.previous, change.alert.detail) for change in changes] == [("changed", "warning", "2")]


def test_the_end_freezes_all_but_silence_and_a_new_life_thaws() -> None:
    (opened,) = reconcile(FINDING)
    silent = replace(opened.alert, code="RUN001", id=UUID(int=9))
    frozen, resolved = alerting.end([opened.alert, silent], now=LATER)
    assert (frozen.event, frozen.alert.state, frozen.worsened) == ("changed", "ended", False)
    assert (resolved.event, resolved.alert.state, resolved.alert.resolved_at) == ("resolved", "resolved", LATER)
    (thawed,) = alerting.reopen([frozen.alert], now=LATER)
    assert (thawed.alert.state, thawed.alert.episode, thawed.worsened) == ("open", 1, False)
