"""ACC005: an accuracy that is suspiciously perfect.

**What.** The validation accuracy is perfect for three evaluations in a row, and something else says that it cannot be
so good: the validation loss is as bad as where the accuracy was low, or as bad as guessing; or the training accuracy
of the same time is far lower; or the run has just begun, with twenty classes or more. It is information.

**Why it matters.** A perfect accuracy is mostly a fault of the measurement: the label is among the inputs, validation
samples are among the training samples, the evaluation sees one class, an empty set, or compares a thing with itself.
The run looks best where it is worth least, and it is found out in production.

**Example.** Validation accuracy 0.61, 0.64, 1.0, 1.0, 1.0 with a validation loss that stays at 1.2: a loss of 1.2 does
not belong to a model that is always right.

**What to try.** Count the samples and the classes of the evaluation. Search for validation samples among the training
samples. Take the label's column, file name or folder out of the inputs. Print twenty predictions with their labels.

**Defaults.** A high accuracy alone is no finding: a peer's rule "validation accuracy above 95 %" alarmed on 60 of 60
healthy runs, and a toy problem is solved in an epoch, with losses that say so; on it this stays silent. A loss agrees
with guessing from nine tenths of ln k on, and with a low accuracy (80 % or less) where it is no more than a twentieth
below what it was there. A training accuracy of at most three quarters contradicts; regularised training lowers it by
less. On 185 healthy public runs it raised nothing. It resolves where the accuracy is not perfect any more, or
nothing contradicts it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import VAL_ACC
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules import running
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.chance import loss_at
from trackside_service.rules.evaluations import (
    NOTHING,
    Evaluation,
    Gathered,
    dump_gathered,
    evaluate,
    gather,
    load_gathered,
)
from trackside_service.rules.places import place_of, position, say, wire
from trackside_service.rules.running import Streak
from trackside_service.rules.units import declared_unit, scale, show, unit_after

CODE = "ACC005"
_PERFECT = 0.99995
_LOW = 0.8
_SHOWS_FRACTIONS = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts as a contradiction.

    `patience`: perfect evaluations in a row. `train_below`: a training accuracy (1 is all right) up to which it
    contradicts. `loss_share`: the share of the loss at a low accuracy, from which on a loss contradicts.
    `many_classes`: the number of classes from which on nobody is perfect in the first evaluations.
    """

    patience: int = 3
    train_below: float = 0.75
    loss_share: float = 0.95
    many_classes: int = 20

    def __post_init__(self) -> None:
        if self.patience < 3 or self.many_classes < 2:
            raise ValueError("patience is 3 or more, many_classes 2 or more")
        if not (0 < self.train_below < 1 and 0 < self.loss_share <= 1):
            raise ValueError("train_below and loss_share lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class State:
    """How long the accuracy has been perfect, and how long each thing has contradicted it.

    `low_loss`: the least validation loss at an accuracy that was low. `fractions`: values were seen that only
    fractions are. `evaluations` counts them all.
    """

    gathered: Gathered = NOTHING
    unit: MetricUnit | None = None
    fractions: bool = False
    evaluations: int = 0
    perfect: Streak = running.NONE
    loss: int = 0
    train: int = 0
    low_loss: float | None = None
    open: bool = False


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State(unit=declared_unit(context.spec, VAL_ACC))


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at one record."""
    values = reading.record.metrics
    if reading.starts_life and not state.open:
        state = start(context, parameters)
    gathered = gather(state.gathered, values)
    if not math.isfinite(value := values.get(VAL_ACC, math.nan)):
        return state if gathered is state.gathered else replace(state, gathered=gathered), ()
    gathered, seen = evaluate(gathered, value, place_of(reading.record))
    state = _after(context, parameters, state, gathered, seen)
    contradiction = _contradiction(context, parameters, state, seen)
    if state.open:
        if contradiction is None:
            return replace(state, open=False), [Cleared(CODE, VAL_ACC, reading.record.position)]
        return state, ()
    if contradiction is None:
        return state, ()
    return replace(state, open=True), [_finding(state, seen, contradiction, reading)]


def _after(context: RunContext, parameters: Parameters, state: State, gathered: Gathered, seen: Evaluation) -> State:
    """Return the state after an evaluation."""
    unit = unit_after(state.unit, seen.score)
    fractions = state.fractions or unit == "fraction" or _SHOWS_FRACTIONS[0] < seen.score < _SHOWS_FRACTIONS[1]
    level, loss = seen.score / scale(unit), seen.val_loss
    low_loss, evaluations = state.low_loss, state.evaluations + 1
    if level <= _LOW and loss is not None and 0 < loss < math.inf:
        low_loss = loss if low_loss is None else min(loss, low_loss)
    if level < _PERFECT or (unit is None and not fractions):  # until then 1 may be one percent
        return State(gathered, unit, fractions, evaluations, low_loss=low_loss, open=state.open)
    classes = context.spec.num_classes
    bad = loss is not None and (
        (low_loss is not None and loss >= parameters.loss_share * low_loss)
        or (classes is not None and classes > 1 and loss >= 0.9 * loss_at(classes))
    )
    poor = seen.train_acc is not None and seen.train_acc <= parameters.train_below * scale(unit)
    return State(
        gathered,
        unit,
        fractions,
        evaluations,
        running.extended(state.perfect, True, seen.place),
        state.loss + 1 if bad else 0,
        state.train + 1 if poor else 0,
        low_loss,
        open=state.open,
    )


def _contradiction(context: RunContext, parameters: Parameters, state: State, seen: Evaluation) -> str | None:
    """Say what contradicts a perfect accuracy; None where nothing does, or not for long."""
    if state.perfect.count < parameters.patience:
        return None
    if state.loss >= parameters.patience:
        before = "" if state.low_loss is None else f" (it was {state.low_loss:.4g} where the accuracy was low)"
        return f"val_loss is {seen.val_loss:.4g}{before}, which does not belong to a model that is always right"
    if state.train >= parameters.patience and seen.train_acc is not None:
        return f"train_acc is {show(seen.train_acc, state.unit)} at the same time"
    classes = context.spec.num_classes
    if classes is not None and classes >= parameters.many_classes and state.evaluations == state.perfect.count:
        return f"it has been so from the first evaluation on, among {classes} classes"
    return None


def _finding(state: State, seen: Evaluation, contradiction: str, reading: Reading) -> Finding:
    return Finding(
        code=CODE,
        subject=VAL_ACC,
        severity="info",
        title="val_acc is suspiciously perfect",
        detail=(
            f"val_acc has been {show(seen.score, state.unit)} in {state.perfect.count} evaluations in a row, since "
            f"{say(state.perfect.since)}, but {contradiction}."
        ),
        advice=(
            "Count the samples and classes that the evaluation sees; look for validation samples among the training "
            "samples, and for the label among the inputs (a column, a file name, a folder); print twenty predictions "
            "with their labels. If the task is really that easy, turn this rule off for the run."
        ),
        opened=position(state.perfect.since),
        detected=reading.record.position,
        evidence={
            "value": seen.score,
            "evaluations": state.perfect.count,
            "since": wire(state.perfect.since),
            "val_loss": seen.val_loss,
            "val_loss_at_low_accuracy": state.low_loss,
            "train_acc": seen.train_acc,
        },
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {
        "gathered": dump_gathered(state.gathered),
        "unit": [state.unit, state.fractions],
        "evaluations": state.evaluations,
        "perfect": [*running.dump_streak(state.perfect), state.loss, state.train],
        "low_loss": state.low_loss,
        "open": state.open,
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    unit, fractions = data["unit"]
    *perfect, loss, train = data["perfect"]
    return State(
        gathered=load_gathered(data["gathered"]),
        unit=unit,
        fractions=fractions,
        evaluations=data["evaluations"],
        perfect=running.load_streak(perfect),
        loss=loss,
        train=train,
        low_loss=data["low_loss"],
        open=data["open"],
    )


RULE = Rule(
    code=CODE,
    name="suspiciously perfect accuracy",
    summary="The validation accuracy is perfect, and the losses or the training accuracy say that it cannot be.",
    severity="info",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
