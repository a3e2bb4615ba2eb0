"""How far the number behind one print may lie, whatever the rest of the log shows: its text, and the prints before it.

The prints of a log need not be of one format: a resume may print finer, and progress bars show 0.0098 above 1e-3 and
9.7553e-04 below. So a print is never held finer than its own text. Without one, it is not held finer than what the
log showed until then where the digits jump later, and an LR above 1e-3 not finer than those above 1e-3.

Two texts say less about their format than they seem to: one decimal is what is left of 0.10 or of 0.100 where zeros are
not written (`repr`, `%g`, a rounded number), so it is taken for two; and a zero with an exponent is 0 itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trackside_service.conformance.printing import FULL_TOLERANCE, UPPER, Print, PrintFormat, PrintStats

ALWAYS: Final = 20
"""The ease of a point that its own print explains."""
NEVER: Final = 0
_MOST_DIGITS: Final = 17
_JUMP: Final = 2
"""So many digits more than the log had shown are a finer format, not the same one with its zeros cut off."""
_ROUND: Final = 2
_HALF: Final = 0.5005
_WHOLE: Final = 1.001
_CUT: Final = 3
"""From so many significant digits in the log on a print may be cut off, not rounded; with fewer it would hide much."""


@dataclass(slots=True)
class OwnPrint:
    """A print, `shown`, the latest of `prints`; what is known of it is worked out once it matters."""

    shown: Print
    prints: PrintStats
    peak: float
    _known: tuple[float, PrintFormat] | None = None

    def ease(self, expected: float, key: tuple[int, int, int]) -> int:
        """Return how easily the print explains the LR `expected`: always, from digits of the log on, or never."""
        reach, until_then = self._worked()
        above = expected - self.shown.value
        # A print that is cut off lies below its number.
        if above <= reach and -above <= reach * self._below:
            return ALWAYS
        if until_then.style == "fixed" and until_then.explains(key):
            return ALWAYS - _JUMP - min(self.prints.significant, _MOST_DIGITS)
        return NEVER

    @property
    def reach(self) -> float:
        """How far the number behind the print may lie above it in any case; below it at most as far."""
        return self._worked()[0]

    @property
    def _below(self) -> float:
        """What of its reach a print has downwards."""
        return _HALF / _WHOLE if self.prints.significant >= _CUT else 1.0

    def _worked(self) -> tuple[float, PrintFormat]:
        self._known = self._known or self._work()
        return self._known

    def _work(self) -> tuple[float, PrintFormat]:
        """Return how far above its print the number may lie in any case, and the coarsest format that the log had until
        then.
        """
        shown, prints = self.shown, self.prints
        coarsest = prints.coarsest()
        if prints.exact:
            return 0.0, coarsest
        if shown.value == 0.0 and shown.mantissa is not None:
            return FULL_TOLERANCE * self.peak, coarsest
        if shown.texted and (shown.mantissa is not None or shown.decimals > 1):
            decimals = shown.decimals
        elif shown.texted:  # two decimals, unless the log has shown fewer so far
            decimals = min(coarsest.decimals, _ROUND) if coarsest.style == "fixed" else _ROUND
        elif abs(shown.value) > UPPER and prints.upper < prints.decimals:
            decimals = max(prints.upper, 2)
        elif coarsest.style == "fixed":
            decimals = max(coarsest.decimals, 2)
        else:
            return 0.0, coarsest
        unit = 10.0 ** -max(min(decimals, 300), -300)
        share = _WHOLE if prints.significant >= _CUT else _HALF
        return share * unit + FULL_TOLERANCE * self.peak, coarsest


def explained(ease: int, digits: int) -> bool:
    """Say whether a print of this ease explains its LR in a log that shows so many significant digits."""
    return ease == ALWAYS or ease + min(digits, _MOST_DIGITS) >= ALWAYS
