"""An alert that comes and goes is one alert that stays.

An episode that opens within `FLAP_WINDOW` of the end of the one before is in quick succession. From the third such
episode on (`FLAPS` came before it) the end of the condition is not believed at once: the alert stays open, people are
told nothing further, and it resolves once the condition has stayed away for `FLAP_WINDOW`, or the run ends.

One hour: a defect that returns within it is the same trouble still, and longer than the evaluations of most runs are
apart. Three: a first return may be bad luck. A replay knows no clock, so that all its episodes are in quick succession,
as they are where a log is posted at once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from trackside_service.domain.alerts import Alert, Past
from trackside_service.domain.records import Position

FLAP_WINDOW: Final = timedelta(hours=1)


def flaps_after(past: Past | None, now: datetime) -> int:
    """Return how many episodes in quick succession lie before one that opens now."""
    if past is None or past.over_at is None or now - past.over_at >= FLAP_WINDOW:
        return 0
    return past.flaps + 1


def over(alert: Alert, position: Position | None, now: datetime) -> Alert:
    """Return an open alert whose condition has ended: resolved, or calm for the time being."""
    if alert.is_flapping:
        if alert.calm_since is not None:
            return alert
        return replace(alert, calm_since=now, resolved=position)
    return replace(alert, state="resolved", resolved=position, resolved_at=now, changed_at=now)


def settle(alert: Alert, now: datetime, *, waiting: bool = True) -> Alert:
    """Return a calm alert resolved, once the window has passed (or at once, not `waiting`); any other as it is."""
    if alert.calm_since is None or alert.state != "open" or (waiting and now - alert.calm_since < FLAP_WINDOW):
        return alert
    return replace(alert, state="resolved", resolved_at=alert.calm_since, calm_since=None, changed_at=now)
