"""The words of a framework for what a cause's statement and advice point at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trackside_service.conformance.causes.evidence import View
from trackside_service.conformance.causes.variants import layout_of
from trackside_service.conformance.causes.words import TABLES
from trackside_service.conformance.causes.words.plain import Words
from trackside_service.schedules.compiled import CompiledSchedule

_STEP: Final[Mapping[str, str]] = {"transformers": "`lr_scheduler.step()`"}
_WARMUPS: Final[Mapping[str, str]] = {
    "torch": "the first scheduler of a `SequentialLR`, `total_iters`",
    "paddle": "`LinearWarmup(warmup_steps=...)`",
    "transformers": "`warmup_steps`, `num_warmup_steps`",
    "timm": "`warmup_t`, `--warmup-epochs`",
    "keras": "`warmup_steps`",
}
_FLOORS: Final[Mapping[str, str]] = {
    "torch": "`eta_min`",
    "paddle": "`eta_min`, `end_lr`",
    "transformers": "`min_lr`",
    "timm": "`lr_min`",
    "keras": "`alpha`, `end_learning_rate`",
}


def words(schedule: CompiledSchedule, cause: str, **filled: object) -> Words:
    """Return how the schedule's framework words a cause, with what the cause fills in."""
    framework, per_batch = schedule.framework or "", schedule.unit == "step"
    table, layout = TABLES.get(framework, TABLES[""]), layout_of(schedule)
    found = table.get(f"{cause}/{schedule.name}", table[cause])
    if per_batch:
        each = "after `optimizer.step()`, inside the batch loop" if framework else "after every update"
        counting = "`num_updates` counts every update of the run"
    else:
        each, counting = "once at the end of every epoch", "it is `epoch + 1`, with epochs counted from 0"
    own = {"warmup": f"`{layout.warmup_name}`"} if layout.warmup_name and layout.style != "sequence" else {}
    fill: dict[str, object] = {
        "step": step_call(schedule),
        "each": each,
        "counting": counting,
        "end": "" if per_batch else ", at the end of the epoch and not at its beginning",
        "tick": tick(schedule),
        "ticks": tick(schedule, 2),
        "total": f"`{layout.total_name}`" if layout.total_name else "its total",
        "warmup": _WARMUPS.get(framework, "its length"),
        "floor": _FLOORS.get(framework, "a floor"),
        "name": schedule.name,
    }
    fill |= own | filled
    return Words(found.why.format(**fill), found.advice.format(**fill))


def step_call(schedule: CompiledSchedule) -> str:
    """Name the call that moves the schedule on by one tick."""
    if schedule.framework == "timm":
        per_batch = schedule.unit == "step"
        return "`scheduler.step_update(num_updates)`" if per_batch else "`scheduler.step(epoch + 1)`"
    return _STEP.get(schedule.framework or "", "`scheduler.step()`")


def tick(schedule: CompiledSchedule, count: float = 1) -> str:
    """Return "epoch" or "update", in the plural where `count` asks for it."""
    return ("update" if schedule.unit == "step" else "epoch") + ("" if count == 1 else "s")


def at(view: View, ticks: float) -> str:
    """Return the place of a tick as the log counts it, such as "step 300"."""
    convention, after = view.convention, 1.0 if view.convention.when == "after_step" else 0.0
    if view.schedule.unit == "epoch":
        return f"epoch {ticks + convention.epoch_base:g}"
    return f"step {ticks - after + convention.step_base:g}"
