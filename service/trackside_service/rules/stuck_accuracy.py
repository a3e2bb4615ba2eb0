"""ACC004: the accuracy is stuck at chance.

**What.** Since the run began the accuracy is what guessing gives, evaluation after evaluation, and the loss agrees:
it is ln k, and the accuracy 1/k, for one and the same number k of classes; or it is ln k for a small k while the
validation accuracy is exactly the same number each time, which is what a model that always answers with one class
prints. k is `num_classes` where it is declared, else it is read off the loss.

**Why it matters.** Nothing is learned, and nothing will be: a model that is to learn leaves chance within an epoch or
two. It mostly means a fault that no patience repairs: labels that do not belong to their inputs, a learning rate that
is far too low or so high that the network died in the first steps, weights that are frozen or not given to the
optimizer.

**Example.** Ten epochs with a validation loss between 1.098 and 1.130, ln 3 being 1.0986, and a validation accuracy of
31.54 % in each. The alert opens at the first of them and is raised at the sixth.

**What to try.** Train on one batch until its loss is 0: if that fails, it is the code and not the data. Print labels
and predictions of one batch. Raise the learning rate ten times if it is below what the optimizer usually takes, lower
it ten times if the loss jumped in the first steps and then froze. Look at whether gradients are zero (GRAD002).

**Defaults.** Neither signal alone is enough: a converged run has a constant loss, a tiny validation set a constant
accuracy, and beyond some twenty classes any loss is near one ln k or another (there only usual numbers of classes
count). A fine-tuning that starts good is nowhere near chance. Training figures alone are judged where there is no
validation accuracy: batch by batch only from the third epoch on, and held to half a percent of ln k from a hundred
classes on, since the first thousand updates on a large data set look just so. While a declared schedule has the
learning rate under a tenth of its peak, nothing is judged; and while the training learns, an evaluation has to be at
chance for three times as long, since averaged weights lag behind. On 185 healthy public runs this raised nothing. It
resolves when the accuracy or the loss leaves chance for two evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import TRAIN_ACC, VAL_ACC
from trackside_service.domain.numbers import said
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules import advice, running
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.chance import EVERY_UP_TO, accuracy_at, classes_of, loss_at
from trackside_service.rules.evaluations import (
    NOTHING,
    Evaluation,
    Gathered,
    dump_gathered,
    evaluate,
    gather,
    load_gathered,
)
from trackside_service.rules.places import epoch_of, is_summary, place_of, position, say, wire
from trackside_service.rules.running import Streak
from trackside_service.rules.units import declared_unit, scale, show, unit_after

CODE = "ACC004"
_MANY = 100  # classes from which on a batch's accuracy tells little, and the loss has to be closer
_FEW = 5  # classes up to which ln k is no number that a loss takes by accident
_MOST_CONSTANT = 0.7  # above this a constant accuracy is good rather than stuck
_LAGS = 3  # times as many evaluations while the training learns
_WITHOUT_EPOCHS = 25  # times as many records where nothing tells the epochs

Standing: TypeAlias = Literal["at", "unclear", "away"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """How near to chance and how long.

    `patience`: evaluations, from the first on; `batch_patience`: records where only figures of batches are reported.
    `loss_within`: how near the loss is to ln k, as a share of it (a fifth of that beyond twenty classes);
    `constant_within`: the same where the accuracy is constant and need not be 1/k, and how little the loss has
    improved meanwhile. `above`: how far over 1/k an
    accuracy is still chance, as a share of what is left to 1, though never over twice 1/k; from three times `above`
    on it has left chance.
    """

    patience: int = 6
    batch_patience: int = 8
    loss_within: float = 0.05
    constant_within: float = 0.03
    above: float = 0.1

    def __post_init__(self) -> None:
        if min(self.patience, self.batch_patience) < 3:
            raise ValueError("patience and batch_patience are counts of 3 or more")
        if not (0 < self.constant_within <= self.loss_within <= 0.2 and 0 < self.above < 0.3):
            raise ValueError("constant_within and loss_within lie between 0 and 0.2, above between 0 and 0.3")


@dataclass(frozen=True, slots=True)
class State:
    """How long one accuracy has been at chance, since the run began.

    `name` is the accuracy that is judged (`val_acc` as soon as there is one). `left` counts those in a row that were
    away from chance; after two of them the run has `escaped`, for good. `classes` is the k of those at chance,
    `first_loss` the loss at the first of them, `same` counts equal accuracies in a row, `total` is the sum of the
    accuracies at chance, as fractions.
    """

    gathered: Gathered = NOTHING
    name: str = TRAIN_ACC
    unit: MetricUnit | None = None
    at_chance: Streak = running.NONE
    last: float | None = None
    same: int = 0
    total: float = 0.0
    classes: int | None = None
    first_loss: float | None = None
    left: int = 0
    escaped: bool = False
    open: bool = False


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State(unit=declared_unit(context.spec, TRAIN_ACC))


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at one record."""
    values = reading.record.metrics
    if reading.starts_life and not state.open:
        state = start(context, parameters)
    if state.escaped:
        return state, ()
    if state.name == TRAIN_ACC and VAL_ACC in values:
        # What the training figures said so far stays gathered: it belongs to this evaluation.
        unit = declared_unit(context.spec, VAL_ACC)
        state = State(gathered=state.gathered, name=VAL_ACC, unit=unit, open=state.open)
    gathered = gather(state.gathered, values)
    if not math.isfinite(value := values.get(state.name, math.nan)):
        return state if gathered is state.gathered else replace(state, gathered=gathered), ()
    gathered, seen = evaluate(gathered, value, place_of(reading.record))
    state = _after(context, parameters, state, gathered, seen)
    if state.open:
        if state.left >= 2:
            return replace(state, open=False, escaped=True), [Cleared(CODE, state.name, reading.record.position)]
        return state, ()
    if not _stuck(context, parameters, state, seen):
        return replace(state, escaped=state.left >= 2), ()
    return replace(state, open=True), [_finding(context, state, seen, reading)]


