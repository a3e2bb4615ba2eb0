"""A score that falls and is learned again: another model, task or stage began there, or weights were cut away.

A collapse stays where it fell to. Where a new fold, a harder stage or further classes begin, the fall is as deep, but
what follows is a learning curve: it climbs from its floor, and soon has back a good part of what it lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from trackside_service.rules import running
from trackside_service.rules.running import Series

_STEP: Final = 0.03  # of the way from the floor to the best: what counts as climbing on
_PART: Final = 0.15  # of that way: what has been climbed where it pauses
_FAR: Final = 0.75  # of the best
_ANEW: Final = 0.75  # under this share of what was regained a further fall begins
_DEEP: Final = 0.25  # of the best: a fall of less is none that something is learned again after
_BACK: Final = 0.5  # of what was lost
_NOISE: Final = 4.0  # times the score's own jitter that a fall and a climb exceed
_IDLE: Final = 3  # evaluations without a new top after which it climbs no more
_HELD: Final = 0.35  # of it, and it is still back
_STAYS: Final = 2  # evaluations in a row with so much back: one of two that alternate is none


@dataclass(frozen=True, slots=True)
class Dip:
    """A score that lies far under its best: what it was `before`, the `floor` it fell to, the highest since (`top`),
    and how many evaluations ago that was (`idle`). `back`: evaluations in a row up to now since half of the
    fall was back.
    """

    before: float
    floor: float
    top: float
    idle: int = 0
    back: int = 0


def dipped(dip: Dip | None, value: float, *, last: float, best: float, jitter: float) -> Dip:
    """Return the fall after `value`, which lies far under the `best` so far; `last` is the value before it."""
    if dip is None:
        return Dip(max(last, value), value, value)
    if value < min(_ANEW * dip.top, dip.top - _NOISE * jitter):
        return Dip(dip.top, value, value)
    if value < dip.floor:
        return Dip(dip.before, value, value)
    share = _BACK if dip.back == 0 else _HELD
    back = dip.back + 1 if value - dip.floor >= share * (dip.before - dip.floor) else 0
    if value - dip.top > max(_STEP * (best - dip.floor), jitter):
        return Dip(dip.before, dip.floor, value, 0, back)
    return Dip(dip.before, dip.floor, dip.top, dip.idle + 1, back)


def climbs(dip: Dip, *, best: float, jitter: float) -> bool:
    """Say whether the score is on its way up from its floor: just now, or a good part of the way and not long ago."""
    climbed, way = dip.top - dip.floor, best - dip.floor
    if dip.idle == 0:
        return climbed > max(_STEP * way, jitter)
    return dip.idle < _IDLE and climbed > max(_PART * way, jitter)


def relearned(dip: Dip, *, best: float, jitter: float) -> bool:
    """Say whether half of what a deep fall took is back and stays: what is measured begins anew there."""
    return dip.before - dip.floor >= max(_DEEP * best, _NOISE * jitter) and dip.back >= _STAYS


def after_dip(score: Series, dip: Dip | None, value: float, share: float = _FAR) -> tuple[Dip | None, bool]:
    """Return the dip of a score, followed so far as `score`, after a further `value`, and whether it is learned again
    there. It begins under `share` of the best and is over above it.
    """
    best = score.best
    if best is None or (dip is None and value >= share * best):
        return None, False
    jitter = running.jitter(score)
    dip = dipped(dip, value, last=score.last or 0.0, best=best, jitter=jitter)
    if relearned(dip, best=best, jitter=jitter):
        return None, True
    return (dip if value < share * best else None), False


def dump_dip(dip: Dip | None) -> list[Any] | None:
    """Return it as JSON values."""
    return None if dip is None else [dip.before, dip.floor, dip.top, dip.idle, dip.back]


def load_dip(data: Sequence[Any] | None) -> Dip | None:
    """Undo `dump_dip`."""
    return None if data is None else Dip(*data)
