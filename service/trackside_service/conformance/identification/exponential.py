"""exponential: multiplied by the same factor at every tick."""

from __future__ import annotations

from collections.abc import Iterable

from trackside_service.conformance.identification.families import FamilySpec, factors
from trackside_service.conformance.identification.found import Found
from trackside_service.conformance.identification.log import Log, Rise


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the factor of a tick: a line in the logarithms."""
    if rise is not None and not rise.peaked:
        return
    fit = factors(log, rise, lambda ticks, width: ticks - width)
    if fit is not None and fit.gamma.high < 1.0:
        curve = {
            "kind": "decay",
            "lr": fit.top.value,
            "gamma": fit.gamma.value,
            "every": 1,
            "staircase": False,
        }
        yield Found("exponential", {"lr": fit.top, "gamma": fit.gamma}, curve, fit.warmup)


EXPONENTIAL = FamilySpec("exponential", "exponential decay", 4, search)
