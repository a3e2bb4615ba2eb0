"""The canonical kinds, one file each: absolute LR values over ticks. A new kind is a file and a line here."""

from __future__ import annotations

from trackside_service.schedules.curve import KindSpec
from trackside_service.schedules.kinds.constant import CONSTANT
from trackside_service.schedules.kinds.cyclic import CYCLIC
from trackside_service.schedules.kinds.decay import DECAY
from trackside_service.schedules.kinds.greedy import GREEDY
from trackside_service.schedules.kinds.inverse_time import INVERSE_TIME
from trackside_service.schedules.kinds.phases import PHASES
from trackside_service.schedules.kinds.piecewise import PIECEWISE
from trackside_service.schedules.kinds.plateau import PLATEAU
from trackside_service.schedules.kinds.power_law import POWER_LAW
from trackside_service.schedules.kinds.product import PRODUCT
from trackside_service.schedules.kinds.ramp import RAMP
from trackside_service.schedules.kinds.restarts import RESTARTS
from trackside_service.schedules.kinds.table import TABLE

KINDS: tuple[KindSpec, ...] = (
    CONSTANT,
    RAMP,
    DECAY,
    PIECEWISE,
    INVERSE_TIME,
    POWER_LAW,
    RESTARTS,
    CYCLIC,
    PHASES,
    PRODUCT,
    PLATEAU,
    GREEDY,
    TABLE,
)
