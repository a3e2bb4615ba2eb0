"""RUN007: a resume broke continuity.

**What.** A new process took over the run in its course, and what it reports does not go on from what the one before it
had reached at that place: the training loss has lost more than half of what had been gained; the learning rate is three
times as high, or is the run's first again (where no schedule is declared: a declared one is LR001's matter); or the
counters jump ahead. Where the reporter names no process it is only noted.

**Why it matters.** A checkpoint of which the weights, the optimizer's moments or the scheduler were not loaded costs
the epochs before it, and nothing fails: the loss comes down again, and the run ends a little worse than it should.

**Example.** At step 4,000 the loss was 0.31. The new process goes on from step 4,000 with 2.2, where the run began at
2.3: the weights were not loaded.

**What to try.** Loss back near its start: load the model's weights (and look at `strict=False`, and at prefixes such as
`module.`). Loss up by less: load the optimizer's state. LR at its first value: load the scheduler's state after the
optimizer's. Counters ahead: look whether records are missing, or the step was computed from another batch size. Then
restart from that checkpoint.

**Defaults.** It needs ten losses before and five after the resume, all compared by medians, and twice the noise around
the place; a process that begins again at the start of the run is a new training and no resume. On 185 healthy public
runs, whose reporters name no process, it raised nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final, NamedTuple

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import LR, TRAIN_LOSS
from trackside_service.domain.numbers import said
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.counters import Axis, counter
from trackside_service.rules.places import Place, in_run, place_from, place_of, position, say

CODE = "RUN007"
SUBJECT = "resume"
_KEPT: Final = 48  # points of the run so far, thinned
_AROUND: Final = 5  # losses on either side that are compared
_LEAST: Final = 10  # losses before
_PATIENCE: Final = 20  # records of the new process after which it is judged by what there is
_IN_ITS_COURSE: Final = 0.2  # a process that begins before this share of the run begins anew
_AHEAD: Final = 20.0  # intervals


@dataclass(frozen=True, slots=True)
class Parameters:
    """How much it takes.

    `lost`: the share of the loss's improvement that is gone. `lr_factor`: times by which the LR is off.
    """

    lost: float = 0.5
    lr_factor: float = 3.0

    def __post_init__(self) -> None:
        if self.lost <= 0 or self.lr_factor <= 1:
            raise ValueError("lost is a share above 0, lr_factor is above 1")


class Point(NamedTuple):
    """What was reported at a place of the run: finite values only."""

    at: float
    loss: float | None
    lr: float | None


@dataclass(frozen=True, slots=True)
class Resume:
    """A new process until it is judged: where it began, and its first `lr`, losses and number of records."""

    place: Place
    at: float
    named: bool
    lr: float | None = None
    losses: tuple[float, ...] = ()
    records: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """The run so far, on one axis, in `points` that lie `stride` records apart; the next is taken from the record
    `next_index` on. `open`: the alert stands.
    """

    axis: Axis | None = None
    points: tuple[Point, ...] = ()
    stride: int = 1
    next_index: int = 0
    life: int = 0
    resume: Resume | None = None
    open: bool = False


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at one record. Most are neither kept nor part of a resume, and cost nothing."""
    outcomes: list[Outcome] = []
    if reading.starts_life:
        state, outcomes = _took_over(state, reading)
    if state.resume is None and reading.index < state.next_index:
        return state, outcomes
    place = counter(_place(reading))
    if place is None or reading.life < state.life or state.axis not in (None, place[0]):
        return state, outcomes
    metrics = reading.record.metrics
    loss, lr = _finite(metrics.get(TRAIN_LOSS)), _finite(metrics.get(LR))
    if loss is None and lr is None:
        return state, outcomes
    if state.resume is None:
        return _kept(state, place[0], Point(place[1], loss, lr), reading), outcomes
    resume = _followed(state.resume, loss, lr)
    if len(resume.losses) < _AROUND and resume.records < _PATIENCE:
        return replace(state, resume=resume), outcomes
    found = _compared(context, parameters, state, resume)
    # From here on the run is what the new process makes of it.
    points = tuple(point for point in state.points if point.at < resume.at)
    after = replace(state, points=points, resume=None, next_index=reading.index + 1, open=bool(found))
    return after, [*outcomes, _finding(resume, found, reading)] if found else outcomes


def _took_over(state: State, reading: Reading) -> tuple[State, list[Outcome]]:
    """A new process reports its first record: within the run's course it is a resume, else the run begins anew."""
    cleared: list[Outcome] = [Cleared(CODE, SUBJECT, reading.record.position)] if state.open else []
    here, place = place_of(reading.record), counter(_place(reading))
    if place is None or place[0] != state.axis or len(state.points) < _LEAST:
        return State(life=reading.life, next_index=reading.index), cleared
    first, last = state.points[0].at, state.points[-1].at
    if place[1] <= first + _IN_ITS_COURSE * (last - first):
        return State(life=reading.life, next_index=reading.index), cleared
    resume = Resume(here, place[1], reading.named)
    return replace(state, life=reading.life, resume=resume, open=False), cleared


def _place(reading: Reading) -> Place:
    here = in_run(reading)
    return here.step, here.epoch