def _after(context: RunContext, parameters: Parameters, state: State, gathered: Gathered, seen: Evaluation) -> State:
    """Return the state after an accuracy."""
    unit, same = unit_after(state.unit, seen.score), state.same + 1 if seen.score == state.last else 1
    loss = _loss(state.name, seen)
    batch = state.name == TRAIN_ACC and not is_summary(seen.place)
    standing, classes = _standing(context, parameters, seen.score, unit=unit, loss=loss, same=same, batch=batch)
    at_chance, total, left, first_loss = state.at_chance, state.total, state.left, state.first_loss
    if standing == "at":
        if classes != state.classes:  # a loss that wanders from one ln k to the next has not stayed at any
            at_chance, total, first_loss = running.NONE, 0.0, loss
        at_chance, left = running.extended(at_chance, True, seen.place), 0
        total += seen.score / scale(unit)
    else:
        classes = state.classes
        if standing == "away":  # the first one is often from before training, and one odd one ends nothing
            left += 1
    return State(
        gathered, state.name, unit, at_chance, seen.score, same, total, classes, first_loss, left, open=state.open
    )


def _loss(name: str, seen: Evaluation) -> float | None:
    """Return the loss that stands beside an accuracy."""
    return seen.train_loss if name == TRAIN_ACC or seen.val_loss is None else seen.val_loss


def _standing(
    context: RunContext,
    parameters: Parameters,
    score: float,
    *,
    unit: MetricUnit | None,
    loss: float | None,
    same: int,
    batch: bool,
) -> tuple[Standing, int | None]:
    """Say how an accuracy and the loss beside it stand to chance, and among how many classes."""
    if loss is None:
        return "unclear", None
    declared = context.spec.num_classes
    classes = classes_of(loss, within=parameters.loss_within, declared=declared)
    if classes is None:
        return "away", None
    apart = abs(loss - loss_at(classes)) / loss_at(classes)
    few = classes <= EVERY_UP_TO
    if apart > parameters.loss_within / (1 if few else 5) / (2 if batch else 1):
        return "unclear", None
    chance, whole = accuracy_at(classes), scale(unit)
    accuracy = score / whole
    if unit is None and classes >= _MANY and accuracy > 2 * chance:
        accuracy /= 100  # a percentage that has not exceeded 1 yet
    over = (accuracy - chance) / (1 - chance)
    if batch and classes >= _MANY:
        return ("at" if over <= parameters.above else "unclear"), classes
    if over <= parameters.above and accuracy <= 2 * chance:
        # Where k is only read off the loss, far fewer right answers than guessing gives do not agree with it.
        return ("at" if declared or not few or batch or accuracy >= chance / 2 else "unclear"), classes
    if same > 1 and classes <= _FEW and apart <= parameters.constant_within and accuracy <= _MOST_CONSTANT:
        return "at", classes
    return ("away" if over > 3 * parameters.above and not batch else "unclear"), classes


