"""How a log prints numbers, inferred over the whole of it, and how far a print may be from the number behind it.

A print stands for every number that prints so. `%.6f` shows fixed decimals, `%.3e` significant digits, a full-precision
value seventeen of them; JSON keeps none of the trailing zeros that would tell at once, so the evidence is
gathered from all
values: the most decimals, the most digits, and whether different values share the same last decimal.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from trackside_service.schedules.curve import FloatArray

FULL_DIGITS: Final = 9
"""From so many significant digits on a print is taken as the number itself."""
MAX_DECIMALS: Final = 13
FULL_TOLERANCE: Final = 1e-6
"""Of the schedule's peak: what full-precision values may differ by (a float32 library, another order of operations)."""
_NOISE: Final = 1e-9
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


def read_print(lr: float, text: str | None) -> Print:
    """Return how `lr` was printed: by its text where that is a number, else by the shortest form of the float."""
    match = _NUMBER.match(text) if text is not None and len(text) <= 64 else None
    texted = match is not None and bool(match[1] or match[2])
    if not texted:
        match = _NUMBER.match(repr(lr))
    if match is None:  # NaN and the infinities
        return Print(lr, 0, 0, None, False, False)
    whole, part, exponent = match[1] or "", match[2] or "", match[3]
    if part == "0" and exponent is None:  # 1.0 is how a float without a fraction is written
        part = ""
    digits = (whole + part).lstrip("0")
    value = float(text) if texted and text is not None else lr
    return Print(
        value=value,
        decimals=len(part) - int(exponent or 0),
        significant=len(digits) if part or exponent else len(digits.rstrip("0")),
        mantissa=None if exponent is None else len(part),
        trailing=part.endswith("0"),
        texted=texted,
    )


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

    def half_widths(self, values: FloatArray, peak: float) -> FloatArray:
        """Return for each printed value how far the number behind it may lie, in the LR's unit."""
        noise = _NOISE * peak
        if self.style == "full":
            return np.full(values.shape, FULL_TOLERANCE * peak)
        fixed = np.full(values.shape, _HALF * 10.0 ** -min(self.decimals, 300))
        by_digits = _HALF * _decade(values) * 10.0 ** (1 - self.digits)
        if self.style == "significant":
            return np.asarray(by_digits + noise, dtype=np.float64)
        if self.style == "fixed":
            return np.asarray(np.maximum(fixed, by_digits if self.digits else 0.0) + noise, dtype=np.float64)
        two = _HALF * _decade(values) * 0.1
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


def _decade(values: FloatArray) -> FloatArray:
    """Return 10^floor(log10 |v|), 0 for 0."""
    with np.errstate(over="ignore"):
        size = np.abs(values) * _NUDGE
    places = np.searchsorted(_POWERS, size, side="right") - 1
    return np.where(places >= 0, _POWERS[np.maximum(places, 0)], 0.0)


def deviations(
    values: FloatArray, expected: FloatArray, peak: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return per point from which format on it is off the schedule, whatever the format turns out to be.

    The first array: the fewest significant digits (2 to 9) at which the print excludes the expected value, 9 for
    never; the second: the
    fewest decimals (0 to 13), 13 for never; the third: 0 where a full-precision value is off, else 1. All broadcast.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        off_by = np.abs(values - expected)
        beyond = np.maximum(off_by - _NOISE * peak, 0.0) / _HALF
        relative = beyond / 10.0 / _decade(np.broadcast_to(values, beyond.shape))
    # The number of k >= 0 with beyond <= 10^-k; tables, not logarithms, so that one point gives what an array does.
    by_digits = len(_TENTHS) - np.searchsorted(_TENTHS, relative, side="left")
    by_decimals = len(_TENTHS) - np.searchsorted(_TENTHS, beyond, side="left")
    by_digits = np.where(beyond > 0, np.clip(by_digits, 2, FULL_DIGITS), FULL_DIGITS)
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
    beyond = max(off_by - _NOISE * peak, 0.0) / _HALF
    full = 0 if off_by > FULL_TOLERANCE * peak else 1
    if not beyond > 0.0:
        return FULL_DIGITS, MAX_DECIMALS, full
    place = bisect_right(_POWER_LIST, abs(value) * _NUDGE) - 1
    relative = beyond / 10.0 / _POWER_LIST[place] if place >= 0 else math.inf
    by_digits = len(_TENTH_LIST) - bisect_left(_TENTH_LIST, relative)
    by_decimals = len(_TENTH_LIST) - bisect_left(_TENTH_LIST, beyond)
    return min(max(by_digits, 2), FULL_DIGITS), min(by_decimals, MAX_DECIMALS), full


@dataclass(frozen=True, slots=True)
class PrintStats:
    """The evidence about a log's format so far; `at_depth` are up to two distinct values with the most decimals."""

    texted: bool = True
    mantissas: tuple[int, int] | None = None
    plain: tuple[int, int] | None = None
    trailing: bool = False
    decimals: int = 0
    significant: int = 0
    at_depth: tuple[float, ...] = ()

    def seen(self, shown: Print) -> PrintStats:
        """Return the evidence with one more print."""
        if not math.isfinite(shown.value):
            return self
        mantissas, plain = self.mantissas, self.plain
        if shown.mantissa is not None:
            mantissas = _span(mantissas, shown.mantissa)
        elif shown.texted:
            plain = _span(plain, shown.decimals)
        decimals, depth = self.decimals, self.at_depth
        if shown.value != 0.0:
            if shown.decimals > decimals:
                decimals, depth = shown.decimals, (shown.value,)
            elif shown.decimals == decimals and len(depth) < 2 and shown.value not in depth:
                depth = (*depth, shown.value)
        if (
            self.texted == (self.texted and shown.texted)
            and mantissas == self.mantissas
            and plain == self.plain
            and decimals == self.decimals
            and depth == self.at_depth
            and shown.significant <= self.significant
            and (self.trailing or not shown.trailing)
        ):
            return self
        return replace(
            self,
            texted=self.texted and shown.texted,
            mantissas=mantissas,
            plain=plain,
            trailing=self.trailing or shown.trailing,
            decimals=decimals,
            significant=max(self.significant, shown.significant),
            at_depth=depth,
        )

    def format(self) -> PrintFormat:
        """Return the format that the evidence shows."""
        digits = max(self.significant, 2)
        if digits >= FULL_DIGITS:
            return PrintFormat("full", digits, self.decimals)
        if self.texted and self.plain is None and self.mantissas and self.mantissas[0] == self.mantissas[1]:
            return PrintFormat("significant", max(self.mantissas[0] + 1, 2), self.decimals)
        if self.texted and self.mantissas is None and self.plain and self.plain[0] == self.plain[1] and self.trailing:
            return PrintFormat("fixed", 0, self.plain[0])
        if len(self.at_depth) > 1:
            return PrintFormat("fixed", digits, self.decimals)
        plain = self.texted and self.mantissas is None and self.plain == (self.decimals, self.decimals)
        return PrintFormat("either", digits, self.decimals, plain)


def _span(known: tuple[int, int] | None, value: int) -> tuple[int, int]:
    return (value, value) if known is None else (min(known[0], value), max(known[1], value))
