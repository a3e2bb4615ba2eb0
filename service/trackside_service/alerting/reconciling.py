"""Findings against the open alerts: what opens, changes and resolves; and what a run's end does to its alerts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from trackside_service.alerting.flapping import flaps_after, over, settle
from trackside_service.alerting.inhibition import cause_of
from trackside_service.domain.alerts import Alert, AlertChange, Past, past_of
from trackside_service.domain.findings import Cleared, Finding, Outcome, rank
from trackside_service.rules import RULES

# Alerts about a job that is not heard of: its end answers them.
SILENCE: Final = frozenset(rule.code for rule in RULES if rule.on_silence is not None)

# Alerts about how a run ended: they are over when it goes on.
ENDINGS: Final = frozenset(rule.code for rule in RULES if rule.on_end is not None)


def reconcile(
    run_id: UUID,
    standing: Sequence[Alert],
    outcomes: Sequence[Outcome],
    *,
    now: datetime,
    new_id: Callable[[], UUID],
    past: Mapping[tuple[str, str], Past],
    ended: bool = False,
) -> tuple[AlertChange, ...]:
    """Return what `outcomes`, in their order, make of a run's alerts.

    `standing` are the run's alerts that are open, or, where it has `ended`, those that were frozen: late records can
    add to them, and resolve none. `past` is the latest episode of each fingerprint. A finding whose alert is open
    changes it only where its severity is higher or its words are new; one that opens in this post and changes in it is
    told once. A symptom comes under its cause, and a change of it is one of the cause.
    """
    ledger = _Ledger(standing, now)
    episodes = dict(past)
    ledger.settle()
    for outcome in outcomes:
        fingerprint = (outcome.code, outcome.subject)
        alert = ledger.standing_as(fingerprint)
        if isinstance(outcome, Cleared):
            if alert is not None and not ended:
                after = ledger.ends(over(alert, outcome.position, now), alert)
                episodes[fingerprint] = past_of(after)
        elif alert is None:
            before = episodes.get(fingerprint)
            opened = _opened(run_id, outcome, before, now, new_id(), ended=ended)
            episodes[fingerprint] = past_of(opened)
            ledger.opens(opened)
        else:
            ledger.changes(_changed(alert, outcome, now), alert)
    return tuple(ledger.told)


def end(open_alerts: Sequence[Alert], *, now: datetime) -> tuple[AlertChange, ...]:
    """Return what a run's end does: alerts about silence resolve, as do flapping ones that are calm; the others freeze
    as "ended" and still count.

    A frozen alert is told to nobody: its event is "changed" and its severity is what it was. But a symptom whose cause
    resolves here stands by itself from now on, and people have not heard of it: it surfaces.
    """
    after: dict[UUID, Alert] = {}
    surfaced: set[UUID] = set()
    for alert in open_alerts:
        if alert.code in SILENCE:
            after[alert.id] = replace(alert, state="resolved", resolved_at=now, changed_at=now, calm_since=None)
        else:
            settled = settle(alert, now, waiting=False)
            after[alert.id] = settled if settled is not alert else replace(alert, state="ended", changed_at=now)
    frozen = [alert for alert in after.values() if alert.state == "ended"]
    for alert in frozen:
        if alert.cause_id is not None and after.get(alert.cause_id, alert).state == "resolved":
            others = [after[each.id] for each in frozen]
            cause = cause_of(replace(alert, cause_id=None), others)
            after[alert.id] = replace(alert, cause_id=None if cause is None else cause.id)
            if cause is None and alert.telling.told is None:
                surfaced.add(alert.id)
    changes: list[AlertChange] = []
    for before in open_alerts:
        alert = after[before.id]
        if alert.state == "resolved":
            changes.append(AlertChange("resolved", alert))
        elif alert.id in surfaced:
            changes.append(AlertChange("opened", alert, surfaced=True))
        else:
            changes.append(AlertChange("changed", alert, previous=before.severity))
    return tuple(changes)


def reopen(ended_alerts: Sequence[Alert], *, now: datetime) -> tuple[AlertChange, ...]:
    """Return what a new life does to the alerts that its run's end had frozen: they stand open again, in the same
    episode.
    """
    return tuple(
        AlertChange("changed", replace(alert, state="open", changed_at=now), previous=alert.severity)
        for alert in ended_alerts
    )


class _Ledger:
    """The alerts that stand, and what happened to them so far, while `reconcile` runs."""

    def __init__(self, standing: Sequence[Alert], now: datetime) -> None:
        self._standing = {alert.id: alert for alert in standing}
        self._severity = {alert.id: alert.severity for alert in standing}
        self._now = now
        self.told: list[AlertChange] = []

    def standing_as(self, fingerprint: tuple[str, str]) -> Alert | None:
        """Return the alert of a fingerprint."""
        return next((alert for alert in self._standing.values() if alert.fingerprint == fingerprint), None)

    def settle(self) -> None:
        """Resolve what was calm for long enough."""
        for alert in tuple(self._standing.values()):
            self.ends(settle(alert, self._now), alert)

    def opens(self, alert: Alert) -> None:
        """Add an alert, under its cause where it has one; it may be the cause of others."""
        cause = cause_of(alert, self._standing.values())
        self._standing[alert.id] = alert if cause is None else replace(alert, cause_id=cause.id)
        self._note(AlertChange("opened", self._standing[alert.id]))
        self._adopt()

    def changes(self, after: Alert, before: Alert) -> None:
        """Take an alert as it is now."""
        if after is before:
            return
        self._standing[after.id] = after
        self._note(AlertChange("changed", after, previous=self._severity.get(after.id, after.severity)))
        if after.severity != before.severity:
            self._release(after.id)
            self._adopt()

    def ends(self, after: Alert, before: Alert) -> Alert:
        """Take an alert whose condition has ended; what was under it looks for another cause, or stands by itself."""
        if after.state == "resolved":
            del self._standing[after.id]
            self._note(AlertChange("resolved", after))
            self._release(after.id)
        else:
            self.changes(after, before)
        return after

    def _adopt(self) -> None:
        """Put those that stand by themselves under a cause that came later and began no later."""
        for alert in tuple(self._standing.values()):
            cause = cause_of(alert, self._standing.values()) if alert.cause_id is None else None
            if cause is not None:
                self._under(alert, cause)

    def _under(self, alert: Alert, cause: Alert) -> None:
        for each in (alert, *(one for one in self._standing.values() if one.cause_id == alert.id)):
            moved = replace(each, cause_id=cause.id, changed_at=self._now)
            self._standing[each.id] = moved
            self._note(AlertChange("changed", moved, previous=self._severity.get(each.id, each.severity)))

    def _release(self, alert_id: UUID) -> None:
        """Look anew at an alert and at those under it: whether they still have a cause."""
        for each in tuple(self._standing.values()):
            alert = self._standing[each.id]
            if alert.cause_id is None or alert_id not in (alert.id, alert.cause_id):
                continue
            cause = cause_of(replace(alert, cause_id=None), self._standing.values())
            if cause is not None and cause.id == alert.cause_id:
                continue
            moved = replace(alert, cause_id=None if cause is None else cause.id, changed_at=self._now)
            self._standing[alert.id] = moved
            known = self._severity.get(alert.id, moved.severity)
            if cause is None and alert.telling.told is None:
                self._note(AlertChange("opened", moved, surfaced=True))
            else:
                self._note(AlertChange("changed", moved, previous=known))

    def _note(self, change: AlertChange) -> None:
        """Add a change, or fold it into what this post tells of the alert already; tell the cause's with it."""
        for place, earlier in enumerate(self.told):
            if earlier.alert.id == change.alert.id and change.event != "resolved":
                event = change.event if change.surfaced and earlier.event == "changed" else earlier.event
                surfaced = event == "opened" and (earlier.surfaced or earlier.event == "changed")
                self.told[place] = replace(earlier, event=event, alert=change.alert, surfaced=surfaced)
                break
        else:
            self.told.append(change)
        cause = self._standing.get(change.alert.cause_id) if change.alert.cause_id is not None else None
        if cause is not None and change.event in ("opened", "resolved"):
            self.changes(replace(cause, changed_at=self._now), cause)


