"""The wire's form of what the service says: alerts and places, as JSON values (times RFC 3339, non-finite numbers as
text).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from trackside_service.domain.alerts import Alert
from trackside_service.domain.numbers import wire_safe
from trackside_service.domain.records import Position

# What an alert of a replay has none of: it is stored nowhere and happened at no time.
STORED_ONLY: Final = ("id", "run_id", "opened_at", "changed_at", "resolved_at", "acknowledged", "cause_id")


def position_to_wire(position: Position | None) -> dict[str, Any]:
    """Return {"step", "epoch"}; both are null before training and where the log gave none."""
    return {"step": None, "epoch": None} if position is None else {"step": position.step, "epoch": position.epoch}


def time_to_wire(time: datetime | None) -> str | None:
    """Return an aware time as RFC 3339 in UTC, with Z."""
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def alert_to_wire(alert: Alert, symptoms: Iterable[Alert] = ()) -> dict[str, Any]:
    """Return an alert as lists, health, webhooks and channels show it, with the alerts that are its `symptoms`."""
    return {**symptom_to_wire(alert), "symptoms": [symptom_to_wire(each) for each in symptoms]}


def symptom_to_wire(alert: Alert) -> dict[str, Any]:
    """Return an alert as it is listed under its cause."""
    held = alert.acknowledgement
    return {
        "id": str(alert.id),
        "run_id": str(alert.run_id),
        "code": alert.code,
        "subject": alert.subject,
        "severity": alert.severity,
        "state": alert.shown_state,
        "episode": alert.episode,
        "opened": position_to_wire(alert.opened),
        "detected": position_to_wire(alert.detected),
        "resolved": None if alert.resolved is None or alert.state == "open" else position_to_wire(alert.resolved),
        "opened_at": time_to_wire(alert.opened_at),
        "changed_at": time_to_wire(alert.changed_at),
        "resolved_at": time_to_wire(alert.resolved_at),
        "acknowledged": None if held is None else {"at": time_to_wire(held.at), "by": held.by, "note": held.note},
        "flapping": alert.is_flapping,
        "title": alert.title,
        "detail": alert.detail,
        "evidence": wire_safe(dict(alert.evidence)),
        "advice": alert.advice,
        "cause_id": None if alert.cause_id is None else str(alert.cause_id),
    }


def replayed_alert_to_wire(alert: Alert, symptoms: Iterable[Alert] = ()) -> dict[str, Any]:
    """Return an alert of a replay (POST /v1/check): without ids and times."""
    return {**_replayed(alert), "symptoms": [_replayed(each) for each in symptoms]}


def _replayed(alert: Alert) -> dict[str, Any]:
    return {name: value for name, value in symptom_to_wire(alert).items() if name not in STORED_ONLY}
