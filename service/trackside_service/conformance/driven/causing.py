"""Why an LR that should follow a metric does not: what explains the whole log by one change of what was declared.

The log's first ticks are replayed (`fitting`). Where nothing of that explains them, or where they end before the first
LR off, what is left is what the first LR off shows by itself.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from trackside_service.conformance.causes.scale import another_group
from trackside_service.conformance.causes.words.plateau import parameter_name, plateau_words
from trackside_service.conformance.driven.fitting import Fitted, began_anew, fitted, set_by_hand
from trackside_service.conformance.driven.judging import Reading, readings_of
from trackside_service.conformance.driven.replaying import Replays, Tick, ticks_of
from trackside_service.conformance.driven.state import Driven
from trackside_service.conformance.driven.trail import Trail
from trackside_service.conformance.driven.worlds import lowered
from trackside_service.conformance.explanation import Cause, FirstOff
from trackside_service.conformance.intervals import Interval, between, whole
from trackside_service.conformance.print_stats import PrintStats
from trackside_service.conformance.printing import PrintFormat, deviation
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.driving import Driver, driver_of
from trackside_service.schedules.kinds.greedy import Greedy

_LOG: Final = logging.getLogger(__name__)
MOST: Final = 6


@dataclass(frozen=True, slots=True)
class Log:
    """What is known of the log: its first ticks, what was made of it, and how its LRs may be printed (`prints`).

    `shown` is the format that it is read in.
    """

    trail: Trail
    state: Driven
    prints: PrintStats
    shown: PrintFormat
    peak: float


@dataclass(frozen=True, slots=True)
class _Case:
    """One log that is off, and whom to speak to about it."""

    schedule: CompiledSchedule
    driver: Driver
    log: Log
    reading: Reading
    off: FirstOff

    @property
    def metric(self) -> str:
        return self.reading.follower.name or "the metric"

    @property
    def tick(self) -> str:
        """What the scheduler's ticks are, as the log shows them."""
        return "epoch" if self.reading.follower.by == "epoch" else "report"

    def words(self, cause: str, **filled: object) -> tuple[str, str]:
        """Return the reason and the advice of a cause."""
        name = self.reading.follower.name or None
        return plateau_words(self.schedule.framework, cause, metric=name, **filled)

    def explains(self, expected: float) -> bool:
        """Say whether the first LR off may be a print of `expected`."""
        return self.log.shown.explains(deviation(self.off.observed, expected, max(self.log.peak, expected)))

    @property
    def still(self) -> bool:
        """Whether the LR never changed though it should have."""
        if self.log.state.levels.changes > 0 or self.off.expected is None:
            return False
        if isinstance(self.driver.plateau, Greedy):  # it may rise as well
            return self.off.index > 0
        return self.off.observed > self.off.expected


def causes_of(
    schedule: CompiledSchedule, driver: Driver, log: Log, reading: Reading
) -> tuple[tuple[Cause, ...], Reading]:
    """Return the causes that the log does not rule out, simplest first, and the reading that they are told in."""
    off = reading.off
    if off is None:
        return (), reading
    case = _Case(schedule, driver, log, reading, off)
    if not math.isfinite(off.observed) or off.expected is None:
        return (_different(case),), reading
    try:
        # A log of one digit may be explained only where it is read as coarsely as it can be.
        for shown in dict.fromkeys((log.shown, log.prints.coarsest())):
            # What changes too early is explained further by the wrong reading, up to where it is off as well.
            for each in (reading, *_other_readings(case, shown)):
                if each.off is None or each.off.expected is None:
                    continue
                read = replace(case, log=replace(log, shown=shown), reading=each, off=each.off)
                found = tuple(_found(read, each.off.expected))
                if found:
                    return found[:MOST], each
        return _unfitted(case, off.expected), reading
    except Exception:  # the verdict is worth more than its explanation
        _LOG.exception("the search for causes of a schedule that follows a metric failed")
        return (_different(case),), reading


def _other_readings(case: _Case, shown: PrintFormat) -> list[Reading]:
    found = readings_of(case.driver, case.reading.follower, shown, case.log.peak)
    return [one for one in found if one.view.when != case.reading.view.when]


def _found(case: _Case, expected: float) -> Iterator[Cause]:
    """Yield what explains the whole log."""
    replays = _replays(case)
    if replays is None:
        return
    first = replays.stop()
    if first is None:
        return
    frozen = case.log.state.levels.changes == 0
    if case.still:
        yield _never(case)
    group = _group_of(case, replays)
    if group is not None:
        yield another_group(case.schedule, group)
    scale = _factor_of(case, expected)
    if case.off.index == 0 and scale is not None and replays.fits(scale=scale.value):
        yield _scale(case, scale)
        return
    anew = began_anew(replays, first) if case.log.trail.falls else None
    if anew is not None:
        yield _lost_state(case, anew)
    listed = fitted(replays, _others(case)) if group is None else ()
    for one in listed:
        yield _metric(case, one) if one.what == "metric" else _parameter(case, one)
    if listed or frozen or anew is not None or group is not None:
        return
    anew, hand = began_anew(replays, first), set_by_hand(replays, first)
    if anew is not None:
        yield _lost_state(case, anew)
    if hand is not None:
        yield _override(case)


def _group_of(case: _Case, replays: Replays) -> int | None:
    """Return the place of another parameter group whose LRs these are."""
    for place in range(1, len(case.schedule.groups)):
        driver = driver_of(case.schedule, place)
        if driver is not None and replace(replays, driver=driver).fits():
            return place
    return None


