"""The verdict on an LR that follows a metric: whether one that the scheduler may have been given explains it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trackside_service.conformance.driven.following import Follower, View, settled
from trackside_service.conformance.driven.state import Driven, usual_metrics
from trackside_service.conformance.driven.worlds import World
from trackside_service.conformance.explanation import Explanation, FirstOff
from trackside_service.conformance.observations import GIVEN
from trackside_service.conformance.print_stats import PrintStats
from trackside_service.conformance.printing import PrintFormat
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.driving import Driver


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric under one reading: the first LR off, None where all are explained; `certain` where the plateau's state
    is known now.
    """

    follower: Follower
    view: View
    off: FirstOff | None
    certain: bool

    @property
    def prefix(self) -> float:
        """How many LRs are explained."""
        return math.inf if self.off is None else self.off.index


@dataclass(frozen=True, slots=True)
class Standing:
    """The verdict, and the reading that it is given in: the latest LR off, and how many in a row were back since."""

    explanation: Explanation
    reading: Reading | None = None


def judged(schedule: CompiledSchedule, driver: Driver, state: Driven, prints: PrintStats, peak: float) -> Standing:
    """Return the verdict now; `prints` are those of the LRs.

    What is off only in the finer of the ways in which the log may be meant is not known for sure.
    """
    shown, coarsest = prints.format(), prints.coarsest()
    found = _judged(schedule, driver, state, shown, peak)
    if found.explanation.verdict == "off_schedule" and coarsest != shown:
        loose = _judged(schedule, driver, state, coarsest, peak)
        if loose.explanation.verdict != "off_schedule":
            reason = f"the LR is printed too coarsely to compare: the log shows no more than {coarsest}"
            convention = loose.explanation.convention
            return Standing(Explanation("undetermined", reason, None, (), convention, -1), loose.reading)
    return found


def _judged(schedule: CompiledSchedule, driver: Driver, state: Driven, shown: PrintFormat, peak: float) -> Standing:
    points = -1  # the caller knows
    magnitude = max(abs(state.levels.most), abs(state.levels.least))
    if math.isfinite(magnitude) and not shown.informs(magnitude):
        reason = f"the LR is printed too coarsely to compare: {shown} for values up to {magnitude:.3g}"
        return Standing(Explanation("undetermined", reason, points=points))
    readings = [_best(driver, follower, shown, peak) for follower in state.followers]
    named = schedule.metric is not None or any(one.follower.name == GIVEN for one in readings)
    if named:
        readings = [one for one in readings if one.follower.name in (schedule.metric, GIVEN)]
    readings.sort(key=lambda one: _rank(driver, one.follower))
    fitting = [one for one in readings if one.off is None]
    alone = _best(driver, state.free, shown, peak) if state.free is not None and state.free.vague is None else None
    if alone is not None and alone.off is not None and not fitting:
        return _off(_earlier(readings, alone))
    if not readings:
        return Standing(Explanation("undetermined", _nothing(schedule), points=points), alone)
    usual = named or readings[0].follower.name in usual_metrics(driver)[:2]
    if fitting:
        return _fitting(schedule, readings, fitting, changed=state.levels.changes > 0)
    vague = [one for one in readings if one.follower.vague is not None]
    if vague:
        reason = f"{_named(vague[0].follower)} does not say what the scheduler was given: {vague[0].follower.vague}"
    elif not usual:
        reason = f"{' or '.join(usual_metrics(driver)[1:2])} was not reported, and nothing that was explains the LR"
    elif named:
        return _off(readings[0])
    else:
        # It may follow a metric that is not reported, or one that was changed on its way: no right run is called off.
        reason = f"{_named(readings[0].follower)} does not explain the LR, nor does another metric that was reported"
    reason += "; say in the schedule's `metric` which one it follows"
    return Standing(Explanation("undetermined", reason, None, (), convention_of(readings[0]), points), readings[0])


def _fitting(
    schedule: CompiledSchedule,
    readings: Sequence[Reading],
    fitting: Sequence[Reading],
    *,
    changed: bool,
) -> Standing:
    best = next((one for one in fitting if one.certain and one.follower.vague is None), fitting[0])
    name, reason = _named(best.follower), None
    if not best.certain:
        missing = best.follower.missing
        reason = (
            f"{name} was not reported at {_place(schedule, best.follower, missing)}: what the scheduler made of it is "
            "known again once the LR shows it"
            if missing is not None
            else f"{name} is printed too coarsely to say what the scheduler made of it"
        )
    elif best.follower.vague is not None and (not changed or best is not readings[0]):
        reason = f"{name} does not say what the scheduler was given: {best.follower.vague}"
    elif not changed and best is not readings[0] and readings[0].follower.vague is None:
        reason = (
            f"{_named(readings[0].follower)} does not explain the LR, {name} would; say in the schedule's `metric` "
            "which one it follows"
        )
    verdict: Explanation = Explanation(
        "on_schedule" if reason is None else "undetermined", reason, None, (), convention_of(best), -1
    )
    return Standing(verdict, best)


def _best(driver: Driver, follower: Follower, shown: PrintFormat, peak: float) -> Reading:
    """Return the reading that explains the longest prefix."""
    return max(readings_of(driver, follower, shown, peak), key=lambda one: (one.prefix, one.certain))


def readings_of(driver: Driver, follower: Follower, shown: PrintFormat, peak: float) -> list[Reading]:
    """Return the metric's readings, one a convention that is open."""
    readings = []
    for view in settled(driver, follower, peak):
        states = view.states if isinstance(view.states, tuple) else (view.states,)
        alive = [one for one in states if shown.explains(one.key)]
        off = view.off
        if off is None and not alive and states:
            blamed = [one.blame for one in states if one.blame is not None]
            off = max(blamed, key=lambda one: one.index) if blamed else None
        certain = bool(alive) and all(isinstance(one, World) and one.known for one in alive)
        readings.append(Reading(follower, view, off, certain))
    return readings


def _rank(driver: Driver, follower: Follower) -> int:
    usual = usual_metrics(driver)
    return usual.index(follower.name) if follower.name in usual else len(usual)


def _earlier(readings: Sequence[Reading], alone: Reading) -> Reading:
    """Return the likeliest metric's reading where it is off, else that of the LR alone."""
    return readings[0] if readings and readings[0].off is not None else alone


def _off(reading: Reading) -> Standing:
    return Standing(Explanation("off_schedule", None, reading.off, (), convention_of(reading), -1), reading)


def convention_of(reading: Reading) -> dict[str, str | int]:
    """Return the convention of a reading, in the words of `reporting`."""
    return {"when": reading.view.when, "at": "start", "step_base": 0, "epoch_base": reading.follower.base}


def _named(follower: Follower) -> str:
    return follower.name or "the metric"


def _place(schedule: CompiledSchedule, follower: Follower, tick: int) -> str:
    if follower.by == "epoch":
        return f"epoch {tick}"
    return f"tick {tick}" if schedule.unit == "step" else f"report {tick}"


def _nothing(schedule: CompiledSchedule) -> str:
    name = schedule.metric or "a metric"
    return f"the schedule follows {name}, and it was not reported"
