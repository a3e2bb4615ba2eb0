"""ACC003: a slow start.

**What.** After the first epoch the accuracy is lower than a model that learns at all has by then: under three times
what guessing gives, or under guessing and a tenth, whichever is less, where `num_classes` is declared; or under what
an expectation of that epoch wants at least. It is information.

**Why it matters.** The first epoch is the cheapest place to notice that the initial learning rate is too low, or that
too many regularisers hold the model back: what is lost there is lost in every run of the sweep.

**Example.** OneCycleLR with max_lr 0.0251 and div_factor 25, 100 classes: 1.58 % of the training set after epoch 1.
The advice is "div_factor 25 to 12.5, so that the initial LR becomes 0.002008".

**What to try.** Raise the initial learning rate, with a smaller divisor or a warm-up that begins higher; keep the peak
as it is. With several regularisers on, turn one off for the first epochs. If it is still at chance some epochs later,
it is another matter: ACC004.

**Defaults.** Three times 1/k is what any learning passes in an epoch where classes are many, a tenth over 1/k where
they are few: the recipe above passed neither, its repair (11 %) both. Nothing is said without a number of classes or
an expectation, since what is low depends on the task alone: of 55 healthy public runs with a validation accuracy, two
began under 10 % and ended at 75 % and 50 %. None of the 185 declares either, so none could raise it. A fine-tuning
that starts good is not meant. An evaluation before the first epoch (epoch 0) says nothing by itself, nor does the
training accuracy of a batch: one that stands for the epoch is told when the next epoch begins. It resolves with the
first accuracy that is high enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import ACCURACIES, LR, TRAIN_ACC
from trackside_service.domain.numbers import said
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.chance import accuracy_at
from trackside_service.rules.places import Place, epoch_of, is_summary, place_from, place_of, position
from trackside_service.rules.units import declared_unit, scale, show, unit_after

CODE = "ACC003"
_OVER_CONSTRAINED = 3  # regularisers at once


@dataclass(frozen=True, slots=True)
class Parameters:
    """How little is little: under `times` what guessing gives and under guessing plus `over` (of 1)."""

    times: float = 3.0
    over: float = 0.1

    def __post_init__(self) -> None:
        if self.times <= 1 or not 0 < self.over < 1:
            raise ValueError("times is above 1, over lies between 0 and 1")


@dataclass(frozen=True, slots=True)
class State:
    """`over`: the first epoch is past, or was judged. `told`: the accuracy that the open alert is about, and how much
    would be enough. `units` are the accuracies', in the order of `ACCURACIES`. `held` is a training accuracy that was
    too low, how much would be enough, and where it stood: told once the next epoch shows that it was no batch's.
    """

    lr: float | None = None
    units: tuple[MetricUnit | None, ...] = (None, None)
    over: bool = False
    told: tuple[str, float] | None = None
    held: tuple[float, float, Place] | None = None


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State(units=tuple(declared_unit(context.spec, name) for name in ACCURACIES))


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at one record."""
    if reading.starts_life and state.told is None:
        state = start(context, parameters)
    values = reading.record.metrics
    if state.told is not None:
        name, enough = state.told
        if values.get(name, -math.inf) >= enough:
            return replace(state, told=None), [Cleared(CODE, name, reading.record.position)]
        return state, ()
    if state.over:
        return state, ()
    here = place_of(reading.record)
    epoch = epoch_of(here, context.spec.steps_per_epoch)
    if epoch is None:
        return state, ()
    if epoch > 1:
        if state.held is None:
            return replace(state, over=True), ()
        return _tell(context, replace(state, over=True), TRAIN_ACC, state.held, reading)
    lr = values.get(LR)
    if lr is not None and math.isfinite(lr) and lr != state.lr:
        state = replace(state, lr=lr)
    seen = {name: values[name] for name in ACCURACIES if math.isfinite(values.get(name, math.nan))}
    if not seen:
        return state, ()
    units = tuple(
        unit_after(unit, seen[name]) if name in seen else unit
        for name, unit in zip(ACCURACIES, state.units, strict=True)
    )
    state = replace(state, units=units)
    if TRAIN_ACC in seen and (state.held is not None or not is_summary(here)):
        del seen[TRAIN_ACC]
        state = replace(state, held=None)
    wanted = {name: _wanted(context, parameters, name, unit) for name, unit in zip(ACCURACIES, units, strict=True)}
    judged = {name: bound for name in seen if (bound := wanted[name]) is not None}
    if any(seen[name] >= bound for name, bound in judged.items()):
        return replace(state, over=True), ()
    if epoch < 1 or not judged:
        return state, ()
    name = next(iter(judged))
    low = seen[name], judged[name], here
    if name == TRAIN_ACC:
        return replace(state, held=low), ()
    return _tell(context, replace(state, over=True), name, low, reading)


