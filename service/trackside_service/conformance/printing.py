"""What a print shows, and how far it may be from the number behind it.

A print stands for every number that prints so. `%.6f` shows fixed decimals, `%.3e` significant digits, a full-precision
value seventeen of them.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from trackside_service.schedules.curve import FloatArray

FULL_DIGITS: Final = 9
"""From so many significant digits on a print is taken as the number itself."""
MAX_DECIMALS: Final = 13
UPPER: Final = 1e-3
"""Progress bars (Keras, Paddle) print decimals above it and an exponent below."""
BFLOAT16: Final = 8
FLOAT16: Final = 11
_SUBNORMAL: Final = 3e-8
"""Half a step of the smallest float16s."""
_WHOLE: Final = 1.001
FULL_TOLERANCE: Final = 1e-6
"""Of the schedule's peak: what full-precision values may differ by (a float32 library, another order of operations).

A print is of such a value: it may differ by as much besides what its digits leave open.
"""
_WRITTEN: Final = 3
"""From so many decimals on a number of few bits is a short float."""
_HALF: Final = 0.5005
_NUDGE: Final = 1.0 + 2.4e-12
"""A float just below a power of ten is meant to be one."""
_POWERS: Final = np.array([float(f"1e{power}") for power in range(-307, 309)])
_TENTHS: Final = np.array([float(f"1e-{power}") for power in range(MAX_DECIMALS, -1, -1)])
_POWER_LIST: Final = _POWERS.tolist()
_TENTH_LIST: Final = _TENTHS.tolist()
_NUMBER: Final = re.compile(r"^\s*[+-]?(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?\s*$")


@dataclass(frozen=True, slots=True)
class Print:
    """One printed number: its value, decimals, significant digits, whether it is written with an exponent, and a
    trailing zero.
    """

    value: float
    decimals: int
    significant: int
    mantissa: int | None
    trailing: bool
    texted: bool
    bits: int = 53
    """Bits that the value needs as a float: few of them show that it went through a short float."""

    @property
    def float_reach(self) -> float:
        """How far the number may lie from a float of 8 or 11 bits that is written out: 0 where it is none.

        A number of a few decimals needs all 53 bits, unless it is 0.5, 0.25 or the like.
        """
        written = self.decimals >= _WRITTEN and not (self.texted and self.trailing)
        return short_reach(self.value, self.bits) if written else 0.0

    @property
    def lone_digit(self) -> float | None:
        """The unit of the only digit of a number without decimals enough to tell (0.9, 1); None for other prints."""
        if self.mantissa is not None or self.decimals > 1 or self.value == 0.0 or self.significant > 1:
            return None
        return float(_decade(np.array([self.value]))[0])


def read_print(lr: float, text: str | None) -> Print:
    """Return how `lr` was printed: by its text where that is a number, else by the shortest form of the float."""
    match = _NUMBER.match(text) if text is not None and len(text) <= 64 else None
    texted = match is not None and bool(match[1] or match[2])
    if not texted:
        match = _NUMBER.match(repr(lr))
    if match is None:  # NaN and the infinities
        return Print(lr, 0, 0, None, False, False)
    whole, part, exponent = match[1] or "", match[2] or "", match[3]
    least = 0
    if part == "0" and exponent is None:  # 1.0 is how a float without a fraction is written
        part, least = "", int(texted)
    digits = (whole + part).lstrip("0")
    value = float(text) if texted and text is not None else lr
    return Print(
        value=value,
        decimals=max(len(part) - int(exponent or 0), least),
        significant=len(digits) if part or exponent else len(digits.rstrip("0")),
        mantissa=None if exponent is None else len(part),
        trailing=part.endswith("0"),
        texted=texted,
        bits=_bits(value),
    )


def contradicts(lr: float, text: str) -> bool:
    """Say whether `text` is a number that `lr` is not printed as: further off than rounding or cutting off takes it, or
    than a float of 8 or 11 bits is from its number, where one of the two is such a float.
    """
    shown = read_print(lr, text)
    unit = 10.0 ** -max(min(shown.decimals, 300), -300)
    short = max(short_reach(lr, _bits(lr)), short_reach(shown.value, shown.bits))
    allowed = _WHOLE * unit + short + FULL_TOLERANCE * abs(lr)
    return shown.texted and math.isfinite(lr) and abs(shown.value - lr) > allowed


def _bits(value: float) -> int:
    whole = int(math.frexp(value)[0] * 2.0**53) if math.isfinite(value) else 0
    return 53 - ((whole & -whole).bit_length() - 1) if whole else 0


@dataclass(frozen=True, slots=True)
class PrintFormat:
    """What the log's prints stand for.

    "full": the number itself. "significant": so many digits. "fixed": so many decimals (`digits` bounds the
    significant ones that
    they may hide behind). "either": floats that could be one or the other; at least two significant digits are
    taken for granted.
    """

    style: Literal["full", "significant", "fixed", "either"]
    digits: int
    decimals: int
    plain: bool = False
    """Whether the log's own text shows decimals without an exponent."""

    def half_widths(self, values: FloatArray, peak: float, toward: FloatArray | None = None) -> FloatArray:
        """Return for each printed value how far the number behind it may lie, in the LR's unit.

        `toward`: the numbers that are to be tried, where they are known. A power of ten in one digit reaches less far
        down than up: 1e-3 stands for 9.5e-4 to 1.5e-3. That matters, since many a base LR is one; with more digits the
        difference is small, and the same is assumed either way.
        """
        noise = FULL_TOLERANCE * peak
        if self.style == "full":
            return np.full(values.shape, noise)
        fixed = np.full(values.shape, _HALF * 10.0 ** -min(self.decimals, 300))
        decade = _decade(values)
        with np.errstate(over="ignore"):  # the largest floats reach past what a float holds
            by_digits = _HALF * decade * 10.0 ** (1 - self.digits)
        if self.digits == 1 and toward is not None:
            by_digits = np.where(_below_power(values, decade, toward), by_digits * 0.1, by_digits)
        if self.style == "significant":
            return np.asarray(by_digits + noise, dtype=np.float64)
        if self.style == "fixed":
            return np.asarray(np.maximum(fixed, by_digits if self.digits else 0.0) + noise, dtype=np.float64)
        two = _HALF * decade * 0.1
        return np.asarray(np.maximum(by_digits, np.minimum(fixed, two)) + noise, dtype=np.float64)

    def widest(self, values: FloatArray, peak: float) -> FloatArray:
        """Return the half widths for the search of a cause: one digit printed with a decimal point may be all there is.

        The verdict takes two digits for granted; a cause is not to be ruled out by that.
        """
        halves = self.half_widths(values, peak)
        if self.style != "either" or not self.plain:
            return halves
        return np.maximum(halves, _HALF * 10.0 ** -min(self.decimals, 300))

    def explains(self, key: tuple[int, int, int]) -> bool:
        """Say whether a point with this key (`deviations`) is explained under the format."""
        by_digits, by_decimals, full = key
        match self.style:
            case "full":
                return full == 1
            case "significant":
                return self.digits < by_digits
            case "fixed":
                return self.decimals < by_decimals or (self.digits > 0 and self.digits < by_digits)
            case "either":
                return by_digits > 2 and (self.digits < by_digits or self.decimals < by_decimals)

    def informs(self, magnitude: float) -> bool:
        """Say whether a value of this magnitude is printed finely enough to say anything: ten half units or more."""
        return self.style != "fixed" or magnitude >= 5.0 * 10.0**-self.decimals

    def __str__(self) -> str:
        if self.style == "full":
            return "full precision"
        if self.style == "fixed":
            return f"{self.decimals} decimals"
        return f"{self.digits} significant digits"