def _stuck(context: RunContext, parameters: Parameters, state: State, seen: Evaluation) -> bool:
    """Say whether it has lasted, and is not the doing of a learning rate that has yet to rise."""
    if state.left or state.classes is None:
        return False
    loss = _loss(state.name, seen)
    if loss is None or state.first_loss is None or loss < (1 - parameters.constant_within) * state.first_loss:
        return False  # near ln k still, but on its way
    count = state.at_chance.count
    if state.name == TRAIN_ACC and not is_summary(seen.place):
        epoch = epoch_of(seen.place, context.spec.steps_per_epoch)
        if epoch is None and count < _WITHOUT_EPOCHS * parameters.batch_patience:
            return False
        if count < parameters.batch_patience or (epoch is not None and epoch < 2):
            return False
        chance = accuracy_at(state.classes)
        most = max(1.5 * chance, 0.01) if state.classes >= _MANY else chance + parameters.above * (1 - chance)
        if state.total / count > most:
            return False
    elif count < parameters.patience * (_LAGS if _trains(state, seen) else 1):
        return False
    schedule = context.schedule
    return schedule is None or seen.lr is None or schedule.metric_driven or seen.lr >= 0.1 * schedule.peak()


def _trains(state: State, seen: Evaluation) -> bool:
    """Say whether the training learns meanwhile: an evaluation of averaged weights lags behind it."""
    classes = state.classes or 2
    if state.name == TRAIN_ACC or seen.val_loss is None:
        return False
    if seen.train_acc is not None and seen.train_acc / scale(state.unit) > 3 * accuracy_at(classes):
        return True
    return seen.train_loss is not None and seen.train_loss < 0.9 * loss_at(classes)


def _finding(context: RunContext, state: State, seen: Evaluation, reading: Reading) -> Finding:
    classes = state.classes or 2
    loss_name = "train_loss" if state.name == TRAIN_ACC or seen.val_loss is None else "val_loss"
    loss = _loss(state.name, seen)
    value, mean = show(seen.score, state.unit), state.total / state.at_chance.count * scale(state.unit)
    whose = f"the {classes} classes declared" if context.spec.num_classes else f"{classes} classes"
    rate = "" if seen.lr is None else f" The learning rate is {said(seen.lr)}."
    return Finding(
        code=CODE,
        subject=state.name,
        severity="warning",
        title=f"{state.name} is stuck at chance: {value}",
        detail=(
            f"{state.name} is {value} and has been {show(mean, state.unit)} in the mean of {state.at_chance.count} "
            f"reports since {say(state.at_chance.since)}; guessing among {whose} gives "
            f"{show(accuracy_at(classes) * scale(state.unit), state.unit)}. {loss_name} agrees: it is {loss:.6g}, and "
            f"ln {classes} is {loss_at(classes):.6g}.{rate}"
        ),
        advice=_advice(context, seen),
        opened=position(state.at_chance.since),
        detected=reading.record.position,
        evidence={
            "metric": state.name,
            "value": seen.score,
            "mean": mean,
            "reports": state.at_chance.count,
            "classes": classes,
            "loss_metric": loss_name,
            "loss": loss,
            "ln_classes": loss_at(classes),
            "lr": seen.lr,
            "since": wire(state.at_chance.since),
        },
    )


def _advice(context: RunContext, seen: Evaluation) -> str:
    knob = advice.peak_knob(context)
    now = seen.lr if seen.lr is not None else None if knob is None else knob.value
    rate = (
        "Then the learning rate: ten times higher if it is low for the optimizer, ten times lower if the loss jumped "
    )
    rate += "in the first steps and froze"
    if now is not None and 0 < now < 1e-5:
        rate = f"Then the learning rate: {now:.4g} is low for any optimizer; try {10 * now:.4g} to {100 * now:.4g}"
    elif knob is not None:
        rate += f" ({knob.to(10 * knob.value)}, or {knob.to(knob.value / 10)})"
    return (
        "Train on one batch until its loss is 0: if that fails, suspect the code (weights frozen or not given to the "
        "optimizer, outputs or labels of another kind than the loss expects), else the labels: print some with their "
        f"inputs, and look at whether a shuffle or a sort moved one without the other. {rate}."
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {
        "gathered": dump_gathered(state.gathered),
        "name": state.name,
        "unit": state.unit,
        "at_chance": running.dump_streak(state.at_chance),
        "last": [state.last, state.same],
        "total": state.total,
        "classes": [state.classes, state.first_loss],
        "left": [state.left, state.escaped],
        "open": state.open,
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    last, same = data["last"]
    left, escaped = data["left"]
    classes, first_loss = data["classes"]
    return State(
        gathered=load_gathered(data["gathered"]),
        name=data["name"],
        unit=data["unit"],
        at_chance=running.load_streak(data["at_chance"]),
        last=last,
        same=same,
        total=data["total"],
        classes=classes,
        first_loss=first_loss,
        left=left,
        escaped=escaped,
        open=data["open"],
    )


RULE = Rule(
    code=CODE,
    name="accuracy stuck at chance",
    summary="The accuracy is what guessing gives since the run began, and the loss is ln k.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    state_version=2,
    dump=dump,
    load=load,
)