def _opened(run_id: UUID, finding: Finding, past: Past | None, now: datetime, alert_id: UUID, *, ended: bool) -> Alert:
    return Alert(
        id=alert_id,
        run_id=run_id,
        code=finding.code,
        subject=finding.subject,
        severity=finding.severity,
        state="ended" if ended else "open",
        episode=1 if past is None else past.episode + 1,
        title=finding.title,
        detail=finding.detail,
        advice=finding.advice,
        opened=finding.opened,
        detected=finding.detected,
        opened_at=now,
        changed_at=now,
        evidence=finding.evidence,
        flaps=flaps_after(past, now),
    )


def _changed(alert: Alert, finding: Finding, now: datetime) -> Alert:
    """Return the alert with what is new, itself if nothing is. Where it opened and was detected stays; severity only
    rises, and with it the alert asks for people anew. A flapping one is not calm any more.
    """
    severity = max(alert.severity, finding.severity, key=rank)
    calm = None if alert.calm_since is None else replace(alert, calm_since=None, resolved=None)
    same = (alert.severity, alert.title, alert.detail, alert.advice) == (
        severity,
        finding.title,
        finding.detail,
        finding.advice,
    )
    if same:
        return alert if calm is None else replace(calm, changed_at=now)
    return replace(
        alert if calm is None else calm,
        severity=severity,
        title=finding.title,
        detail=finding.detail,
        advice=finding.advice,
        evidence=finding.evidence,
        acknowledgement=alert.acknowledgement if severity == alert.severity else None,
        changed_at=now,
    )
