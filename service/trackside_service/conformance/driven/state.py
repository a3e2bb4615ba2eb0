"""The comparison of an LR that follows a metric, record by record: which metric it may be, and where each tick lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from trackside_service.conformance.driven.following import Follower, When, begin, told
from trackside_service.conformance.driven.worlds import Seen
from trackside_service.conformance.observations import GIVEN, LrPoint, MetricPoint
from trackside_service.conformance.own_print import OwnPrint
from trackside_service.conformance.print_stats import PrintStats
from trackside_service.conformance.printing import read_print
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.driving import Driver

CANDIDATES: Final = 6
"""Metrics that are followed where the declaration names none."""
_CUT: Final = 1.0 - 1e-9
"""What is cut off is less than a unit of the last digit."""
_NOT_METRICS: Final = ("lr", "lr/", "grad_norm")


@dataclass(frozen=True, slots=True)
class Levels:
    """The observed LRs in short: the first, the latest and the one before it that differed, and all between these."""

    first: float = math.nan
    last: float = math.nan
    before: float = math.nan
    least: float = math.inf
    most: float = -math.inf
    changes: int = 0

    def seen(self, lr: float) -> Levels:
        """Return it with one more LR."""
        changed = lr != self.last and not math.isnan(self.last)
        return Levels(
            lr if math.isnan(self.first) else self.first,
            lr,
            self.last if changed else self.before,
            min(self.least, lr),
            max(self.most, lr),
            self.changes + changed,
        )


@dataclass(frozen=True, slots=True)
class Driven:
    """`free` follows no metric: what it calls off, no metric explains. `first`: the first epoch seen.

    `falls`: how often the log went back.
    """

    free: Follower | None = None
    followers: tuple[Follower, ...] = ()
    first: int | None = None
    levels: Levels = field(default_factory=Levels)
    falls: int = 0


@dataclass(frozen=True, slots=True)
class Against:
    """What is compared with: the schedule, what drives it, and its peak."""

    schedule: CompiledSchedule
    driver: Driver
    peak: float


def whens(schedule: CompiledSchedule) -> tuple[When, ...]:
    """Return the readings that the declaration leaves open, the preferred one first."""
    stated = schedule.reporting.when
    return ("in_use", "after_step") if stated is None else (stated,)


def follow(
    against: Against,
    state: Driven,
    point: LrPoint | MetricPoint,
    *,
    index: int,
    prints: PrintStats,
    by_own_digits: bool = False,
) -> Driven:
    """Return the state after one more record; `prints` are those of the LRs up to it, `index` is its LR's.

    `by_own_digits`: each print is held to its own last digit, not to what the others show.
    """
    schedule = against.schedule
    seen = None
    if isinstance(point, LrPoint):
        own = read_print(point.lr, point.text)
        value, shown = own.value, prints.coarsest()
        seen = Seen(index, value, point.step, point.epoch, shown.style, shown.digits, shown.decimals)
        if by_own_digits:
            seen = _loosely(seen, OwnPrint(own, prints, against.peak))
        state = replace(state, levels=state.levels.seen(value))
    key = _epoch(schedule, point)
    if state.first is None and key is not None:
        state = replace(state, first=key)
    if seen is not None:
        free = _free(against, state, point, seen)
        if free is not state.free:
            before = state.free.open if state.free is not None else None
            after = free.open if free is not None else None
            fell = before is not None and after is not None and after.key < before.key
            state = replace(state, free=free, falls=state.falls + fell)
    values = dict(_metrics(against, point.metrics))
    known = {follower.name for follower in state.followers}
    fresh = [name for name in values if name not in known]
    room = max(CANDIDATES - len(known), 0)
    followers = [*state.followers, *(_begun(against, state, point, name) for name in fresh[:room])]
    followers = [_one(against, follower, point, values.get(follower.name or GIVEN), seen) for follower in followers]
    return replace(state, followers=tuple(followers))


def is_off(state: Driven) -> bool:
    """Say whether some LR is off under every reading of each metric that is followed."""
    return bool(state.followers) and all(view.off is not None for one in state.followers for view in one.views)


def _loosely(seen: Seen, own: OwnPrint) -> Seen:
    """Return it with how far the number behind the print may lie, be it rounded or cut off."""
    if not math.isfinite(seen.value):
        return replace(seen, below=0.0)
    reach = own.reach()
    return replace(seen, below=reach.below, above=max(reach.above, reach.cut * _CUT))


def _metrics(against: Against, values: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return those that the scheduler may be given, the likeliest first."""
    schedule = against.schedule
    if schedule.metric is not None:
        return [(name, value) for name, value in values if name in (schedule.metric, GIVEN)]
    usual = usual_metrics(against.driver)
    found = [one for one in values if not one[0].startswith(_NOT_METRICS[1]) and one[0] not in _NOT_METRICS]
    return sorted(found, key=lambda one: usual.index(one[0]) if one[0] in usual else len(usual))


def usual_metrics(driver: Driver) -> tuple[str, ...]:
    """Return the metrics that a scheduler of this direction is usually given, the likeliest first."""
    if driver.plateau.mode == "max":
        return (GIVEN, "val_acc", "train_acc")
    return (GIVEN, "val_loss", "train_loss")