def short_reach(value: float, bits: int) -> float:
    """Return how far a float of so few bits may be from the number that was rounded to it: half a step of bfloat16 or
    of float16; 0 where it has more bits.
    """
    if not 0 < bits <= FLOAT16:
        return 0.0
    return max(_WHOLE * abs(value) * 2.0 ** -(BFLOAT16 if bits <= BFLOAT16 else FLOAT16), _SUBNORMAL)


def short_float(bits: int) -> PrintFormat:
    """Return what a float of so many bits is worth: bfloat16, or float16 with its steps of 6e-8 at least."""
    return PrintFormat("fixed", 2 if bits <= BFLOAT16 else 3, 7)


def _decade(values: FloatArray) -> FloatArray:
    """Return 10^floor(log10 |v|), 0 for 0."""
    with np.errstate(over="ignore"):
        size = np.abs(values) * _NUDGE
    places = np.searchsorted(_POWERS, size, side="right") - 1
    return np.where(places >= 0, _POWERS[np.maximum(places, 0)], 0.0)


def _below_power(values: FloatArray, decade: FloatArray, toward: FloatArray) -> npt.NDArray[np.bool_]:
    """Say where a value is a power of ten and `toward` is less."""
    return np.asarray((np.abs(values) <= decade * _NUDGE) & (np.abs(toward) < np.abs(values)), dtype=np.bool_)


