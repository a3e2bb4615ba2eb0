"""What a channel is told of: which alerts, and which of their events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from trackside_service.domain.alerts import Alert, AlertChange, AlertEvent
from trackside_service.domain.findings import Severity, rank
from trackside_service.domain.runs import Run
from trackside_service.domain.silences import names_code, one_of

ChannelEvent: TypeAlias = AlertEvent | Literal["digest"]
EVENTS: Final[tuple[ChannelEvent, ...]] = ("opened", "changed", "resolved")
MIN_SEVERITY: Final[Severity] = "warning"


@dataclass(frozen=True, slots=True)
class Route:
    """What a channel asks for; all of it has to fit.

    `project` None: every project. `min_severity`: alerts at least that bad. `codes`: rules by code (LOSS001) or family
    (LOSS), `tags`: runs that have one of them; empty: any. `events`: "changed" means that the severity rose, "digest"
    what stands, once a day.
    """

    project: str | None = None
    min_severity: Severity = MIN_SEVERITY
    codes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    events: tuple[ChannelEvent, ...] = EVENTS

    def wants(self, change: AlertChange, run: Run) -> bool:
        """Whether it is told of what happened to an alert of a run."""
        return change.event in self.events and self.covers(change.alert, run)

    def covers(self, alert: Alert, run: Run) -> bool:
        """Whether it is about an alert of a run, whatever happens to it."""
        return (
            self.project in (None, run.spec.project)
            and rank(alert.severity) >= rank(self.min_severity)
            and names_code(self.codes, alert.code)
            and one_of(self.tags, run.spec.tags)
        )
