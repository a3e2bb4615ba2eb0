"""warmup: the warm-up is missing, was added, or has another length: often epochs given as updates or the reverse.

What follows the warm-up either still ends where it was declared to end, or keeps its own length; both are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeAlias

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.layouts import Layout, layout_of
from trackside_service.conformance.causes.solving import Predict, explains, solve, tries
from trackside_service.conformance.causes.wording import tick, words
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import Interval, among
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_STARTS: Final = (0.0, 0.01, 0.1, 0.001, 1.0 / 3, 1e-4, 1e-6)
"""Where added warm-ups usually start, as shares of the base LR."""
_SAMPLES: Final = 40
Rebuild: TypeAlias = Callable[[float], "CompiledSchedule | None"]


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return what happened to the warm-up, where that explains every point."""
    layout = layout_of(evidence.schedule)
    if not layout.warmup:
        return ()
    for view in evidence.views:
        fits = _known(view, layout)
        if fits:
            return fits
    return ()


def search_lengths(evidence: Evidence) -> Sequence[Fit]:
    """Return a warm-up of any other length that explains every point."""
    layout = layout_of(evidence.schedule)
    for view in evidence.views:
        fits = _changed(view, layout) if layout.warmup else _added(view, layout)
        if fits:
            return fits
    return ()


def _known(view: View, layout: Layout) -> Sequence[Fit]:
    declared, per_epoch = layout.warmup, view.schedule.steps_per_epoch
    known: dict[int, str] = {0: "warmup_missing"}
    if per_epoch is not None and per_epoch > 1:
        shorter = {declared // per_epoch, round(declared / per_epoch), max(declared // per_epoch, 1)}
        known |= dict.fromkeys([*sorted(shorter - {0}), declared * per_epoch], "mixed_units")
    found: dict[str, float] = {}
    for length, name in known.items():
        if length == declared or not tries(view, 4):
            continue
        ways = [*_lengthened(layout), *([_predicting(layout.with_ramp)] if name == "mixed_units" else ())]
        if any(explains(view, predict, length) for predict in ways):
            found.setdefault(name, float(length))
    return [_changed_fit(view, declared, name, among([length]), 0) for name, length in found.items()]


def _changed(view: View, layout: Layout) -> Sequence[Fit]:
    declared = layout.warmup
    most = 16 * max(view.last_tick, layout.total or 0, declared)
    grid = np.concatenate([[0.0], np.geomspace(1.0, float(most), _SAMPLES)])
    for predict in _lengthened(layout):
        solved = solve(view, predict, grid, integer=True, avoid=float(declared))
        if solved is not None:
            name = "warmup_extra" if solved.value > declared else "warmup_missing"
            return (_changed_fit(view, declared, name, solved, 1),)
    return ()


def _lengthened(layout: Layout) -> Iterator[Predict]:
    """Yield the predictions for warm-ups of another length: what follows ends as declared, or is as long as declared;
    milestones behind it stay, or move with it.
    """
    with_length = layout.with_warmup
    several = layout.style == "sequence" and len(layout.schedule.source["params"]["milestones"]) > 1
    if layout.own_total is not None and layout.before and not several:
        if layout.style == "param":  # their warm-up and total are given apart
            yield _predicting(with_length)
            yield _predicting(partial(with_length, ends=True))
            return
        yield _predicting(partial(with_length, ends=True))
    yield _predicting(with_length)
    if several:
        yield _predicting(partial(with_length, moved=True))


def _predicting(build: Rebuild) -> Predict:
    def predict(value: float, ticks: FloatArray) -> FloatArray | None:
        schedule = build(value)
        return None if schedule is None else schedule.lrs(ticks)

    return predict


def _added(view: View, layout: Layout) -> Sequence[Fit]:
    """Search a warm-up that was not declared: a line up to the first declared LR, then the schedule."""
    grid = np.geomspace(1.0, 4.0 * max(view.last_tick, layout.total or 0, 2), _SAMPLES)
    if layout.style == "param":
        for predict in _lengthened(layout):
            length = solve(view, predict, grid, integer=True)
            if length is not None:
                return (_added_fit(view, length),)
        return ()
    if view.first:  # it begins as declared
        return ()
    top = float(view.schedule.lrs(np.zeros(1))[0])
    if not top > 0.0 or view.values[0] > top * 1.0001 + view.halves[0]:
        return ()
    starts = [float(view.values[0] / top)] if view.ticks[0] == 0 and view.values[0] < top else list(_STARTS)
    for start in starts:
        for rest in _following(layout):
            length = solve(view, _warmed(top, start, rest), grid, integer=True)
            if length is not None:
                return (_added_fit(view, length),)
    return ()


def _warmed(top: float, start: float, rest: Predict) -> Predict:
    def predict(length: float, ticks: FloatArray) -> FloatArray | None:
        after = rest(length, ticks)
        if after is None:
            return None
        return np.where(ticks < length, top * (start + (1.0 - start) * ticks / max(length, 1.0)), after)

    return predict


def _following(layout: Layout) -> Iterator[Predict]:
    """Yield what follows a warm-up of so many ticks: ending as declared, of its own length, on the run's clock."""
    schedule = layout.schedule
    if layout.total is not None:
        total = layout.total

        def ending(length: float, ticks: FloatArray) -> FloatArray | None:
            shorter = layout.with_total(total - length)
            return None if shorter is None else shorter.lrs(np.maximum(ticks - length, 0.0))

        yield ending
    yield lambda length, ticks: schedule.lrs(np.maximum(ticks - length, 0.0))
    yield lambda _, ticks: schedule.lrs(ticks)


def _added_fit(view: View, length: Interval) -> Fit:
    unit = tick(view.schedule, length.value)
    cause = Cause(
        "warmup_extra",
        "warmup",
        {"warmup": length.as_param(), "declared": 0},
        f"A warm-up of {length} {unit} ran that was not declared.",
        words(view.schedule, "warmup_extra").advice,
    )
    return Fit(cause, view.convention, 1)


def _changed_fit(view: View, declared: int, name: str, length: Interval, free: int) -> Fit:
    unit, per_epoch = tick(view.schedule, 2), view.schedule.steps_per_epoch
    if name == "mixed_units":
        shorter = length.value < declared
        if view.schedule.unit == "step":
            ratio = "given in epochs" if shorter else "multiplied by the updates of an epoch, as if given in epochs"
        else:
            ratio = "divided by the updates of an epoch, as if given in updates" if shorter else "given in updates"
        statement = (
            f"The warm-up took {length} {unit} where {declared} were declared, a factor of {per_epoch}: its length was "
            f"{ratio}."
        )
        advice = words(view.schedule, "mixed_units", how="", declared=declared).advice
    elif length.value == 0:
        why, advice = words(view.schedule, "warmup_missing")
        statement = f"The warm-up of {declared} {unit} is missing: {why}."
    else:
        statement = f"The warm-up took {length} {unit} where {declared} were declared."
        advice = "Compare the warm-up's length where the scheduler is built with the declared one."
    cause = Cause(name, "warmup", {"warmup": length.as_param(), "declared": declared}, statement, advice)
    return Fit(cause, view.convention, free)


WARMUP = CauseSpec("warmup", search, search_lengths)
