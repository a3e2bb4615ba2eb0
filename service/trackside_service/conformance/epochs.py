"""What a printed epoch says about the ticks taken: one of them, or any of a few where the epochs are rounded.

An epoch of 0.51 with 1,000 updates an epoch is one of eleven updates, and which one is not known. How far the epochs
are rounded shows only over the whole log, so a point is looked at in every way that may yet turn out to be right: its
*level* is the number of decimals that the log's epochs have. A point that no tick of the window explains at one level
is not explained at any finer one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, Protocol

import numpy as np

from trackside_service.conformance.conventions import MOST_TICKS, Convention, met
from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.printing import read_print
from trackside_service.schedules.compiled import CompiledSchedule

EXACT: Final = 9
"""From so many decimals on an epoch is taken as the number itself."""
WHOLE: Final = 10
"""The level of whole epochs that each occur once: numbers themselves too, and none tells of the inside of an epoch."""
WIDEST: Final = 4096
"""Ticks among which a point may lie; with more of them it is not placed."""


@dataclass(frozen=True, slots=True)
class EpochStats:
    """The evidence about the epochs so far, of points that are placed by them: `several` different ones in a row were
    seen, and `repeated` ones, as where a loop prints its whole epoch every few updates.
    """

    decimals: int = 0
    last: float | None = None
    several: bool = False
    repeated: bool = False

    def seen(self, epoch: float) -> EpochStats:
        """Return the evidence with one more epoch."""
        if not math.isfinite(epoch):
            return self
        decimals = max(self.decimals, 0 if epoch == int(epoch) else read_print(epoch, None).decimals)
        same = self.last is not None and epoch == self.last
        several = self.several or (self.last is not None and not same)
        return EpochStats(decimals, epoch, several, self.repeated or same)

    @property
    def least(self) -> int:
        """The lowest level that the log may yet turn out to have."""
        return min(self.decimals, EXACT)

    @property
    def once(self) -> bool:
        """Whether the epochs are whole and each occurs once."""
        return not self.decimals and self.several and not self.repeated

    @property
    def level(self) -> int:
        """The level by what was seen: 0 for whole epochs that say no more than the epoch."""
        if self.decimals:
            return self.least
        return WHOLE if self.once else 0


def by_epoch(schedule: CompiledSchedule, point: LrPoint) -> bool:
    """Say whether the point is placed by its epoch."""
    stepped = point.step is not None and (schedule.unit == "step" or schedule.steps_per_epoch is not None)
    return not stepped and not schedule.flat and point.epoch is not None and math.isfinite(point.epoch)


class Clock(Protocol):
    """What of a schedule says where an epoch lies."""

    @property
    def unit(self) -> Literal["step", "epoch"]: ...
    @property
    def steps_per_epoch(self) -> int | None: ...


def window(
    schedule: Clock, convention: Convention, epoch: float, level: int, before: int = 0
) -> tuple[int, int] | None:
    """Return the first and the last tick that may have been taken: None where no tick, or too many, may be meant; the
    last is negative where the convention is impossible there. `before`: updates done before the epochs were counted.
    """
    since, per_epoch = epoch - convention.epoch_base, schedule.steps_per_epoch
    if before and per_epoch is not None:
        if since <= -1.0:
            return -1, -1
        since += before / per_epoch
    reach = reach_of(level)
    if schedule.unit == "epoch":
        reach = min(reach, 0.5000005)
        if convention.when == "after_step" and level < WHOLE:
            first, last = _after_step(since, reach, convention.at)
            return (max(first, 0), last) if last >= 0 else (-1, -1)
        if convention.at == "start":
            first, last = math.floor(since - reach + 1e-9), math.floor(since + reach + 1e-9)
        else:
            first, last = math.ceil(since - reach - 1e-9), math.ceil(since + reach - 1e-9)
    elif per_epoch is None:
        return None
    else:
        exact = since * per_epoch if convention.at == "start" else (since + 1.0) * per_epoch - 1.0
        # A whole epoch that stands for all of its updates was cut off or rounded.
        below, above = (reach, reach) if level else (reach / 2, reach)
        first = math.ceil(exact - max(below * per_epoch, met(exact)))
        last = math.floor(exact + max(above * per_epoch, met(exact)))
    if last < first or last - first >= WIDEST or last >= MOST_TICKS:
        return None
    if last < 0:
        return -1, -1
    after = 1 if convention.when == "after_step" else 0
    return max(first, 0) + after, last + after


def _after_step(since: float, reach: float, at: str) -> tuple[int, int]:
    """Return the epochs whose step may have been taken when the LR was read inside an epoch, or at an end of one.

    Inside it the step of its end is to come; only the last update's LR is read after that, and which update is the last
    is not known: it lies in the second half, or is printed as the whole epoch.
    """
    if at == "end":  # epochs count what is done
        return math.floor(since + 1.0 - reach + 1e-9), math.floor(since + 1.0 + reach + 1e-9)
    first, last = math.floor(since - reach + 1e-9), math.floor(since + reach + 1e-9)
    met = math.floor(since - reach - 1e-9) < last
    return first, last + (met or since + reach - last >= 0.5 - 1e-9)


def windows(
    schedule: Clock, convention: Convention, epoch: float, least: int, before: int = 0
) -> dict[int, tuple[int, int] | None]:
    """Return the windows from level `least` to the exact one where they differ, the finest first: each under the lowest
    level that has it.
    """
    whole = schedule.unit == "epoch" and epoch == math.floor(epoch)
    # However little a whole epoch is rounded, it may be of the epoch beside it as well: one level says it all.
    levels = list(dict.fromkeys([WHOLE, EXACT, least])) if whole else list(range(EXACT, least - 1, -1))
    ends = levels if whole else (levels[0], levels[-1])
    known = {level: window(schedule, convention, epoch, level, before) for level in ends}
    if len(levels) > 2 and not whole:
        _fill(known, levels[0], levels[-1], lambda level: window(schedule, convention, epoch, level, before))
    found: dict[int, tuple[int, int] | None] = {}
    for level, finer in zip(levels, (None, *levels), strict=False):
        if finer is not None and known[level] == known[finer]:
            del found[finer]
        found[level] = known[level]
    return found


def shifted(places: dict[int, tuple[int, int] | None], ticks: int) -> dict[int, tuple[int, int] | None]:
    """Return windows read so many ticks later; none stays none, and impossible ones stay impossible."""
    return {
        level: place if place is None or place[1] < 0 else (place[0] + ticks, place[1] + ticks)
        for level, place in places.items()
    }


def _fill(
    known: dict[int, tuple[int, int] | None], high: int, low: int, look: Callable[[int], tuple[int, int] | None]
) -> None:
    """Look up the levels between two known ones. Coarser windows hold the finer ones: between two alike, all are."""
    if high - low < 2:
        return
    if known[high] == known[low] and known[high] is not None:  # no window: none yet, or too many ticks
        known.update(dict.fromkeys(range(low + 1, high), known[high]))
        return
    middle = (high + low) // 2
    known[middle] = look(middle)
    _fill(known, high, middle, look)
    _fill(known, middle, low, look)


@lru_cache(maxsize=256)
def _sorted_lrs(known: _Same, first: int, last: int) -> tuple[float, ...] | None:
    lrs = known.schedule.lrs(np.arange(first, last + 1, dtype=np.float64))
    return None if bool(np.isnan(lrs).any()) else tuple(np.sort(lrs).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A schedule as a key: itself, not its like."""

    schedule: CompiledSchedule

    def __hash__(self) -> int:
        return id(self.schedule)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.schedule is self.schedule


def lrs_within(schedule: CompiledSchedule, first: int, last: int) -> tuple[float, ...] | None:
    """Return the LRs of the ticks from `first` to `last` in ascending order; None where one is not known."""
    return _sorted_lrs(_Same(schedule), first, last)


def reach_of(level: int) -> float:
    """Return how far an epoch of so many decimals may be from the one that it stands for."""
    return 0.0 if level >= EXACT else 0.5000005 * 10.0**-level if level else 1.0
