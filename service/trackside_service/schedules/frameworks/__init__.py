"""Frameworks, one file each: constructor parameters under their own names to canonical kinds. A new one is a
file and a line here.
"""

from __future__ import annotations

from trackside_service.schedules.frameworks.constructor import FrameworkSpec
from trackside_service.schedules.frameworks.paddle import PADDLE
from trackside_service.schedules.frameworks.torch import TORCH

FRAMEWORKS: tuple[FrameworkSpec, ...] = (TORCH, PADDLE)
