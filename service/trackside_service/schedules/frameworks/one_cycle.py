"""The one-cycle policy as torch and Paddle compute it: legs between ticks that need not be whole."""

from __future__ import annotations

from typing import Literal

from trackside_service.schedules.kinds.phases import Phase, Phases
from trackside_service.schedules.kinds.ramp import Ramp


def ends(total: int, share: float, *, three_phase: bool) -> tuple[float, ...]:
    """Return the ticks at which the legs end."""
    if three_phase:
        return (share * total - 1, 2 * share * total - 2, float(total - 1))
    return (share * total - 1, float(total - 1))


def last_tick(total: int, legs: tuple[float, ...]) -> int:
    """Return the last tick that does not raise: a last leg of no length divides by zero after it."""
    return total - 1 if legs[-2] == legs[-1] else total


def curve(total: int, legs: tuple[float, ...], levels: tuple[float, float, float], *, cosine: bool) -> Phases:
    """Return the cycle from the first level up to the second and (by way of the first again, with three legs) down to
    the third.
    """
    first, top, least = levels
    targets = (first, top, first, least) if len(legs) == 3 else (first, top, least)
    phases: list[Phase] = []
    begin = 0.0
    for index, end in enumerate(legs):
        last = index == len(legs) - 1
        if not last and end < 0:  # a leg over before the first tick; the next counts from its end all the same
            begin = end
            continue
        if begin >= total or (last and end == begin):
            break
        phases.append(Phase(_leg(begin, end, targets[index], targets[index + 1], cosine=cosine), None if last else end))
        begin = end
    phases[-1] = Phase(phases[-1].curve)
    return Phases(tuple(phases))


def _leg(begin: float, end: float, low: float, high: float, *, cosine: bool) -> Ramp:
    """Return the leg from `low` to `high` between ticks `begin` and `end`, on the leg's own clock; past its end
    it goes on.

    A leg that ends before it begins (three_phase with pct_start > 0.5, at the very last tick) runs backwards.
    """
    shape: Literal["linear", "cosine"] = "cosine" if cosine else "linear"
    if end < begin and not cosine:
        high = 2 * low - high
    return Ramp(low, high, abs(end - begin), shape, "continue", offset=max(-begin, 0.0))
