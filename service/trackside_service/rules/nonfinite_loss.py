"""LOSS001: the loss is not finite.

**What.** `train_loss` is NaN or infinite in a record, or `val_loss` is in three records in a row. A `val_loss` that
was never finite in a run with fewer evaluations is told of when the run ends, as a warning.

**Why it matters.** Once the loss is NaN, so are the gradients and, after one update, the weights. Nothing that the
job does from there on helps, and most tools stay silent: a comparison with NaN is false, so "the loss is worse than
before" never comes true. Some trainers even print the running mean in its place. This rule runs before all others.

**Example.** Epoch 1: 4.2, epoch 2: 3.9, epoch 3: NaN. The alert opens at epoch 3 and tells the last finite value, the
learning rate there and by what to lower its peak.

**What to try.** Halve the peak learning rate first. Then look at the gradient norm of the records before; at mixed
precision (a loss scale that falls to its floor, float16 where bfloat16 would do); at the data (NaN or infinite
inputs, empty targets); at logarithms and divisions of zero in the loss. Restart from a checkpoint of before the first
NaN: the weights of later ones are lost.

**Defaults.** One non-finite training loss is enough: it raised nothing on 185 healthy public runs. Validation losses
need three in a row, since a single overflow on an odd batch of a healthy run passes. The alert resolves after three
finite values in a row, and never while NaN goes on: a finite value that comes late, from a place that the run has
left, says nothing about where it is now. A process that resumes the run and ends in NaN again before that is another
failure: the old alert resolves where the process began, and another one opens. What an earlier process had left to say
once the resume has reported is stored, and judged by no rule: the NaN of a process that is gone opens nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import LOSSES, LR, TRAIN_LOSS, VAL_LOSS
from trackside_service.domain.numbers import said, to_wire
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import Place, place_from, place_of, position, say, wire

CODE = "LOSS001"


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many records it takes.

    `train_patience`, `val_patience`: non-finite values in a row of the training and of the validation loss.
    `clears_after`: finite values in a row after which the alert resolves.
    """

    train_patience: int = 1
    val_patience: int = 3
    clears_after: int = 3

    def __post_init__(self) -> None:
        if min(self.train_patience, self.val_patience, self.clears_after) < 1:
            raise ValueError("train_patience, val_patience and clears_after are counts of 1 or more")


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss: its last finite value, and the run of non-finite (or, while open, finite) values up to now. `resumed`:
    it is open since a process life before this one, which began at `resumed_at`.
    """

    last: float | None = None
    last_at: Place | None = None
    bad: int = 0
    since: Place | None = None
    good: int = 0
    open: bool = False
    resumed: bool = False
    resumed_at: Place | None = None


@dataclass(frozen=True, slots=True)
class State:
    """The losses by name, and the latest LR."""

    losses: Mapping[str, Loss] = field(default_factory=dict)
    lr: float | None = None


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the losses of one record. One that is behind can open the alert and do nothing else."""
    values = reading.record.metrics
    if LR in values and not reading.behind:
        state = State(state.losses, values[LR])
    if reading.starts_life:
        state = replace(state, losses={name: _resumed(loss, reading) for name, loss in state.losses.items()})
    outcomes: list[Outcome] = []
    for name in LOSSES:
        if name in values:
            loss, outcome = _next(context, parameters, state, name, reading)
            state = State({**state.losses, name: loss}, state.lr)
            outcomes += outcome
    return state, outcomes


def _resumed(loss: Loss, reading: Reading) -> Loss:
    """Return a loss as another process takes it up: what is open, and was counted towards its end, is the old one's."""
    if not loss.open:
        return loss
    return replace(loss, bad=0, since=None, good=0, resumed=True, resumed_at=place_of(reading.record))


def _next(
    context: RunContext, parameters: Parameters, state: State, name: str, reading: Reading
) -> tuple[Loss, Sequence[Outcome]]:
    loss, value, here = state.losses.get(name, Loss()), reading.record.metrics[name], place_of(reading.record)
    if math.isfinite(value):
        if reading.behind:
            return loss, ()
        loss = Loss(value, here, 0, None, loss.good + 1, loss.open, loss.resumed, loss.resumed_at)
        if loss.open and loss.good >= parameters.clears_after:
            return replace(loss, open=False, resumed=False), [Cleared(CODE, name, reading.record.position)]
        return loss, ()
    good = loss.good if loss.open and reading.behind else 0
    loss = replace(loss, bad=loss.bad + 1, good=good, since=loss.since or here)
    patience = parameters.train_patience if name == TRAIN_LOSS else parameters.val_patience
    stands = loss.open and (reading.behind or not loss.resumed)
    if stands or loss.bad < patience:
        return loss, ()
    over = [Cleared(CODE, name, position(loss.resumed_at))] if loss.resumed else []
    return replace(loss, open=True, resumed=False), [*over, _finding(context, state.lr, name, loss, reading)]