def _replays(case: _Case) -> Replays | None:
    """Return the log to replay, None where it was not kept from its beginning."""
    follower, view = case.reading.follower, case.reading.view
    ticks = ticks_of(case.log.trail, follower.name, follower.base)
    if not ticks:
        return None
    return Replays(case.driver, ticks, view.when, case.log.shown, case.log.peak)


def _others(case: _Case) -> Sequence[tuple[str, Sequence[Tick]]]:
    """Return the other metrics that were reported at every tick, with one value."""
    trail, follower = case.log.trail, case.reading.follower
    found = []
    for name in trail.names if follower.name else ():
        ticks = ticks_of(trail, name, follower.base) if name != follower.name and name not in trail.vague else None
        if ticks and all(tick.value is not None for tick in ticks[case.driver.begins : -1]):
            found.append((name, ticks))
    return found


def _unfitted(case: _Case, expected: float) -> tuple[Cause, ...]:
    """Return what the first LR off shows by itself."""
    off = case.off
    if case.still:
        return (_never(case),)
    scale = _factor_of(case, expected)
    if off.index == 0 and scale is not None:
        return (_scale(case, scale), _override(case))
    replays = _replays(case)
    first = replays.stop() if replays is not None else None
    if first is not None and first < case.driver.begins:  # in the warm-up, which no metric drives
        return (_different(case), _override(case))
    if not _reachable(case):
        return (_override(case), _different(case))
    if case.log.trail.falls or case.log.state.falls:
        return (_lost_state(case, None), _override(case), _different(case))
    return (_override(case), _different(case))


def _reachable(case: _Case) -> bool:
    """Say whether the plateau's own reductions lead there, to the print's precision."""
    plateau = case.driver.plateau
    if case.driver.settled is not None or isinstance(plateau, Greedy):
        return True
    level = plateau.lr
    for _ in range(1_000):
        if case.explains(level):
            return True
        below = lowered(plateau, level)
        if below == level or below < 0.5 * case.off.observed:
            return False
        level = below
    return False


def _factor_of(case: _Case, expected: float) -> Interval | None:
    """Return what the first LR off is times the expected one."""
    observed = case.off.observed
    half = float(case.log.shown.half_widths(np.array([observed]), case.log.peak)[0])
    return between((observed - half) / expected, (observed + half) / expected) if expected > 0 < observed else None


def _never(case: _Case) -> Cause:
    why, advice = case.words("never_stepped")
    rises = isinstance(case.driver.plateau, Greedy) and (case.off.expected or 0.0) > case.off.observed
    turned = "went on improving" if rises else "stopped improving"
    return Cause(
        "never_stepped",
        "frozen",
        {"lr": case.off.observed},
        f"The LR stays at {case.off.observed:.4g}, though {case.metric} {turned}: {why}.",
        advice,
    )


def _scale(case: _Case, factor: Interval) -> Cause:
    return Cause(
        "scale",
        "scale",
        {"factor": factor.as_param()},
        f"The LR is {factor} times what was declared, from the first record on.",
        case.words("scale")[1],
    )


def _override(case: _Case) -> Cause:
    why, advice = case.words("manual_override")
    return Cause(
        "manual_override",
        "level_change",
        {"lr": case.off.observed},
        f"The LR is {case.off.observed:.4g} {_where(case)}, where the schedule does not lead at that time: {why}.",
        advice,
    )


def _lost_state(case: _Case, one: Fitted | None) -> Cause:
    why, advice = case.words("resume_no_state")
    if one is None:
        return Cause("resume_no_state", "restart", {}, f"The scheduler began anew: {why}.", advice)
    base = case.reading.follower.base
    low, high = (int(one.actual[end]) + base for end in ("low", "high"))
    place = f"at {case.tick} {low}" if low == high else f"between {case.tick}s {low} and {high}"
    return Cause(
        "resume_no_state",
        "restart",
        {"tick": {"value": high, "low": low, "high": high}},
        f"The scheduler began anew {place}: {why}.",
        advice,
    )


def _parameter(case: _Case, one: Fitted) -> Cause:
    if one.what == "double_step":
        why, advice = case.words("double_step", k=one.actual, tick=case.tick)
        moves = "changes" if isinstance(case.driver.plateau, Greedy) else "falls"
        return Cause("double_step", "time_scale", {"k": one.actual}, f"The LR {moves} too early: {why}.", advice)
    declared = getattr(case.driver.plateau, one.what)
    name = parameter_name(case.schedule.framework, one.what)
    return Cause(
        "param_mismatch",
        "other_schedule",
        {"parameter": name, "declared": declared, "actual": one.actual},
        f"The log is that of a scheduler whose {name} is {_said(one.actual)}, where {_said(declared)} was declared.",
        case.words("param_mismatch", parameter=f"`{name}`")[1],
    )


def _metric(case: _Case, one: Fitted) -> Cause:
    named = one.actual or "the metric"
    return Cause(
        "param_mismatch",
        "other_schedule",
        {"parameter": "metric", "declared": case.metric, "actual": named},
        f"The log is that of a scheduler that follows {named}, where {case.metric} was declared.",
        case.words("metric")[1],
    )


def _said(value: str | float | Mapping[str, float]) -> str:
    if isinstance(value, Mapping):
        return str(Interval(value["value"], value["low"], value["high"]))
    return f"`{value}`" if isinstance(value, str) else f"{whole(value):.6g}"


def _where(case: _Case) -> str:
    off = case.off
    return f"at epoch {off.epoch:g}" if off.epoch is not None else f"at step {off.step}"


def _different(case: _Case) -> Cause:
    params: dict[str, Any] = {}
    return Cause(
        "different_schedule",
        "other_schedule",
        params,
        f"No scheduler that differs in one parameter from the declared one gives these LRs from {case.metric}.",
        case.words("different_schedule")[1],
    )
