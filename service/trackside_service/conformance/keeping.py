"""Which points of a run in progress are kept for its diagnosis: a spread, the newest, and those around what was off.

What is kept depends on the points alone, never on how they were posted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from trackside_service.conformance.observations import LrPoint

SERIES: Final = 64
"""Points of the spread; when there are more, every second one is dropped."""
RECENT: Final = 16
BEFORE, AFTER, SPACE, MARKS = 4, 8, 8, 6
MOST_KEPT: Final = SERIES + RECENT + MARKS * (BEFORE + AFTER)


@dataclass(frozen=True, slots=True)
class Kept:
    """A point kept for the diagnosis, with its index."""

    index: int
    point: LrPoint


@dataclass(frozen=True, slots=True)
class Keeping:
    """`series`: every `stride`-th point; `recent`: the newest; `around`: those next to `marks`, where a point was
    news to some convention (the first two such places, and the last).
    """

    series: tuple[Kept, ...] = ()
    stride: int = 1
    recent: tuple[Kept, ...] = ()
    around: tuple[Kept, ...] = ()
    marks: tuple[int, ...] = ()

    def all(self) -> tuple[Kept, ...]:
        """Return every point kept, in order."""
        known = {kept.index: kept for part in (self.series, self.around, self.recent) for kept in part}
        return tuple(known[index] for index in sorted(known))

    def with_points(self, first: int, points: Sequence[LrPoint], news: Iterable[int], capacity: int) -> Keeping:
        """Return what is kept after `points`, the first of which has index `first`; `news` are indices among them."""
        marks = self.marks
        for index in sorted(news):
            if not marks or index - marks[-1] >= SPACE:
                marks = (*marks, index)
                if len(marks) > MARKS:
                    marks = (*marks[:2], *marks[3:])
        series, stride = self.series, self.stride
        offset = -first % stride
        if offset < len(points):
            series += tuple(Kept(first + place, points[place]) for place in range(offset, len(points), stride))
        while len(series) > capacity:
            stride *= 2
            series = tuple(kept for kept in series if kept.index % stride == 0)
        latest = max(len(points) - RECENT, 0)
        newest = tuple(Kept(first + place, points[place]) for place in range(latest, len(points)))
        around = self.around
        if marks != self.marks or (marks and first < marks[-1] + AFTER):
            around = _around(marks, (*self.around, *self.recent), first, points)
        return Keeping(series, stride, (*self.recent, *newest)[-RECENT:], around, marks)


def _around(marks: Sequence[int], old: Sequence[Kept], first: int, points: Sequence[LrPoint]) -> tuple[Kept, ...]:
    known = {kept.index: kept for kept in old}
    found: dict[int, Kept] = {}
    for mark in marks:
        for index in range(mark - BEFORE, mark + AFTER):
            place = index - first
            if 0 <= place < len(points):
                found[index] = Kept(index, points[place])
            elif index in known:
                found[index] = known[index]
    return tuple(found[index] for index in sorted(found))
