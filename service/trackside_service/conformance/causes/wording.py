"""The words of a framework for what a cause's statement and advice point at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trackside_service.conformance.causes.evidence import View
from trackside_service.conformance.causes.layouts import layout_of
from trackside_service.conformance.causes.variants import class_of
from trackside_service.conformance.causes.words import TABLES
from trackside_service.conformance.causes.words.plain import Words
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.frameworks import FRAMEWORKS

_STEP: Final[Mapping[str, str]] = {"transformers": "`lr_scheduler.step()`"}
_WARMUPS: Final[Mapping[str, str]] = {
    "torch": "the first scheduler of a `SequentialLR`, `total_iters`",
    "paddle": "`LinearWarmup(warmup_steps=...)`",
    "transformers": "`warmup_steps`, `num_warmup_steps`",
    "timm": "`warmup_t`, `--warmup-epochs`",
    "keras": "`warmup_steps`",
}
_FLOORS: Final = ("eta_min", "lr_min", "min_lr", "min_lr_rate", "min_lr_ratio", "lr_end", "end_learning_rate", "alpha")
"""Parameters that are the least LR, in whatever unit; `end_lr` is one of Paddle's PolynomialDecay alone."""


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
    own = {"warmup": f"`{layout.warmup_name}`"} if layout.style in ("param", "wrapped") else {}
    if layout.style == "chained":
        own = {"warmup": "`total_iters` of the ChainedScheduler's first"}
    fill: dict[str, object] = {
        "step": step_call(schedule),
        "each": each,
        "counting": counting,
        "end": "" if per_batch else ", at the end of the epoch and not at its beginning",
        "tick": tick(schedule),
        "ticks": tick(schedule, 2),
        "total": f"`{layout.total_name}`" if layout.total_name else "its total",
        "warmup": _WARMUPS.get(framework, "its length"),
        "bound": bound_of(schedule),
        "name": called(schedule),
    }
    fill |= own | filled
    return Words(found.why.format(**fill), found.advice.format(**fill))


def called(schedule: CompiledSchedule) -> str:
    """Return what people call the schedule: its class, or the name that `get_scheduler` is given."""
    if schedule.framework == "transformers":
        return str(schedule.source.get("params", {}).get("name", schedule.name))
    return schedule.name


def bound_of(schedule: CompiledSchedule, side: str = "floor") -> str:
    """Return how a floor or a ceiling can be declared: by the class's own parameter, where it has one."""
    if schedule.framework is None:
        return f"Declare the {side} in the schedule if it is meant."
    names = [f"`{name}`" for name in floors_of(schedule)] if side == "floor" else []
    if names:
        return f"Declare the floor in the schedule ({' or '.join(names)}) if it is meant."
    return f"{called(schedule)} has no parameter for a {side}: if it is meant, declare the LRs as a table."


def floors_of(schedule: CompiledSchedule) -> list[str]:
    """Return the parameters of the scheduler whose decay it is that are its least LR."""
    framework, name = class_of(schedule, layout_of(schedule).main)
    spec = next((each for each in FRAMEWORKS if each.framework == framework), None)
    if spec is None:
        return []
    if spec.named:
        name = called(schedule)
    params = next((each.params for each in (*spec.named, *spec.classes) if each.name == name), ())
    own = ("end_lr",) if name == "PolynomialDecay" else ()
    return [each.name for each in params if each.name in (*_FLOORS, *own)]


def apart(one: float, other: float) -> tuple[str, str]:
    """Return two numbers with as many digits as it takes to tell them apart, at least four."""
    for digits in range(4, 17):
        shown = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if shown[0] != shown[1]:
            return shown
    return f"{one:.4g}", f"{other:.4g}"


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
