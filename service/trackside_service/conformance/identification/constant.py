"""constant: one value throughout, perhaps after a warm-up."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trackside_service.conformance.identification.families import FamilySpec, factors
from trackside_service.conformance.identification.found import Found
from trackside_service.conformance.identification.log import Log, Rise


def search(log: Log, rise: Rise | None) -> Iterable[Found]:
    """Return the constant that lies within every print (from the warm-up's end on)."""
    if rise is not None and not rise.peaked:
        return
    main = log.ticks >= (0.0 if rise is None else rise.until)
    if not main.any() or float(np.max(log.low[main])) > float(np.min(log.high[main])):
        return
    fit = factors(log, rise, lambda ticks, width: np.zeros(ticks.shape))  # noqa: ARG005
    if fit is not None:
        yield Found("constant", {"lr": fit.top}, {"kind": "constant", "lr": fit.top.value}, fit.warmup)


CONSTANT = FamilySpec("constant", "constant", 2, search)
