"""What a person does with an alert: take it in hand, and give it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from trackside_service.domain.alerts import Acknowledgement, Alert, AlertChange


def acknowledge(alert: Alert, *, by: str | None, note: str | None, now: datetime) -> AlertChange | None:
    """Return an alert that counts (open, or frozen by its run's end) as acknowledged; None where it is so already.

    A second acknowledgement replaces who it was and what was said, where it gives them, and keeps the time; it is a
    change, and no second event.
    """
    held = alert.acknowledgement
    if held is None:
        return AlertChange("acknowledged", replace(alert, acknowledgement=Acknowledgement(now, by, note)))
    again = replace(held, by=held.by if by is None else by, note=held.note if note is None else note)
    if again == held:
        return None
    return AlertChange("changed", replace(alert, acknowledgement=again), previous=alert.severity)


def take_back(alert: Alert) -> AlertChange | None:
    """Return an alert in nobody's hand; None where it was in none."""
    if alert.acknowledgement is None:
        return None
    return AlertChange("changed", replace(alert, acknowledgement=None), previous=alert.severity)
