"""The causes of an LR off its schedule, one file a family, simplest first. A new family is a file and a line here.

`CLAMPED` is one of other_schedule's by name and stands before what changes on the way: a bound is simpler than that.
"""

from __future__ import annotations

from trackside_service.conformance.causes.clamped import CLAMPED
from trackside_service.conformance.causes.evidence import CauseSpec
from trackside_service.conformance.causes.frozen import FROZEN
from trackside_service.conformance.causes.level_change import LEVEL_CHANGE
from trackside_service.conformance.causes.other_schedule import OTHER_SCHEDULE
from trackside_service.conformance.causes.restart import RESTART
from trackside_service.conformance.causes.scale import SCALE
from trackside_service.conformance.causes.shift import SHIFT
from trackside_service.conformance.causes.time_scale import TIME_SCALE
from trackside_service.conformance.causes.total import TOTAL
from trackside_service.conformance.causes.warmup import WARMUP

CAUSES: tuple[CauseSpec, ...] = (
    FROZEN,
    SHIFT,
    TIME_SCALE,
    SCALE,
    WARMUP,
    TOTAL,
    CLAMPED,
    RESTART,
    LEVEL_CHANGE,
    OTHER_SCHEDULE,
)

CHANGES: tuple[CauseSpec, ...] = (TOTAL, RESTART, LEVEL_CHANGE)
"""Those that may have changed on the way."""
