"""The log under one clock, as the searches see it: few points, with the bounds that their prints set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.identification.bounds import Leg
from trackside_service.conformance.identification.work import Work
from trackside_service.schedules.curve import FloatArray


@dataclass(frozen=True, slots=True)
class Log:
    """Arrays of shape (points,) in the order of the ticks. `wanted` are whole numbers that a length may well be.

    `work` counts what is done with it; `hopeless` are shapes of which another clock has shown that none is near.
    """

    ticks: FloatArray
    values: FloatArray
    halves: FloatArray
    wanted: tuple[float, ...] = ()
    work: Work = field(default_factory=Work, compare=False)
    hopeless: set[object] = field(default_factory=set, compare=False)

    @property
    def low(self) -> FloatArray:
        """The least that each print stands for; no LR is below 0."""
        return np.where(self.values >= 0.0, np.maximum(self.values - self.halves, 0.0), self.values - self.halves)

    @property
    def high(self) -> FloatArray:
        """The most that each print stands for."""
        return self.values + self.halves

    @property
    def span(self) -> float:
        """The last tick."""
        return float(self.ticks[-1])

    def part(self, mask: npt.NDArray[np.bool_]) -> Log:
        """Return the points of `mask`."""
        return replace(self, ticks=self.ticks[mask], values=self.values[mask], halves=self.halves[mask])

    def leg(self, g: FloatArray, foot: tuple[float, float] | None = None) -> Leg:
        """Return all points as a leg."""
        return Leg(g, self.low, self.high, foot)


@dataclass(frozen=True, slots=True)
class Rise:
    """A warm-up that the log shows: its last tick lies in (`after`, `until`], the points before are `count`.

    A rise that levels off as it comes to the top may last to `until_smooth`.

    `peaked`: the LR is at its top, or falls, from there on; otherwise the log ends while it rises.
    """

    after: float
    until: float
    until_smooth: float
    count: int
    peaked: bool


def rise_of(log: Log) -> Rise | None:
    """Return where the LR stops rising for the first time, None where it does not rise from the start."""
    low, high = log.low, log.high
    count = len(low)
    best, end = float(low[0]), count - 1
    for index in range(1, count):
        if high[index] < best:
            end = index - 1
            break
        best = max(best, float(low[index]))
    top = float(np.max(low[: end + 1]))
    first = int(np.argmax(high[: end + 1] >= top))
    if first == 0 or high[0] >= top:
        return None
    level = first < end  # a stretch at the top: it begins after the rise
    after = float(log.ticks[first - 1])
    latest = float(log.ticks[min(end + 1, count - 1)])
    # A line that is within its print of the top at `first` is there soon after.
    near = min(3.0 * float(log.halves[first]) / max(top - float(high[0]), 1e-300), 0.9)
    until = min(latest, max(float(log.ticks[min(first + 1, count - 1)]), float(log.ticks[first]) / (1.0 - near)))
    return Rise(after, until, latest, first, peaked=end < count - 1 or level)


def turns_of(low: FloatArray, high: FloatArray) -> int:
    """Return how often the LR certainly changes its direction, in the order of the ticks."""
    turns, way = 0, 0
    least, most = float(high[0]), float(low[0])  # the certain extremes since the last turn
    for below, above in zip(low.tolist(), high.tolist(), strict=True):
        if above < most and way >= 0:
            turns, way, least = turns + (way > 0), -1, above
        elif below > least and way <= 0:
            turns, way, most = turns + (way < 0), 1, below
        least, most = min(least, above), max(most, below)
        if way > 0:
            least = above
        elif way < 0:
            most = below
    return turns


def levels_of(log: Log) -> list[tuple[int, int, float, float]]:
    """Return the stretches that one value each explains: first and last index, and the bounds of the value."""
    found: list[tuple[int, int, float, float]] = []
    start, low, high = 0, float(log.low[0]), float(log.high[0])
    for index in range(1, len(log.ticks)):
        least, most = max(low, float(log.low[index])), min(high, float(log.high[index]))
        if least > most:
            found.append((start, index - 1, low, high))
            start, least, most = index, float(log.low[index]), float(log.high[index])
        low, high = least, most
    found.append((start, len(log.ticks) - 1, low, high))
    return found
