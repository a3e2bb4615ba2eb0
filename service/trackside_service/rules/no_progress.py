"""LOSS005: the training makes no progress.

**What.** Over ten reported values and more, one an epoch, nothing is better than at the start: the losses have come
down by less than one part in a hundred and the accuracies have not risen by two points (where a single metric tells of
the run, or a loss comes down without noise, by less than three in a thousand), nor are the losses much worse. Only
values at a learning rate of a tenth of its peak or more count, and none in the first fifth of the run.

**Why it matters.** The job costs as much as one that learns. No error is raised, and the numbers look calm.

**Example.** Twelve epochs at a constant 1e-6: training loss 2.305, 2.304, ... 2.301, accuracy between 9.6 and 10.9 %.
The alert opens at the first of them.

**What to try.** Train on one batch alone: if the loss does not go to 0, look at the labels, at what is frozen, and
whether the optimizer holds these parameters at all. If it does, the learning rate is too low, or was so high that it
killed the units; several regularisers at once with a low rate over-constrain a model. Late in a run, raise the final
learning rate.

**Defaults.** "The loss has not improved" alone alarmed on 17 of 185 healthy public runs: a plateau at a constant high
rate is what comes before a milestone. Hence the measure from the start, all metrics together, and silence where an
accuracy is above one half, since a fine-tuning that starts well has little to gain, or where a loss rises, as it does
in the warm-up of many a fine-tuning, or falls below zero, or where the log begins later than the run: what came before
is not known. Training figures of which nothing tells the epochs show progress, and never that there is none. With that
it raised nothing. Where rewards or adversarial losses are reported nothing is judged. It resolves once anything
improves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import ACCURACIES, LOSSES, LR, TRAIN_ACC, TRAIN_LOSS
from trackside_service.domain.numbers import to_wire
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.epoch_values import EMPTY, Filling, dump_filling, gather, load_filling
from trackside_service.rules.loss_meaning import moves_its_own_goal
from trackside_service.rules.lr_course import Course, advance, dump_course, load_course, share_of_peak
from trackside_service.rules.places import Place, at_every_step, epoch_of, place_from, place_of, position, say
from trackside_service.rules.running import Series, dump_series, follow, improvement, jitter, load_series
from trackside_service.rules.units import declared_unit, scale, unit_after

CODE = "LOSS005"
_LOW_LR: Final = 1e-3
_FROM_THE_START: Final = 2  # the epoch of the first value, in a log that begins with the run
_STEADY: Final = 10.0  # times its jitter: what a loss comes down by that goes slowly, and surely
_FLAT: Final = 3.0  # times the share: a loss that is worse by more goes somewhere, if not down
_NAMES: Final = (*LOSSES, *ACCURACIES)
_TRAINING: Final = (TRAIN_LOSS, TRAIN_ACC)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts as no progress.

    `points`: values of a metric that it takes. `share`: what a loss has come down by, of its start, in a run that makes
    progress; `alone`: the same where one metric is all that is reported. `gain`: what an accuracy has risen by (1 is
    all right); `good`: the accuracy from which on nothing is judged. `lr_share`: the share of the peak LR from which
    on a value counts. `late`: the share of the run before which nothing is judged, where its length is declared.
    """

    points: int = 10
    share: float = 0.01
    alone: float = 0.003
    gain: float = 0.02
    good: float = 0.5
    lr_share: float = 0.1
    late: float = 0.2

    def __post_init__(self) -> None:
        if self.points < 3:
            raise ValueError("points is 3 or more")
        shares = (self.share, self.alone, self.gain, self.good, self.lr_share)
        if not (0 < min(shares) <= max(shares) < 1 and 0 <= self.late < 1):
            raise ValueError("share, alone, gain, good and lr_share lie between 0 and 1, as does late")


@dataclass(frozen=True, slots=True)
class State:
    """One value an epoch of each metric, its unit, and the first place; the LR's course and its declared peak."""

    series: Mapping[str, Series] = field(default_factory=dict)
    fillings: Mapping[str, Filling] = field(default_factory=dict)
    units: Mapping[str, MetricUnit | None] = field(default_factory=dict)
    course: Course = field(default_factory=Course)
    peak: float = 0.0
    first_at: Place | None = None
    meaningless: bool = False
    open: str | None = None


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return _begun(context, None)


