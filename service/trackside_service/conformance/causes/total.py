"""total: the schedule was built for another number of ticks.

Twice, four times the total: counted in micro-batches, or by the loader before it was sharded; the log does not say
which. A total that was changed on resume bends the curve there: schedulers in closed form jump to the new curve,
chained ones go on from their LR by the new total's ratios.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from trackside_service.conformance.causes.chaining import Chain, chain_of
from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.solving import Predict, solve
from trackside_service.conformance.causes.variants import Layout, layout_of
from trackside_service.conformance.causes.wording import at, tick, words
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import Interval, among
from trackside_service.schedules.curve import FloatArray

_SAMPLES: Final = 64
_MOST: Final = 4096.0
"""Times the declared total, and the least share of it."""
_PLACES: Final = 8
"""Places of a resume that are tried where it lies between two points."""


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the totals that explain every point, from the start or from a resume on."""
    layout = layout_of(evidence.schedule)
    if layout.total is None:
        return ()
    for view in evidence.views:
        fits = _multiples(view, layout, run_ticks(evidence))
        if fits:
            return fits
    return ()


def search_totals(evidence: Evidence) -> Sequence[Fit]:
    """Return any other total that explains every point, from the start or from a resume on."""
    layout = layout_of(evidence.schedule)
    if layout.total is None:
        return ()
    run = run_ticks(evidence)
    found = [fit for view in evidence.views if (fit := _from_the_start(view, layout, run)) is not None][:1]
    if found:
        return (*found, *_perhaps_on_resume(evidence.views[0], found[0]))
    return [fit for view in evidence.views if (fit := _on_resume(view, layout)) is not None][:1]


