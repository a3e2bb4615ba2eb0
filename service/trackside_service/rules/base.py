"""What a rule is: a frozen description and a few pure functions over a small state.

A rule sees one reading at a time and keeps what it needs in its state, so that the cost of one more record does not
grow with the run. State is a value: `check` returns the next one and never changes the one it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from trackside_service.domain.findings import Finding, Outcome, Severity
from trackside_service.domain.records import Position, Record
from trackside_service.domain.resumes import Resumed
from trackside_service.domain.runs import EndStatus, RunSpec
from trackside_service.schedules import CompiledSchedule

P = TypeVar("P")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Reading:
    """A record as the rules see it: metric names are canonical, its place among the run's lives is known.

    `index` is the server's ordinal of the record, from 0. `behind`: its position lies behind its life's last one, so
    that only rules with `sees_behind` are fed. `starts_life`: it is the first of a new process life. `named`: its
    reporter names its processes, so that a new life is a resume; else a life is what begins where places fall back.
    `superseded`: a resume has reported before it came, so it is of a process that is gone, and no rule is fed; it is
    `behind` too. `resumed`: how its process counts, where it said what it resumes.
    """

    record: Record
    index: int
    life: int = 0
    behind: bool = False
    starts_life: bool = False
    named: bool = False
    superseded: bool = False
    resumed: Resumed | None = None


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """How a rule runs on one run: its parameters (an instance of `Rule.parameters`), and a severity that replaces its
    own.
    """

    parameters: Any
    enabled: bool = True
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RunContext:
    """What every rule may know about the run. Built once per run by `detection.configure`, and equal to itself alone:
    what is remembered for one run is not looked for under another by comparing their declarations.
    """

    spec: RunSpec
    schedule: CompiledSchedule | None = None
    rules: Mapping[str, RuleConfig] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: as the job said it, with its reason, and the last place that it had reported."""

    status: EndStatus
    reason: str | None = None
    place: Position | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """A run that should be running and is not heard of.

    `since` is when it was last heard of, by the service's clock, and `limit_s` what was held for normal. `reported`:
    whether any record ever came; `place` is that of the last one. `longest_s`: the longest pause between two posts
    before, None where it is not known.
    """

    since: datetime
    limit_s: float
    reported: bool
    place: Position | None = None
    longest_s: float | None = None


def _same(state: Any) -> Any:
    return state


def _no_state(_context: RunContext, _parameters: Any) -> Any:
    return None


def _nothing(_context: RunContext, _parameters: Any, state: Any, _reading: Reading) -> tuple[Any, Sequence[Outcome]]:
    return state, ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Generic[P, S]):
    """One defect that Trackside looks for.

    `code` (family and three digits, never reused) and `name` (after the defect, never the cure) tell it apart.
    `parameters` is a frozen dataclass of which every field has a default. `page` is the module's docstring: what it
    detects, why it matters, an example, what to try, where the defaults come from and how often they cry wolf.

    `start` makes the state before the first record; `check` takes (context, parameters, state, reading) to (state,
    outcomes); `conclude` says what the end of the run reveals; `plan` judges the declaration alone, before training.
    `on_end` judges how the run ended, and `on_silence` that it is not heard of: the service tells both, and not the
    records. A rule that has nothing but `plan`, `on_end` or `on_silence` leaves out `start` and `check`.
    `check_many`, where a rule has it, does for several readings what `check` does one by one, and says at which of them
    (its place in the sequence) each outcome came.
    `dump` and `load` turn the state into JSON values and back; `state_version` rises whenever their form changes.
    """

    code: str
    name: str
    summary: str
    severity: Severity
    page: str
    parameters: type[P]
    start: Callable[[RunContext, P], S] = _no_state
    check: Callable[[RunContext, P, S, Reading], tuple[S, Sequence[Outcome]]] = _nothing
    conclude: Callable[[RunContext, P, S], tuple[S, Sequence[Outcome]]] | None = None
    plan: Callable[[RunContext, P], Sequence[Finding]] | None = None
    on_end: Callable[[RunContext, P, Ending], Sequence[Finding]] | None = None
    on_silence: Callable[[RunContext, P, Silence], Sequence[Finding]] | None = None
    check_many: Callable[[RunContext, P, S, Sequence[Reading]], tuple[S, Sequence[tuple[int, Outcome]]]] | None = None
    sees_behind: bool = False
    state_version: int = 1
    dump: Callable[[S], Any] = _same
    load: Callable[[Any], S] = _same

    @property
    def sees_records(self) -> bool:
        """Whether records tell it anything."""
        return self.check is not _nothing
