"""Whether a log bears out that its prints are of several formats, or are cut off: else it would be a strange chance.

A log that its finest format calls off, and the prints' own digits do not, is either of several formats (or cut off), or
wrong by less than a digit of what happens to be short. Several short prints in a row that differ are a format; one
that stays is as likely an LR that was set. Prints below their LRs by less than their last digit at a score of
different LRs are cut off: what is wrong by a factor or by a tick would be off by more at some of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from trackside_service.conformance.keeping import Kept
from trackside_service.conformance.printing import FULL_DIGITS, Print, read_print

FEWER: Final = 2
"""So many decimals and digits less than the log shows are a coarser format, not one with its zeros cut off."""
IN_A_ROW: Final = 3
"""Different coarse prints next to each other: of one format, they would all end in `FEWER` zeros once in a million."""
TELLING: Final = 20
"""Different LRs after each other that show how the prints were made."""


def mixed(series: Sequence[Kept]) -> bool:
    """Say whether some of the prints, in a row and different, are coarser than the log shows that it can print."""
    shown = [read_print(kept.point.lr, kept.point.text) for kept in series]
    known = [each for each in shown if each.value != 0.0 and math.isfinite(each.value)]
    decimals = max((each.decimals for each in known), default=0)
    digits = min(max((each.significant for each in known), default=0), FULL_DIGITS)
    row: set[float] = set()
    for each in known:
        if _coarse(each, decimals, digits):
            row.add(each.value)
        else:
            row.clear()
        if len(row) >= IN_A_ROW:
            return True
    return False


def _coarse(shown: Print, decimals: int, digits: int) -> bool:
    return shown.decimals <= decimals - FEWER and shown.significant <= digits - FEWER


def varied(series: Sequence[Kept], until: float = math.inf) -> bool:
    """Say whether enough different LRs follow each other before the point with index `until`."""
    lrs = [kept.point.lr for kept in series if kept.index < until]
    return sum(one != other for one, other in pairwise(lrs)) >= TELLING


def bare_zeros(series: Sequence[Kept]) -> bool:
    """Say whether some prints are zeros that show no decimals: they may stand for much of a small LR."""
    shown = (read_print(kept.point.lr, kept.point.text) for kept in series if kept.point.lr == 0.0)
    return any(each.mantissa is None and each.decimals <= 1 for each in shown)
