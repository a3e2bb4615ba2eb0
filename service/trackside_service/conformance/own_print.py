"""How far the number behind one print may lie, whatever the rest of the log shows: by its own digits.

The prints of a log need not be of one format: a resume may print finer or coarser, progress bars show 0.0098 above 1e-3
and 9.7553e-04 below, and what a script keeps of `str(lr)` is cut off, not rounded. So a print is never held finer than
its own last digit. That says little of a number without text, whose zeros at the end are gone, and of a round one: 0.01
may be what two decimals leave of 0.0123. So such a point does not alarm until its own digits exclude the LR, and is
named as off all the same once another one did.

Some prints say less about their format than they seem to: one decimal is what is left of 0.10 or of 0.100 where zeros
are not written, so it is taken for two, or for one digit; a float of few bits is worth two or three digits; and a zero
with an exponent is 0 itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from trackside_service.conformance.print_stats import PrintStats
from trackside_service.conformance.printing import FULL_TOLERANCE, Print

ROUNDED: Final = 1
"""The print explains its LR as a rounded one; `CUT`: as one that is cut off, which lies below its number."""
CUT: Final = 2
NEVER: Final = 0
_ROUND: Final = 2
_HALF: Final = 0.5005
_WHOLE: Final = 1.001
_FINE: Final = 3
"""From so many significant digits in the log on, the last one of a print is little of it."""
_POWER: Final = 0.1
"""Of the reach upwards, where a power of ten is one digit: 0.01 stands for 0.0095 to 0.015."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the number behind a print may lie below and above it where it is rounded, and above it where it is cut
    off, in the LR's unit; the decimals at which it is cut off.
    """

    below: float
    above: float
    cut: float
    decimals: int


@dataclass(slots=True)
class OwnPrint:
    """A print, `shown`, the latest of `prints`; what is known of it is worked out once it matters."""

    shown: Print
    prints: PrintStats
    peak: float
    _known: Reach | None = None

    def ways(self, expected: float) -> int:
        """Return in which ways the print explains the LR `expected`: `ROUNDED` or `CUT`, their sum, or `NEVER`."""
        reach, over = self.reach(), expected - self.shown.value
        rounded = ROUNDED if -reach.below <= over <= reach.above else NEVER
        return rounded + (CUT if self._cut(expected, reach) else NEVER)

    def _cut(self, expected: float, reach: Reach) -> bool:
        """Say whether the print is what is left of `expected` where further decimals are cut off.

        What is a last digit more is not, but for the noise of floats: that is not taken for one while a unit is half of
        the number, or all of it.
        """
        if self.prints.exact or not math.isfinite(expected):
            return False
        shown, noise = self.shown.value, FULL_TOLERANCE * self.peak
        if not -noise <= expected - shown <= reach.cut + noise:
            return False
        if shown != 0.0 and self.prints.significant >= _FINE:
            return True
        return Decimal(repr(float(expected))) < Decimal(repr(float(shown))) + Decimal(1).scaleb(-reach.decimals)

    def reach(self) -> Reach:
        """Return how far the number behind the print may lie from it."""
        self._known = self._known or self._work()
        return self._known

    def _work(self) -> Reach:
        shown, noise = self.shown, FULL_TOLERANCE * self.peak
        if self.prints.exact:
            return Reach(0.0, 0.0, 0.0, 0)
        if shown.value == 0.0 and shown.mantissa is not None:
            return Reach(noise, noise, 0.0, 0)
        decimals = shown.decimals
        if shown.mantissa is None and decimals <= 1:  # two decimals, unless the log's texts have shown fewer so far
            coarsest = self.prints.coarsest()
            decimals = min(coarsest.decimals, _ROUND) if coarsest.style == "fixed" else _ROUND
        short = shown.float_reach
        below = above = max(_HALF * _unit(decimals), short)
        digit = shown.lone_digit
        if digit is not None:
            above = max(above, _HALF * digit)
            below = max(below, _HALF * digit * (_POWER if abs(shown.value) <= digit * _WHOLE else 1.0))
        at = decimals if shown.value == 0.0 else shown.decimals
        return Reach(below + noise, above + noise, max(_unit(at), 2.0 * short), at)


def _unit(decimals: int) -> float:
    return float(10.0 ** -max(min(decimals, 300), -300))
