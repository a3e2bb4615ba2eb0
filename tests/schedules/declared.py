"""Declarations that the tests of schedules begin with, and what is said of a wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from trackside_service.errors import ScheduleError
from trackside_service.schedules import compile_schedule

CYCLE: dict[str, Any] = {
    "framework": "torch",
    "class": "OneCycleLR",
    "params": {"max_lr": 0.1, "total_steps": 100},
    "unit": "step",
}


STEP: dict[str, Any] = {
    "framework": "torch",
    "class": "StepLR",
    "params": {"step_size": 10},
    "base_lr": 0.1,
    "unit": "epoch",
}


def refused(declaration: Any, **more: Any) -> tuple[str, list[str]]:
    with pytest.raises(ScheduleError) as refusal:
        compile_schedule(declaration, **more)
    return refusal.value.detail, [fault.pointer for fault in refusal.value.faults]


def with_params(declaration: dict[str, Any], **params: Any) -> dict[str, Any]:
    return {**declaration, "params": {**declaration["params"], **params}}