def _kept(state: State, axis: Axis, point: Point, reading: Reading) -> State:
    points, stride = (*state.points, point), state.stride
    if len(points) > _KEPT:
        points, stride = points[::2], stride * 2
    return replace(state, axis=axis, points=points, stride=stride, next_index=reading.index + stride)


def _followed(resume: Resume, loss: float | None, lr: float | None) -> Resume:
    """Return the resume after one more record of the new process."""
    return replace(
        resume,
        lr=resume.lr if resume.lr is not None else lr,
        losses=resume.losses if loss is None else (*resume.losses, loss),
        records=resume.records + 1,
    )


def _compared(
    context: RunContext, parameters: Parameters, state: State, resume: Resume
) -> Mapping[str, tuple[str, str, Mapping[str, float]]]:
    """Return what does not go on: by name the words, what to try, and the numbers."""
    found: dict[str, tuple[str, str, Mapping[str, float]]] = {}
    loss = _loss(parameters, state.points, resume)
    if loss is not None:
        was, now, began = loss
        near = now > was + 0.8 * (began - was)
        found["train_loss"] = (
            f"the training loss was {said(was)} there and is {said(now)} now; the run began at {said(began)}",
            "load the model's weights (look at strict=False and at prefixes such as module.)"
            if near
            else "load the optimizer's state beside the weights",
            {"loss_before": was, "loss_after": now, "loss_at_start": began},
        )
    lr = None if context.schedule is not None else _lr(parameters, state.points, resume)
    if lr is not None:
        was, now = lr
        found["lr"] = (
            f"the learning rate was {said(was)} there and is {said(now)} now",
            "load the scheduler's state after the optimizer's, or declare the schedule that is meant",
            {"lr_before": was, "lr_after": now},
        )
    last, interval = state.points[-1].at, _interval(state.points)
    if resume.named and resume.at > last + max(_AHEAD * interval * state.stride, 0.5 * (last - state.points[0].at)):
        found["counters"] = (
            f"the run had come to about {said(last)} and goes on at {said(resume.at)}",
            "look whether records are missing, or the step was computed from another batch size",
            {"reached": last, "resumed_at": resume.at},
        )
    return found


def _loss(parameters: Parameters, points: Sequence[Point], resume: Resume) -> tuple[float, float, float] | None:
    """Return the loss before, after and at the start of the run, where too much of what was gained is gone."""
    losses = [(point.at, point.loss) for point in points if point.loss is not None]
    if len(losses) < _LEAST or len(resume.losses) < _AROUND:
        return None
    around = [loss for _, loss in sorted(losses, key=lambda one: abs(one[0] - resume.at))[:_AROUND]]
    was, now = median(around), median(resume.losses)
    began = median([loss for _, loss in losses[:3]])
    noise = max(around) - min(around)
    if began > was and now - was > max(parameters.lost * (began - was), 2 * noise):
        return was, now, began
    return None


def _lr(parameters: Parameters, points: Sequence[Point], resume: Resume) -> tuple[float, float] | None:
    """Return the LR before and after, where it rose, or fell to the run's first (a warm-up that begins again)."""
    lrs = [(point.at, point.lr) for point in points if point.lr is not None]
    if resume.lr is None or not lrs:
        return None
    below = [lr for at, lr in lrs if at <= resume.at]
    above = [lr for at, lr in lrs if at > resume.at]
    around = [*below[-1:], *above[:1]]
    low, high = min(around), max(around)
    first, factor = lrs[0][1], parameters.lr_factor
    if resume.lr > factor * high > 0:
        return high, resume.lr
    if 0 < resume.lr * factor < low and first / 2 <= resume.lr <= first * 2:
        return low, resume.lr
    return None


def _interval(points: Sequence[Point]) -> float:
    return (points[-1].at - points[0].at) / max(1, len(points) - 1)


def _finding(resume: Resume, found: Mapping[str, tuple[str, str, Mapping[str, float]]], reading: Reading) -> Finding:
    words = [word for word, _, _ in found.values()]
    advice = "; ".join(what for _, what, _ in found.values())
    return Finding(
        code=CODE,
        subject=SUBJECT,
        severity="warning" if resume.named and set(found) != {"counters"} else "info",
        title=f"The resume at {say(resume.place)} did not go on where the run was ({', '.join(found)})",
        detail=f"A new process took over at {say(resume.place)}: {'; '.join(words)}.",
        advice=f"Look at what the checkpoint holds and what is loaded from it: {advice}. Then resume from it again.",
        opened=position(resume.place),
        detected=reading.record.position,
        evidence={name: dict(numbers) for name, (_, _, numbers) in found.items()},
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    one = state.resume
    return {
        "axis": state.axis,
        "points": state.points,
        "stride": state.stride,
        "next_index": state.next_index,
        "life": state.life,
        "resume": None if one is None else [one.place, one.at, one.named, one.lr, one.losses, one.records],
        "open": state.open,
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    resume = None
    if data["resume"] is not None:
        place, at, named, lr, losses, records = data["resume"]
        resume = Resume(place_from(place) or (None, None), at, named, lr, tuple(losses), records)
    points = tuple(Point(*point) for point in data["points"])
    return State(**{**data, "points": points, "resume": resume})


RULE = Rule(
    code=CODE,
    name="resume broke continuity",
    summary="Where a new process took over, the loss, the LR or the counters do not go on from what was reached.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
