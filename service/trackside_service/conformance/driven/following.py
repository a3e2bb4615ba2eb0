"""One metric followed beside the LR: tick by tick through the plateau's states, as far as the log tells them.

What belongs to one tick is held open until a later tick is seen, so that the metric may be reported before or after the
LR. A plateau is read in two ways, as conventions go: the LR of a tick was read before the scheduler's step, or after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from trackside_service.conformance.driven.ranges import (
    Range,
    known_again,
    narrowed,
    nearest,
    range_of,
    united,
    waited,
)
from trackside_service.conformance.driven.worlds import MOST, Seen, World, fresh, hull, matching, ticked
from trackside_service.conformance.explanation import FirstOff
from trackside_service.schedules.driving import Driver

When: TypeAlias = Literal["in_use", "after_step"]
States: TypeAlias = tuple[World, ...] | Range
"""The states that the plateau may be in; where they are too many, how far it can have come."""
SNAPSHOTS: Final = 3
TOUCHED: Final = 128
"""States that are gone through at most for the missing ticks before a record."""
_SEEN: Final = 8


@dataclass(frozen=True, slots=True)
class View:
    """The states under one reading. `off`: the first LR that none explains, `latest`: the last such; `back`: LRs in a
    row since then that are explained.
    """

    when: When
    states: States
    off: FirstOff | None = None
    latest: FirstOff | None = None
    back: int = 0


@dataclass(frozen=True, slots=True)
class Tick:
    """What was reported of one tick so far. `whole`: its LRs are of the whole epoch, not of a place inside it."""

    key: int
    value: tuple[float, float] | None = None
    seen: tuple[Seen, ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Follower:
    """`name`: the metric, None where none is followed. `by`: whether its ticks are epochs or its own reports.

    `at`: step and epoch of its last report. `vague`: why its values cannot be taken as those that the scheduler got.
    `missing`: the last tick without a value, `valued`: the last with one. `decimals`, `significant`: the most that its
    prints have shown.
    """

    name: str | None
    views: tuple[View, ...]
    by: Literal["epoch", "report"] = "epoch"
    base: int = 0
    open: Tick | None = None
    reports: int = 0
    at: tuple[int | None, float | None] = (None, None)
    vague: str | None = None
    missing: int | None = None
    valued: int | None = None
    decimals: int = 0
    significant: int = 0
    snapshots: tuple[tuple[int, tuple[States, ...]], ...] = ()


def begin(
    driver: Driver, name: str | None, whens: tuple[When, ...], by: Literal["epoch", "report"], base: int
) -> Follower:
    """Return a metric's follower before its first tick."""
    first = _first(driver, name)
    return Follower(name, tuple(View(when, first) for when in whens), by, base)


def _first(driver: Driver, name: str | None) -> States:
    first = (fresh(driver.plateau),)
    return range_of(driver.plateau, first) if name is None else first


def told(
    driver: Driver,
    follower: Follower,
    key: int,
    peak: float,
    *,
    value: tuple[float, float] | None = None,
    seen: Seen | None = None,
    whole: bool = True,
) -> Follower:
    """Return the follower after something was reported of tick `key`: the metric, the LR, or both."""
    opened = follower.open
    if opened is not None and key < opened.key:
        if seen is None and (follower.valued is None or key > follower.valued):
            return follower  # a late value: its tick was followed without it
        follower = _rewound(driver, follower, key)
    elif opened is None:
        follower = _opened(_skipped(driver, follower, follower.base, key), key)
    elif key > opened.key:
        follower = _closed(driver, follower, peak)
        follower = _opened(_skipped(driver, follower, opened.key + 1, key), key)
    tick = follower.open
    assert tick is not None
    if value is not None:
        if tick.value is not None and tick.value != value:
            value = hull(tick.value, value)
            follower = replace(follower, vague=follower.vague or "it is reported several times an epoch")
        tick = replace(tick, value=value)
        if follower.valued != key:
            follower = replace(follower, valued=key)
    if seen is not None:
        tick = replace(tick, whole=tick.whole and whole)
        if len(tick.seen) < _SEEN and (not tick.seen or tick.seen[-1].value != seen.value):
            tick = replace(tick, seen=(*tick.seen, seen))
    return replace(follower, open=tick)


def settled(driver: Driver, follower: Follower, peak: float) -> tuple[View, ...]:
    """Return the views with the open tick taken as it is now."""
    tick = follower.open
    if tick is None:
        return follower.views
    return tuple(
        _through(driver, view, tick, tick.key - follower.base, peak=peak, name=follower.name) for view in follower.views
    )


def _closed(driver: Driver, follower: Follower, peak: float) -> Follower:
    tick = follower.open
    assert tick is not None
    gone = follower.name is not None and tick.value is None and tick.key - follower.base >= driver.begins
    return replace(
        follower,
        views=settled(driver, follower, peak),
        missing=tick.key if gone else follower.missing,
        open=None,
    )


