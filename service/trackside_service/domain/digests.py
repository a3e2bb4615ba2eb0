"""The daily digest: what stands, and what happened since the one before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trackside_service.domain.alerts import Alert
from trackside_service.domain.findings import SEVERITIES, rank
from trackside_service.domain.runs import Run
from trackside_service.domain.wire import symptom_to_wire, time_to_wire

EVENT: Final = "digest"
DAY: Final = timedelta(days=1)
DIGEST_AT: Final = "08:00"
# So many alerts are named; the others are counted.
MOST_NAMED: Final = 20
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def next_digest(at: str, now: datetime) -> datetime:
    """Return when it is `at` (HH:MM, UTC) next, after `now`. Raises `ValueError` where that is no time of day."""
    found = _TIME.fullmatch(at)
    if found is None:
        raise ValueError("a time of day is HH:MM, in UTC: 08:00")
    hour, minute = (int(part) for part in found.groups())
    today = now.astimezone(UTC).replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today > now else today + DAY


@dataclass(frozen=True, slots=True)
class Digest:
    """What there is to tell of the time from `since` to `until`: alerts with their runs that are `standing` (open, and
    the symptom of none), and how many were `opened` and `resolved`. `project` None: all projects.
    """

    since: datetime
    until: datetime
    project: str | None = None
    standing: Sequence[tuple[Alert, Run]] = field(default=())
    opened: int = 0
    resolved: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.standing or self.opened or self.resolved)

    def as_wire(self) -> dict[str, Any]:
        """Return {"since", "until", "project", "open": {severity: count}, "runs", "opened", "resolved", "alerts"}; the
        alerts are the worst of those that stand, the oldest first, at most `MOST_NAMED`, each with its run.
        """
        worst = sorted(self.standing, key=lambda each: (-rank(each[0].severity), each[0].opened_at))
        counts = Counter(alert.severity for alert, _ in self.standing)
        return {
            "since": time_to_wire(self.since),
            "until": time_to_wire(self.until),
            "project": self.project,
            "open": {severity: counts[severity] for severity in SEVERITIES},
            "runs": len({run.id for _, run in self.standing}),
            "opened": self.opened,
            "resolved": self.resolved,
            "alerts": [
                {
                    **symptom_to_wire(alert),
                    "run": {"id": str(run.id), "project": run.spec.project, "name": run.spec.name},
                }
                for alert, run in worst[:MOST_NAMED]
            ],
        }
