"""No schedule declared: name the simplest ones that reproduce the observed LRs, and say what the log leaves open.

One file a family (`table.FAMILIES`). The searches look at few points of the log; every answer is verified at all.
"""

from __future__ import annotations

from trackside_service.conformance.identification.answer import (
    Candidate,
    Identification,
    Outcome,
    ScheduleFamily,
    identification_as_wire,
)
from trackside_service.conformance.identification.engine import identify

__all__ = ["Candidate", "Identification", "Outcome", "ScheduleFamily", "identification_as_wire", "identify"]
