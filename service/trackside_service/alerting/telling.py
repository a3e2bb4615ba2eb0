"""Of what happens to alerts, what people are told: not a symptom under its cause, not what a silence covers, and of a
critical alert that nobody acknowledged, a reminder.

News that a silence keeps back is not lost: `Telling.withheld_until` says when to look again, and `overdue` what is then
still news, also where the run has ended since. Reminders come an hour after the last news of a critical alert, four
hours after that, then daily.

A warning whose cause is over while it stands mostly goes the same way a few records later: a loss needs longer to show
that it is well again than an accuracy does. So it is told only where it still stands after `SURFACES_AFTER`. What is
critical is told at once, and so is what surfaces by its run's end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from trackside_service.alerting.flapping import FLAP_WINDOW
from trackside_service.domain.alerts import Alert, AlertChange, Telling
from trackside_service.domain.findings import rank

REMIND_AFTER: Final = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1))

# As long as the end of a flapping alert is waited for, for the same reason: within it, it is the same trouble still.
SURFACES_AFTER: Final = FLAP_WINDOW

# Until when an alert is silenced; None: it is not.
Silenced = Callable[[Alert], datetime | None]


def tell(
    changes: Sequence[AlertChange], standing: Iterable[Alert], silenced: Silenced, *, now: datetime
) -> tuple[tuple[AlertChange, ...], tuple[AlertChange, ...]]:
    """Return the changes with what is noted on their alerts, and those of them that people are told.

    `standing` are the run's other alerts, among them causes.
    """
    causes = {alert.id: alert for alert in standing} | {change.alert.id: change.alert for change in changes}
    noted: dict[UUID, Telling] = {}
    after: list[AlertChange] = []
    told: list[AlertChange] = []
    for change in changes:
        alert = replace(change.alert, telling=noted.get(change.alert.id, change.alert.telling))
        after.append(replace(change, alert=_remind(alert, now)))
        news = _news(replace(change, alert=alert))
        if news is None and alert.telling.withheld_until is not None:
            news = _withheld_news(alert)
        if news is not None and _may_pass(change, alert):
            after[-1] = replace(after[-1], alert=_due_again(alert, now + SURFACES_AFTER))
        elif news is not None and (news.event == "resolved" or _speaks(alert, causes, silenced)):
            until = silenced(alert)
            if news.event == "acknowledged":
                if until is None:
                    held = _withheld_news(alert) if alert.telling.withheld_until is not None else None
                    if held is not None:
                        after[-1] = replace(after[-1], alert=_told(alert, now))
                        told.append(replace(held, alert=after[-1].alert))
                    told.append(replace(news, alert=after[-1].alert))
            elif until is not None:
                after[-1] = replace(after[-1], alert=_withheld(alert, until))
            else:
                after[-1] = replace(after[-1], alert=_told(alert, now))
                told.append(replace(news, alert=after[-1].alert))
        noted[alert.id] = after[-1].alert.telling
    # An alert may have two changes; it is stored as it is after both.
    return tuple(replace(one, alert=replace(one.alert, telling=noted[one.alert.id])) for one in after), tuple(told)


def overdue(alert: Alert, silenced: Silenced, *, now: datetime) -> tuple[Alert, AlertChange | None]:
    """Look again at an alert of which news was withheld, or a reminder is due: return it with what is noted, and what
    people are told.
    """
    telling = alert.telling
    until = silenced(alert)
    if telling.withheld_until is not None:
        news = _withheld_news(alert)
        if news is not None and until is not None:
            return _withheld(alert, until), None
        if news is not None:
            after = _told(alert, now)
            return after, replace(news, alert=after)
        alert = replace(alert, telling=replace(telling, withheld_until=None))
    elif telling.remind_at is not None and telling.remind_at <= now and _is_to_surface(alert):
        if until is not None:
            return _withheld(alert, until), None
        after = _told(alert, now)
        return after, AlertChange("opened", after, surfaced=True)
    elif telling.remind_at is not None and telling.remind_at <= now and wants_reminders(alert):
        if until is not None:
            return replace(alert, telling=replace(telling, remind_at=min(until, now + REMIND_AFTER[0]))), None
        after = replace(alert, telling=_reminded(replace(telling, reminders=telling.reminders + 1), now))
        return after, AlertChange("reminder", after)
    return _remind(alert, now), None


def due_at(alert: Alert) -> datetime | None:
    """Return when an alert has to be looked at again though nothing is heard of its run; None: never."""
    calm = None if alert.calm_since is None or alert.state != "open" else alert.calm_since + FLAP_WINDOW
    times = [each for each in (calm, alert.telling.withheld_until, alert.telling.remind_at) if each is not None]
    return min(times, default=None)


def wants_reminders(alert: Alert) -> bool:
    """Whether people are to be reminded of an alert: it is open, critical, their own to see, and in nobody's hand."""
    return (
        alert.state == "open"
        and alert.severity == "critical"
        and alert.cause_id is None
        and alert.acknowledgement is None
        and alert.calm_since is None
        and alert.telling.told is not None
    )


