"""The learning rate as it goes, for rules on what it explains: how high it is, and where a cycle begins anew.

Where it is reported, a restart is seen in it; else the declared schedule tells, by the record's place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from trackside_service.domain.metrics import LR
from trackside_service.rules import lr_sweep
from trackside_service.rules.base import Reading, RunContext
from trackside_service.rules.lr_sweep import Sweep
from trackside_service.rules.places import Place, epoch_of, place_of
from trackside_service.rules.sharing import shared

_FELL: Final = 0.5
_ROSE: Final = 2.0
_BACK: Final = (0.05, 1.05)  # of the highest
_AHEAD: Final = 1000


@dataclass(frozen=True, slots=True)
class Course:
    """The latest LR (None: none is reported), the highest, and the lowest since it was last raised.

    `restart`: the declared schedule's next tick at which a cycle begins; -1 before it was asked. `known`: it is one,
    and not merely how far was asked. `sweep`: whether it is being raised as in a range test.
    """

    last: float | None = None
    highest: float = 0.0
    lowest: float = math.inf
    restart: float = -1.0
    known: bool = False
    sweep: Sweep = lr_sweep.NONE


@shared
def advance(context: RunContext, course: Course, reading: Reading) -> tuple[Course, bool]:
    """Return the course after a record, and whether a cycle begins anew there, by the LR reported or by the schedule.

    A restart raises the LR at least twofold, after it had fallen to half, and not above where it has been: what lies
    higher than ever is no cycle. Where a range test ends, the training begins.
    """
    lr = reading.record.metrics.get(LR)
    if lr is None or not math.isfinite(lr):
        if course.last is not None or context.schedule is None:
            return course, False
        return _declared(context, course, place_of(reading.record))
    if lr == course.last:
        return course, False
    sweep = lr_sweep.follow(course.sweep, lr)
    if course.sweep.is_test and not sweep.is_test and lr < course.sweep.last:
        return Course(lr, lr, lr, course.restart, course.known, sweep), True
    low, high = _BACK
    restarts = (
        course.lowest <= _FELL * course.highest
        and lr >= _ROSE * course.lowest
        and low * course.highest <= lr <= high * course.highest
    )
    lowest = lr if restarts or lr > course.highest else min(course.lowest, lr)
    return Course(lr, max(course.highest, lr), lowest, course.restart, course.known, sweep), restarts


def _declared(context: RunContext, course: Course, here: Place) -> tuple[Course, bool]:
    """The printed index may count from 0 or 1, so that a restart at tick T is expected at T and at T + 1."""
    tick = tick_of(context, here)
    if tick is None or context.schedule is None or tick < course.restart:
        return course, False
    restarts = course.known
    if restarts and tick < course.restart + 1:
        return course, True
    ahead = max(2 * tick, tick + _AHEAD)
    later = [float(each) for each in context.schedule.restarts(ahead) if each > tick]
    following = Course(None, course.highest, course.lowest, later[0] if later else ahead, bool(later))
    return following, restarts


def tick_of(context: RunContext, here: Place) -> float | None:
    """Return about which tick of the declared schedule a place is; None where it cannot be known."""
    schedule = context.schedule
    if schedule is None:
        return None
    per_epoch = schedule.steps_per_epoch or context.spec.steps_per_epoch
    step, epoch = here
    if schedule.unit == "epoch":
        known = epoch_of(here, per_epoch)
        return None if known is None else float(known)
    if step is not None:
        return float(step)
    return None if epoch is None or per_epoch is None else epoch * per_epoch


def planned(context: RunContext, here: Place) -> float | None:
    """Return the declared schedule's LR about `here`; None where none is declared or its tick cannot be known."""
    tick = tick_of(context, here)
    if tick is None or context.schedule is None:
        return None
    lr = float(context.schedule.lrs(tick))
    return lr if math.isfinite(lr) else None


def share_of_peak(context: RunContext, course: Course, here: Place, peak: float) -> float | None:
    """Return the LR at `here` as a share of the highest: of `peak`, the declared schedule's, where that is above 0,
    else of the highest reported so far. None where it is not known.
    """
    lr = course.last
    if lr is None:
        lr = planned(context, here)
    highest = max(peak, course.highest)
    if lr is None or not math.isfinite(lr) or highest <= 0:
        return None
    return lr / highest


def dump_course(course: Course) -> list[Any]:
    """Return the course as JSON values."""
    lowest = course.lowest if math.isfinite(course.lowest) else None
    return [course.last, course.highest, lowest, course.restart, course.known, lr_sweep.dump(course.sweep)]


def load_course(data: Sequence[Any]) -> Course:
    """Undo `dump_course`."""
    last, highest, lowest, restart, known, sweep = data
    return Course(last, highest, math.inf if lowest is None else lowest, restart, known, lr_sweep.load(sweep))