def deviations(
    values: FloatArray, expected: FloatArray, peak: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return per point from which format on it is off the schedule, whatever the format turns out to be.

    The first array: the fewest significant digits (1 to 9) at which the print excludes the expected value, 9 for
    never; the second: the
    fewest decimals (0 to 13), 13 for never; the third: 0 where a full-precision value is off, else 1. All broadcast.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        off_by = np.abs(values - expected)
        beyond = np.maximum(off_by - FULL_TOLERANCE * peak, 0.0) / _HALF
        decade = _decade(np.broadcast_to(values, beyond.shape))
        relative = beyond / 10.0 / decade
    # The number of k >= 0 with beyond <= 10^-k; tables, not logarithms, so that one point gives what an array does.
    by_digits = len(_TENTHS) - np.searchsorted(_TENTHS, relative, side="left")
    by_decimals = len(_TENTHS) - np.searchsorted(_TENTHS, beyond, side="left")
    by_digits = np.where((by_digits == 2) & _below_power(values, decade, expected), 1, by_digits)
    by_digits = np.where(beyond > 0, np.clip(by_digits, 1, FULL_DIGITS), FULL_DIGITS)
    by_decimals = np.where(beyond > 0, np.clip(by_decimals, 0, MAX_DECIMALS), MAX_DECIMALS)
    full = np.where(off_by > FULL_TOLERANCE * peak, 0, 1)
    never = ~np.isfinite(values)  # a NaN or an infinity is no print of any LR
    return (
        np.where(never, 0, by_digits).astype(np.int64),
        np.where(never, 0, by_decimals).astype(np.int64),
        np.where(never, 0, full).astype(np.int64),
    )


def deviation(value: float, expected: float, peak: float) -> tuple[int, int, int]:
    """Return what `deviations` gives for one point."""
    if not math.isfinite(value):
        return 0, 0, 0
    off_by = abs(value - expected)
    beyond = max(off_by - FULL_TOLERANCE * peak, 0.0) / _HALF
    full = 0 if off_by > FULL_TOLERANCE * peak else 1
    if not beyond > 0.0:
        return FULL_DIGITS, MAX_DECIMALS, full
    place = bisect_right(_POWER_LIST, abs(value) * _NUDGE) - 1
    decade = _POWER_LIST[place] if place >= 0 else 0.0
    relative = beyond / 10.0 / decade if place >= 0 else math.inf
    by_digits = len(_TENTH_LIST) - bisect_left(_TENTH_LIST, relative)
    if by_digits == 2 and abs(value) <= decade * _NUDGE and abs(expected) < abs(value):
        by_digits = 1
    by_decimals = len(_TENTH_LIST) - bisect_left(_TENTH_LIST, beyond)
    return min(max(by_digits, 1), FULL_DIGITS), min(by_decimals, MAX_DECIMALS), full