def conclude(context: RunContext, _parameters: Parameters, state: State) -> tuple[State, Sequence[Outcome]]:
    """Say at the run's end that the validation loss was never finite, where too few evaluations came to say so
    before.
    """
    loss = state.losses.get(VAL_LOSS)
    if loss is None or loss.open or loss.bad == 0 or loss.last is not None:
        return state, ()
    finding = Finding(
        code=CODE,
        subject=VAL_LOSS,
        severity="warning",
        title=f"{VAL_LOSS} was never finite",
        detail=f"{VAL_LOSS} was NaN or infinite in {'its one value' if loss.bad == 1 else f'all {loss.bad} values'}, "
        f"from {say(loss.since)} to the end of the run.",
        advice=_advice(context, VAL_LOSS, loss),
        opened=position(loss.since),
        detected=position(loss.since),
        evidence={"metric": VAL_LOSS, "in_a_row": loss.bad, "last_finite": None},
    )
    return replace(state, losses={**state.losses, VAL_LOSS: replace(loss, open=True)}), [finding]


def _finding(context: RunContext, lr: float | None, name: str, loss: Loss, reading: Reading) -> Finding:
    value = reading.record.metrics[name]
    word = "NaN" if math.isnan(value) else "infinite"
    rate = "" if lr is None else f" The learning rate is {said(lr)}."
    if lr is not None and not math.isfinite(lr):
        rate = f" The learning rate is not a finite number either ({said(lr)})."
    before = (
        f"the last finite value was {loss.last:.6g} at {say(loss.last_at)}"
        if loss.last is not None
        else "no finite value was reported before"
    )
    detail = f"{name} is {word} since {say(loss.since)}; {before}.{rate}"
    if reading.behind:
        detail = f"{name} was {word} at {say(loss.since)}, in a record that came late; {before}.{rate}"
    evidence: dict[str, Any] = {
        "metric": name,
        "value": to_wire(value),
        "in_a_row": loss.bad,
        "last_finite": loss.last,
        "last_finite_at": None if loss.last_at is None else wire(loss.last_at),
        "lr": None if lr is None else to_wire(lr),
    }
    return Finding(
        code=CODE,
        subject=name,
        severity="critical",
        title=f"{name} is {word}",
        detail=detail,
        advice=_advice(context, name, loss),
        opened=position(loss.since),
        detected=reading.record.position,
        evidence=evidence,
    )


def _advice(context: RunContext, name: str, loss: Loss) -> str:
    if name == VAL_LOSS:
        return (
            "Look at the evaluation first: inputs or targets that are NaN or empty, a logarithm or division of zero, "
            "float16 overflow. "
            f"If the training loss follows, {advice.lower_peak(context)}."
        )
    warmup = advice.longer_warmup(context)
    if loss.last is None:  # there is no checkpoint to go back to
        slower = "" if warmup is None else f", and make the rise slower ({warmup})"
        return (
            "Stop: the loss was never finite. Print it for the first batches. NaN at the very first: suspect the data "
            "(NaN, infinite or empty values), the loss function, or the loss scale under mixed precision. Finite at "
            f"first: {advice.lower_peak(context)}{slower}, and look at the gradient norm just before."
        )
    words = [
        f"Stop, and restart from a checkpoint of before the first NaN with a lower learning rate; "
        f"{advice.lower_peak(context)}."
    ]
    if warmup is not None:
        words.append(f"If it returns, make the rise slower as well: {warmup}.")
    words.append(
        "Look at the gradient norm just before, at the loss scale under mixed precision, and at the batch for NaN, "
        "infinite or empty values."
    )
    return " ".join(words)


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {"lr": state.lr, "losses": {name: asdict(loss) for name, loss in state.losses.items()}}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    places = ("last_at", "since", "resumed_at")
    losses = {
        name: Loss(**{**loss, **{place: place_from(loss[place]) for place in places}})
        for name, loss in data["losses"].items()
    }
    return State(losses=losses, lr=data["lr"])


RULE = Rule(
    code=CODE,
    name="loss not finite",
    summary="The training loss is NaN or infinite, or the validation loss is three times in a row.",
    severity="critical",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    conclude=conclude,
    sees_behind=True,
    state_version=2,
    dump=dump,
    load=load,
)
