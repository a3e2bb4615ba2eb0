"""timm.scheduler: constructor parameters to canonical kinds. Formulas: the classes' own _get_lr, version 1.0.

They are closed forms of t, set by step(epoch + 1) at the end of an epoch or by step_update(n): the LR at tick t is
that of t.
"""

from __future__ import annotations

from trackside_service.schedules.frameworks.constructor import FrameworkSpec
from trackside_service.schedules.frameworks.timm.cycled import CYCLED
from trackside_service.schedules.frameworks.timm.stepped import STEPPED

TIMM = FrameworkSpec(
    framework="timm",
    title="timm (timm.scheduler)",
    version="1.0",
    base_lr="The optimizer's lr, one number or one a parameter group. A group's lr_scale multiplies what the scheduler "
    "says: declare the product.",
    classes=(*CYCLED, *STEPPED),
)
