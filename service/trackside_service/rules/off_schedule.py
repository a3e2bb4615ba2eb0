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

**Several groups.** Where the declaration has several parameter groups (`base_lr` is a list), each reported LR, `lr`,
`lr/1` and on to the sixteenth group's, is compared with its own group's curve. A group that is off is an alert with
that subject; groups that leave the schedule at the same point for the same cause are one alert, which names them.

**Schedules that follow a metric.** ReduceLROnPlateau, GreedyLR and their like are replayed from the metric that the run
reports: the one that the declaration names (`metric`), else `val_acc` where more is better, `val_loss` where less is,
and then the others. Unnamed, it is an alarm only where no metric whatever could explain the LR, since the scheduler may
follow one that is not reported: so name it. Values that are missing, or printed too coarsely, leave the LR undetermined
until it shows what was made of them.

**Resumes.** A process that says the step it resumes from is compared behind that step, whether its counters go on or
begin again at 0; where its first record does not tell which, both are held possible.

**Defaults.** There is no tolerance to tune: a point is off if no number that prints so is within 1e-6 of the
schedule's peak. The severity is critical where the LR is off by a factor of 2 or more either way, else warning. It
resolves after ten points in a row are back on schedule. What an earlier process had left to say once the resume of it
has reported is stored, and not compared. Logs of real schedulers that ran as declared raise nothing.
If the LR differs by a constant factor from the first record on, the framework itself may set another base
(Ultralytics' `optimizer=auto` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trackside_service import conformance
from trackside_service.conformance import FirstOff, LrPoint, MetricPoint, TrackerState
from trackside_service.domain.findings import Cleared, Finding, Outcome, Severity, rank
from trackside_service.domain.metrics import LRS
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.lr_groups import Told, joined, leaders, told_of
from trackside_service.rules.lr_points import LrPoints, Points, judged, said_of, same_format
from trackside_service.rules.lr_wording import finding_of, severity_of
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
    """One group's LR; of the first group, with those of the `others` that were reported, by number.

    `tracker` compares the whole log. Once that is `off`, `convention` says how its points are placed from there on.
    `back`: points in a row that were on schedule again. `open`: it counts as off, with `severity`. `diagnose_at`: the
    number of points at which its causes are looked for again. `told`: what was found; `under`: the group whose alert
    tells it along, None where it has its own.
    """

    tracker: TrackerState | None = None
    off: bool = False
    convention: Mapping[str, Any] | None = None
    back: int = 0
    open: bool = False
    severity: Severity = "warning"
    diagnose_at: int = 0
    told: Told | None = None
    under: int | None = None
    others: tuple[tuple[int, State], ...] = ()

    @property
    def groups(self) -> dict[int, State]:
        """The groups' states by number, in order."""
        return {0: replace(self, others=()) if self.others else self, **dict(self.others)}


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
    if context.schedule is None or state.tracker is None:
        return state, []
    points: dict[int, Points] = {}
    followed = state.tracker.driven is not None
    for group, name in enumerate(LRS[: len(context.schedule.groups)]):
        said = ((place, reading, said_of(reading, name, followed)) for place, reading in enumerate(readings))
        found = [(place, reading, point) for place, reading, point in said if point is not None]
        if found:
            points[group] = found
    return _compare(context, parameters, state, points) if points else (state, [])


def _compare(
    context: RunContext, parameters: Parameters, state: State, points: Mapping[int, Points]
) -> tuple[State, _Found]:
    """Compare the points of one or more groups, each in the order of the log."""
    before = state.groups
    after = dict(before)
    news: dict[int, TrackerState] = {}
    for group, own in points.items():
        here = _of_group(context, group)
        held = before.get(group) or start(here, parameters)
        tracker, following = _absorb(here, parameters, held, own)
        if following is None:
            news[group] = tracker
        else:
            after[group] = following
    if not news:
        return _whole(after), []
    places = sorted({place for own in points.values() for place, _, _ in own})
    if len(places) > 1:
        middle = places[len(places) // 2]
        state, first = _compare(context, parameters, state, _between(points, places[0], middle))
        state, second = _compare(context, parameters, state, _between(points, middle, places[-1] + 1))
        return state, first + second
    said: dict[int, Outcome] = {}
    for group, tracker in news.items():
        here = _of_group(context, group)
        _, reading, point = points[group][0]
        held = replace(before.get(group) or start(here, parameters), tracker=tracker)
        after[group], outcomes = _one(here, parameters, held, reading, point)
        said.update((group, outcome) for outcome in outcomes)
    if len(after) > 1:
        said = _settled(context, parameters, before, after, said=said, reading=reading)
    return _whole(after), [(places[0], said[group]) for group in sorted(said)]


def _of_group(context: RunContext, group: int) -> RunContext:
    assert context.schedule is not None
    return replace(context, schedule=context.schedule.of_group(group)) if group else context


def _whole(groups: Mapping[int, State]) -> State:
    others = tuple((group, groups[group]) for group in sorted(groups) if group)
    return replace(groups[0], others=others) if others else groups[0]


def _between(points: Mapping[int, Points], low: int, high: int) -> dict[int, Points]:
    cut = {group: [one for one in own if low <= one[0] < high] for group, own in points.items()}
    return {group: own for group, own in cut.items() if own}


def _absorb(
    context: RunContext, parameters: Parameters, state: State, points: Points
) -> tuple[TrackerState, State | None]:
    """Return the comparison after one group's points, and the state then; None where they may call for a word."""
    assert context.schedule is not None
    assert state.tracker is not None
    before = state.tracker
    tracker = conformance.absorb(context.schedule, before, [point for _, _, point in points])
    if tracker.driven is not None:
        on = not state.off and conformance.judge(context.schedule, tracker).verdict != "off_schedule"
        return tracker, replace(state, tracker=tracker) if on else None
    if not same_format(before, tracker):
        return tracker, None
    if state.off:
        shown = [(place, reading, point) for place, reading, point in points if isinstance(point, LrPoint)]
        return tracker, _no_news(context.schedule, parameters, state, tracker, shown)
    return tracker, replace(state, tracker=tracker) if tracker.fronts == before.fronts and before.points else None


def _settled(
    context: RunContext,
    parameters: Parameters,
    before: Mapping[int, State],
    after: dict[int, State],
    *,
    said: Mapping[int, Outcome],
    reading: Reading,
) -> dict[int, Outcome]:
    """Return what is said at one record of a run with several groups: those that are off alike are one alert.

    Who tells whom is noted in `after`.
    """
    own = {group for group, state in before.items() if state.open and state.under is None}
    for group, leader in leaders({group: state.told for group, state in after.items() if state.open}, own).items():
        after[group] = replace(after[group], under=leader)
    outcomes: dict[int, Outcome] = {}
    for group in sorted(after):
        state, outcome = after[group], said.get(group)
        if not state.open:
            if group in own and outcome is not None:
                outcomes[group] = outcome
            continue
        if state.under is not None:
            continue
        along = {other for other, held in after.items() if held.open and held.under == group}
        had = {other for other, held in before.items() if held.open and held.under == group}
        if outcome is None and (group not in own or along != had or not along.isdisjoint(said)):
            after[group], found = _open(_of_group(context, group), parameters, state, reading, None)
            outcome = next(iter(found), None)
        if isinstance(outcome, Finding):
            worst = max([outcome.severity, *(after[other].severity for other in along)], key=rank)
            told = [(other, after[other].told) for other in sorted(along)]
            outcomes[group] = joined(replace(outcome, severity=worst), told)
    return outcomes


def _no_news(
    schedule: CompiledSchedule, parameters: Parameters, state: State, tracker: TrackerState, points: LrPoints
) -> State | None:
    """Return the state after points of a log that is off already, None if one of them calls for a word."""
    if state.open and tracker.points >= state.diagnose_at:
        return None
    back, severity = state.back, state.severity
    for expected, on, (_, _, point) in judged(schedule, state.convention or {}, tracker, points):
        if on is None:
            continue
        back = back + 1 if on else 0
        if state.open and back >= parameters.back_after:
            return None
        if not on and not state.open:
            return None
        if not on and rank(severity_of(schedule, parameters.critical_factor, point.lr, expected)) > rank(severity):
            return None
    return replace(state, tracker=tracker, back=back)


def _one(
    context: RunContext, parameters: Parameters, state: State, reading: Reading, point: LrPoint | MetricPoint
) -> tuple[State, Sequence[Outcome]]:
    """Take in one point that may be news; the tracker has seen it already."""
    assert context.schedule is not None
    assert state.tracker is not None
    if state.tracker.driven is not None or isinstance(point, MetricPoint):
        return _followed(context, parameters, state, reading)
    whole = conformance.judge(context.schedule, state.tracker)
    if whole.verdict != "off_schedule":
        # Also where a later print showed that the log is coarser than it seemed, and no point was ever off.
        cleared = [_cleared(context, reading)] if state.open else []
        return State(state.tracker), cleared
    if not state.off:
        return _open(context, parameters, state, reading, whole.first_off)
    expected, on, _ = judged(context.schedule, state.convention or {}, state.tracker, [(0, reading, point)])[0]
    again = state.open and state.tracker.points >= state.diagnose_at
    if on is None:
        return _open(context, parameters, state, reading, None) if again else (state, ())
    points, state = state.tracker.points, replace(state, back=state.back + 1 if on else 0)
    if on:
        if state.open and state.back >= parameters.back_after:
            return replace(state, open=False, told=None, under=None), [_cleared(context, reading)]
        return _open(context, parameters, state, reading, None) if again else (state, ())
    here = FirstOff(points - 1, point.step, point.epoch, expected, point.lr)
    worse = rank(severity_of(context.schedule, parameters.critical_factor, here.observed, expected)) > rank(
        state.severity
    )
    if again or worse or not state.open:
        return _open(context, parameters, state, reading, here)
    return state, ()


def _followed(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Do what `_one` does where the schedule follows a metric; `back` counts up to the latest point off then."""
    assert context.schedule is not None
    assert state.tracker is not None
    tracker = state.tracker
    standing = conformance.standing(context.schedule, tracker)
    if standing is None or standing.reading is None or standing.explanation.verdict != "off_schedule":
        return State(tracker), [_cleared(context, reading)] if state.open else []
    view, off = standing.reading.view, standing.explanation.first_off
    latest = view.latest or off
    reached = 0 if latest is None else latest.index + 1
    known, state = state.back == reached, replace(state, back=reached)
    if not state.off:
        return _open(context, parameters, state, reading, off)
    if known and state.open and view.back >= parameters.back_after:
        return replace(state, open=False, told=None, under=None), [_cleared(context, reading)]
    again = state.open and tracker.points >= state.diagnose_at
    severity: Severity = (
        "warning"
        if latest is None
        else severity_of(context.schedule, parameters.critical_factor, latest.observed, latest.expected)
    )
    if again or (not known and (not state.open or rank(severity) > rank(state.severity))):
        return _open(context, parameters, state, reading, None if known else latest)
    return state, ()


def _cleared(context: RunContext, reading: Reading) -> Cleared:
    assert context.schedule is not None
    return Cleared(CODE, LRS[context.schedule.first], reading.record.position)


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
    worst = [
        severity_of(context.schedule, parameters.critical_factor, one.observed, one.expected)
        for one in (off, latest)
        if one
    ]
    severity = max([*worst, *([state.severity] if state.open else [])], key=rank)
    points = state.tracker.points
    state = replace(
        state,
        off=True,
        open=True,
        severity=severity,
        convention=state.convention if anew else explanation.convention,
        diagnose_at=points + max(1, points - off.index),  # as often as the points since then have doubled
        told=told_of(explanation, off),
    )
    return state, [finding_of(CODE, context.schedule, explanation, off, severity=severity, at=reading.record.position)]


def dump(state: State) -> dict[str, Any]:
    """State as JSON values; of further groups only where they were reported."""
    held: dict[str, Any] = {
        "tracker": None if state.tracker is None else conformance.dump(state.tracker),
        "off": state.off,
        "convention": state.convention,
        "back": state.back,
        "open": state.open,
        "severity": state.severity,
        "diagnose_at": state.diagnose_at,
        "told": None if state.told is None else state.told.as_json(),
        "under": state.under,
    }
    if state.others:
        held["others"] = [[group, dump(other)] for group, other in state.others]
    return held


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    tracker = None if data["tracker"] is None else conformance.load(data["tracker"])
    told = None if data["told"] is None else Told.from_json(data["told"])
    others = tuple((group, load(other)) for group, other in data.get("others", ()))
    return State(**{**data, "tracker": tracker, "told": told, "others": others})


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
    state_version=14,
    dump=dump,
    load=load,
)
