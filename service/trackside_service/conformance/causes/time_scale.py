"""time_scale: the declared curve at another speed: ticks per update, per micro-batch, per epoch, per process.

Two calls an update, two processes under accelerate and two micro-batches leave the same log; only OneCycleLR, which
raises past its total but is frozen there by accelerate, tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from trackside_service.conformance.causes.evidence import CauseSpec, Evidence, Fit, View
from trackside_service.conformance.causes.wording import step_call, tick
from trackside_service.conformance.explanation import Cause
from trackside_service.conformance.intervals import Interval, among
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_FASTEST = 4096
_FEW, _SMALL = 4, 8
_USUAL_WORLD = 8
_LARGEST_EPOCH = 200_000
_ACCELERATE = ("torch", "transformers", "timm", None)


def search(evidence: Evidence) -> Sequence[Fit]:
    """Return the speeds that explain every point."""
    slow = _first(evidence, _per_epoch) if evidence.schedule.unit == "step" else ()
    batch = _first(evidence, _per_batch) if evidence.schedule.unit == "epoch" else ()
    return (*slow, *batch, *_faster(evidence, bool(batch)))


def _first(evidence: Evidence, search_view: object) -> Sequence[Fit]:
    assert callable(search_view)
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
    return Fit(per_epoch(view.schedule, among(found)), view.convention, int(known is None)) if len(found) else None


def per_epoch(schedule: CompiledSchedule, every: Interval) -> Cause:
    """Return the cause: a schedule built for batches that is stepped once every so many updates."""
    count = f"{every.value:g}" if every.low == every.high else f"{every.low:g} to {every.high:g}"
    known = schedule.steps_per_epoch == every.value
    rate = "once per epoch" if known else "less often than once per update"
    return Cause(
        "stepped_per_epoch",
        "time_scale",
        {"factor": 1.0 / every.value, "updates_per_tick": every.as_param()},
        f"The scheduler advanced {count} times too slowly: it was built for batches and stepped {rate}.",
        f"Call {step_call(schedule)}, not in the epoch loop (Lightning: `interval: 'step'`); or give the scheduler "
        "totals in epochs.",
    )


def _per_batch(view: View) -> Fit | None:
    schedule, known = view.schedule, view.schedule.steps_per_epoch
    if known == 1:
        return None
    if known is not None:
        if np.isnan(view.updates).any() or not bool(view.allows(schedule.lrs(view.updates))):
            return None
        found = np.array([float(known)])
    else:
        lengths, late = np.arange(3, _FASTEST, dtype=np.float64), view.convention.at == "end"
        found = view.survivors(
            lengths, lambda n, ticks: schedule.lrs(np.maximum((ticks + 1.0) * n - 1.0 if late else ticks * n, 0.0))
        )
    if not len(found):
        return None
    factor = among(found)
    cause = Cause(
        "stepped_per_batch",
        "time_scale",
        {"factor": factor.as_param()},
        f"The scheduler advanced {factor} times too fast: it was built for epochs and stepped at every batch.",
        "Move `scheduler.step()` out of the batch loop to the end of the epoch (Lightning: `interval: 'epoch'`); or "
        "give "
        "the scheduler totals in batches.",
    )
    return Fit(cause, view.convention, int(known is None))


def _faster(evidence: Evidence, per_batch: bool) -> Sequence[Fit]:
    schedule = evidence.schedule
    for view in evidence.views:
        factors = np.arange(2, _FASTEST + 1, dtype=np.float64)
        if per_batch and schedule.steps_per_epoch is not None:
            factors = factors[factors < max(schedule.steps_per_epoch, _USUAL_WORLD + 1)]
        plain = view.survivors(factors, lambda k, ticks: schedule.lrs(k * ticks))
        end = np.inf if schedule.refused_after is None else float(schedule.refused_after)
        held = plain if end == np.inf else view.survivors(factors, _frozen_at(schedule, end))
        plain, held = _plausible(view, plain), _plausible(view, held)
        fits = [*_double(view, plain), *_processes(view, held), *_micro_batches(view, plain)]
        if fits:
            return fits
    return ()


def _plausible(view: View, factors: FloatArray) -> FloatArray:
    """Return the factors that are no accident: a large one, with few points off, meets any periodic curve somewhere."""
    if view.off.sum() > _FEW:
        return factors
    horizon = view.schedule.horizon or 64 * view.last_tick
    return factors[(factors <= _SMALL) | (factors * view.last_tick <= 2 * horizon)]


def _frozen_at(schedule: CompiledSchedule, end: float) -> Callable[[FloatArray, FloatArray], FloatArray]:
    return lambda k, ticks: schedule.lrs(np.minimum(k * ticks, end))


def _double(view: View, found: FloatArray) -> Sequence[Fit]:
    """Two calls; or as many as it takes, where neither processes nor micro-batches would explain them."""
    only = view.schedule.framework not in _ACCELERATE and view.schedule.unit == "epoch"
    if not len(found) or (2.0 not in found and not only):
        return ()
    times = 2.0 if 2.0 in found else _usual(found).value
    cause = Cause(
        "double_step",
        "time_scale",
        {"factor": int(times)},
        f"The scheduler advanced {times:g} times too fast: it is stepped {times:g} times per {tick(view.schedule)}.",
        "Remove one of the two calls of `scheduler.step()`: often one is in the loop and one in the trainer, a "
        "callback "
        "or a second loop.",
    )
    return (Fit(cause, view.convention),)


def _processes(view: View, found: FloatArray) -> Sequence[Fit]:
    if not len(found) or view.schedule.framework not in _ACCELERATE:
        return ()
    count = _usual(found)
    cause = Cause(
        "accelerate_num_processes",
        "time_scale",
        {"num_processes": count.as_param()},
        f"The scheduler advanced {count} times too fast: prepared by accelerate, it is stepped once for each of "
        f"{count.value:g} processes.",
        "A scheduler given to `accelerator.prepare` steps `num_processes` times per call: build it with "
        "`num_training_steps` (or T_max) times `accelerator.num_processes`, or do not prepare it.",
    )
    return (Fit(cause, view.convention, 1),)


def _micro_batches(view: View, found: FloatArray) -> Sequence[Fit]:
    if not len(found) or view.schedule.unit == "epoch":
        return ()
    count = _usual(found)
    cause = Cause(
        "grad_accum_micro_step",
        "time_scale",
        {"accumulation": count.as_param()},
        f"The scheduler advanced {count} times too fast: with gradients accumulated over {count.value:g} "
        "micro-batches, "
        "it is stepped at every one of them.",
        "Call `scheduler.step()` only where `optimizer.step()` is called, inside the `if (i + 1) % accumulation == 0` "
        "branch.",
    )
    return (Fit(cause, view.convention, 1),)


def _usual(found: FloatArray) -> Interval:
    """Return the span of the factors, naming a power of two where it holds one."""
    powers = [each for each in found if float(each).hex().startswith("0x1.0000000000000p")]
    return among(found, float(powers[0]) if powers else None)


TIME_SCALE = CauseSpec("time_scale", search)
