"""The LR at each update, before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from trackside_service.errors import ScheduleError
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.compiler import compile_schedule, schedulers
from trackside_service.schedules.curve import FloatArray
from trackside_service.schedules.params import MAX_TICKS

MAX_UPDATES: Final = 2_000_000
MAX_VALUES: Final = 4_000_000
"""LRs in one answer, over all parameter groups."""
MAX_FOLLOWED: Final = 20_000_000
"""Ticks that are followed one after another in one preview, over groups and members; a second takes about eight
million.
"""


def preview(
    declaration: Mapping[str, Any],
    *,
    steps: Sequence[int] | None,
    total: int | None,
    metric: Sequence[float] | None,
) -> list[list[float]]:
    """Return what `preview_arrays` does, as lists of floats."""
    return [lrs.tolist() for lrs in preview_arrays(declaration, steps=steps, total=total, metric=metric)]


def preview_arrays(
    declaration: Mapping[str, Any],
    *,
    steps: Sequence[int] | None,
    total: int | None,
    metric: Sequence[float] | None,
) -> list[FloatArray]:
    """Return the LR in use at each of `steps` (updates, from 0) or of the first `total` updates: one array a group.

    `metric` has one value a tick and is for schedules that are driven by a metric; the others take no notice of it.
    Raises `ScheduleError` where the real library would raise at one of the updates, or where the LR there is not known.
    """
    if (steps is None) == (total is None):
        raise ScheduleError("exactly one of steps and total is given")
    if total is not None:
        if not 1 <= total <= MAX_UPDATES:
            raise ScheduleError(f"total is 1 to {MAX_UPDATES} updates")
        updates = np.arange(total, dtype=np.int64)
    else:
        listed = steps or ()
        if len(listed) > MAX_UPDATES:
            raise ScheduleError(f"at most {MAX_UPDATES} steps are previewed at once")
        if any(not 0 <= step <= MAX_TICKS for step in listed):
            raise ScheduleError(f"steps are update indices: 0 to {MAX_TICKS}")
        updates = np.asarray(listed, dtype=np.int64)
    schedule = compile_schedule(declaration)
    if len(updates) * len(schedule.groups) > MAX_VALUES:
        groups = len(schedule.groups)
        raise ScheduleError(
            f"with {groups} parameter groups at most {MAX_VALUES // groups} updates are previewed at once"
        )
    if schedule.metric_driven and metric is not None:
        if len(metric) > MAX_UPDATES:
            raise ScheduleError(f"metric has at most {MAX_UPDATES} values")
        schedule = schedule.driven_by(metric)
    ticks = schedule.ticks_at_updates(updates)
    members = schedulers(declaration)
    followed = schedule.followed_to(float(ticks.max(initial=0))) * members
    if followed > MAX_FOLLOWED:
        raise ScheduleError(
            f"{members} schedulers that act on one another, in {len(schedule.groups)} parameter groups: {followed} "
            f"ticks would be followed one by one, and {MAX_FOLLOWED} are the most; preview fewer groups or updates"
        )
    if schedule.refused_after is not None and bool(np.any(ticks > schedule.refused_after)):
        first = int(updates[ticks > schedule.refused_after].min())
        raise ScheduleError(
            f"{schedule.refusal}: update {first} would be the first without an LR (its tick is above "
            f"{schedule.refused_after})"
        )
    lrs = [schedule.lrs(ticks, group) for group in range(len(schedule.groups))]
    if any(bool(np.any(np.isinf(values))) for values in lrs):
        raise ScheduleError("the LR grows beyond what a float holds")
    unknown = np.isnan(lrs[0])
    if bool(np.any(unknown)):
        raise ScheduleError(
            f"the LR is not known at update {int(updates[unknown].min())}: {_reason(schedule, metric is not None)}"
        )
    return lrs


def _reason(schedule: CompiledSchedule, driven: bool) -> str:
    if schedule.metric_driven:
        return "it depends on the metric, which is given as one value a tick (metric)"
    if driven:
        return "the metric ends before it, or the table does"
    return (
        "the table ends before it" if schedule.name == "table" else "it is too far out, or the real class fails there"
    )
