"""LR001: the learning rate is off the configured schedule.

**What.** A reported learning rate that the declared schedule does not explain. Every point is compared with what the
real library would have produced at that place, to the precision of the print; whether the log counts from 0 or 1, and
reads the LR before or after the scheduler's step, is found from the log unless `reporting` says it.

**Why it matters.** A scheduler that is stepped per epoch though it was built for batches, a resume without its state,
or a wrong total costs accuracy and raises no error: in tests with planted faults no rule on the metrics saw them,
this comparison saw all, at the first wrong step.

**Example.** `CosineAnnealingWarmRestarts(T_0=15)` from 3e-4, and the first epoch logs 3e-5. That scheduler starts at
its maximum, so it is not the scheduler: a constant factor of 0.1 from the first epoch on, which points at the
optimizer's parameter groups.

**What to try.** The alert names the causes that the log cannot rule out, the simplest first, each with the line to
change.

**Defaults.** There is no tolerance to tune: a point is off if no number that prints so is within 1e-6 of the
schedule's peak. The severity is critical where the LR is off by a factor of 2 or more either way, else warning. It
resolves after ten points in a row are back on schedule. On healthy logs with a rightly declared schedule it raised
nothing. If the LR differs by a constant factor from the first record on, the framework itself may set another base
(Ultralytics' `optimizer=auto` does).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trackside_service import conformance
from trackside_service.conformance import Explanation, FirstOff, LrPoint, TrackerState
from trackside_service.domain.findings import Cleared, Finding, Outcome, Severity, rank
from trackside_service.domain.metrics import LR
from trackside_service.domain.numbers import to_wire
from trackside_service.domain.records import Position
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.schedules import CompiledSchedule, Reporting

CODE = "LR001"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is grave and what is over.

    `critical_factor`: off by this ratio or more, either way, is critical. `back_after`: points in a row on schedule
    after which it resolves.
    """

    critical_factor: float = 2.0
    back_after: int = 10

    def __post_init__(self) -> None:
        if self.critical_factor <= 1 or self.back_after < 1:
            raise ValueError("critical_factor is a ratio above 1, back_after a count of 1 or more")


