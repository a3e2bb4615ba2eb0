"""What Paddle's schedulers share: one value for all groups, and parameters that most of them have."""

from __future__ import annotations

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks.constructor import LAST_EPOCH, Built, Site
from trackside_service.schedules.params import Param

VERBOSE = Param("verbose", "boolean", "print at every step (of no effect on the LR)", default=False)
TAIL = (LAST_EPOCH, VERBOSE)
LEARNING_RATE = Param("learning_rate", "number", "the LR at the start", minimum=0.0)


def for_all(curve: Curve, site: Site) -> Built:
    """Return one curve for every group: Paddle's scheduler has one value, and a group's own rate is a multiplier that
    it never shows.
    """
    return Built((curve,) * (len(site.base_lrs) if site.base_lrs else 1))