def _epoch(schedule: CompiledSchedule, point: LrPoint | MetricPoint) -> int | None:
    """Return the epoch that a record lies in, where the scheduler's ticks are epochs."""
    evaluations = schedule.framework == "transformers"
    if schedule.unit != "epoch" or evaluations or point.epoch is None or not math.isfinite(point.epoch):
        return None
    return math.floor(point.epoch + 1e-9)


def _base(schedule: CompiledSchedule, first: int | None) -> int:
    stated = schedule.reporting.epoch_base
    return stated if stated is not None else 1 if first == 1 else 0


def _free(against: Against, state: Driven, point: LrPoint | MetricPoint, seen: Seen) -> Follower | None:
    """Follow the LR alone, where the log says how many ticks there can have been at most."""
    schedule = against.schedule
    key, base = _epoch(schedule, point), _base(schedule, state.first)
    if key is None:
        per_tick = 1 if schedule.unit == "step" else schedule.steps_per_epoch
        if point.step is None or per_tick is None:
            return state.free
        key, base = point.step // per_tick, 0
    follower = state.free or begin(against.driver, None, ("after_step",), "epoch", min(base, key))
    return told(against.driver, follower, key, against.peak, seen=seen, whole=False)


def _begun(against: Against, state: Driven, point: LrPoint | MetricPoint, name: str) -> Follower:
    schedule = against.schedule
    key = _epoch(schedule, point)
    by: Literal["epoch", "report"] = "report" if key is None else "epoch"
    return begin(
        against.driver, name, whens(schedule), by, 0 if key is None else min(_base(schedule, state.first), key)
    )


def _one(
    against: Against, follower: Follower, point: LrPoint | MetricPoint, value: float | None, seen: Seen | None
) -> Follower:
    """Tell one metric's follower of a record."""
    if value is None and seen is None:
        return follower
    schedule = against.schedule
    key, whole = _epoch(schedule, point), point.step is None and float(point.epoch or 0.0).is_integer()
    if follower.by == "report":
        key, whole = None, value is not None
    if key is None:
        key = _arrived(follower, point, value is not None)
    if key is None:
        return follower
    interval = None
    if value is not None:
        follower, interval = _read(follower, value)
        follower = replace(follower, vague=follower.vague or _vague(schedule, follower, point))
        follower = replace(follower, at=(point.step, point.epoch), reports=follower.reports + 1)
    return told(against.driver, follower, key, against.peak, value=interval, seen=seen, whole=whole)


def _arrived(follower: Follower, point: LrPoint | MetricPoint, reported: bool) -> int | None:
    """Return the tick that a record without an epoch belongs to: by its place beside the last report, else in order."""
    opened = follower.open
    if opened is None:
        return follower.base
    if reported:
        return opened.key + (opened.value is not None)
    step, epoch = follower.at
    for mine, theirs in ((point.step, step), (point.epoch, epoch)):
        if mine is not None and theirs is not None:
            if mine < theirs:
                return None  # reported late: its tick is gone
            if mine == theirs:
                return opened.key
            break
    return opened.key + (opened.value is not None)


def _read(follower: Follower, value: float) -> tuple[Follower, tuple[float, float]]:
    """Return what a metric's print stands for, by what the prints have shown of it so far."""
    if not math.isfinite(value):
        return follower, (value, value)
    shown = read_print(value, None)
    decimals, significant = max(follower.decimals, shown.decimals), max(follower.significant, shown.significant)
    if decimals != follower.decimals or significant != follower.significant:
        follower = replace(follower, decimals=decimals, significant=significant)
    size = math.floor(math.log10(abs(value))) if value else -decimals
    half = 0.5005 * max(10.0 ** -min(decimals, 300), 10.0 ** max(size + 1 - significant, -300))
    return follower, (value - half, value + half)


def _vague(schedule: CompiledSchedule, follower: Follower, point: LrPoint | MetricPoint) -> str | None:
    """Say why a report may be none of the values that the scheduler got."""
    if follower.by == "epoch":
        if point.epoch is None or not float(point.epoch).is_integer():
            return "it is reported inside the epochs"
        return None
    step, epoch = follower.at
    if follower.reports == 0:
        return None
    if schedule.framework == "transformers":
        # They come whenever they are asked for; which of them a checkpoint behind them had seen is not said.
        if step is not None and point.step is not None:
            return "its steps fall back" if point.step < step else None
        fell = epoch is not None and point.epoch is not None and point.epoch < epoch
        return "its epochs fall back" if fell else None
    if step is not None and point.step is not None:
        if point.step <= step:
            return "its steps fall back"
        ticks = 1 if schedule.unit == "step" else schedule.steps_per_epoch
        if ticks is not None and point.step - step != ticks:
            return f"it is not reported every {ticks} steps" if ticks > 1 else "it is not reported at every step"
    elif epoch is not None and point.epoch is not None and point.epoch <= epoch:
        return "its epochs fall back"
    return None
