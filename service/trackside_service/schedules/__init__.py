"""Floor 1: what the LR should be. Declarations in a framework's own words become canonical kinds, which become numbers.

`KINDS` and `FRAMEWORKS` are the tables that the API's schema and the documentation derive from.
"""

from __future__ import annotations

from trackside_service.schedules.compiled import CompiledSchedule, Reporting
from trackside_service.schedules.compiler import compile_schedule
from trackside_service.schedules.curve import Curve, KindSpec
from trackside_service.schedules.frameworks import FRAMEWORKS
from trackside_service.schedules.frameworks.constructor import ClassSpec, FrameworkSpec
from trackside_service.schedules.kinds import KINDS
from trackside_service.schedules.params import MAX_DEPTH, MAX_GROUPS, MAX_PHASES, MAX_SCHEDULERS, MAX_TABLE, Param
from trackside_service.schedules.previewing import MAX_UPDATES, preview, preview_arrays

__all__ = [
    "FRAMEWORKS",
    "KINDS",
    "MAX_DEPTH",
    "MAX_GROUPS",
    "MAX_PHASES",
    "MAX_SCHEDULERS",
    "MAX_TABLE",
    "MAX_UPDATES",
    "ClassSpec",
    "CompiledSchedule",
    "Curve",
    "FrameworkSpec",
    "KindSpec",
    "Param",
    "Reporting",
    "compile_schedule",
    "preview",
    "preview_arrays",
]
