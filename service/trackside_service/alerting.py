"""Findings and open alerts to what opens, changes and resolves; and what a run's end does to its alerts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from trackside_service.domain.alerts import Alert, AlertChange
from trackside_service.domain.findings import Cleared, Finding, Outcome, rank
from trackside_service.rules import RULES

# Alerts about a job that is not heard of: its end answers them.
SILENCE: Final = frozenset(rule.code for rule in RULES if rule.on_silence is not None)

# Alerts about how a run ended: they are over when it goes on.
ENDINGS: Final = frozenset(rule.code for rule in RULES if rule.on_end is not None)


def reconcile(
    run_id: UUID,
    open_alerts: Sequence[Alert],
    outcomes: Sequence[Outcome],
    *,
    now: datetime,
    new_id: Callable[[], UUID],
    episodes: Mapping[tuple[str, str], int],
) -> tuple[AlertChange, ...]:
    """Return what `outcomes`, in their order, make of a run's alerts.

    `open_alerts` are the run's alerts in the state "open"; `episodes` how many episodes each fingerprint has had. A
    finding whose alert is open changes it only where its severity is higher or its words are new; one that opens in
    this post and changes in it is told once.
    """
    standing = {alert.fingerprint: alert for alert in open_alerts}
    counted = dict(episodes)
    changes: list[AlertChange] = []
    for outcome in outcomes:
        fingerprint = (outcome.code, outcome.subject)
        alert = standing.get(fingerprint)
        if isinstance(outcome, Cleared):
            if alert is not None:
                del standing[fingerprint]
                resolved = replace(alert, state="resolved", resolved=outcome.position, resolved_at=now, changed_at=now)
                changes.append(AlertChange("resolved", resolved))
        elif alert is None:
            counted[fingerprint] = counted.get(fingerprint, 0) + 1
            standing[fingerprint] = _opened(run_id, outcome, counted[fingerprint], now, new_id())
            changes.append(AlertChange("opened", standing[fingerprint]))
        else:
            changed = _changed(alert, outcome, now)
            if changed is not None:
                standing[fingerprint] = changed
                _note(changes, AlertChange("changed", changed, previous=alert.severity))
    return tuple(changes)


def end(open_alerts: Sequence[Alert], *, now: datetime) -> tuple[AlertChange, ...]:
    """Return what a run's end does: alerts about silence resolve, the others freeze as "ended" and still count.

    A frozen alert is told to nobody: its event is "changed" and its severity is what it was.
    """
    changes: list[AlertChange] = []
    for alert in open_alerts:
        if alert.code in SILENCE:
            changes.append(AlertChange("resolved", replace(alert, state="resolved", resolved_at=now, changed_at=now)))
        else:
            ended = replace(alert, state="ended", changed_at=now)
            changes.append(AlertChange("changed", ended, previous=alert.severity))
    return tuple(changes)


def reopen(ended_alerts: Sequence[Alert], *, now: datetime) -> tuple[AlertChange, ...]:
    """Return what a new life does to the alerts that its run's end had frozen: they stand open again, in the same
    episode.
    """
    return tuple(
        AlertChange("changed", replace(alert, state="open", changed_at=now), previous=alert.severity)
        for alert in ended_alerts
    )


def _opened(run_id: UUID, finding: Finding, episode: int, now: datetime, alert_id: UUID) -> Alert:
    return Alert(
        id=alert_id,
        run_id=run_id,
        code=finding.code,
        subject=finding.subject,
        severity=finding.severity,
        state="open",
        episode=episode,
        title=finding.title,
        detail=finding.detail,
        advice=finding.advice,
        opened=finding.opened,
        detected=finding.detected,
        opened_at=now,
        changed_at=now,
        evidence=finding.evidence,
    )


def _changed(alert: Alert, finding: Finding, now: datetime) -> Alert | None:
    """Return the alert with what is new, None if nothing is. Where it opened and was detected stays; severity only
    rises.
    """
    severity = max(alert.severity, finding.severity, key=rank)
    same = (alert.severity, alert.title, alert.detail, alert.advice) == (
        severity,
        finding.title,
        finding.detail,
        finding.advice,
    )
    if same:
        return None
    return replace(
        alert,
        severity=severity,
        title=finding.title,
        detail=finding.detail,
        advice=finding.advice,
        evidence=finding.evidence,
        changed_at=now,
    )


def _note(changes: list[AlertChange], change: AlertChange) -> None:
    """Add a change, or fold it into what this post has told of the alert already."""
    for place, earlier in enumerate(changes):
        if earlier.alert.id == change.alert.id and earlier.event in ("opened", "changed"):
            changes[place] = replace(earlier, alert=change.alert)
            return
    changes.append(change)
