"""What prints allow of a leg between two levels, exactly: linear inequalities in two unknowns.

A leg is v = top + D g with g = 0 where the leg is at its top and -1 at its foot (top - D). Every print bounds it,
lo <= top + D g <= hi; eliminating D (Fourier-Motzkin) leaves the interval of the top, empty where no leg fits.
A geometric leg is the same in the logarithms, with -g the number of multiplications.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trackside_service.schedules.curve import FloatArray

_LEAST_G = 1e-13
_FAR = 1e300


@dataclass(frozen=True, slots=True)
class Leg:
    """Points of one leg: shapes (points,). `foot` bounds its foot where that is known, such as (0, 0)."""

    g: FloatArray
    low: FloatArray
    high: FloatArray
    foot: tuple[float, float] | None = None

    def _all(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        if self.foot is None:
            return self.g, self.low, self.high
        return (
            np.append(self.g, -1.0),
            np.append(self.low, self.foot[0]),
            np.append(self.high, self.foot[1]),
        )

    def top(self) -> tuple[float, float]:
        """Return the interval of the top; low above high where no leg fits (by how much, where that can be said)."""
        g, low, high = self._all()
        flat = np.abs(g) < _LEAST_G
        least = float(np.max(low[flat], initial=-_FAR))
        most = float(np.min(high[flat], initial=_FAR))
        if flat.all():
            return least, most
        q = 1.0 / g[~flat]
        uppers, lowers = low[~flat] * q, high[~flat] * q  # of D, at top 0
        slope = q[None, :] - q[:, None]  # [lower i, upper j]
        room = uppers[None, :] - lowers[:, None]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            at = room / slope
        rising, falling = slope > 0.0, slope < 0.0
        most = min(most, float(np.min(at, where=rising, initial=_FAR)))
        least = max(least, float(np.max(at, where=falling, initial=-_FAR)))
        still = ~(rising | falling)
        if bool(np.any(room[still] < 0.0)):
            return max(least, most) + 1e-12, min(least, most) - 1e-12
        return least, most

    def drop(self, top: float) -> tuple[float, float]:
        """Return the interval of D where the leg's top is `top`."""
        g, low, high = self._all()
        moving = np.abs(g) >= _LEAST_G
        if not moving.any():
            return -_FAR, _FAR
        q = 1.0 / g[moving]
        return float(np.max((high[moving] - top) * q)), float(np.min((low[moving] - top) * q))


def geometric(multiplications: FloatArray, low: FloatArray, high: FloatArray) -> Leg:
    """Return the leg in logarithms; a print that reaches down to 0 bounds it from above only."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Leg(
            -multiplications,
            np.where(low > 0.0, np.log(np.where(low > 0.0, low, 1.0)), -1e4),
            np.where(high > 0.0, np.log(np.where(high > 0.0, high, 1.0)), -1e5),
        )


def least_squares(columns: list[FloatArray], values: FloatArray, halves: FloatArray) -> FloatArray:
    """Return for each of a batch of shapes the root mean square residual, in half widths of the prints.

    `columns`: the basis functions, each of shape (shapes, points).
    """
    weights = 1.0 / halves
    basis = np.stack(columns, axis=-1) * weights[None, :, None]
    target = values * weights
    scale = np.sqrt(np.einsum("kni,kni->ki", basis, basis)) + 1e-300
    basis = basis / scale[:, None, :]
    normal = np.einsum("kni,knj->kij", basis, basis) + 1e-13 * np.eye(len(columns))
    right = np.einsum("kni,n->ki", basis, target)
    solved = np.linalg.solve(normal, right[..., None])[..., 0]
    off = np.einsum("kni,ki->kn", basis, solved) - target
    return np.asarray(np.sqrt(np.mean(off * off, axis=1)), dtype=np.float64)


def roundness(value: float) -> float:
    """Return how many significant digits `value` needs; 25, 50 and 75 count as half a digit less than 23 or 57."""
    if value == 0.0:
        return 0.0
    for digits in range(1, 18):
        if math.isclose(float(f"{value:.{digits - 1}e}"), value, rel_tol=1e-12):
            return digits - 0.5 if f"{value:.{digits - 1}e}".split("e")[0].endswith("5") and digits > 1 else digits
    return 18.0


def roundest(low: float, high: float, wanted: tuple[float, ...] = ()) -> int | None:
    """Return the whole number in [low, high] with the fewest digits, a `wanted` one before all; None if there is none.

    Ties go to the one nearest the middle.
    """
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    if first > last:
        return None
    for each in wanted:
        if first <= each <= last and float(each).is_integer():
            return int(each)
    middle = (low + high) / 2
    unit = 10 ** max(len(str(last)), 1)
    while unit >= 1:
        for part in (unit, unit // 2):
            if part >= 1:
                start, stop = -(-first // part), last // part
                if start <= stop:
                    return int(min(max(round(middle / part), start), stop) * part)
        unit //= 10
    return first
