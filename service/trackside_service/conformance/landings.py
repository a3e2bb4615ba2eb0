"""Where one point may lie: its windows of ticks under every convention that is open, each that differs once.

Runs of a sweep count the same epochs, and a run prints one many times, so what epochs come to is remembered.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from typing import Literal, NamedTuple, TypeAlias

from trackside_service.conformance.conventions import Convention, candidates, counted_before, tick_at
from trackside_service.conformance.epochs import by_epoch, shifted, windows
from trackside_service.conformance.observations import LrPoint
from trackside_service.schedules.compiled import CompiledSchedule, Reporting

Where: TypeAlias = tuple[tuple[int, tuple[int, int] | None], ...]
"""Windows, each under the lowest level of the epochs that has it (`epochs.windows`)."""
Landing: TypeAlias = tuple[Where, tuple[int, ...]]
"""A place, and the numbers of the conventions that put the point there."""


class _Clock(NamedTuple):
    """What of a schedule says where an epoch lies."""

    unit: Literal["step", "epoch"]
    steps_per_epoch: int | None


def landings(schedule: CompiledSchedule, point: LrPoint, counted: int, least: int) -> tuple[Landing, ...]:
    """Return where `point` may lie. `counted` is as in `candidates`; `least`: the lowest level that the epochs have."""
    if by_epoch(schedule, point):
        clock = _Clock(schedule.unit, schedule.steps_per_epoch)
        epoch = LrPoint(0.0, None, point.epoch, before=point.before, perhaps=point.perhaps)
        return _of_epoch(clock, schedule.reporting, counted, epoch, least)
    stepped = point.step is not None and (schedule.unit == "step" or schedule.steps_per_epoch is not None)
    found: dict[Where, tuple[int, ...]] = {}
    for convention, alike in _alike(schedule.reporting, counted, stepped):
        tick = tick_at(schedule, convention, point)
        where = ((0, None if tick is None else (int(tick), int(tick))),)
        found[where] = (*found.get(where, ()), *alike)
    return tuple(found.items())


@lru_cache(maxsize=4096)
def _of_epoch(clock: _Clock, reporting: Reporting, counted: int, point: LrPoint, least: int) -> tuple[Landing, ...]:
    assert point.epoch is not None
    spread: dict[tuple[str, int, int, bool], dict[int, tuple[int, int] | None]] = {}
    found: dict[Where, tuple[int, ...]] = {}
    for convention, alike in _alike(reporting, counted, False):
        before = counted_before(convention, point)
        inside = clock.unit == "epoch" and convention.when == "after_step"
        read = (convention.at, convention.epoch_base, before, inside)
        if read not in spread:
            as_read = convention if inside else replace(convention, when="in_use")
            spread[read] = windows(clock, as_read, point.epoch, least, before)
        places = shifted(spread[read], 1) if convention.when == "after_step" and not inside else spread[read]
        where = tuple(places.items())
        found[where] = (*found.get(where, ()), *alike)
    return tuple(found.items())


@cache
def _alike(reporting: Reporting, counted: int, stepped: bool) -> tuple[tuple[Convention, tuple[int, ...]], ...]:
    """Return the conventions that differ for a point with or without a step, and which others each stands for."""
    found: dict[object, tuple[Convention, list[int]]] = {}
    for place, one in enumerate(candidates(reporting, counted)):
        key = (one.when, one.resumed, *((one.step_base,) if stepped else (one.at, one.epoch_base)))
        found.setdefault(key, (one, []))[1].append(place)
    return tuple((one, tuple(places)) for one, places in found.values())