def _opened(follower: Follower, key: int) -> Follower:
    snapshot = (key, tuple(view.states for view in follower.views))
    kept = (*(one for one in follower.snapshots if one[0] < key), snapshot)[-SNAPSHOTS:]
    return replace(follower, open=Tick(key), snapshots=kept)


def _skipped(driver: Driver, follower: Follower, first: int, until: int) -> Follower:
    """Go through ticks of which nothing was reported."""
    begins = follower.base + driver.begins
    ticks = until - max(first, begins)
    if ticks <= 0:
        return follower
    views = tuple(replace(view, states=_unseen(driver, view.states, ticks)) for view in follower.views)
    return replace(follower, views=views, missing=follower.missing if follower.name is None else until - 1)


def _unseen(driver: Driver, states: States, ticks: int) -> States:
    """Return the states after so many ticks of which nothing is known: one by one while they are few."""
    touched = 0
    while ticks > 0 and states and isinstance(states, tuple):
        if touched + len(states) > TOUCHED:
            states = range_of(driver.plateau, states)
            break
        touched += len(states)
        before, states = states, _ticked(driver, states, None)
        ticks -= 1
        if states == before:
            return states
    return states if isinstance(states, tuple) else waited(driver.plateau, states, ticks)


def _rewound(driver: Driver, follower: Follower, key: int) -> Follower:
    """Go back to an earlier tick: a new process life goes on from a checkpoint."""
    known = [one for one in follower.snapshots if one[0] <= key]
    if known:
        first, held = known[-1]
    else:
        first, held = follower.base, (_first(driver, follower.name),) * len(follower.views)
    views = tuple(replace(view, states=states) for view, states in zip(follower.views, held, strict=True))
    follower = replace(follower, views=views, snapshots=tuple(known))
    return _opened(_skipped(driver, follower, first, key), key)


def _through(driver: Driver, view: View, tick: Tick, count: int, *, peak: float, name: str | None) -> View:
    """Take one tick with all that was reported of it; `count` ticks were taken before."""
    if view.when == "in_use":
        for seen in tick.seen:
            kept = _matched(driver, view.states, seen, count, peak, name=name)
            view = _looked(driver, view, seen, count, kept)
        return replace(view, states=_stepped(driver, view.states, count, tick.value))
    if tick.whole and name is not None:
        view = replace(view, states=_stepped(driver, view.states, count, tick.value))
        for seen in tick.seen:
            kept = _matched(driver, view.states, seen, count + 1, peak, name=name)
            view = _looked(driver, view, seen, count + 1, kept)
        return view
    # Somewhere inside the epoch the step may have been taken, and stays taken.
    before: States = view.states
    after: States = ()
    for seen in tick.seen:
        had = _joined(driver, after, _stepped(driver, before, count, tick.value))
        still = _matched(driver, before, seen, count, peak, name=name)
        then = _matched(driver, had, seen, count + 1, peak, name=name)
        view = _looked(driver, replace(view, states=_joined(driver, before, had)), seen, count, still or then)
        if still or then:
            before, after = still, then
    return replace(view, states=_joined(driver, after, _stepped(driver, before, count, tick.value)))


def _joined(driver: Driver, one: States, other: States) -> States:
    if not one or not other:
        return one or other
    if isinstance(one, tuple) and isinstance(other, tuple):
        both = tuple(dict.fromkeys((*one, *other)))
        return both if len(both) <= MOST else range_of(driver.plateau, both)
    plateau = driver.plateau
    ranges = [range_of(plateau, each) if isinstance(each, tuple) else each for each in (one, other)]
    return united(plateau, *ranges)


def _stepped(driver: Driver, states: States, count: int, value: tuple[float, float] | None) -> States:
    if count < driver.begins or not states:
        return states
    return _ticked(driver, states, value)


def _ticked(driver: Driver, states: States, value: tuple[float, float] | None) -> States:
    if not isinstance(states, tuple):
        return waited(driver.plateau, states, 1)
    worlds = ticked(driver.plateau, states, value)
    return worlds if len(worlds) <= MOST else range_of(driver.plateau, worlds)


def _matched(driver: Driver, states: States, seen: Seen, count: int, peak: float, *, name: str | None) -> States:
    if not isinstance(states, tuple):
        held = narrowed(driver, states, seen, max(count, 0), peak)
        again = None if held is None or name is None else known_again(driver.plateau, held)
        return (again,) if again is not None else held or ()
    return matching(driver, states, seen, count, peak)


def _looked(driver: Driver, view: View, seen: Seen, count: int, kept: States) -> View:
    """Return the view after an LR that `kept` explains; where none does, the states go on as they were."""
    if kept:
        return replace(view, states=kept, back=view.back + (view.off is not None))
    count = max(count, 0)
    if not isinstance(view.states, tuple):
        expected: float | None = nearest(driver, view.states, seen, count)
    else:
        levels = {driver.lr_at(count, level) for level in {world.level for world in view.states}}
        expected = min(levels, key=lambda level: (abs(level - seen.value), level)) if levels else None
    off = FirstOff(seen.index, seen.step, seen.epoch, expected, seen.value)
    return replace(view, off=view.off or off, latest=off, back=0)
