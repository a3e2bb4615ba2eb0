"""total: the schedule was built for another number of ticks.

Twice, four times the total: counted in micro-batches, or by the loader before it was sharded; the log does not say
which. A total that was changed on resume bends the curve there: schedulers in closed form jump to the new curve,
chained ones go on from their LR by the new total's ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from trackside_service.conformance.causes.chaining import Chain, chain_of
from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.flat import flat_between
from trackside_service.conformance.causes.layouts import Layout, Stretch, layout_of
from trackside_service.conformance.causes.solving import Predict, explains, solve, tries
from trackside_service.conformance.causes.wording import at, tick, words
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import Interval, among
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_ON_RESUME: Final = "total_changed_on_resume"
_SAMPLES: Final = 64
_MOST: Final = 4096.0
"""Times the declared total, and the least share of it."""
_USUAL: Final = (2, 4, 8, 3, 16, 32, 64, 6, 12, 24)
_FACTORS: Final = (*_USUAL[:5], *range(5, 65))
"""Processes, and micro-batches of an update: the usual ones first."""
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
    changed = [fit for view in evidence.views if (fit := _on_resume(view, layout)) is not None]
    return (changed or [fit for view in evidence.views if (fit := _until_resume(view, layout)) is not None])[:1]


def run_ticks(evidence: Evidence) -> int | None:
    """Return how many ticks the whole run takes, where its updates are known."""
    updates, per_epoch = evidence.run_updates, evidence.schedule.steps_per_epoch
    if updates is None or evidence.schedule.unit == "step":
        return updates
    return None if per_epoch is None else -(-updates // per_epoch)


def _variants(layout: Layout) -> Iterator[Predict]:
    """Yield predictions by total: of itself, with the legs of the schedule in proportion, with the warm-up too."""

    def predicting(stretch: Stretch) -> Predict:
        def predict(total: float, ticks: FloatArray) -> FloatArray | None:
            schedule = layout.with_total(total, stretch=stretch)
            return None if schedule is None else schedule.lrs(ticks)

        return predict

    lengths = list(layout.lengths())
    yield predicting("total")
    if any(not length.warmup for length in lengths):
        yield predicting("legs")
    if any(length.warmup for length in lengths):
        yield predicting("all")


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to get the total wrong: `counted` is what is multiplied, `at` the total at a factor, `predict` the LRs by
    total; `alone`: whether the lengths beside the total are as declared; `factors`: those that are tried.
    """

    counted: int
    at: Callable[[float], float]
    predict: Predict
    alone: bool
    factors: Sequence[int] = _FACTORS


def _ways(layout: Layout) -> Iterator[_Way]:
    assert layout.total is not None
    whole = layout.total
    variants = list(_variants(layout))
    for place, predict in enumerate(variants):
        between = 0 < place < len(variants) - 1
        yield _Way(whole, lambda k: k * whole, predict, place == 0, _USUAL if between else _FACTORS)
    own, before = layout.own_total, layout.before
    if own is not None and before:
        yield _Way(own, lambda k: before + k * own, variants[0], True, _USUAL)


def _multiples(view: View, layout: Layout, run: int | None) -> Sequence[Fit]:
    for way in _ways(layout):
        if not tries(view, len(way.factors)):
            return ()
        found = [k for k in way.factors if explains(view, way.predict, way.at(k))]
        if found:
            fits = _multiple(view, layout, way, among(sorted(set(found)), float(found[0])), run)
            return (*fits, *_perhaps_on_resume(view, fits[0]))
        for k in (2, 3, 4, 8):  # what a scheduler that is stepped k times as often leaves too
            total = way.at(1 / k)
            if way.counted % k or not explains(view, way.predict, total):
                continue
            if flat_between(view, partial(way.predict, total)):
                return (Fit(_wrong(view, layout, among([total]), run, alone=way.alone), view.convention, 1),)
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
    for place, predict in enumerate(_variants(layout)):
        found = solve(view, predict, grid, integer=True, avoid=float(declared))
        if found is not None and flat_between(view, partial(predict, found.value)):
            return Fit(_wrong(view, layout, found, run, alone=place == 0), view.convention, 1)
    return None


def _multiple(view: View, layout: Layout, way: _Way, times: Interval, run: int | None) -> Sequence[Fit]:
    total, schedule = Interval(way.at(times.value), way.at(times.low), way.at(times.high)), view.schedule
    wrong = Fit(_wrong(view, layout, total, run, alone=way.alone), view.convention, 1)
    if schedule.unit == "epoch":  # neither accumulation nor processes make more epochs
        return (wrong,)
    if run is not None and run != layout.total and total.low <= run <= total.high:
        return (wrong,)  # the schedule ends with the run: nothing was counted too often
    fact = f"The total is {times} times the declared {way.counted} {tick(schedule, way.counted)}"

    def by(name: str, param: str) -> Fit:
        why, advice = words(schedule, name, k=f"{times.value:g}")
        cause = Cause(name, "total", {param: times.as_param(), "declared": way.counted}, f"{fact}: {why}.", advice)
        return Fit(cause, view.convention, 1)

    return (wrong, by("grad_accum_total", "accumulation"), by("world_size_total", "world_size"))


