"""What can be wrong with a plan over a run's length, as facts: each function looks at one thing and returns its
numbers, or None.

The rules PLAN002 to PLAN006 tell them; PLAN007 asks whether they would be gone if the schedule were stepped in the
other unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from trackside_service.rules.outlook import Leg, Outlook
from trackside_service.schedules.kinds.cyclic import Cyclic
from trackside_service.schedules.kinds.ramp import Ramp

_ANNEALED: Final = 0.2  # a schedule that ends at more of its peak is not meant to anneal
_STILL: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Flat:
    """From `tick` on the LR stays at `lr`, for `share` of the run."""

    tick: int
    lr: float
    share: float


@dataclass(frozen=True, slots=True)
class Unfinished:
    """At the run's end the LR is `lr`; the schedule goes on to tick `horizon` and `final`."""

    lr: float
    horizon: int
    final: float


@dataclass(frozen=True, slots=True)
class Idle:
    """The LR is below `below` for `share` of the run, first at `tick`."""

    share: float
    below: float
    tick: int


@dataclass(frozen=True, slots=True)
class Rebound:
    """The LR is least at `tick`, and rises from `least` to `highest` by `highest_tick`."""

    tick: int
    least: float
    highest_tick: int
    highest: float


@dataclass(frozen=True, slots=True)
class Rise:
    """A warm-up that would end at tick `end` with `aim`, and ends at tick `stop` with `reached`; then comes `then`
    (None: the run is over).
    """

    end: float
    aim: float
    stop: int
    reached: float
    then: float | None


def refused(ahead: Outlook) -> int | None:
    """Return the call of `scheduler.step()` (from 1) that raises within the run."""
    last = ahead.schedule.refused_after
    return last + 1 if last is not None and ahead.length > last else None


