"""Frameworks, one file or folder each: constructor parameters under their own names to canonical kinds. A new one is a
file and a line here.
"""

from __future__ import annotations

from trackside_service.schedules.frameworks.constructor import FrameworkSpec
from trackside_service.schedules.frameworks.keras import KERAS
from trackside_service.schedules.frameworks.paddle import PADDLE
from trackside_service.schedules.frameworks.timm import TIMM
from trackside_service.schedules.frameworks.torch import TORCH
from trackside_service.schedules.frameworks.transformers import TRANSFORMERS

FRAMEWORKS: tuple[FrameworkSpec, ...] = (TORCH, PADDLE, TRANSFORMERS, TIMM, KERAS)