def _wrong(view: View, layout: Layout, total: Interval, run: int | None, *, alone: bool) -> Cause:
    """Return the cause. `total` is where the schedule ends on the run's clock. Behind a warm-up the constructor is
    given what is left of it, and the words speak of both; `alone`: unless the warm-up is another one too.
    """
    assert layout.total is not None
    declared, before, schedule = layout.total, layout.before, view.schedule
    own, given, meant = "", {"declared": declared, "before": before}, ""
    which = "wrong_total" if not before else "wrong_total_less" if alone else "wrong_total_and_legs"
    if run is not None and run != declared and total.low <= run <= total.high:
        total, which = replace(total, value=float(run)), "wrong_total_meant"
    if before and alone:
        less = Interval(total.value - before, total.low - before, total.high - before)
        own = f" (`{layout.total_name}` is {less}, not {declared - before})"
        given["declared"], meant = declared - before, f" (`{layout.total_name}` {less.value:g})"
    if which == "wrong_total_meant":
        advice = (
            f"The run takes {run} {tick(schedule, total.value)}, which is what its schedule was built for: declare "
            f"that total{meant}, if meant."
        )
    else:
        advice = words(schedule, which, **given).advice
    return Cause(
        "wrong_total",
        "total",
        {"total": total.as_param(), "declared": declared},
        f"The schedule was built for {total} {tick(schedule, total.value)} where {declared} were declared{own}, "
        f"{total.value / declared:.4g} times as many{_mixed(schedule, total, layout)}.",
        advice,
    )


def _mixed(schedule: CompiledSchedule, total: Interval, layout: Layout) -> str:
    """Return what the ratio betrays: a total in the unit that the schedule does not count."""
    per_epoch, own = schedule.steps_per_epoch, layout.own_total
    if per_epoch is None or per_epoch == 1 or own is None:
        return ""
    less = Interval(total.value - layout.before, total.low - layout.before, total.high - layout.before)
    for ran, meant in ((total, layout.total), (less, own)):
        if meant is None or ran.high > 1.5 * ran.low:
            continue
        if schedule.unit == "epoch" and ran.low <= meant * per_epoch <= ran.high:
            return ": it was given in updates, and the schedule counts epochs"
        if schedule.unit == "step" and meant % per_epoch == 0 and ran.low <= meant // per_epoch <= ran.high:
            return ": it was given in epochs, and the schedule counts updates"
    return ""


def _on_resume(view: View, layout: Layout) -> Fit | None:
    assert layout.total is not None
    first, declared = view.first, layout.total
    # The LR of the resumed update itself is still the old one: the point before may follow the change.
    held = view.schedule.framework == "transformers"
    alone = view.length - first < 2
    begins = first == 1 and held and view.ticks[0] > 0.0  # the log of the resumed process, with that update first
    if (first < 2 and not begins) or (alone and (not held or begins)):
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


def _until_resume(view: View, layout: Layout) -> Fit | None:
    """Search the total that held until a resume with the declared one, the update of the resume included: it takes the
    LR that the checkpoint holds.
    """
    assert layout.total is not None
    last = int(np.flatnonzero(view.off)[-1])
    # Of a single point off, any total would do: unless it is the first of a process that was resumed.
    if view.schedule.framework != "transformers" or view.length - last <= 2 or not (last or view.ticks[0] > 0.0):
        return None
    head, declared = view.of(np.arange(view.length) <= last), layout.total
    least = max(float(view.ticks[last]), 1.0)  # the process before did not go on past its end
    most = max(float(declared), least)
    grid = np.unique(
        np.concatenate([np.geomspace(least, most * 64.0, _SAMPLES), np.linspace(least, most * 4.0, _SAMPLES)])
    )
    for predict in _variants(layout):
        found = solve(head, predict, grid, integer=True, avoid=float(declared))
        if found is not None and found.high >= least:
            low = max(found.low, least)
            return _changed_until(view, declared, Interval(max(found.value, low), low, found.high), last)
    return None


def _changed_until(view: View, declared: int, total: Interval, last: int) -> Fit:
    until, unit, why = view.ticks[last], tick(view.schedule, 2), words(view.schedule, _ON_RESUME)[0]
    place = {"value": until, "low": until, "high": view.ticks[last + 1] - 1.0}
    statement = (
        f"Up to {at(view, until)} the schedule followed a total of {total} {unit}, and behind it the declared "
        f"{declared}: {why}. The first update after the resume still takes the checkpoint's LR."
    )
    return _change(view, declared, total, place, statement)


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
    first, unit, why = view.ticks[view.first], tick(view.schedule, 2), words(view.schedule, _ON_RESUME)[0]
    statement = (
        f"From about {at(view, first)} on the schedule follows a total of {total} {unit} where {declared} were "
        f"declared: {why}."
    )
    return _change(view, declared, total, {"value": first, "low": before + 1, "high": first}, statement)


def _change(view: View, declared: int, total: Interval, place: dict[str, float], statement: str) -> Fit:
    params = {"total": total.as_param(), "declared": declared, "at_tick": place}
    advice = words(view.schedule, _ON_RESUME)[1]
    return Fit(Cause(_ON_RESUME, "total", params, statement, advice), view.convention, 1, changes=True)


TOTAL = CauseSpec("total", search, search_totals)
