"""Numbers that a log allows: an interval, the simplest number in it, and its form on the wire."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A number that the log bounds: `value` is the simplest one between `low` and `high`."""

    value: float
    low: float
    high: float

    def as_param(self) -> dict[str, float]:
        """Return the wire's form; whole numbers as such."""
        return {"value": whole(self.value), "low": whole(self.low), "high": whole(self.high)}

    def __str__(self) -> str:
        reach = "" if self.high - self.low <= 1e-4 * abs(self.value) else f" ({self.low:.4g} to {self.high:.4g})"
        return f"{self.value:.6g}{reach}"


def between(low: float, high: float) -> Interval:
    """Return the interval with its simplest number as the value."""
    return Interval(simplest(low, high), low, high)


def among(values: Iterable[float], value: float | None = None) -> Interval:
    """Return the interval that spans `values`, with `value` (the first, if None) as the one to name."""
    listed = [float(each) for each in values]
    return Interval(listed[0] if value is None else value, min(listed), max(listed))


def stretch(values: Iterable[float], value: float | None = None) -> Interval:
    """Return the interval of the whole numbers in a row, of the ascending `values`, around `value` (the first, if
    None): where others further off fit as well, what lies between does not.
    """
    listed = [float(each) for each in values]
    place = 0 if value is None else listed.index(value)
    low = high = place
    while low and listed[low] - listed[low - 1] <= 1.0:
        low -= 1
    while high + 1 < len(listed) and listed[high + 1] - listed[high] <= 1.0:
        high += 1
    return Interval(listed[place], listed[low], listed[high])


def whole(value: float) -> float:
    """Return an int where the value is one."""
    return int(value) if math.isfinite(value) and value == int(value) and abs(value) < 2**53 else value


def simplest(low: float, high: float) -> float:
    """Return the number of the fewest significant digits between `low` and `high`, the one nearest the middle."""
    if low <= 0.0 <= high:
        return 0.0
    middle = (low + high) / 2
    for digits in range(1, 18):
        value = float(f"{middle:.{digits - 1}e}")
        if low <= value <= high:
            return value
    return middle


def digits_of(value: float) -> int:
    """Return how many significant digits `value` needs."""
    return next(
        (digits for digits in range(1, 18) if math.isclose(float(f"{value:.{digits - 1}e}"), value, rel_tol=1e-12)), 17
    )
