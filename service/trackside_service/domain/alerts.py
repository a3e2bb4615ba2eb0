"""An alert: one episode of a defect on one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from trackside_service.domain.findings import Health, Severity, rank
from trackside_service.domain.records import Position

AlertState: TypeAlias = Literal["open", "resolved", "ended"]
AlertEvent: TypeAlias = Literal["opened", "changed", "resolved"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One episode. `state`: open; resolved (the condition ended); ended (the run ended first: frozen, and it counts).

    `opened`, `detected`, `resolved` are places in the run; `opened_at`, `changed_at`, `resolved_at` are times of the
    service (UTC).
    """

    id: UUID
    run_id: UUID
    code: str
    subject: str
    severity: Severity
    state: AlertState
    episode: int
    title: str
    detail: str
    advice: str
    opened: Position | None
    detected: Position | None
    opened_at: datetime
    changed_at: datetime
    resolved: Position | None = None
    resolved_at: datetime | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> tuple[str, str]:
        """(code, subject): with the run, what tells one defect from another."""
        return self.code, self.subject


@dataclass(frozen=True, slots=True)
class AlertChange:
    """What happened to an alert in one post. `previous` is the severity it had before, where it was open already."""

    event: AlertEvent
    alert: Alert
    previous: Severity | None = None

    @property
    def worsened(self) -> bool:
        """Whether the severity rose: of the changes, the only one that people are told of unasked."""
        return self.previous is not None and rank(self.alert.severity) > rank(self.previous)


def health_of(alerts: Iterable[Alert]) -> Health:
    """Return the worst severity among the alerts that are open or were frozen by the run's end; "ok" if none."""
    worst: Health = "ok"
    for alert in alerts:
        if alert.state != "resolved" and rank(alert.severity) > rank(worst):
            worst = alert.severity
    return worst
