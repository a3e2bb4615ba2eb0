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
resolves after ten points in a row are back on schedule. Logs of real schedulers that ran as declared raise nothing.
If the LR differs by a constant factor from the first record on, the framework itself may set another base
(Ultralytics' `optimizer=auto` does).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trackside_service import conformance
from trackside_service.conformance import Explanation, FirstOff, LrPoint, TrackerState
from trackside_service.conformance.conventions import Convention, places_of, ticks_at
from trackside_service.domain.findings import Cleared, Finding, Outcome, Severity, rank
from trackside_service.domain.metrics import LR
from trackside_service.domain.numbers import said, to_wire
from trackside_service.domain.records import Position
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.schedules import CompiledSchedule

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
    """`tracker` compares the whole log. Once that is `off`, `convention` says how its points are placed from there on.

    `back`: points in a row that were on schedule again. `open`: an alert stands, of `severity`. `diagnose_at`: the
    number of points at which its causes are looked for again.
    """

    tracker: TrackerState | None = None
    off: bool = False
    convention: Mapping[str, Any] | None = None
    back: int = 0
    open: bool = False
    severity: Severity = "warning"
    diagnose_at: int = 0


_Points = Sequence[tuple[int, Reading, LrPoint]]
_Found = list[tuple[int, Outcome]]


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State(None if context.schedule is None else conformance.start(context.schedule))


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Compare the LR of one record."""
    state, found = check_many(context, parameters, state, (reading,))
    return state, [outcome for _, outcome in found]


def check_many(
    context: RunContext, parameters: Parameters, state: State, readings: Sequence[Reading]
) -> tuple[State, _Found]:
    """Compare the LRs of several records: at once as far as they bring no news, else half by half."""
    points = [
        (place, reading, LrPoint(reading.record.metrics[LR], reading.record.step, reading.record.epoch))
        for place, reading in enumerate(readings)
        if LR in reading.record.metrics
    ]
    if context.schedule is None or state.tracker is None or not points:
        return state, []
    return _compare(context, parameters, state, points)


def _compare(context: RunContext, parameters: Parameters, state: State, points: _Points) -> tuple[State, _Found]:
    assert context.schedule is not None
    assert state.tracker is not None
    before = state.tracker
    tracker = conformance.absorb(context.schedule, before, [point for _, _, point in points])
    same_format = _same_format(before, tracker)
    if not state.off and same_format and tracker.fronts == before.fronts and before.points:
        return replace(state, tracker=tracker), []
    if state.off and same_format:
        following = _no_news(context.schedule, parameters, state, tracker, points)
        if following is not None:
            return following, []
    if len(points) > 1:
        middle = len(points) // 2
        state, first = _compare(context, parameters, state, points[:middle])
        state, second = _compare(context, parameters, state, points[middle:])
        return state, first + second
    place, reading, point = points[0]
    state, outcomes = _one(context, parameters, replace(state, tracker=tracker), reading, point)
    return state, [(place, outcome) for outcome in outcomes]


def _same_format(before: TrackerState, after: TrackerState) -> bool:
    one, other = before.prints.format(), after.prints.format()
    return one == other or one.style == other.style == "full"


def _no_news(
    schedule: CompiledSchedule, parameters: Parameters, state: State, tracker: TrackerState, points: _Points
) -> State | None:
    """Return the state after points of a log that is off already, None if one of them calls for a word."""
    if state.open and tracker.points >= state.diagnose_at:
        return None
    back, severity = state.back, state.severity
    for expected, on, (_, _, point) in _judged(schedule, state, tracker, points):
        if on is None:
            continue
        back = back + 1 if on else 0
        if state.open and back >= parameters.back_after:
            return None
        if not on and not state.open:
            return None
        if not on and rank(_severity(schedule, parameters, point.lr, expected)) > rank(severity):
            return None
    return replace(state, tracker=tracker, back=back)


def _judged(
    schedule: CompiledSchedule, state: State, tracker: TrackerState, points: _Points
) -> list[tuple[float | None, bool | None, tuple[int, Reading, LrPoint]]]:
    """Return for each point the LR expected under the convention, and whether it is on schedule (None: not known)."""
    given = state.convention or {}
    convention = Convention(given["when"], given["at"], given["step_base"], given["epoch_base"])
    ticks = ticks_at(schedule, convention, places_of(schedule, [point for _, _, point in points]))
    values = np.array([point.lr for _, _, point in points])
    expected = schedule.lrs(np.where(ticks >= 0, ticks, 0.0))
    halves = tracker.prints.format().half_widths(np.nan_to_num(values), tracker.peak)
    on = np.abs(values - expected) <= halves
    judged: list[tuple[float | None, bool | None, tuple[int, Reading, LrPoint]]] = []
    for index, entry in enumerate(points):
        if np.isnan(ticks[index]) or (ticks[index] >= 0 and np.isnan(expected[index])):
            judged.append((None, None, entry))
        elif ticks[index] < 0:
            judged.append((None, False, entry))
        else:
            judged.append((float(expected[index]), bool(on[index]), entry))
    return judged


def _one(
    context: RunContext, parameters: Parameters, state: State, reading: Reading, point: LrPoint
) -> tuple[State, Sequence[Outcome]]:
    """Take in one point that may be news; the tracker has seen it already."""
    assert context.schedule is not None
    assert state.tracker is not None
    whole = conformance.judge(context.schedule, state.tracker)
    if whole.verdict != "off_schedule":
        # Also where a later print showed that the log is coarser than it seemed, and no point was ever off.
        cleared = [Cleared(CODE, LR, reading.record.position)] if state.open else []
        return State(state.tracker), cleared
    if not state.off:
        return _open(context, parameters, state, reading, whole.first_off)
    expected, on, _ = _judged(context.schedule, state, state.tracker, [(0, reading, point)])[0]
    again = state.open and state.tracker.points >= state.diagnose_at
    if on is None:
        return _open(context, parameters, state, reading, None) if again else (state, ())
    points, state = state.tracker.points, replace(state, back=state.back + 1 if on else 0)
    if on:
        if state.open and state.back >= parameters.back_after:
            return replace(state, open=False), [Cleared(CODE, LR, reading.record.position)]
        return _open(context, parameters, state, reading, None) if again else (state, ())
    here = FirstOff(points - 1, point.step, point.epoch, expected, point.lr)
    worse = rank(_severity(context.schedule, parameters, here.observed, expected)) > rank(state.severity)
    if again or worse or not state.open:
        return _open(context, parameters, state, reading, here)
    return state, ()


def _open(
    context: RunContext, parameters: Parameters, state: State, reading: Reading, latest: FirstOff | None
) -> tuple[State, Sequence[Outcome]]:
    """Raise the alert, or say it again with what is known now: more points rule out more causes.

    `latest` is the point just seen to be off; where the LR had been back, the new episode begins with it.
    """
    assert context.schedule is not None
    assert state.tracker is not None
    explanation = conformance.conclude(context.schedule, state.tracker)
    anew = state.off and not state.open
    off = latest if anew else explanation.first_off
    if off is None:
        return state, ()
    worst = [_severity(context.schedule, parameters, one.observed, one.expected) for one in (off, latest) if one]
    severity = max([*worst, *([state.severity] if state.open else [])], key=rank)
    points = state.tracker.points
    state = replace(
        state,
        off=True,
        open=True,
        severity=severity,
        convention=state.convention if anew else explanation.convention,
        diagnose_at=points + max(1, points - off.index),  # as often as the points since then have doubled
    )
    return state, [_finding(context, explanation, off, severity, reading)]


def _severity(schedule: CompiledSchedule, parameters: Parameters, observed: float, expected: float | None) -> Severity:
    if expected is None or not math.isfinite(observed):
        return "critical"
    # At the ends of a schedule both are next to nothing: there a ratio says nothing either.
    slack = 1e-4 * schedule.peak()
    low, high = sorted((abs(observed) + slack, abs(expected) + slack))
    return "critical" if high >= parameters.critical_factor * low else "warning"


def _finding(
    context: RunContext, explanation: Explanation, off: FirstOff, severity: Severity, reading: Reading
) -> Finding:
    assert context.schedule is not None
    where = str(Position(off.step, off.epoch))
    is_number = math.isfinite(off.observed)
    ratio = off.observed / off.expected if off.expected and is_number else None
    observed = said(off.observed) if is_number else f"not a finite number ({said(off.observed)})"
    # That no other schedule explains a NaN need not be said.
    causes = [each for each in explanation.causes if is_number or each.family != "other_schedule"]
    cause = causes[0] if causes else None
    expected = "nothing: the real scheduler would have refused" if off.expected is None else f"{off.expected:.6g}"
    detail = f"At {where} the learning rate is {observed}; {context.schedule.name} gives {expected} there"
    detail += f" (a ratio of {ratio:.4g})." if ratio is not None else "."
    if cause is not None:
        detail += f" {cause.statement}"
    others = [other.cause for other in causes[1:]]
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
    tracker = None if state.tracker is None else conformance.dump(state.tracker)
    return {
        "tracker": tracker,
        "off": state.off,
        "convention": state.convention,
        "back": state.back,
        "open": state.open,
        "severity": state.severity,
        "diagnose_at": state.diagnose_at,
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    tracker = None if data["tracker"] is None else conformance.load(data["tracker"])
    return State(**{**data, "tracker": tracker})


RULE = Rule(
    code=CODE,
    name="off schedule",
    summary="A reported LR that the declared schedule does not explain; the cause is named.",
    severity="critical",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    check_many=check_many,
    sees_behind=True,
    dump=dump,
    load=load,
)
