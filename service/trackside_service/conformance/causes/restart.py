"""restart: after a resume the schedule went on from a wrong place or a wrong LR.

Where the run was resumed is not known: all ticks up to the first point off are tried. Nothing is named unless two
points follow. What the real classes do after each kind of resume: `chaining`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from trackside_service.conformance.causes.chaining import Chain, chain_of, phases_of
from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.flat import common_lr
from trackside_service.conformance.causes.shift import SKIPPED
from trackside_service.conformance.causes.variants import class_of
from trackside_service.conformance.causes.wording import at, tick, words
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import Interval, stretch
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_MOST_PLACES: Final = 200_000
_MOST_JUMPS: Final = 4096
_FEWEST: Final = 3
"""Points behind a resume that is not in the log itself."""
_RECENT: Final = 64
Predict = Callable[[FloatArray, FloatArray], FloatArray]
"""Places of shape (k, 1) and ticks of shape (points,) to LRs of shape (k, points)."""


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the resumes that explain every point."""
    for view in evidence.views:
        if not view.first:  # off from the first point on: nothing was seen to change
            continue
        fits = [*_no_state(view)]
        if not fits or chain_of(view.schedule) is not None:  # what forgets the LR at the next tick differs at one tick
            fits += _optimizer_only(view)
        fits += [*_scheduler_only(view), *_last_epoch(view)]
        if fits:
            return fits
    return [fit for view in evidence.views if (fit := _before_the_log(view)) is not None][:1]


def search_jumps(evidence: Evidence) -> Sequence[Fit]:
    """Return a jump to any position that explains every point."""
    for view in evidence.views:
        fit = _jumped(view)
        if fit is not None:
            return (fit,)
    return ()


def _places(view: View) -> FloatArray:
    """Return the ticks at which a resume could lie that is first seen at the first point off, two points following."""
    late = np.sort(view.ticks)[-2] if view.length > 1 else 0.0
    most = min(view.ticks[view.first], late)
    return np.arange(max(1.0, most - _MOST_PLACES), most + 1.0)


def _resumed(view: View, after: Predict) -> FloatArray:
    """Return the places such that the declared curve before and `after` from there on explain every point."""
    lrs = view.schedule.lrs

    def predict(place: FloatArray, ticks: FloatArray) -> FloatArray:
        return np.where(ticks < place, lrs(ticks), after(place, ticks))

    return view.survivors(_places(view), predict)


def _no_state(view: View) -> Sequence[Fit]:
    schedule = view.schedule
    lrs = schedule.lrs
    found = _resumed(view, lambda place, ticks: lrs(np.maximum(ticks - place, 0.0)))
    if not len(found) and class_of(schedule) == ("paddle", "CosineAnnealingWarmRestarts"):
        # Its state lacks T_cur: the LR is restored, and the next one is the second of the first cycle.
        found = _resumed(
            view, lambda place, ticks: np.where(ticks == place, lrs(ticks), lrs(np.maximum(ticks - place, 0.0)))
        )
    if not len(found):
        return ()
    place = _latest(found)
    why, advice = words(schedule, "resume_no_state")
    statement = f"At {at(view, place.value)} the schedule begins anew: {why}."
    return (_fit(view, "resume_no_state", place, {}, (statement, advice)),)


def _before_the_log(view: View) -> Fit | None:
    """Search a resume without state in front of a log that does not begin where the run does: at an epoch's end, or
    behind more updates than are skipped otherwise.
    """
    lrs, begin = view.schedule.lrs, float(np.min(view.ticks))
    counted = begin - (view.convention.when == "after_step")
    if view.first or view.length < _FEWEST or counted < 1.0 or common_lr(view) is not None:
        return None
    places = np.arange(max(1.0, counted - _MOST_PLACES), counted + 1.0)
    if view.schedule.unit == "step":
        places = places[(places > SKIPPED) | (places % (view.schedule.steps_per_epoch or np.inf) == 0.0)]
    found = view.survivors(places, lambda place, ticks: lrs(ticks - place))
    if not len(found):
        return None
    place = _latest(found)
    why, advice = words(view.schedule, "resume_no_state")
    statement = f"At {at(view, place.value)}, before the log begins, the schedule began anew: {why}."
    return _fit(view, "resume_no_state", place, {}, (statement, advice))


