"""A run: what was declared about it, its process lives and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from trackside_service.domain.findings import Health

RunStatus: TypeAlias = Literal["running", "finished", "failed", "killed"]
EndStatus: TypeAlias = Literal["finished", "failed", "killed"]
MetricUnit: TypeAlias = Literal["fraction", "percent"]
MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class OptimizerSpec:
    """The optimizer's class name and its constructor's parameters, as the client read or the user wrote them."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaxAbove:
    """A bound relative to another metric: at most `by` above `metric`, in the metric's own unit."""

    metric: str
    by: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the user expects of `metric` (canonical name), in its own unit and with the epoch as printed.

    `epoch` judges that epoch only; `from_epoch` and `until_epoch` bound a range (inclusive); neither: every epoch.
    At least one of `min`, `max`, `max_drop` (below the best so far), `max_above` is given.
    """

    metric: str
    epoch: float | None = None
    from_epoch: float | None = None
    until_epoch: float | None = None
    min: float | None = None
    max: float | None = None
    max_drop: float | None = None
    max_above: MaxAbove | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None and self.max_drop is None and self.max_above is None:
            raise ValueError("an expectation needs at least one of min, max, max_drop, max_above")
        if self.epoch is not None and (self.from_epoch is not None or self.until_epoch is not None):
            raise ValueError("an expectation has either epoch, or from_epoch and until_epoch")
        if self.from_epoch is not None and self.until_epoch is not None and self.from_epoch > self.until_epoch:
            raise ValueError("from_epoch is after until_epoch")
        if any(place is not None and place < 0 for place in (self.epoch, self.until_epoch)):
            raise ValueError("epochs are counted from 0 or 1: none is negative")
        if self.max_drop is not None and self.max_drop < 0:
            raise ValueError("max_drop is a distance: 0 or more")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """How one run wants a rule: `enabled` False turns it off; `severity` and `params` replace the rule's own."""

    enabled: bool = True
    severity: Literal["info", "warning", "critical"] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    def over(self, project: RuleSetting | None) -> RuleSetting:
        """Return this setting of a run over its project's: what the run says holds, what it leaves open is the
        project's. A run that names the rule at all decides whether it is on.
        """
        if project is None:
            return self
        return RuleSetting(self.enabled, self.severity or project.severity, {**project.params, **self.params})


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What was declared when the run was opened. `schedule` is kept in the user's own words (the wire's S)."""

    project: str
    name: str
    framework: str | None = None
    total_epochs: int | None = None
    steps_per_epoch: int | None = None
    num_classes: int | None = None
    optimizer: OptimizerSpec | None = None
    schedule: Mapping[str, Any] | None = None
    expectations: tuple[Expectation, ...] = ()
    rules: Mapping[str, RuleSetting] = field(default_factory=dict)
    metric_names: Mapping[str, str] = field(default_factory=dict)
    metric_units: Mapping[str, MetricUnit] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    heartbeat_s: float | None = None

    @property
    def epoch_length(self) -> int | None:
        """Updates an epoch, said of the run or of its schedule; None where neither says it."""
        said = self.steps_per_epoch or (self.schedule or {}).get("steps_per_epoch")
        return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else None


@dataclass(frozen=True, slots=True)
class ProcessLife:
    """One process of a run; a resume is a new one. `process` is None where the reporter names none (curl).

    `lost`: records that it could neither send nor keep, as far as it came to say so.
    """

    number: int
    process: str | None
    started_at: datetime
    resumed_from_step: int | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """A stored run. `silence_limit_s`: the seconds of silence that are normal; None where nobody waits for it."""

    id: UUID
    spec: RunSpec
    status: RunStatus
    created_at: datetime
    reason: str | None = None
    ended_at: datetime | None = None
    last_seen_at: datetime | None = None
    health: Health = "ok"
    # The project's settings of the rules as they stood when the run was opened: they hold as long as it lives.
    project_rules: Mapping[str, RuleSetting] = field(default_factory=dict)
    silence_limit_s: float | None = None

    @property
    def deadline(self) -> datetime | None:
        """When it counts as silent unless it is heard of before; None where nobody waits for it."""
        if self.status != "running" or self.last_seen_at is None or self.silence_limit_s is None:
            return None
        return self.last_seen_at + timedelta(seconds=self.silence_limit_s)