@dataclass(frozen=True, slots=True)
class State:
    """`tracker` compares the whole log. Once that is off, `recent` compares what came after the last point that was
    off.

    `open`: an alert stands, of `severity`. `diagnose_at`: the number of points at which its causes are looked for
    again.
    """

    tracker: TrackerState | None = None
    recent: TrackerState | None = None
    off: bool = False
    open: bool = False
    severity: Severity = "warning"
    diagnose_at: int = 0


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State(None if context.schedule is None else conformance.start(context.schedule))


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Compare the LR of one record."""
    schedule, lr = context.schedule, reading.record.metrics.get(LR)
    if schedule is None or state.tracker is None or lr is None:
        return state, ()
    point = LrPoint(lr, step=reading.record.step, epoch=reading.record.epoch)
    tracker = conformance.advance(schedule, state.tracker, point)
    state = replace(state, tracker=tracker)
    if not state.off:
        verdict = conformance.judge(schedule, tracker)
        if verdict.verdict != "off_schedule":
            return state, ()
        return _open(context, parameters, state, reading)
    return _while_off(context, parameters, state, reading, point)


def _while_off(
    context: RunContext, parameters: Parameters, state: State, reading: Reading, point: LrPoint
) -> tuple[State, Sequence[Outcome]]:
    """The log as a whole is off: is this point, as the rest of the log counts, and has the cause become clearer?"""
    assert context.schedule is not None
    assert state.tracker is not None
    whole = conformance.judge(context.schedule, state.tracker)
    if whole.verdict != "off_schedule":
        # A later print showed that the log is coarser than it seemed: the point was never off.
        cleared = [Cleared(CODE, LR, reading.record.position)] if state.open else []
        return replace(state, off=False, open=False, recent=None), cleared
    bound = _bound(context.schedule, whole)
    recent = conformance.advance(bound, state.recent or conformance.start(bound), point)
    now = conformance.judge(bound, recent)
    again = state.open and state.tracker.points >= state.diagnose_at
    if now.verdict == "off_schedule":
        state = replace(state, recent=None)
        if not state.open:
            return _open(context, parameters, state, reading, first=now.first_off)
        worse = rank(_severity(context.schedule, parameters, now.first_off)) > rank(state.severity)
        if worse or again:
            return _open(context, parameters, state, reading, latest=now.first_off)
        return state, ()
    state = replace(state, recent=recent)
    if state.open and now.verdict == "on_schedule" and recent.points >= parameters.back_after:
        return replace(state, open=False), [Cleared(CODE, LR, reading.record.position)]
    return _open(context, parameters, state, reading) if again else (state, ())


def _open(
    context: RunContext,
    parameters: Parameters,
    state: State,
    reading: Reading,
    *,
    first: FirstOff | None = None,
    latest: FirstOff | None = None,
) -> tuple[State, Sequence[Outcome]]:
    """Raise the alert, or say it again with what is known now: more points rule out more causes."""
    assert context.schedule is not None
    assert state.tracker is not None
    explanation = conformance.conclude(context.schedule, state.tracker)
    off = first or explanation.first_off
    if off is None:
        return state, ()
    severities = [_severity(context.schedule, parameters, one) for one in (off, latest) if one is not None]
    severity = max([*severities, *([state.severity] if state.open else [])], key=rank)
    points = state.tracker.points
    state = replace(state, off=True, open=True, severity=severity, diagnose_at=max(points + 1, points * 3 // 2))
    return state, [_finding(context, explanation, off, severity, reading)]


def _bound(schedule: CompiledSchedule, explanation: Explanation) -> CompiledSchedule:
    """Return the schedule with the index convention of the explanation stated."""
    convention = explanation.convention or {}
    reporting = Reporting(**{name: convention.get(name) for name in ("when", "at", "step_base", "epoch_base")})
    return replace(schedule, reporting=reporting)


def _severity(schedule: CompiledSchedule, parameters: Parameters, off: FirstOff | None) -> Severity:
    if off is None or off.expected is None or not math.isfinite(off.observed):
        return "critical"
    # At the ends of a schedule both are next to nothing: there a ratio says nothing either.
    slack = 1e-4 * schedule.peak()
    low, high = sorted((abs(off.observed) + slack, abs(off.expected) + slack))
    return "critical" if high >= parameters.critical_factor * low else "warning"


def _finding(
    context: RunContext, explanation: Explanation, off: FirstOff, severity: Severity, reading: Reading
) -> Finding:
    assert context.schedule is not None
    where = str(Position(off.step, off.epoch))
    ratio = off.observed / off.expected if off.expected else None
    cause = explanation.causes[0] if explanation.causes else None
    expected = "nothing: the real scheduler would have refused" if off.expected is None else f"{off.expected:.6g}"
    detail = f"At {where} the learning rate is {off.observed:.6g}; {context.schedule.name} gives {expected} there"
    detail += f" (a ratio of {ratio:.4g})." if ratio is not None else "."
    if cause is not None:
        detail += f" {cause.statement}"
    others = [other.cause for other in explanation.causes[1:]]
    if others:
        detail += f" The log cannot rule out: {', '.join(others)}."
    advice = (
        cause.advice
        if cause is not None
        else "Compare where the scheduler is built and stepped with what was declared."
    )
    evidence: dict[str, Any] = {
        "lr_expected": off.expected,
        "lr_observed": to_wire(off.observed),
        "ratio": None if ratio is None else to_wire(ratio),
        "first_off": {"index": off.index, "step": off.step, "epoch": off.epoch},
        "causes": conformance.as_wire(explanation)["causes"],
        "convention": None if explanation.convention is None else dict(explanation.convention),
    }
    return Finding(
        code=CODE,
        subject=LR,
        severity=severity,
        title=f"The LR is off schedule from {where} on",
        detail=detail,
        advice=advice,
        opened=Position(off.step, off.epoch),
        detected=reading.record.position,
        evidence=evidence,
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {
        "tracker": None if state.tracker is None else conformance.dump(state.tracker),
        "recent": None if state.recent is None else conformance.dump(state.recent),
        "off": state.off,
        "open": state.open,
        "severity": state.severity,
        "diagnose_at": state.diagnose_at,
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    trackers = {name: None if data[name] is None else conformance.load(data[name]) for name in ("tracker", "recent")}
    return State(**{**data, **trackers})


RULE = Rule(
    code=CODE,
    name="off schedule",
    summary="A reported LR that the declared schedule does not explain; the cause is named.",
    severity="critical",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    sees_behind=True,
    dump=dump,
    load=load,
)
