"""Floor 2: compare observed LRs with the declared schedule, and explain the difference by its cause. Pure.

`explain` takes a whole log; `start`, `advance` and `conclude` the same log point by point, at a cost that does
not grow with it.
Both are one engine and give one verdict. `judge` is `conclude` without the search for causes.
"""

from __future__ import annotations

from trackside_service.conformance.explanation import Cause, Explanation, Family, FirstOff, Verdict, as_wire
from trackside_service.conformance.identification import Identification, identification_as_wire, identify
from trackside_service.conformance.observations import GIVEN, LrPoint, MetricPoint
from trackside_service.conformance.printing import contradicts
from trackside_service.conformance.storing import dump, load
from trackside_service.conformance.tracker import TrackerState, absorb, advance, start
from trackside_service.conformance.verdicts import conclude, explain, judge, standing

__all__ = [
    "GIVEN",
    "Cause",
    "Explanation",
    "Family",
    "FirstOff",
    "Identification",
    "LrPoint",
    "MetricPoint",
    "TrackerState",
    "Verdict",
    "absorb",
    "advance",
    "as_wire",
    "conclude",
    "contradicts",
    "dump",
    "explain",
    "identification_as_wire",
    "identify",
    "judge",
    "load",
    "standing",
    "start",
]