def _begun(context: RunContext, opened: str | None) -> State:
    schedule = context.schedule
    peak = schedule.peak() if schedule is not None and not schedule.metric_driven else 0.0
    units = {name: declared_unit(context.spec, name) for name in ACCURACIES}
    return State(units=units, peak=peak if math.isfinite(peak) else 0.0, open=opened)


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the losses and accuracies of one record."""
    values = reading.record.metrics
    if state.meaningless:
        return state, ()
    if reading.starts_life:
        state = _begun(context, state.open)
    course, _ = advance(context, state.course, reading)
    here, steps = place_of(reading.record), context.spec.steps_per_epoch
    series, fillings, units = state.series, state.fillings, state.units
    first_at, counted = state.first_at, False
    for name in _NAMES:
        value = values.get(name)
        if value is None or not math.isfinite(value):
            continue
        done: tuple[float, Place] | None = (value, here)
        before = filling = fillings.get(name, EMPTY)
        if name in _TRAINING:
            filling, done = gather(filling, value, here, steps)
        else:
            if at_every_step(before.last_at, here, steps):
                filling, done = gather(filling, value, here, steps)
            filling = Filling(filling.epoch, filling.total, filling.count, here)
        if filling is not before:
            fillings = {**fillings, name: filling}
        if done is None and name in _TRAINING and epoch_of(here, steps) is None:
            done = (value, here)  # nothing tells its epochs: it can show progress, and not that there is none
        if done is None or not _trains(context, parameters, course, state.peak, done[1]):
            continue
        one = follow(series.get(name, _UNSEEN), *done, "lower" if name in LOSSES else "higher")
        series, first_at, counted = {**series, name: one}, first_at or done[1], True
        if name in ACCURACIES:
            units = {**units, name: unit_after(units.get(name), value)}
    meaningless = moves_its_own_goal(tuple(values))
    state = State(series, fillings, units, course, state.peak, first_at, meaningless, state.open)
    if meaningless or not counted:
        return state, ()
    idle = _idle(context, parameters, state, here)
    if state.open is not None and not idle and any(one.points >= 3 for one in series.values()):
        cleared = Cleared(CODE, state.open, reading.record.position)
        return _with(state, None), [cleared]
    if state.open is not None or not idle:
        return state, ()
    subject = max(series, key=lambda name: (series[name].points, name == TRAIN_LOSS))
    return _with(state, subject), [_finding(context, state, subject, reading)]


_UNSEEN: Final = Series()


def _with(state: State, opened: str | None) -> State:
    return State(
        state.series,
        state.fillings,
        state.units,
        state.course,
        state.peak,
        state.first_at,
        state.meaningless,
        opened,
    )


def _trains(context: RunContext, parameters: Parameters, course: Course, peak: float, here: Place) -> bool:
    """Whether the LR is high enough to learn there; so where nothing tells it."""
    share = share_of_peak(context, course, here, peak)
    return share is None or share >= parameters.lr_share


def _idle(context: RunContext, parameters: Parameters, state: State, here: Place) -> bool:
    """Whether there were enough values, late enough, and none of the metrics has improved."""
    known = {name: one for name, one in state.series.items() if one.points >= 3}
    steps, total = context.spec.steps_per_epoch, context.spec.total_epochs
    epoch, first = epoch_of(here, steps), epoch_of(state.first_at or here, steps)
    counted = [one.points for name, one in known.items() if epoch is not None or name not in _TRAINING]
    if max(counted, default=0) < parameters.points:
        return False
    if epoch is not None and total is not None and epoch < parameters.late * total:
        return False
    if not _from_the_start(state, here, first, max(counted)):
        return False  # what came before is not known: the run may have converged
    share = parameters.share if len(known) > 1 else parameters.alone
    for name, one in known.items():
        if one.start is None or one.best is None:
            return False
        if name in LOSSES:
            if one.best <= 0:
                return False  # a loss that falls below zero has no size to take a share of
            flat = max(one.recent) - one.start <= _FLAT * share * abs(one.start)
            gained = improvement(one)
            steady = gained > parameters.alone * abs(one.start) and gained > _STEADY * jitter(one)
            if not flat or steady or gained > share * abs(one.start):
                return False
            continue
        whole = scale(state.units.get(name))
        if one.best >= parameters.good * whole or improvement(one, "higher") > parameters.gain * whole:
            return False
    return True


def _from_the_start(state: State, here: Place, epoch: int | None, points: int) -> bool:
    """Whether the log begins with the run: in its first epochs, or where nothing tells them no later than a usual
    interval after step 0.
    """
    if epoch is not None:
        return epoch <= _FROM_THE_START
    first, now = (state.first_at or here)[0], here[0]
    return first is not None and now is not None and first * (points - 1) <= 2 * (now - first)


def _finding(context: RunContext, state: State, subject: str, reading: Reading) -> Finding:
    words = [
        f"{name} began at {one.start:.5g}, its best is {one.best:.5g}, and it is {one.last:.5g} now"
        for name, one in state.series.items()
        if one.points >= 3
    ]
    one, lr = state.series[subject], state.course.last
    rate = "" if lr is None else f" The learning rate is {lr:.6g}."
    return Finding(
        code=CODE,
        subject=subject,
        severity="warning",
        title=f"no progress in {one.points} values of {subject}",
        detail=f"Nothing has improved since {say(state.first_at)}: {'; '.join(words)}.{rate}",
        advice=_advice(context, state, reading),
        opened=position(state.first_at),
        detected=reading.record.position,
        evidence={
            "metric": subject,
            "points": one.points,
            "start": {name: each.start for name, each in state.series.items()},
            "best": {name: each.best for name, each in state.series.items()},
            "lr": None if lr is None else to_wire(lr),
        },
    )


def _advice(context: RunContext, state: State, reading: Reading) -> str:
    words = ["Train on one batch alone: the loss has to go to 0."]
    words.append(
        "If it does not, look at the labels, at what is frozen, and whether the optimizer holds these parameters."
    )
    lr, held = reading.record.metrics.get(LR, state.course.last), advice.regularisers(context)
    knob = advice.peak_knob(context)
    rate = lr if lr is not None else knob.value if knob is not None else None
    if len(held) > 1 and rate is not None and rate <= _LOW_LR:
        words.append(
            f"{', '.join(held)} and a learning rate of {rate:.6g} together over-constrain the model: take the "
            "regularisers away one by one, or raise the rate."
        )
    epoch, total = epoch_of(place_of(reading.record), context.spec.steps_per_epoch), context.spec.total_epochs
    end = advice.higher_end(context)
    if end is not None and epoch is not None and total is not None and epoch >= total / 2:
        words.append(f"So late in the run, raise the final learning rate: {end}.")
    higher = advice.higher_start(context)
    if higher is not None:
        words.append(f"If it does, the rate is too low: {higher}.")
    elif knob is not None:
        words.append(
            f"If it does, try a higher rate ({knob.to(3 * knob.value)}), and a lower one if the gradient norm is large."
        )
    else:
        words.append("If it does, try three times the learning rate, and a third of it if the gradient norm is large.")
    return " ".join(words)


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {
        "series": {name: dump_series(one) for name, one in state.series.items()},
        "fillings": {name: dump_filling(one) for name, one in state.fillings.items()},
        "units": dict(state.units),
        "course": dump_course(state.course),
        "rest": [state.peak, state.first_at, state.meaningless, state.open],
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    peak, first_at, meaningless, opened = data["rest"]
    return State(
        series={name: load_series(one) for name, one in data["series"].items()},
        fillings={name: load_filling(one) for name, one in data["fillings"].items()},
        units=data["units"],
        course=load_course(data["course"]),
        peak=peak,
        first_at=place_from(first_at),
        meaningless=meaningless,
        open=opened,
    )


RULE = Rule(
    code=CODE,
    name="no progress",
    summary="Over ten values and more no loss and no accuracy is better than at the start.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    state_version=2,
    dump=dump,
    load=load,
)