def ended_early(ahead: Outlook, *, level: float, share: float) -> Flat | None:
    """Return where a gradual decay reaches its last value: at most `level` of the peak, for over `share` of the run."""
    if not ahead.known or ahead.length < 3 or not ahead.peak > 0:
        return None
    final = float(ahead.lrs[-1])
    moving = np.flatnonzero(np.abs(ahead.lrs - final) > _STILL * ahead.peak)
    if final > level * ahead.peak or not moving.size:
        return None
    low, high = int(ahead.ticks[moving[-1]]), int(ahead.ticks[moving[-1] + 1])
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if abs(ahead.at(middle) - final) > _STILL * ahead.peak else (low, middle)
    left = (ahead.length - 1 - high) / ahead.length  # the tick that reaches it is the schedule's own
    # What falls in steps was flat before the last one too; what decays for ever is never quite flat.
    gradual = low >= 1 and ahead.at(low) != ahead.at(low - 1)
    rests = bool((ahead.lrs[ahead.ticks >= (high + ahead.length) // 2] == final).all())
    return Flat(high, final, left) if left > share and gradual and rests and not _meant(ahead, final) else None


def _meant(ahead: Outlook, final: float) -> bool:
    """Say whether the level at the end is a leg of its own, constant from the milestone on that it was given: weights
    are averaged at such a rate (SWA). One at 0 trains nothing, and the rest after a decay that is part of one
    schedule (its clock began earlier) is no leg that somebody asked for.
    """
    for leg in ahead.legs:
        if math.isinf(leg.stop) and 0 < leg.begin == leg.clock < ahead.length:
            level = ahead.lrs[ahead.ticks >= leg.begin]
            if final > 0 and bool(np.all(np.abs(level - final) <= _STILL * ahead.peak)):
                return True
    return False


def unfinished(ahead: Outlook, *, outlasts: float, left: float) -> Unfinished | None:
    """Return the end of a run that is over while the LR of a schedule that would anneal is at `left` of its highest or
    more, the schedule being at least `outlasts` times as long.
    """
    horizon = ahead.schedule.horizon
    if horizon is None or horizon < outlasts * ahead.length or not ahead.known or not ahead.peak > 0:
        return None
    final = ahead.at(horizon)
    if not final <= _ANNEALED * ahead.schedule.peak(ahead.group) or ahead.lrs[-1] < left * ahead.peak:
        return None
    return Unfinished(float(ahead.lrs[-1]), horizon, final)


def idle(ahead: Outlook, *, negligible: float, share: float) -> Idle | None:
    """Return the part of the run at an LR below `negligible` of the peak (at 0, where the peak is 0), if over
    `share`.
    """
    if not ahead.known:
        return None
    below = negligible * ahead.peak
    small = ahead.lrs < below * (1 - 1e-9) if ahead.peak > 0 else np.ones(len(ahead.lrs), dtype=bool)
    part = float(ahead.counts[small].sum() / ahead.length)
    return Idle(part, below, int(ahead.ticks[np.flatnonzero(small)[0]])) if part > share else None


def rebound(ahead: Outlook, *, rise: float) -> Rebound | None:
    """Return the first minimum that a cosine passes, where the LR then rises by more than `rise` of its peak."""
    if not ahead.known or not ahead.peak > 0:
        return None
    for leg in ahead.legs:
        curve = leg.curve
        if not (isinstance(curve, Ramp) and curve.shape == "cosine" and curve.after == "continue"):
            continue
        turn, stop = leg.clock + curve.over - curve.offset, min(leg.stop, float(ahead.length))
        if curve.end > curve.start or turn >= stop - 1:
            continue
        after = (ahead.ticks >= turn) & (ahead.ticks < stop)
        tick = math.ceil(turn)
        least = min(ahead.at(tick), ahead.at(math.floor(turn)))
        if not after.any():
            continue
        place = int(np.argmax(np.where(after, ahead.lrs, -np.inf)))
        if ahead.lrs[place] - least > rise * ahead.peak:
            return Rebound(tick, least, int(ahead.ticks[place]), float(ahead.lrs[place]))
    return None


def cut_warmup(ahead: Outlook, *, reached: float) -> Rise | None:
    """Return a rise that the next phase cuts off with less than `reached` of it done."""
    for leg in ahead.legs:
        end = _risen(leg)
        if end is None or not end > leg.stop or leg.stop >= ahead.length:
            continue
        curve, stop = leg.curve, math.ceil(leg.stop)
        first, last = (float(value) for value in curve.lrs(np.asarray([leg.begin - leg.clock, leg.stop - leg.clock])))
        aim = float(curve.lrs(np.asarray([end - leg.clock]))[0])
        if stop > 0 and last - first < reached * (aim - first):
            scale = ahead.at(stop - 1) / float(curve.lrs(np.asarray([stop - 1 - leg.clock]))[0] or 1.0)
            return Rise(end, aim * (scale or 1.0), stop, ahead.at(stop - 1), ahead.at(stop))
    return None


def endless_warmup(ahead: Outlook) -> Rise | None:
    """Return a warm-up from the run's first tick on that is not over when the run is."""
    if not ahead.known:
        return None
    for leg in ahead.legs:
        end = _risen(leg)
        if end is not None and leg.begin == 0 and leg.stop > ahead.length and end > ahead.length:
            aim = ahead.at(min(end, leg.stop - 1))
            if aim > ahead.lrs[-1]:
                return Rise(end, aim, ahead.length, float(ahead.lrs[-1]), None)
    return None


def still(ahead: Outlook) -> bool:
    """Say whether a schedule that is not constant changes the LR by less than a hundredth over the run."""
    if not ahead.known or ahead.length < 2 or ahead.schedule.flat or not ahead.peak > 0:
        return False
    return float(ahead.lrs.min()) > 0.99 * ahead.peak


def _risen(leg: Leg) -> float | None:
    """The tick at which a rising leg would be at its top; None for others."""
    curve = leg.curve
    if isinstance(curve, Ramp) and curve.end > curve.start and curve.over - curve.offset > 1:
        return leg.clock + curve.over - curve.offset
    if isinstance(curve, Cyclic) and curve.maximum > curve.minimum and math.isinf(leg.stop):
        return leg.clock + curve.up
    return None
