"""What a log says about the LR, and about the metric that some schedules follow: one point, as it was reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

Values: TypeAlias = tuple[tuple[str, float], ...]
"""Metrics by canonical name, reported in one record."""
GIVEN: Final = ""
"""The name of a metric that is known to be the one that the scheduler was given."""


@dataclass(frozen=True, slots=True)
class LrPoint:
    """One observed LR: `text` is how the log printed it, where that is known; the place is as the log counts it.

    `metrics` came in the same record. `before`: the updates that were done before the log's counter began (a resumed
    process counts from 0 again); `perhaps`: those that there may have been besides.
    """

    lr: float
    step: int | None = None
    epoch: float | None = None
    text: str | None = None
    metrics: Values = ()
    before: int = 0
    perhaps: int = 0


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """Metrics that were reported without an LR; the place is as the log counts it."""

    metrics: Values
    step: int | None = None
    epoch: float | None = None
