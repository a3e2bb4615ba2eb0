"""The verdict on a stored run's learning rate, and what its schedule expects at given places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import sqlalchemy as sa

from trackside_service import detection, monitor
from trackside_service.api.remembered import Remembered
from trackside_service.conformance import (
    Explanation,
    Identification,
    LrPoint,
    absorb,
    identification_as_wire,
    identify,
    judge,
    start,
)
from trackside_service.conformance.conventions import convention_of
from trackside_service.conformance.epochs import WHOLE
from trackside_service.conformance.expecting import expected_lrs
from trackside_service.domain.metrics import LR, LRS
from trackside_service.domain.records import Position
from trackside_service.domain.resumes import Resumed
from trackside_service.domain.runs import Run
from trackside_service.schedules import compile_schedule
from trackside_service.schedules.curve import FloatArray
from trackside_service.storage import metrics
from trackside_service.storage.lives import StoredLife
from trackside_service.storage.points import Point


def explanation_of(connection: sa.Connection, run: Run) -> Explanation | None:
    """Return the verdict as of the last post; None without a schedule, or where no learning rate was reported."""
    return explanations_of(connection, run, 1)[0]


def explanations_of(connection: sa.Connection, run: Run, count: int) -> list[Explanation | None]:
    """Return the verdicts on the first `count` parameter groups, each as `explanation_of` does for the first."""
    if run.spec.schedule is None:
        return [None] * count
    known = monitor.look(connection, run.id)
    return [detection.explanation(known.context, known.state, group) for group in range(count)]


def groups_of(connection: sa.Connection, run: Run) -> int:
    """Return how many parameter groups are declared or reported: 1 or more, and as many as are compared at most."""
    reported = {metric.name for metric in metrics.of_run(connection, run.id)}
    last = max((group for group, name in enumerate(LRS) if name in reported), default=0)
    declared = 1
    if run.spec.schedule is not None:
        declared = len(compile_schedule(run.spec.schedule, steps_per_epoch=run.spec.steps_per_epoch).groups)
    return min(max(last + 1, declared), len(LRS))


def level_of(connection: sa.Connection, run: Run) -> int:
    """Return how many decimals the epochs of the first group's points have (`EpochStats.level`)."""
    tracker = None if run.spec.schedule is None else detection.lr_state(monitor.look(connection, run.id).state)
    return WHOLE if tracker is None else tracker.epochs.level


def expected_at(
    run: Run, explanation: Explanation | None, observed: Sequence[Point], level: int, known: Sequence[StoredLife]
) -> list[float | None]:
    """Return what the schedule expects at each point, in the convention of `explanation`; None where that cannot be
    said. `level`: of the whole log's epochs, which says how far they are rounded.

    `known`: the run's lives. Where a later one declared the run anew, those before it are compared with what held for
    them, in the convention that their own points show.
    """
    lived = {one.life.number: one for one in known}
    expected: list[float | None] = [None] * len(observed)
    for declared, places in groupby(range(len(observed)), lambda place: _declared(lived.get(observed[place].life))):
        at = list(places)
        points = [_lr_point(observed[place], lived.get(observed[place].life)) for place in at]
        if declared is not None:
            lrs = _expected_before(declared, points)
        elif run.spec.schedule is None or explanation is None or explanation.convention is None:
            continue
        else:
            schedule = compile_schedule(run.spec.schedule, steps_per_epoch=run.spec.steps_per_epoch)
            lrs, _ = expected_lrs(schedule, convention_of(explanation.convention), points, level)
        for place, lr in zip(at, lrs, strict=True):
            expected[place] = float(lr) if math.isfinite(lr) else None
    return expected


def _declared(life: StoredLife | None) -> Mapping[str, Any] | None:
    """Return what held for a life, where the run was declared anew after it."""
    return None if life is None else life.declaration


def _lr_point(point: Point, life: StoredLife | None) -> LrPoint:
    resumed = None if life is None else life.progress.resumed
    before, perhaps = (0, 0) if resumed is None else resumed.updates_before(Position(point.step, point.epoch))
    return LrPoint(point.value, point.step, point.epoch, before=before, perhaps=perhaps)


def _expected_before(declared: Mapping[str, Any], points: Sequence[LrPoint]) -> FloatArray:
    """Return what the schedule of an earlier declaration of the run expects at its points; NaN where there is none."""
    if declared.get("schedule") is None:
        return np.full(len(points), np.nan)
    schedule = compile_schedule(declared["schedule"], steps_per_epoch=declared.get("steps_per_epoch"))
    state = absorb(schedule, start(schedule), points)
    convention = judge(schedule, state).convention
    if convention is None:
        return np.full(len(points), np.nan)
    return expected_lrs(schedule, convention_of(convention), points, state.epochs.level)[0]


def reported(connection: sa.Connection, run: Run) -> int:
    """Return how many learning rates of the first group are stored."""
    return next((metric.points for metric in metrics.of_run(connection, run.id) if metric.name == LR), 0)


def identified_in(
    run: Run,
    observed: Sequence[Point],
    stored: int,
    known: Remembered[dict[str, Any]],
    lived: Sequence[StoredLife],
) -> dict[str, Any] | None:
    """Return the schedules that the observed learning rates show, as the wire has them; None where one was declared, or
    no learning rate reported. What a resumed process counts anew lies behind the step told, or one further where that
    was the number of the last update: there where the rates show a schedule.

    The answer is `known` for as long as the run reports no further rate: `stored` counts them all, and points are never
    changed.
    """
    if run.spec.schedule is not None or not observed:
        return None
    total, per_epoch = run.spec.total_epochs, run.spec.steps_per_epoch
    resumed = {one.life.number: one.progress.resumed for one in lived if one.progress.resumed is not None}

    def make() -> dict[str, Any]:
        found = _identified(observed, resumed, total, per_epoch)
        if found.verdict != "identified" and any(one.anew for one in resumed.values()):
            past = {life: replace(one, from_step=one.from_step + 1) for life, one in resumed.items()}
            beside = _identified(observed, past, total, per_epoch)
            found = beside if beside.verdict == "identified" else found
        return identification_as_wire(found)

    return known.get((run.id, stored, len(observed), total, per_epoch), make)


def _identified(
    observed: Sequence[Point], resumed: Mapping[int, Resumed], total_epochs: float | None, steps_per_epoch: int | None
) -> Identification:
    points = []
    for point in observed:
        here, told = Position(point.step, point.epoch), resumed.get(point.life)
        here = here if told is None else told.in_run(here)
        points.append(LrPoint(lr=point.value, step=here.step, epoch=here.epoch))
    return identify(points, total_epochs=total_epochs, steps_per_epoch=steps_per_epoch)
