"""time_scale: the declared curve at another speed: ticks per update, per micro-batch, per epoch, per process.

Two calls an update, two processes under accelerate and two micro-batches leave the same log; only OneCycleLR, which
raises past its total but is frozen there by accelerate, tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.wording import words
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import Interval, stretch
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_FASTEST = 4096
_FEW, _SMALL = 4, 8
_LARGEST_EPOCH = 200_000
_USUAL = (range(2, 65), range(64, 513, 8), (640, 768, 1024, 2048, 4096))
_ROUND = (range(70, 201, 10), range(250, 1001, 50), range(1500, 4001, 500))
_COUNTS = np.array([count for counts in (*_USUAL, *_ROUND) for count in counts], dtype=np.float64)
"""Processes, and micro-batches of an update, that somebody may have."""
_ACCELERATE = ("torch", "transformers", None)
"""Whose schedulers accelerate prepares: torch's LRScheduler. timm's are told the epoch: no steps are multiplied."""


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the speeds that explain every point."""
    slow = _first(evidence, _per_epoch) if evidence.schedule.unit == "step" else ()
    batch = _first(evidence, partial(_per_batch, ratio=_ratio(evidence))) if evidence.schedule.unit == "epoch" else ()
    return (*slow, *batch, *_faster(evidence, bool(batch)))


def _ratio(evidence: Evidence) -> float | None:
    """Return how many updates the run takes for each tick of the declared schedule, where both lengths are known."""
    horizon = evidence.schedule.horizon
    return evidence.run_updates / horizon if evidence.run_updates and horizon else None


def _first(evidence: Evidence, search_view: Callable[[View], Fit | None]) -> Sequence[Fit]:
    for view in evidence.views:
        fit = search_view(view)
        if fit is not None:
            return (fit,)
    return ()


def stairs(view: View, lengths: FloatArray) -> FloatArray:
    """Return those of `lengths` such that one tick every so many updates explains the log."""
    lrs = view.schedule.lrs
    return view.survivors(lengths, lambda every, ticks: lrs(np.floor(ticks / every)))


def _per_epoch(view: View) -> Fit | None:
    known = view.schedule.steps_per_epoch
    lengths = np.arange(2, min(view.last_tick, _LARGEST_EPOCH) + 1) if known is None else np.array([known])
    if known == 1:
        return None
    found = stairs(view, lengths.astype(np.float64))
    return Fit(per_epoch(view.schedule, stretch(found)), view.convention, int(known is None)) if len(found) else None


def per_epoch(schedule: CompiledSchedule, every: Interval) -> Cause:
    """Return the cause: a schedule built for batches that is stepped once every so many updates."""
    count = f"{every.value:g}" if every.low == every.high else f"{every.low:g} to {every.high:g}"
    known = schedule.steps_per_epoch == every.value
    rate = "once per epoch" if known else "less often than once per update"
    why, advice = words(schedule, "stepped_per_epoch", rate=rate)
    params = {"factor": 1.0 / every.value, "updates_per_tick": every.as_param()}
    statement = f"The schedule advanced {count} times too slowly: {why}."
    return Cause("stepped_per_epoch", "time_scale", params, statement, advice)


def _per_batch(view: View, ratio: float | None) -> Fit | None:
    schedule, known = view.schedule, view.schedule.steps_per_epoch
    if known == 1:
        return None
    if known is not None:
        if np.isnan(view.updates).any() or not bool(view.allows(schedule.lrs(view.updates))):
            return None
        found, told = np.array([float(known)]), True
    else:
        late = view.convention.at == "end"

        def predict(n: FloatArray, ticks: FloatArray) -> FloatArray:
            return schedule.lrs(np.maximum((ticks + 1.0) * n - 1.0 if late else ticks * n, 0.0))

        # The run's length over the schedule's says how many batches an epoch has.
        found = view.survivors(np.array([ratio or 0.0]), predict) if (ratio or 0.0) > 1.0 else np.empty(0)
        told = len(found) > 0
        if not told:
            found = view.survivors(np.arange(3, _FASTEST, dtype=np.float64), predict)
    if not len(found):
        return None
    factor = stretch(found)
    cause = _too_fast(view, "stepped_per_batch", factor, {"factor": factor.as_param()})
    return Fit(cause, view.convention, int(not told))


