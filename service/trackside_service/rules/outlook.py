"""The declared schedule over the length of the run, which is what the rules on plans look at (PLAN002 and on).

The run's length comes from `total_epochs`, and from `steps_per_epoch` where the schedule is stepped per update. Long
runs are sampled, landmarks of the schedule included, so that opening a run costs the same whatever its length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from trackside_service.rules.base import RunContext
from trackside_service.schedules import CompiledSchedule, Curve
from trackside_service.schedules.curve import FloatArray
from trackside_service.schedules.kinds.phases import Phases
from trackside_service.schedules.kinds.plateau import PlateauOfTicks
from trackside_service.schedules.kinds.product import Product

MAX_SAMPLES: Final = 20_000
MAX_FOLLOWED: Final = 500_000  # ticks of schedulers that can only be followed one by one
MAX_REPLAYED: Final = 100_000  # the same for a plateau scheduler that is fed with the ticks
_LANDMARKS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Leg:
    """A curve that is made of no others, and when it holds: from tick `begin` up to `stop` (inf: for good). Its own
    clock is 0 at `clock`.
    """

    curve: Curve
    begin: float
    stop: float
    clock: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """The schedule's LR at `ticks` (sorted, first 0, last `length` - 1) of the run, for the group with the highest.

    `length`: ticks at which the run trains; `counts`: how many ticks each sample stands for. `unit` is what one tick is
    taken to be: the declared unit, or the other one in `in_the_other_unit`.
    """

    schedule: CompiledSchedule
    unit: Literal["step", "epoch"]
    length: int
    epochs: int
    steps_per_epoch: int | None
    group: int
    ticks: npt.NDArray[np.int64] = field(repr=False)
    lrs: FloatArray = field(repr=False)
    counts: FloatArray = field(repr=False)

    @property
    def known(self) -> bool:
        """Whether the LR is known at every tick: it is not past a table's or a refusing scheduler's end."""
        return bool(np.isfinite(self.lrs).all())

    @property
    def peak(self) -> float:
        """The highest LR of the run; 0 where none is known."""
        return float(np.nanmax(self.lrs, initial=0.0))

    @property
    def legs(self) -> list[Leg]:
        """What the schedule is made of."""
        return legs_of(self.schedule.groups[self.group])

    def at(self, tick: float) -> float:
        """Return the LR at one tick."""
        return float(self.schedule.lrs(tick, self.group))

    def say(self, tick: float) -> str:
        """Return words for a number of ticks: "30 epochs", "11730 steps"."""
        return f"{tick:,.6g}".replace(",", "") + f" {self.unit}{'' if tick == 1 else 's'}"


def outlook(context: RunContext) -> Outlook | None:
    """Return the outlook; None where the run's length or its schedule is not known, or a metric drives the LR."""
    schedule, epochs = context.schedule, context.spec.total_epochs
    if schedule is None or epochs is None or epochs < 1 or schedule.metric_driven:
        return None
    per_epoch = schedule.steps_per_epoch or context.spec.steps_per_epoch
    if schedule.unit == "step" and per_epoch is None:
        return None
    length = epochs if schedule.unit == "epoch" else epochs * (per_epoch or 1)
    return _over(schedule, schedule.unit, length, epochs, per_epoch)


def alone(schedule: CompiledSchedule) -> Outlook | None:
    """Return the schedule over its own length, where the run's is not known; None where it has no end either."""
    if schedule.metric_driven or schedule.horizon is None:
        return None
    # Most curves reach their last value at the horizon; what refuses to go on has it one tick before.
    length = max(schedule.horizon + (schedule.refused_after is None), 1)
    return _over(schedule, schedule.unit, length, length, schedule.steps_per_epoch)


def legs_of(curve: Curve) -> list[Leg]:
    """Return what a curve is made of."""
    return list(_legs(curve, 0.0, math.inf, 0.0))


def replayed(schedule: CompiledSchedule) -> bool:
    """Say whether asking for a tick means to replay a plateau scheduler up to it, which is slow."""
    return any(isinstance(leg.curve, PlateauOfTicks) for leg in legs_of(schedule.groups[0]))


def in_the_other_unit(ahead: Outlook) -> Outlook | None:
    """Return how it would be if one tick were an epoch where it is declared as a step, and the reverse."""
    if ahead.steps_per_epoch is None:
        return None
    if ahead.unit == "step":
        return _over(ahead.schedule, "epoch", ahead.epochs, ahead.epochs, ahead.steps_per_epoch)
    length = ahead.epochs * ahead.steps_per_epoch
    return _over(ahead.schedule, "step", length, ahead.epochs, ahead.steps_per_epoch)


def _over(
    schedule: CompiledSchedule, unit: Literal["step", "epoch"], length: int, epochs: int, per_epoch: int | None
) -> Outlook | None:
    if length > MAX_FOLLOWED and any(hasattr(curve, "outline") for curve in schedule.groups):
        return None
    if length > MAX_REPLAYED and replayed(schedule):
        return None
    # Groups mostly differ by a factor; one that is frozen at 0 is no finding.
    bases = schedule.base_lrs or ()
    group = int(np.argmax(bases)) if len(bases) == len(schedule.groups) else 0
    ticks = _ticks(schedule, length, group)
    counts = np.diff(np.append(ticks, length)).astype(np.float64)
    return Outlook(schedule, unit, length, epochs, per_epoch, group, ticks, np.abs(schedule.lrs(ticks, group)), counts)


def _ticks(schedule: CompiledSchedule, length: int, group: int) -> npt.NDArray[np.int64]:
    if length <= MAX_SAMPLES:
        return np.arange(length)
    marks = [*schedule.groups[group].landmarks()][:_LANDMARKS]
    marks += [float(schedule.horizon or 0), length - 1.0]
    around = np.asarray(marks)[:, None] + np.arange(-2, 3)
    exact = np.floor(around[(around >= 0) & (around <= length - 1)]).astype(np.int64)
    return np.unique(np.concatenate([np.linspace(0, length - 1, MAX_SAMPLES).astype(np.int64), exact]))


def _legs(curve: Curve, begin: float, stop: float, clock: float) -> Iterator[Leg]:
    if isinstance(curve, Phases):
        start = 0.0
        for phase in curve.phases:
            end = math.inf if phase.until is None else phase.until
            own = clock if phase.global_clock else clock + start
            if clock + start < stop:
                yield from _legs(phase.curve, max(begin, clock + start), min(stop, clock + end), own)
            start = end
    elif isinstance(curve, Product):
        for factor in curve.factors:
            yield from _legs(factor, begin, stop, clock)
    elif (outline := getattr(curve, "outline", None)) is not None:
        yield from _legs(outline, begin, stop, clock)
    else:
        yield Leg(curve, begin, stop, clock)