def _optimizer_only(view: View) -> Sequence[Fit]:
    schedule = view.schedule
    if schedule.framework not in ("torch", "transformers"):  # elsewhere the LR is not the optimizer's to restore
        return ()
    chain, lrs = chain_of(schedule), schedule.lrs
    first = float(lrs(np.zeros(1))[0])
    if chain is not None:
        found = _resumed(view, lambda place, ticks: chain.continued(place, lrs(place), 0.0, ticks))
        if (
            not len(found) and first != chain.base > 0.0
        ):  # built after the optimizer was loaded, its first factor applies again
            found = _resumed(
                view, lambda place, ticks: chain.continued(place, lrs(place) * first / chain.base, 0.0, ticks)
            )
    else:
        found = _resumed(view, _forgetting(schedule))
    if not len(found):
        return ()
    place = _latest(found)
    why, advice = words(schedule, "resume_optimizer_only")
    statement = f"At {at(view, place.value)} the schedule begins anew from the LR that it had reached: {why}."
    return (_fit(view, "resume_optimizer_only", place, {}, (statement, advice)),)


def _forgetting(schedule: CompiledSchedule) -> Predict:
    """Return the LRs after a resume with the optimizer's LR of a scheduler that forgets it: at the next tick where it
    is in closed form, at the first milestone of a SequentialLR, which computes the next phase from the base LR.
    """
    lrs = schedule.lrs
    opening = next((phase for phase in phases_of(schedule) if phase.start == 0.0), None)

    def after(place: FloatArray, ticks: FloatArray) -> FloatArray:
        clock, level = np.maximum(ticks - place, 0.0), lrs(place)
        held, until = (level, 1.0)
        if opening is not None:
            held, until = opening.chain.continued(place, level, 0.0, ticks), opening.end
        return np.asarray(np.where(clock < until, held, lrs(clock)), dtype=np.float64)

    return after


def _scheduler_only(view: View) -> Sequence[Fit]:
    schedule = view.schedule
    if schedule.framework == "keras":  # the schedule has no state, and the optimizer no LR, to be restored alone
        return ()
    lrs, start = schedule.lrs, float(schedule.lrs(np.zeros(1))[0])
    found = np.empty(0)
    phases = phases_of(schedule)
    levels = [start]
    if schedule.base_lrs and schedule.base_lrs[0] != start:
        levels.append(schedule.base_lrs[0])
    for level in levels:
        for phase in phases:

            def after(place: FloatArray, ticks: FloatArray, phase: Any = phase, level: float = level) -> FloatArray:
                chain: Chain = phase.chain
                own, clock = place - phase.start, ticks - phase.start
                inside = (place >= phase.start) & (place < phase.end) & (ticks < phase.end)
                return np.where(inside, chain.continued(own, level, np.maximum(own, 0.0), clock), lrs(ticks))

            if not len(found):
                found = _resumed(view, after)
        # A part in closed form forgets it at the next tick: the whole schedule, or a phase of a sequence.
        if not len(found) and (not phases or class_of(schedule)[1] == "SequentialLR"):

            def once(place: FloatArray, ticks: FloatArray, level: float = level) -> FloatArray:
                return np.where(ticks == place, level, lrs(ticks))

            found = _resumed(view, once)
    if not len(found):
        return ()
    place = _latest(found)
    why, advice = words(schedule, "resume_scheduler_only")
    statement = f"At {at(view, place.value)} the LR jumps back to where the schedule starts while it goes on: {why}."
    return (_fit(view, "resume_scheduler_only", place, {}, (statement, advice)),)


@dataclass(frozen=True, slots=True)
class _Position:
    """A wrong position: what it says, and its value for places."""

    words: str
    of: Callable[[FloatArray], FloatArray]


def _aside(factor: float, aside: float) -> Callable[[FloatArray], FloatArray]:
    return lambda place: np.maximum(np.floor(place * factor + 1e-9) + aside, 0.0)


