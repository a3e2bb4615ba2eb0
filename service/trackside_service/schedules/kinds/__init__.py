"""The canonical kinds, one file each: absolute LR values over ticks. A new kind is a file and a line here."""

from __future__ import annotations

from trackside_service.schedules.curve import KindSpec
from trackside_service.schedules.kinds.constant import CONSTANT
from trackside_service.schedules.kinds.decay import DECAY
from trackside_service.schedules.kinds.phases import PHASES
from trackside_service.schedules.kinds.ramp import RAMP
from trackside_service.schedules.kinds.restarts import RESTARTS
from trackside_service.schedules.kinds.table import TABLE

KINDS: tuple[KindSpec, ...] = (CONSTANT, RAMP, DECAY, RESTARTS, PHASES, TABLE)