def _too_fast(view: View, name: str, factor: Interval, params: dict[str, Any]) -> Cause:
    calls = "one of the two calls" if factor.value == 2 else f"all but one of the {factor.value:g} calls"
    why, advice = words(view.schedule, name, k=f"{factor.value:g}", calls=calls)
    return Cause(name, "time_scale", params, f"The schedule advanced {factor} times too fast: {why}.", advice)


def _faster(evidence: Evidence, per_batch: bool) -> Sequence[Fit]:
    schedule = evidence.schedule
    for view in evidence.views:
        factors = np.arange(2, _FASTEST + 1, dtype=np.float64)
        if per_batch and schedule.steps_per_epoch is not None:  # as many as that, and more, is said by it
            factors = factors[factors < schedule.steps_per_epoch]
        plain = view.survivors(factors, lambda k, ticks: schedule.lrs(k * ticks))
        end = np.inf if schedule.refused_after is None else float(schedule.refused_after)
        held = plain if end == np.inf else view.survivors(factors, _frozen_at(schedule, end))
        # A run that takes half as many updates as the schedule has ticks was meant to step twice an update.
        meant = schedule.unit == "step" and _ratio(evidence) == 0.5
        twice = _double(view, plain) if not meant else ()
        fits = [*twice, *_processes(view, held), *_micro_batches(view, plain)]
        if fits:
            return fits
    return ()


def _usual_first(view: View, factors: FloatArray) -> tuple[FloatArray, bool]:
    """Return the factors that are no accident, and True; where there are none, those that some machine has, and False.

    A large one, with few points off, meets any periodic curve somewhere; and nobody has 1,799 processes. Within the
    schedule's length nothing comes back, and any number is as good.
    """
    within = factors * view.last_tick <= (view.schedule.horizon or 0.0)
    usual = factors[np.isin(factors, _COUNTS) | within]
    likely = factors if len(usual) else factors[:0]
    if view.off.sum() <= _FEW:
        horizon = view.schedule.horizon or 64 * view.last_tick
        likely = likely[(likely <= _SMALL) | (likely * view.last_tick <= 2 * horizon)]
    if len(likely):
        return likely, True
    return (usual if len(usual) else factors), False


def _frozen_at(schedule: CompiledSchedule, end: float) -> Callable[[FloatArray, FloatArray], FloatArray]:
    return lambda k, ticks: schedule.lrs(np.minimum(k * ticks, end))


def _double(view: View, found: FloatArray) -> Sequence[Fit]:
    """Two calls; or as many as it takes, where neither processes nor micro-batches would explain them."""
    only = view.schedule.framework not in _ACCELERATE and view.schedule.unit == "epoch"
    found, likely = _usual_first(view, found)
    if not len(found) or (2.0 not in found and not only):
        return ()
    times = 2.0 if 2.0 in found else _usual(found).value
    cause = _too_fast(view, "double_step", Interval(times, times, times), {"factor": int(times)})
    return (Fit(cause, view.convention, far_fetched=not likely),)


def _processes(view: View, found: FloatArray) -> Sequence[Fit]:
    found, likely = _usual_first(view, found)
    if not len(found) or view.schedule.framework not in _ACCELERATE:
        return ()
    count = _usual(found)
    cause = _too_fast(view, "accelerate_num_processes", count, {"num_processes": count.as_param()})
    return (Fit(cause, view.convention, 1, far_fetched=not likely),)


def _micro_batches(view: View, found: FloatArray) -> Sequence[Fit]:
    found, likely = _usual_first(view, found)
    if not len(found) or view.schedule.unit == "epoch":
        return ()
    count = _usual(found)
    cause = _too_fast(view, "grad_accum_micro_step", count, {"accumulation": count.as_param()})
    return (Fit(cause, view.convention, 1, far_fetched=not likely),)


def _usual(found: FloatArray) -> Interval:
    """Return the span of the factors, naming a power of two where it holds one."""
    powers = [each for each in found if float(each).hex().startswith("0x1.0000000000000p")]
    return stretch(found, float(powers[0]) if powers else None)


TIME_SCALE = CauseSpec("time_scale", search)