def _positions(per_epoch: int | None, unit: str) -> Iterator[_Position]:
    ratio = float(per_epoch or 1)
    if ratio > 1 and unit == "epoch":
        for aside in (0.0, -1.0, 1.0):
            yield _Position("it was given in updates, not epochs", _aside(ratio, aside))
    elif ratio > 1:
        for aside in (0.0, -1.0, 1.0):
            yield _Position(
                "it was given in epochs, not updates",
                _aside(1.0 / ratio, aside),
            )
    for aside in (1.0, -1.0, 2.0, -2.0):
        yield _Position("it is off by " + ("one" if abs(aside) == 1 else "two"), _aside(1.0, aside))


def _last_epoch(view: View) -> Sequence[Fit]:
    schedule, chain = view.schedule, chain_of(view.schedule)
    lrs = schedule.lrs
    for position in _positions(schedule.steps_per_epoch, schedule.unit):

        def closed(place: FloatArray, ticks: FloatArray, position: _Position = position) -> FloatArray:
            return lrs(position.of(place) + np.maximum(ticks - place, 0.0))

        def held(place: FloatArray, ticks: FloatArray, position: _Position = position) -> FloatArray:
            return np.where(ticks == place, lrs(place), closed(place, ticks, position))

        def chained(place: FloatArray, ticks: FloatArray, position: _Position = position) -> FloatArray:
            assert chain is not None
            return chain.continued(place, lrs(place), position.of(place), ticks)

        for after in (closed, held) if chain is None else (chained, closed):
            found = _resumed(view, after)
            if len(found):
                place = _latest(found)
                wrong = position.of(np.array([place.value]))[0]
                why, advice = words(schedule, "last_epoch_misuse", how=position.words)
                statement = f"From {at(view, place.value)} on the schedule goes on from tick {wrong:g}: {why}."
                return (_fit(view, "last_epoch_misuse", place, {"position": float(wrong)}, (statement, advice)),)
    return ()


def _jumped(view: View) -> Fit | None:
    """Search a jump to any position of the curve, from the first point off on or from the start."""
    lrs, first = view.schedule.lrs, view.first
    if view.length - first < 3:
        return None
    most = min(max(2 * view.last_tick, 64), _MOST_JUMPS)
    jumps = np.concatenate([np.arange(-min(view.ticks[first], most), -1.0), np.arange(2.0, most)])
    begin = view.ticks[first]

    def predict(jump: FloatArray, ticks: FloatArray) -> FloatArray:
        return np.where(ticks < begin, lrs(ticks), lrs(np.maximum(ticks + jump, 0.0)))

    found = view.survivors(jumps, predict)
    if not len(found):
        return None
    jump = stretch(found, float(min(found, key=abs)))
    place = Interval(float(begin), float(view.ticks[first - 1]) + 1.0 if first else 0.0, float(begin))
    ahead = f"{abs(jump.value):g} {tick(view.schedule, abs(jump.value))} {'ahead of' if jump.value > 0 else 'behind'}"
    where = at(view, begin)
    why, advice = words(view.schedule, "last_epoch_misuse", how=f"it is {ahead} its place")
    statement = f"From about {where} on the schedule runs {ahead} its place: {why}."
    return replace(_fit(view, "last_epoch_misuse", place, {"jump": jump.as_param()}, (statement, advice)), free=2)


def _latest(found: FloatArray) -> Interval:
    return stretch(found, float(found[-1]))


def _fit(view: View, name: str, place: Interval, more: dict[str, Any], words: tuple[str, str]) -> Fit:
    params = {"at_tick": place.as_param(), **more}
    per_epoch = view.schedule.steps_per_epoch
    if view.schedule.unit == "epoch" and per_epoch:
        params["at_update"] = {key: value * per_epoch for key, value in place.as_param().items()}
    elif view.schedule.unit == "step":
        params["at_update"] = place.as_param()
    return Fit(Cause(name, "restart", params, *words), view.convention, 1, changes=True)


RESTART = CauseSpec("restart", search, search_jumps)
