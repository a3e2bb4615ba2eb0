"""The words of a framework for what the advice points at."""

from __future__ import annotations

from trackside_service.conformance.causes.evidence import View
from trackside_service.schedules.compiled import CompiledSchedule


def step_call(schedule: CompiledSchedule) -> str:
    """Name the call that moves the schedule on by one tick, and where it belongs."""
    per_batch = schedule.unit == "step"
    if schedule.framework == "timm":
        call = "`scheduler.step_update(num_updates)`" if per_batch else "`scheduler.step(epoch + 1)`"
    elif schedule.framework == "keras":
        return (
            "the optimizer with the schedule object itself (`learning_rate=schedule`); Keras steps it at every update"
        )
    else:
        call = "`scheduler.step()`"
    place = "after `optimizer.step()`, inside the batch loop" if per_batch else "once at the end of every epoch"
    return f"{call} {place}"


def tick(schedule: CompiledSchedule, count: float = 1) -> str:
    """Return "epoch" or "update", in the plural where `count` asks for it."""
    return ("update" if schedule.unit == "step" else "epoch") + ("" if count == 1 else "s")


def at(view: View, ticks: float) -> str:
    """Return the place of a tick as the log counts it, such as "step 300"."""
    convention, after = view.convention, 1.0 if view.convention.when == "after_step" else 0.0
    if view.schedule.unit == "epoch":
        return f"epoch {ticks + convention.epoch_base:g}"
    return f"step {ticks - after + convention.step_base:g}"