def run_ticks(evidence: Evidence) -> int | None:
    """Return how many ticks the whole run takes, where its updates are known."""
    updates, per_epoch = evidence.run_updates, evidence.schedule.steps_per_epoch
    if updates is None or evidence.schedule.unit == "step":
        return updates
    return None if per_epoch is None else -(-updates // per_epoch)


def _variants(layout: Layout) -> Iterator[Predict]:
    def fixed(total: float, ticks: FloatArray) -> FloatArray | None:
        schedule = layout.with_total(total)
        return None if schedule is None else schedule.lrs(ticks)

    def stretched(total: float, ticks: FloatArray) -> FloatArray | None:
        schedule = layout.with_total(total, warmup_too=True)
        return None if schedule is None else schedule.lrs(ticks)

    yield fixed
    if any(True for _ in layout.lengths()):
        yield stretched


def _explains(view: View, predict: Predict, total: float) -> bool:
    some = predict(total, view.ticks[view.screen])
    if some is None or not bool(view.allows(some, view.screen)):
        return False
    whole = predict(total, view.ticks)
    return whole is not None and bool(view.allows(whole))


def _multiples(view: View, layout: Layout, run: int | None) -> Sequence[Fit]:
    assert layout.total is not None
    for predict in _variants(layout):
        found = [k for k in (2, 4, 8, 3, 16, *range(5, 65)) if _explains(view, predict, k * layout.total)]
        if found:
            fits = _multiple(view, layout.total, among(sorted(set(found)), float(found[0])), run)
            return (*fits, *_perhaps_on_resume(view, fits[0]))
        for k in (2, 3, 4, 8):  # what a scheduler that is stepped k times as often leaves too
            if layout.total % k == 0 and _explains(view, predict, layout.total / k):
                return (Fit(_wrong(view, layout.total, among([layout.total / k]), run), view.convention, 1),)
    return ()


def _perhaps_on_resume(view: View, whole: Fit) -> Sequence[Fit]:
    """Return the change of total on resume, where much of the log would be as declared under either total."""
    if view.schedule.framework != "transformers" or view.first < max(2, view.length // 4):
        return ()
    total, declared = Interval(**whole.cause.params["total"]), int(whole.cause.params["declared"])
    return (_changed(view, declared, total, view.ticks[view.first - 1]),)


def _from_the_start(view: View, layout: Layout, run: int | None) -> Fit | None:
    assert layout.total is not None
    declared = layout.total
    grid = np.unique(
        np.concatenate(
            [
                np.geomspace(max(declared / _MOST, 1.0), declared * _MOST, _SAMPLES),
                np.linspace(max(declared / 8, 1.0), declared * 4.0, _SAMPLES),
            ]
        )
    )
    for predict in _variants(layout):
        found = solve(view, predict, grid, integer=True, avoid=float(declared))
        if found is not None:
            return Fit(_wrong(view, declared, found, run), view.convention, 1)
    return None


def _multiple(view: View, declared: int, times: Interval, run: int | None) -> Sequence[Fit]:
    fact = f"The total is {times} times the declared {declared} {tick(view.schedule, 2)}"

    def counted(name: str, param: str) -> Cause:
        why, advice = words(view.schedule, name, k=f"{times.value:g}")
        return Cause(name, "total", {param: times.as_param(), "declared": declared}, f"{fact}: {why}.", advice)

    exact = replace(times, value=times.value * declared, low=times.low * declared, high=times.high * declared)
    wrong = Fit(_wrong(view, declared, exact, run), view.convention, 1)
    if run is not None and run != declared and exact.low <= run <= exact.high:
        return (wrong,)  # the schedule ends with the run: nothing was counted too often
    return (
        wrong,
        Fit(counted("grad_accum_total", "accumulation"), view.convention, 1),
        Fit(counted("world_size_total", "world_size"), view.convention, 1),
    )


def _wrong(view: View, declared: int, total: Interval, run: int | None) -> Cause:
    unit = tick(view.schedule, 2)
    advice = words(view.schedule, "wrong_total", declared=declared).advice
    if run is not None and run != declared and total.low <= run <= total.high:
        total = replace(total, value=float(run))
        advice = f"The run takes {run} {unit}, which is what its schedule was built for: declare that total, if meant."
    return Cause(
        "wrong_total",
        "total",
        {"total": total.as_param(), "declared": declared},
        f"The schedule was built for {total} {unit} where {declared} were declared, "
        f"{total.value / declared:.4g} times as many.",
        advice,
    )


def _on_resume(view: View, layout: Layout) -> Fit | None:
    assert layout.total is not None
    first, declared = view.first, layout.total
    # The LR of the resumed update itself is still the old one: the point before may follow the change.
    alone = view.length - first < 2
    if first < 2 or (alone and view.schedule.framework != "transformers"):
        return None
    tail = _tail(view)
    before = view.ticks[first - 1]
    least = before + 1.0 - alone
    most = max(declared, least)
    geometric, even = np.geomspace(least, most * 64.0, _SAMPLES), np.linspace(least, most * 4.0, _SAMPLES)
    grid = np.unique(np.concatenate([geometric, even]))
    if chain_of(view.schedule) is None:
        for predict in _variants(layout):
            found = solve(tail, predict, grid, integer=True, avoid=float(declared))
            if found is not None:
                return _still_to_come(view, declared, found, before - alone)
        return None
    places = np.unique(np.round(np.linspace(before + 1, view.ticks[first], _PLACES)))
    chains: dict[float, Chain | None] = {}  # the same totals are tried at every place
    for place in places[::-1]:
        level = float(view.schedule.lrs(np.array([place]))[0])

        def going_on(
            total: float, ticks: FloatArray, place: float = float(place), level: float = level
        ) -> FloatArray | None:
            if total not in chains:
                schedule = layout.with_total(total)
                chains[total] = None if schedule is None else chain_of(schedule)
            other = chains[total]
            return None if other is None else other.continued(place, level, place, ticks)

        found = solve(tail, going_on, grid, integer=True, avoid=float(declared))
        change = None if found is None else _still_to_come(view, declared, found, before)
        if change is not None:
            return replace(change, far_fetched=True)  # their state keeps the total
    return None


def _still_to_come(view: View, declared: int, total: Interval, before: float) -> Fit | None:
    """Return the change to a total that ends after the run was resumed, at the tick after `before` or later."""
    if total.high < before + 1.0:
        return None
    low = max(total.low, before + 1.0)
    return _changed(view, declared, replace(total, value=max(total.value, low), low=low), before)


def _tail(view: View) -> View:
    """Return the view of the points from the first one off on."""
    part = slice(view.first, None)
    screen = view.screen[view.screen >= view.first] - view.first
    return replace(
        view,
        ticks=view.ticks[part],
        updates=view.updates[part],
        values=view.values[part],
        halves=view.halves[part],
        expected=view.expected[part],
        off=view.off[part],
        screen=screen,
    )


def _changed(view: View, declared: int, total: Interval, before: float) -> Fit:
    first, unit = view.ticks[view.first], tick(view.schedule, 2)
    why, advice = words(view.schedule, "total_changed_on_resume")
    cause = Cause(
        "total_changed_on_resume",
        "total",
        {
            "total": total.as_param(),
            "declared": declared,
            "at_tick": {"value": first, "low": before + 1, "high": first},
        },
        f"From about {at(view, first)} on the schedule follows a total of {total} {unit} where {declared} were "
        f"declared: {why}.",
        advice,
    )
    return Fit(cause, view.convention, 1, changes=True)


TOTAL = CauseSpec("total", search, search_totals)
