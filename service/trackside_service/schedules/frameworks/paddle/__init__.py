"""paddle.optimizer.lr: constructor parameters to canonical kinds. Formulas: the classes' own get_lr, version 3.3."""

from __future__ import annotations

from trackside_service.schedules.frameworks.constructor import FrameworkSpec
from trackside_service.schedules.frameworks.paddle.annealing import ANNEALING
from trackside_service.schedules.frameworks.paddle.decays import DECAYS
from trackside_service.schedules.frameworks.paddle.warmup import WARMUP

PADDLE = FrameworkSpec(
    framework="paddle",
    title="PaddlePaddle (paddle.optimizer.lr)",
    version="3.3",
    base_lr="The scheduler is the optimizer's learning rate and says its LRs itself: base_lr may repeat them "
    "and is not used.",
    classes=(*WARMUP, *ANNEALING, *DECAYS),
)