def _news(change: AlertChange) -> AlertChange | None:
    """Return a change as it is to be told; None where it is no news."""
    alert = change.alert
    told = alert.telling.told
    if change.event == "resolved":
        return change if told is not None else None
    if change.event == "acknowledged":
        return change
    if told is None and (change.event == "opened" or change.worsened):
        return replace(change, event="opened")
    if told is not None and rank(alert.severity) > rank(told) and (change.worsened or change.event == "opened"):
        return replace(change, event="changed", previous=told)
    return None


def _withheld_news(alert: Alert) -> AlertChange | None:
    told = alert.telling.told
    if alert.state == "resolved":
        return AlertChange("resolved", alert) if told is not None else None
    if alert.cause_id is not None:
        return None
    if told is None:
        return AlertChange("opened", alert, surfaced=True)
    return AlertChange("changed", alert, previous=told) if rank(alert.severity) > rank(told) else None


def _speaks(alert: Alert, causes: dict[UUID, Alert], silenced: Silenced) -> bool:
    """Whether an alert speaks for itself: it has no cause, or one that is silenced while it is not."""
    cause = causes.get(alert.cause_id) if alert.cause_id is not None else None
    return cause is None or (silenced(cause) is not None and silenced(alert) is None)


def _may_pass(change: AlertChange, alert: Alert) -> bool:
    """Whether a symptom whose cause is over just now is likely to go the same way."""
    return (
        change.surfaced
        and change.event == "opened"
        and alert.state == "open"
        and alert.severity != "critical"
        and alert.telling.told is None
        and alert.telling.withheld_until is None
    )


def _is_to_surface(alert: Alert) -> bool:
    """Whether an alert of which nobody was told yet stands by itself, in nobody's hand; no silence keeps it back."""
    return (
        alert.telling.told is None
        and alert.telling.withheld_until is None
        and alert.state != "resolved"
        and alert.cause_id is None
        and alert.acknowledgement is None
        and alert.calm_since is None
    )


def _due_again(alert: Alert, at: datetime) -> Alert:
    return replace(alert, telling=replace(alert.telling, remind_at=at))


def _told(alert: Alert, now: datetime) -> Alert:
    told = Telling(told=alert.severity, reminders=alert.telling.reminders)
    after = replace(alert, telling=told)
    return replace(after, telling=_reminded(told, now)) if wants_reminders(after) else after


def _withheld(alert: Alert, until: datetime) -> Alert:
    return replace(alert, telling=replace(alert.telling, withheld_until=until, remind_at=None))


def _remind(alert: Alert, now: datetime) -> Alert:
    """Return an alert with the time of its next reminder, where it wants one; without, where it does not."""
    telling = alert.telling
    if _is_to_surface(alert):
        # It has no time any more where it was in somebody's hand, or calm, in between.
        return alert if telling.remind_at is not None else _due_again(alert, now + SURFACES_AFTER)
    if not wants_reminders(alert):
        over = alert.state == "resolved" and telling.told is None
        withheld_until = None if over else telling.withheld_until
        return replace(alert, telling=replace(telling, remind_at=None, withheld_until=withheld_until))
    if telling.remind_at is None and telling.withheld_until is None:
        return replace(alert, telling=_reminded(telling, now))
    return alert


def _reminded(telling: Telling, now: datetime) -> Telling:
    spacing = REMIND_AFTER[min(telling.reminders, len(REMIND_AFTER) - 1)]
    return replace(telling, remind_at=now + spacing)