def _wanted(context: RunContext, parameters: Parameters, name: str, unit: MetricUnit | None) -> float | None:
    """Return the accuracy that the first epoch should reach, in the metric's own unit; None where nothing tells it."""
    bounds = [
        one.min
        for one in context.spec.expectations
        if one.metric == name
        and one.min is not None
        and (one.epoch == 1 or (one.from_epoch is not None and one.from_epoch <= 1))
    ]
    if bounds:
        return max(bounds)
    classes = context.spec.num_classes
    if classes is None or classes < 2:
        return None
    chance = accuracy_at(classes)
    return min(parameters.times * chance, chance + parameters.over) * scale(unit)


def _tell(
    context: RunContext, state: State, name: str, low: tuple[float, float, Place], reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Return the state and the finding of an accuracy that was too low."""
    value, enough, here = low
    unit, classes = state.units[ACCURACIES.index(name)], context.spec.num_classes
    guessing = ""
    if classes is not None and classes > 1:
        chance = show(accuracy_at(classes) * scale(unit), unit)
        guessing = f" Guessing among {classes} classes gives {chance}."
    rate = "" if state.lr is None else f" The learning rate is {said(state.lr)}."
    finding = Finding(
        code=CODE,
        subject=name,
        severity="info",
        title=f"{name} starts slowly: {show(value, unit)} after the first epoch",
        detail=(
            f"{name} is {show(value, unit)} after the first epoch, where {show(enough, unit)} was to be expected at "
            f"least.{guessing}{rate}"
        ),
        advice=_advice(context, state),
        opened=position(here),
        detected=reading.record.position,
        evidence={"metric": name, "value": value, "enough": enough, "classes": classes, "lr": state.lr},
    )
    return replace(state, told=(name, enough), held=None), [finding]


def _advice(context: RunContext, state: State) -> str:
    words = []
    higher, knob = advice.higher_start(context), advice.peak_knob(context)
    if higher is not None:
        words.append(f"Raise the initial LR: {higher}. The peak can stay as it is.")
    elif knob is not None and (state.lr is None or state.lr >= 0.5 * knob.value):
        words.append(f"Try a higher LR: {knob.to(3 * knob.value)}.")
    else:
        words.append("Raise the initial LR: begin the warm-up higher, or make it shorter.")
    many = advice.regularisers(context)
    if len(many) >= _OVER_CONSTRAINED:
        listed = ", ".join(many)
        words.append(f"{len(many)} regularisers at once under a low LR over-constrain the model ({listed}): try fewer.")
    words.append("If the next epochs stay there too, look at labels and inputs before the LR.")
    return " ".join(words)


def dump(state: State) -> list[Any]:
    """State as JSON values."""
    told = None if state.told is None else list(state.told)
    held = None if state.held is None else list(state.held)
    return [state.lr, list(state.units), state.over, told, held]


def load(data: Sequence[Any]) -> State:
    """Undo `dump`."""
    lr, units, over, told, held = data
    if held is not None:
        value, enough, here = held
        held = (value, enough, place_from(here))
    return State(lr, tuple(units), over, None if told is None else (told[0], told[1]), held)


RULE = Rule(
    code=CODE,
    name="slow start",
    summary="After the first epoch the accuracy is hardly above guessing, or under what was expected of it.",
    severity="info",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
