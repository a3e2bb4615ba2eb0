"""An alert: one episode of a defect on one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from trackside_service.domain.findings import Health, Severity, rank
from trackside_service.domain.records import Position

AlertState: TypeAlias = Literal["open", "resolved", "ended"]
ShownState: TypeAlias = Literal["open", "acknowledged", "resolved", "ended"]
AlertEvent: TypeAlias = Literal["opened", "changed", "resolved", "acknowledged", "reminder"]

# An episode that came in quick succession after so many others is flapping (alerting/flapping.py).
FLAPS: Final = 2


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """That a person has the alert in hand: since when, who, and what they said."""

    at: datetime
    by: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """What people were told of an alert, and what is still to come.

    `told`: the severity at which they were told last (None: not at all). `withheld_until`: a silence keeps news back at
    least until then (None: none is kept back). `remind_at`: when they are reminded next; `reminders` were sent so far.
    """

    told: Severity | None = None
    withheld_until: datetime | None = None
    remind_at: datetime | None = None
    reminders: int = 0


@dataclass(frozen=True, slots=True)
class Alert:
    """One episode. `state`: open; resolved (the condition ended); ended (the run ended first: frozen, and it counts).

    `opened`, `detected`, `resolved` are places in the run; `opened_at`, `changed_at`, `resolved_at` are times of the
    service (UTC). `cause_id` is the alert that this one is a symptom of. `flaps` counts the episodes just before it
    that came in quick succession; `calm_since` is when the condition of a flapping alert ended, which is believed only
    after a while: until then it stays open, and `resolved` is where that was.
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
    acknowledgement: Acknowledgement | None = None
    cause_id: UUID | None = None
    flaps: int = 0
    calm_since: datetime | None = None
    telling: Telling = Telling()

    @property
    def fingerprint(self) -> tuple[str, str]:
        """(code, subject): with the run, what tells one defect from another."""
        return self.code, self.subject

    @property
    def is_flapping(self) -> bool:
        """Whether the end of its condition has to be waited for."""
        return self.flaps >= FLAPS

    @property
    def shown_state(self) -> ShownState:
        """The state as people see it: open, and somebody has it in hand, is acknowledged."""
        return "acknowledged" if self.state == "open" and self.acknowledgement is not None else self.state


@dataclass(frozen=True, slots=True)
class Past:
    """The latest episode of a fingerprint: its number, how many came in quick succession before it, and when its
    condition ended (None: it has not).
    """

    episode: int
    flaps: int = 0
    over_at: datetime | None = None


def past_of(alert: Alert) -> Past:
    """Return an alert as the latest episode of its fingerprint."""
    return Past(alert.episode, alert.flaps, alert.resolved_at)


@dataclass(frozen=True, slots=True)
class AlertChange:
    """What happened to an alert in one post. `previous` is the severity it had before, where it was open already.

    `surfaced`: it stood before, as a symptom of another or under a silence, and people are told only now; so its event
    may be "opened".
    """

    event: AlertEvent
    alert: Alert
    previous: Severity | None = None
    surfaced: bool = False

    @property
    def worsened(self) -> bool:
        """Whether the severity rose: of the changes, the only one that people are told of unasked."""
        return self.previous is not None and rank(self.alert.severity) > rank(self.previous)


def health_of(alerts: Iterable[Alert]) -> Health:
    """Return the worst severity among the alerts that are open or were frozen by the run's end; "ok" if none. One that
    is acknowledged, silenced, or a symptom of another counts like any.
    """
    worst: Health = "ok"
    for alert in alerts:
        if alert.state != "resolved" and rank(alert.severity) > rank(worst):
            worst = alert.severity
    return worst


def under_causes(alerts: Iterable[Alert]) -> tuple[list[Alert], dict[UUID, list[Alert]]]:
    """Return the alerts that are listed by themselves, and their symptoms by the cause's id, both in the given order.

    A symptom whose cause is not among `alerts` is listed.
    """
    given = list(alerts)
    known = {alert.id for alert in given}
    listed: list[Alert] = []
    symptoms: dict[UUID, list[Alert]] = {}
    for alert in given:
        if alert.cause_id is None or alert.cause_id not in known:
            listed.append(alert)
        else:
            symptoms.setdefault(alert.cause_id, []).append(alert)
    return listed, symptoms
