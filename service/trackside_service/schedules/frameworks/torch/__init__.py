"""torch.optim.lr_scheduler: constructor parameters to canonical kinds. Formulas: the classes' own get_lr,
version 2.13.
"""

from __future__ import annotations

from trackside_service.schedules.frameworks.constructor import FrameworkSpec
from trackside_service.schedules.frameworks.torch.cosine import COSINES
from trackside_service.schedules.frameworks.torch.cycles import CYCLES
from trackside_service.schedules.frameworks.torch.functions import FUNCTIONS
from trackside_service.schedules.frameworks.torch.nested import NESTED
from trackside_service.schedules.frameworks.torch.plateau import PLATEAU
from trackside_service.schedules.frameworks.torch.simple import SIMPLE

TORCH = FrameworkSpec(
    framework="torch",
    title="PyTorch (torch.optim.lr_scheduler)",
    version="2.13",
    base_lr="The optimizer's lr, one number or one a parameter group; the schedulers multiply it. OneCycleLR and "
    "CyclicLR ignore it.",
    classes=(*SIMPLE, *COSINES, *CYCLES, PLATEAU, *NESTED, *FUNCTIONS),
)
