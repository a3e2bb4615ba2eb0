"""Of what happens to alerts, what people hear."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from tests.detection.test_alerting import FINDING, NOW, reconcile
from tests.detection.test_inhibition import found, standing
from trackside_service import alerting
from trackside_service.alerting.telling import Silenced
from trackside_service.domain.alerts import Alert, AlertChange
from trackside_service.domain.findings import Cleared

HOUR = timedelta(hours=1)
CRITICAL = replace(FINDING, severity="critical")
CLEARED = Cleared("ACC001", "val_acc")


def never(_alert: Alert) -> datetime | None:
    return None


def of_code(code: str, until: datetime) -> Silenced:
    return lambda alert: until if alert.code == code else None


def tell(
    changes: list[AlertChange], *others: Alert, silenced: Silenced = never, now: datetime = NOW
) -> tuple[tuple[Alert, ...], list[tuple[str, str]]]:
    """Return the alerts that stand, as they are noted, and what is told."""
    noted, told = alerting.tell(changes, others, silenced, now=now)
    latest = {alert.id: alert for alert in others} | {change.alert.id: change.alert for change in noted}
    return tuple(latest.values()), [(change.event, change.alert.code) for change in told]


def test_what_opens_grows_worse_and_resolves_is_told() -> None:
    (alert,), told = tell(reconcile(FINDING))
    assert (told, alert.telling.told, alert.telling.remind_at) == ([("opened", "ACC001")], "warning", None)
    (alert,), told = tell(reconcile(replace(FINDING, detail="other"), standing=(alert,)))
    assert told == []
    (alert,), told = tell(reconcile(CRITICAL, standing=(alert,)))
    assert (told, alert.telling.told) == ([("changed", "ACC001")], "critical")
    (alert,), told = tell(reconcile(CLEARED, standing=(alert,)))
    assert (told, alert.telling.remind_at) == ([("resolved", "ACC001")], None)


def test_what_opens_and_resolves_in_one_post_is_told_twice() -> None:
    (alert,), told = tell(reconcile(CRITICAL, CLEARED))
    assert told == [("opened", "ACC001"), ("resolved", "ACC001")]
    assert alert.telling.told == "critical"


def test_a_symptom_is_told_when_its_cause_is_over() -> None:
    alerts, told = tell(reconcile(found("LOSS001", 3), found("ACC001", 4, "val_acc")))
    assert told == [("opened", "LOSS001")]
    assert [alert.telling.told for alert in alerts] == ["critical", None]
    alerts, told = tell(reconcile(Cleared("LOSS001", "train_loss"), standing=alerts))
    assert told == [("resolved", "LOSS001"), ("opened", "ACC001")]
    _, told = tell(reconcile(CLEARED, standing=alerts[1:]))
    assert told == [("resolved", "ACC001")]


def test_a_warning_that_outlives_its_cause_is_told_where_it_still_stands_after_an_hour() -> None:
    collapse, spike = found("ACC001", 4, "val_acc"), found("LOSS003", 4, severity="warning")
    alerts, _ = tell(reconcile(collapse, spike))
    alerts, told = tell(reconcile(CLEARED, standing=alerts))
    assert told == [("resolved", "ACC001")]
    alert = replace(*(each for each in alerts if each.state == "open"), id=uuid4())
    assert (alert.telling.told, alert.cause_id, alerting.due_at(alert)) == (None, None, NOW + HOUR)
    # New words do not put it off, and its end is no news.
    (reworded,), told = tell(reconcile(replace(spike, detail="other"), standing=(alert,)), now=NOW + HOUR / 2)
    assert (told, alerting.due_at(reworded)) == ([], NOW + HOUR)
    (over,), told = tell(reconcile(Cleared("LOSS003", "train_loss"), standing=(alert,)))
    assert (told, alerting.due_at(over)) == ([], None)
    # Under a cause again, it is one of its symptoms.
    under = tell(reconcile(replace(collapse, opened=None), standing=(alert,)))[0]
    assert [alerting.due_at(each) for each in under if each.code == "LOSS003"] == [None]

    (same, news) = alerting.overdue(alert, never, now=NOW + HOUR - timedelta(seconds=1))
    assert (same, news) == (alert, None)
    after, news = alerting.overdue(alert, never, now=NOW + HOUR)
    assert news is not None
    assert (news.event, news.surfaced, after.telling.told, alerting.due_at(after)) == ("opened", True, "warning", None)
    withheld, news = alerting.overdue(alert, of_code("LOSS003", NOW + 3 * HOUR), now=NOW + HOUR)
    assert (news, alerting.due_at(withheld)) == (None, NOW + 3 * HOUR)
    (worse,), told = tell(reconcile(replace(spike, severity="critical"), standing=(alert,)))
    assert (told, worse.telling.told) == ([("opened", "LOSS003")], "critical")
    # Somebody has it in hand, or the run ends and leaves it.
    taken = alerting.acknowledge(alert, by=None, note=None, now=NOW)
    assert taken is not None
    assert alerting.due_at(tell([taken])[0][0]) is None
    (ended,), told = tell(list(alerting.end([alert], now=NOW)))
    assert (told, alerting.due_at(ended)) == ([], NOW + HOUR)
    assert alerting.overdue(ended, never, now=NOW + HOUR)[1] is not None


def test_a_symptom_that_was_never_told_resolves_in_silence() -> None:
    alerts, _ = tell(reconcile(found("LOSS001", 3), found("ACC001", 4, "val_acc")))
    _, told = tell(reconcile(CLEARED, standing=alerts))
    assert told == []


def test_a_symptom_of_a_silenced_cause_speaks_for_itself() -> None:
    silenced = of_code("LR001", NOW + HOUR)
    changes = reconcile(found("LR001", 3, "lr"), found("ACC001", 4, "val_acc"))
    _, told = tell(changes, silenced=silenced)
    assert told == [("opened", "ACC001")]


def test_a_silence_keeps_news_back_until_it_is_over() -> None:
    until = NOW + HOUR
    (alert,), told = tell(reconcile(FINDING), silenced=of_code("ACC001", until))
    assert (told, alert.telling.told, alert.telling.withheld_until) == ([], None, until)
    assert alerting.due_at(alert) == until
    # Extended meanwhile: looked at again, and kept back.
    later, news = alerting.overdue(alert, of_code("ACC001", until + HOUR), now=until)
    assert (news, alerting.due_at(later)) == (None, until + HOUR)
    told_now, change = alerting.overdue(alert, never, now=until)
    assert change is not None
    assert (change.event, told_now.telling.told, alerting.due_at(told_now)) == ("opened", "warning", None)
    assert alerting.overdue(told_now, never, now=until)[1] is None


def test_what_is_over_before_the_silence_is_not_told() -> None:
    (alert,), _ = tell(reconcile(FINDING), silenced=of_code("ACC001", NOW + HOUR))
    (over,), told = tell(reconcile(CLEARED, standing=(alert,)), silenced=of_code("ACC001", NOW + HOUR))
    assert (told, alerting.due_at(over)) == ([], None)


def test_what_the_end_of_the_run_froze_under_a_silence_is_told_once_after_it() -> None:
    (alert,), _ = tell(reconcile(FINDING), silenced=of_code("ACC001", NOW + HOUR))
    (frozen,), told = tell(list(alerting.end([alert], now=NOW)), silenced=of_code("ACC001", NOW + HOUR))
    assert (told, frozen.state, alerting.due_at(frozen)) == ([], "ended", NOW + HOUR)
    after, change = alerting.overdue(frozen, never, now=NOW + HOUR)
    assert change is not None
    assert (change.event, after.state, after.telling.told, alerting.due_at(after)) == (
        "opened",
        "ended",
        "warning",
        None,
    )


def test_whoever_heard_of_it_hears_of_its_end_after_the_silence() -> None:
    (alert,), _ = tell(reconcile(FINDING))
    until = NOW + HOUR
    (over,), told = tell(reconcile(CLEARED, standing=(alert,)), silenced=of_code("ACC001", until))
    assert (told, alerting.due_at(over)) == ([], until)
    over, change = alerting.overdue(over, never, now=until)
    assert change is not None
    assert (change.event, alerting.due_at(over)) == ("resolved", None)


def test_a_rise_of_the_severity_under_a_silence_is_told_after_it() -> None:
    (alert,), _ = tell(reconcile(FINDING))
    (alert,), told = tell(reconcile(CRITICAL, standing=(alert,)), silenced=of_code("ACC001", NOW + HOUR))
    assert told == []
    alert, change = alerting.overdue(alert, never, now=NOW + HOUR)
    assert change is not None
    assert (change.event, change.previous, change.worsened) == ("changed", "warning", True)
    # Or at the next thing that happens to it, if the silence ended early.
    (alert,), _ = tell(reconcile(FINDING), silenced=of_code("ACC001", NOW + HOUR))
    _, told = tell(reconcile(replace(FINDING, detail="other"), standing=(alert,)))
    assert told == [("opened", "ACC001")]


def test_a_critical_alert_is_told_again_after_an_hour_then_four_then_daily() -> None:
    (alert,), _ = tell(reconcile(CRITICAL))
    times = []
    now = NOW
    for _ in range(5):
        due = alerting.due_at(alert)
        assert due is not None
        assert alerting.overdue(alert, never, now=due - timedelta(seconds=1)) == (alert, None)
        times.append(due - now)
        now = due
        alert, change = alerting.overdue(alert, never, now=now)
        assert change is not None
        assert change.event == "reminder"
    assert times == [HOUR, 4 * HOUR, 24 * HOUR, 24 * HOUR, 24 * HOUR]
    assert alert.telling.reminders == 5


def test_nobody_is_reminded_of_what_is_in_hand_silenced_over_or_a_symptom() -> None:
    (alert,), _ = tell(reconcile(CRITICAL))
    taken = alerting.acknowledge(alert, by="ada", note=None, now=NOW)
    assert taken is not None
    (held,), told = tell([taken])
    assert (told, alerting.due_at(held)) == ([("acknowledged", "ACC001")], None)
    given_back = alerting.take_back(held)
    assert given_back is not None
    (again,), told = tell([given_back], now=NOW + HOUR)
    assert (told, alerting.due_at(again)) == ([], NOW + 2 * HOUR)
    quiet, change = alerting.overdue(alert, of_code("ACC001", NOW + 9 * HOUR), now=NOW + HOUR)
    assert (change, alerting.due_at(quiet), quiet.telling.reminders) == (None, NOW + 2 * HOUR, 0)
    (frozen,), _ = tell(list(alerting.end([alert], now=NOW)))
    assert alerting.due_at(frozen) is None
    changes = reconcile(found("LR001", 0, "lr"), standing=(replace(alert, opened=None),))
    _, hidden = standing(*changes)
    assert hidden.cause_id is not None
    (_, hidden), _ = tell(changes)
    assert alerting.due_at(hidden) is None


def test_an_acknowledgement_is_one_and_a_higher_severity_takes_it_back() -> None:
    (alert,), _ = tell(reconcile(FINDING))
    taken = alerting.acknowledge(alert, by="ada", note="looking", now=NOW)
    assert taken is not None
    held = taken.alert
    assert (taken.event, held.state, held.shown_state) == ("acknowledged", "open", "acknowledged")
    assert alerting.acknowledge(held, by=None, note=None, now=NOW + HOUR) is None
    assert alerting.acknowledge(held, by="ada", note="looking", now=NOW + HOUR) is None
    again = alerting.acknowledge(held, by="bob", note=None, now=NOW + HOUR)
    assert again is not None
    assert again.event == "changed"
    assert again.alert.acknowledgement is not None
    assert (again.alert.acknowledgement.by, again.alert.acknowledgement.note) == ("bob", "looking")
    assert again.alert.acknowledgement.at == NOW
    (worded,) = reconcile(replace(FINDING, detail="other"), standing=(held,))
    assert worded.alert.shown_state == "acknowledged"
    (worse,) = reconcile(CRITICAL, standing=(held,))
    assert worse.alert.shown_state == "open"
    assert tell([worse])[1] == [("changed", "ACC001")]


def test_no_event_tells_of_an_acknowledgement_under_a_silence() -> None:
    (alert,), _ = tell(reconcile(FINDING))
    taken = alerting.acknowledge(alert, by=None, note=None, now=NOW)
    assert taken is not None
    (held,), told = tell([taken], silenced=of_code("ACC001", NOW + HOUR))
    assert (told, alerting.due_at(held)) == ([], None)


def test_an_acknowledgement_after_a_silence_that_ended_early_brings_what_it_kept_back() -> None:
    (alert,), _ = tell(reconcile(CRITICAL), silenced=of_code("ACC001", NOW + HOUR))
    taken = alerting.acknowledge(alert, by=None, note=None, now=NOW)
    assert taken is not None
    (held,), told = tell([taken])
    assert (told, held.telling.told) == ([("opened", "ACC001"), ("acknowledged", "ACC001")], "critical")
    assert alerting.due_at(held) is None


def test_a_warning_that_was_in_hand_while_it_waited_to_be_told_waits_again_once_it_is_in_nobodys() -> None:
    alerts, _ = tell(reconcile(found("ACC001", 4, "val_acc"), found("LOSS003", 4, severity="warning")))
    alerts, _ = tell(reconcile(CLEARED, standing=alerts))
    (alert,) = (each for each in alerts if each.state == "open")
    taken = alerting.acknowledge(alert, by=None, note=None, now=NOW)
    assert taken is not None
    (held,), _ = tell([taken])
    assert alerting.due_at(held) is None
    given_back = alerting.take_back(held)
    assert given_back is not None
    (again,), told = tell([given_back], now=NOW + 3 * HOUR)
    assert (told, alerting.due_at(again)) == ([], NOW + 4 * HOUR)
    _, change = alerting.overdue(again, never, now=NOW + 4 * HOUR)
    assert change is not None
    assert (change.event, change.alert.telling.told) == ("opened", "warning")
