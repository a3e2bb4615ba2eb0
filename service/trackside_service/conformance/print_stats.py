"""How a log prints numbers, inferred over the whole of it.

JSON keeps none of the trailing zeros that would tell at once, so the evidence is gathered from all values: the most
decimals, the most digits, and whether different values share the same last decimal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from trackside_service.conformance.printing import FLOAT16, FULL_DIGITS, UPPER, Print, PrintFormat, short_float

_LEAST_DECIMALS: Final = 2
_SPELT: Final = 1e-4
"""Below it, Python's `repr` and `%g` write an exponent."""


@dataclass(frozen=True, slots=True)
class PrintStats:
    """The evidence about a log's format so far; `at_depth` are up to two distinct values with the most decimals.

    `exact`: the values are no prints, which was said (`Reporting.exact`), so that none of it matters.
    """

    texted: bool = True
    mantissas: tuple[int, int] | None = None
    plain: tuple[int, int] | None = None
    trailing: bool = False
    decimals: int = 0
    significant: int = 0
    at_depth: tuple[float, ...] = ()
    bits: int = 0
    exact: bool = False
    upper: int = 0
    """The most decimals among the values above `UPPER`."""
    spelt: bool = False
    """Whether a text spells out a small number (0.000021) for which `repr` and `%g` take an exponent."""

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
        upper = max(self.upper, shown.decimals) if abs(shown.value) > UPPER else self.upper
        spelt = self.spelt or (shown.texted and shown.mantissa is None and 0.0 < abs(shown.value) < _SPELT)
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
            and upper == self.upper
            and spelt == self.spelt
            and shown.significant <= self.significant
            and shown.bits <= self.bits
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
            bits=max(self.bits, shown.bits),
            upper=upper,
            spelt=spelt,
        )

    def format(self) -> PrintFormat:
        """Return the format that the evidence shows, read as finely as a log usually is: two digits are assumed where
        nothing shows that there is but one.
        """
        digits = max(self.significant, 2)
        if self.exact:
            return PrintFormat("full", digits, self.decimals)
        if digits >= FULL_DIGITS:
            return self._short or PrintFormat("full", digits, self.decimals)
        if self._exponents:
            return PrintFormat("significant", self._exponents, self.decimals)
        if self._decimals:
            return PrintFormat("fixed", 0, self._decimals)
        if len(self.at_depth) > 1:
            return PrintFormat("fixed", digits, self.decimals)
        plain = self.texted and self.mantissas is None and self.plain == (self.decimals, self.decimals)
        return PrintFormat("either", digits, self.decimals, plain)

    def coarsest(self) -> PrintFormat:
        """Return the coarsest format in which a right run's log may look like this: what it excludes is off for sure.

        0.001 all over is the number itself, 9.7e-4 in one digit, or 6e-4 in three decimals: 1e-3 and 0.001 look the
        same however they were made. So unless texts show the format, a print stands for all that has its digits
        or its decimals: as many as the log has at most, of the digits at least one. Of decimals at least two are taken
        for granted where there is no text, since nobody prints LRs in one: a frozen 0.1 is seen.
        """
        shown = self.format()
        if (
            self.exact
            or self.significant >= FULL_DIGITS
            or (self._exponents or 0) > 1
            or (shown.style == "fixed" and not shown.digits)
        ):
            return shown
        if self._short and self.significant > self._short.digits:
            return self._short
        least = _LEAST_DECIMALS if not self.texted else 0
        decimals = max(self.decimals, least, self.plain[1] if self.plain is not None else 0)
        return PrintFormat("fixed", max(self.significant, 1), decimals)

    @property
    def rounded(self) -> bool:
        """Whether none is cut off: texts of one mantissa, zeros at the end included, come out of what rounds."""
        return self.trailing and (self._exponents or 0) > 1

    @property
    def _short(self) -> PrintFormat | None:
        """What the prints are worth where every value fits a float of 8 or 11 bits."""
        return short_float(self.bits) if 0 < self.bits <= FLOAT16 else None

    @property
    def _exponents(self) -> int | None:
        """Significant digits where texts all show as many, with an exponent."""
        same = self.texted and self.plain is None and self.mantissas and self.mantissas[0] == self.mantissas[1]
        return self.mantissas[0] + 1 if same and self.mantissas else None

    @property
    def _decimals(self) -> int | None:
        """Decimals where texts all show as many, without an exponent, and some end in a zero or spell out a number that
        is written with an exponent otherwise.
        """
        same = self.texted and self.mantissas is None and self.plain and self.plain[0] == self.plain[1]
        return self.plain[0] if same and self.plain and (self.trailing or self.spelt) else None


def _span(known: tuple[int, int] | None, value: int) -> tuple[int, int]:
    return (value, value) if known is None else (min(known[0], value), max(known[1], value))
