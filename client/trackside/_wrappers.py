"""What accelerate and Fabric wrap around an optimizer and a scheduler; neither is imported."""

from __future__ import annotations

import sys
from typing import Any

from trackside._tables import UnreadableScheduleError

_PACKAGES = ("accelerate", "lightning", "lightning_fabric", "pytorch_lightning")


def own_optimizer(optimizer: Any) -> Any:
    """Return the framework's own optimizer: whose step has hooks, and whose class is the one that was chosen."""
    while _is_wrapped(optimizer) and hasattr(getattr(optimizer, "optimizer", None), "param_groups"):
        optimizer = optimizer.optimizer
    return optimizer


def own_scheduler(scheduler: Any) -> Any:
    """Return the framework's own scheduler. Raises `UnreadableScheduleError` where it is stepped several times an
    update: accelerate does so, once for each process, unless it splits the batches.
    """
    inner = getattr(scheduler, "scheduler", None)
    if not _is_wrapped(scheduler) or not hasattr(inner, "optimizer"):
        return scheduler
    several = 1
    if getattr(scheduler, "step_with_optimizer", True) and not getattr(scheduler, "split_batches", False):
        several = int(sys.modules["accelerate.state"].AcceleratorState().num_processes)
    if several > 1:
        raise UnreadableScheduleError(
            f"accelerate steps it {several} times an update, once for each process; declare the schedule by hand, or "
            "pass split_batches=True to the Accelerator"
        )
    return inner


def _is_wrapped(instance: Any) -> bool:
    # Fabric makes a class for each optimizer, and gives it the module of its own
    return any(base.__module__.partition(".")[0] in _PACKAGES for base in type(instance).__mro__)
