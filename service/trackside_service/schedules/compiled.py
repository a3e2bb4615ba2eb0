"""A schedule ready to be asked for its LRs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from trackside_service.errors import ScheduleError
from trackside_service.schedules.curve import Curve, FloatArray
from trackside_service.schedules.kinds.constant import Constant

_EVERY: Final = 2_000
"""Ticks that are all looked at for the peak: beyond them, the curves' landmarks."""


@dataclass(frozen=True, slots=True)
class Reporting:
    """How the loop counts and reads its LR, as far as it was stated (None: to be found).

    `exact`: the LRs are sent as they are in use, not as printed, so each is the number itself.
    """

    when: Literal["in_use", "after_step"] | None = None
    at: Literal["start", "end"] | None = None
    step_base: Literal[0, 1] | None = None
    epoch_base: Literal[0, 1] | None = None
    exact: bool | None = None


@dataclass(frozen=True, slots=True)
class CompiledSchedule:
    """A declared schedule as curves. `unit` says what one tick is; `source` is the declaration as it came (of a
    function of transformers: as the get_scheduler call that it is).

    `total` is the number of ticks configured where the constructor names it; `refused_after` the last tick that
    the real
    library takes, and `refusal` what it raises then.

    `metric`: the name of the metric that drives it, where the declaration says it.

    `first`: the declaration's number of the parameter group that stands first in `groups`; `of_group` puts another
    there.
    """

    unit: Literal["step", "epoch"]
    steps_per_epoch: int | None
    reporting: Reporting
    framework: str | None
    name: str
    source: Mapping[str, Any]
    groups: tuple[Curve, ...]
    base_lrs: tuple[float, ...] | None
    total: float | None = None
    refused_after: int | None = None
    refusal: str = ""
    first: int = 0
    metric: str | None = None
    _of_group: dict[int, CompiledSchedule] = field(default_factory=dict, init=False, repr=False, compare=False)
    _horizon: list[int | None] = field(default_factory=list, init=False, repr=False, compare=False)

    def of_group(self, number: int) -> CompiledSchedule:
        """Return the schedule with the declaration's group `number` first, and the others behind it in their order.

        It is the same object every time. Raises `IndexError` where the declaration has no such group.
        """
        if number == self.first:
            return self
        if not 0 <= number < len(self.groups):
            raise IndexError(f"the schedule has {len(self.groups)} parameter groups: there is no group {number}")
        if number not in self._of_group:
            order = sorted(range(len(self.groups)), key=self.number_of)
            order.insert(0, order.pop(number))
            bases = self.base_lrs
            if bases is not None and len(bases) == len(order):
                bases = tuple(bases[place] for place in order)
            groups = tuple(self.groups[place] for place in order)
            self._of_group[number] = replace(self, groups=groups, base_lrs=bases, first=number)
        return self._of_group[number]

    def number_of(self, place: int) -> int:
        """Return the declaration's number of the group at `place` in `groups`."""
        if place == 0:
            return self.first
        return place - 1 if place <= self.first else place

    @property
    def flat(self) -> bool:
        """Whether the LR never changes, so that it does not matter where a point lies."""
        return all(isinstance(curve, Constant) for curve in self.groups)

    def lrs(self, ticks: npt.ArrayLike, group: int = 0) -> FloatArray:
        """Return the LRs at `ticks` (>= 0, any shape), float64 of that shape; NaN where the LR is not known or
        refused.
        """
        clock = np.asarray(ticks, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # gamma > 1 grows beyond every float
            values = self.groups[group].lrs(np.atleast_1d(clock))
        if self.refused_after is not None:
            values = np.where(np.atleast_1d(clock) > self.refused_after, np.nan, values)
        return values.reshape(clock.shape)

    def followed_to(self, tick: float) -> int:
        """Return how many ticks, in all groups, are computed one after another to know the LR at `tick`."""
        return sum(curve.followed_to(tick) for curve in self.groups)

    @property
    def metric_driven(self) -> bool:
        """Whether the LR depends on a metric that the run reports: `driven_by` makes it known."""
        return any(curve.metric_driven for curve in self.groups)

    def driven_by(self, metric: npt.ArrayLike) -> CompiledSchedule:
        """Return the schedule replayed from `metric`, one value a tick: value i is what tick i + 1 was taken with.

        Schedules that no metric drives take no notice of it.
        """
        values = np.asarray(metric, dtype=np.float64)
        return replace(self, groups=tuple(curve.driven_by(values) for curve in self.groups))

    def ticks_at_updates(self, updates: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the ticks taken before each update (counted from 0). Raises `ScheduleError` where that cannot
        be known.
        """
        counts = np.asarray(updates, dtype=np.int64)
        if self.unit == "step" or self.flat:
            return counts
        if self.steps_per_epoch is None:
            raise ScheduleError(
                "this schedule is stepped per epoch: steps_per_epoch is needed to know the LR at an update"
            )
        return counts // self.steps_per_epoch

    def lrs_at_updates(self, updates: npt.ArrayLike, group: int = 0) -> FloatArray:
        """Return the LRs in use at `updates` (counted from 0). Raises `ScheduleError` where that cannot be known."""
        return self.lrs(self.ticks_at_updates(updates), group)

    def peak(self, group: int = 0) -> float:
        """Return the largest absolute LR within the schedule's own horizon."""
        curve, horizon = self.groups[group], self.horizon
        last = math.inf if horizon is None else horizon - (1 if self.total is not None else 0)
        marks = [tick for mark in curve.landmarks() for tick in (math.floor(mark), math.ceil(mark))]
        every = np.arange(min(last, _EVERY) + 1) if horizon is not None else np.zeros(1)
        inside = np.asarray([tick for tick in marks if 0 <= tick <= last], dtype=np.float64)
        known = self.lrs(np.union1d(inside, every), group)
        return float(np.nanmax(np.abs(known), initial=0.0))

    @property
    def horizon(self) -> int | None:
        """Ticks configured in all: after them nothing new happens. None for schedules without an end."""
        if not self._horizon:  # asked for every group, and it takes all of them to say
            ends = [curve.horizon for curve in self.groups] if self.total is None else [self.total]
            known = [end for end in ends if end is not None]
            self._horizon.append(math.ceil(max(known)) if known else None)
        return self._horizon[0]

    def restarts(self, up_to_tick: float, group: int = 0) -> FloatArray:
        """Return the ticks in (0, up_to_tick] at which a cycle begins anew by design."""
        return self.groups[group].restarts(up_to_tick)
