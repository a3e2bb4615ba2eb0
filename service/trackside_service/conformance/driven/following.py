"""One metric followed beside the LR: tick by tick through the plateau's states, as far as the log tells them.

What belongs to one tick is held open until a later tick is seen, so that the metric may be reported before or after the
LR. A plateau is read in two ways, as conventions go: the LR of a tick was read before the scheduler's step, or after.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from trackside_service.conformance.driven.worlds import (
    MOST,
    Seen,
    World,
    fresh,
    loosened,
    matching,
    readiest,
    ticked,
)
from trackside_service.conformance.explanation import FirstOff
from trackside_service.schedules.driving import Driver

When: TypeAlias = Literal["in_use", "after_step"]
SNAPSHOTS: Final = 3
GAP: Final = 512
"""Missing ticks in a row that are followed; more, and nothing can be told."""
_SEEN: Final = 8


@dataclass(frozen=True, slots=True)
class View:
    """The states under one reading. `off`: the first LR that none explains, `latest`: the last such; `back`: LRs in a
    row since then that are explained. `lost`: only how soon a reduction can come is still known.
    """

    when: When
    worlds: tuple[World, ...]
    off: FirstOff | None = None
    latest: FirstOff | None = None
    back: int = 0
    lost: bool = False


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
    `missing`: the last tick without a value. `decimals`, `significant`: the most that its prints have shown.
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
    decimals: int = 0
    significant: int = 0
    snapshots: tuple[tuple[int, tuple[tuple[World, ...], ...]], ...] = ()


def begin(
    driver: Driver, name: str | None, whens: tuple[When, ...], by: Literal["epoch", "report"], base: int
) -> Follower:
    """Return a metric's follower before its first tick."""
    first = (fresh(driver.plateau),)
    return Follower(name, tuple(View(when, first, lost=name is None) for when in whens), by, base)


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
        if seen is None:
            return follower  # a late value: the tick was followed without it
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
            value = _hull(tick.value, value)
            follower = replace(follower, vague=follower.vague or "it is reported several times an epoch")
        tick = replace(tick, value=value)
    if seen is not None:
        tick = replace(tick, whole=tick.whole and whole)
        if len(tick.seen) < _SEEN and (not tick.seen or tick.seen[-1].value != seen.value):
            tick = replace(tick, seen=(*tick.seen, seen))
    return replace(follower, open=tick)


def _hull(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Return what covers both values: it is not known which of them the scheduler got."""
    numbers = (*one, *other)
    if any(math.isnan(each) for each in numbers) and not all(math.isnan(each) for each in numbers):
        return -math.inf, math.inf
    return min(numbers), max(numbers)


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
    snapshot = (key, tuple(view.worlds for view in follower.views))
    kept = (*(one for one in follower.snapshots if one[0] < key), snapshot)[-SNAPSHOTS:]
    return replace(follower, open=Tick(key), snapshots=kept)


def _skipped(driver: Driver, follower: Follower, first: int, until: int) -> Follower:
    """Go through ticks of which nothing was reported."""
    if until <= first:
        return follower
    if until - first > GAP:
        return replace(follower, vague=follower.vague or f"nothing was reported of {until - first} ticks")
    views = follower.views
    for key in range(first, until):
        now = tuple(_stepped(driver, view, key - follower.base, None) for view in views)
        if now == views and key - follower.base > driver.begins:
            break
        views = now
    gone = follower.name is not None and until - 1 - follower.base >= driver.begins
    return replace(follower, views=views, missing=until - 1 if gone else follower.missing)


def _rewound(driver: Driver, follower: Follower, key: int) -> Follower:
    """Go back to an earlier tick: a new process life goes on from a checkpoint."""
    known = [one for one in follower.snapshots if one[0] <= key]
    if known:
        first, held = known[-1]
    else:
        first, held = follower.base, tuple((fresh(driver.plateau),) for _ in follower.views)
    views = tuple(replace(view, worlds=worlds) for view, worlds in zip(follower.views, held, strict=True))
    follower = replace(follower, views=views, snapshots=tuple(known))
    return _opened(_skipped(driver, follower, first, key), key)


def _through(driver: Driver, view: View, tick: Tick, count: int, *, peak: float, name: str | None) -> View:
    """Take one tick with all that was reported of it; `count` ticks were taken before."""
    if view.when == "in_use":
        for seen in tick.seen:
            view = _looked(driver, view, seen, count, matching(driver, view.worlds, seen, count, peak))
        return _stepped(driver, view, count, tick.value)
    if tick.whole and name is not None:
        view = _stepped(driver, view, count, tick.value)
        for seen in tick.seen:
            view = _looked(driver, view, seen, count + 1, matching(driver, view.worlds, seen, count + 1, peak))
        return view
    # Somewhere inside the epoch the step may have been taken, and stays taken.
    before, after = view, replace(view, worlds=())
    for seen in tick.seen:
        passed = _stepped(driver, before, count, tick.value)
        had = (*after.worlds, *passed.worlds)
        still = matching(driver, before.worlds, seen, count, peak)
        then = matching(driver, had, seen, count + 1, peak)
        view = _looked(driver, replace(view, worlds=(*before.worlds, *had)), seen, count, (*still, *then))
        if still or then:
            before, after = replace(before, worlds=still), replace(after, worlds=then)
    passed = _stepped(driver, before, count, tick.value) if before.worlds else before
    worlds = _distinct((*after.worlds, *passed.worlds))
    return replace(view, worlds=readiest(worlds) if passed.lost else worlds, lost=passed.lost)


def _distinct(worlds: tuple[World, ...]) -> tuple[World, ...]:
    return tuple(dict.fromkeys(worlds))


def _stepped(driver: Driver, view: View, count: int, value: tuple[float, float] | None) -> View:
    if count < driver.begins:
        return view
    if view.lost:
        return replace(view, worlds=loosened(driver.plateau, view.worlds))
    worlds = ticked(driver.plateau, view.worlds, value)
    if len(worlds) > MOST:
        return replace(view, worlds=readiest(worlds), lost=True)
    return replace(view, worlds=worlds)


def _looked(driver: Driver, view: View, seen: Seen, count: int, kept: tuple[World, ...]) -> View:
    """Return the view after an LR that `kept` explains; where none does, the states go on as they were."""
    if kept:
        return replace(view, worlds=kept, back=view.back + (view.off is not None))
    levels = {driver.lr_at(count, world.level) for world in view.worlds}
    expected = min(levels, key=lambda level: (abs(level - seen.value), level)) if levels else None
    off = FirstOff(seen.index, seen.step, seen.epoch, expected, seen.value)
    return replace(view, off=view.off or off, latest=off, back=0)
