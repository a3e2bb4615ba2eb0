"""GRAD002: the gradients vanish.

**What.** `grad_norm` is for eight records in a row at most 1e-7, or at most a millionth of what it was at first, while
the loss has come down by less than a tenth of its start.

**Why it matters.** Without a gradient nothing is learned, whatever the learning rate. The loss looks calm, which people
take for convergence.

**Example.** A loss of 2.3026 at every step, and a gradient norm of 3e-11: all units of a layer are dead. The alert
opens at the first such step.

**What to try.** Look for saturated or dead units (too large a first step, inputs that are not scaled), for a detached
or frozen part of the network, for a loss that is multiplied by 0, and for underflow in float16 without a loss scale.
Normalisation, residual connections or another initialisation help where depth is the cause.

**Defaults.** 1e-7 is the bound that the usual debuggers take. A run that has converged has small gradients too: hence
the loss, which has to be about where it began. Where no loss is reported only the absolute bound counts. It raised
nothing on 185 healthy public runs, of which 16 report a gradient norm. It resolves after three values in a row above.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import GRAD_NORM, TRAIN_LOSS
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import place_of, position, say
from trackside_service.rules.running import (
    NONE,
    Series,
    Streak,
    dump_series,
    dump_streak,
    extended,
    followed,
    improvement,
    load_series,
    load_streak,
)

CODE = "GRAD002"


@dataclass(frozen=True, slots=True)
class Parameters:
    """How small and how long.

    `floor`: the gradient norm that is none; `share`: the same as a share of the first ones. `records`: in a row.
    `learned`: the share of its start by which the loss has come down in a run that learns. `clears_after`: values in a
    row above after which the alert resolves.
    """

    floor: float = 1e-7
    share: float = 1e-6
    records: int = 8
    learned: float = 0.1
    clears_after: int = 3

    def __post_init__(self) -> None:
        if not (self.floor >= 0 and 0 <= self.share < 1 and 0 < self.learned <= 1):
            raise ValueError("floor is 0 or more, share and learned lie between 0 and 1")
        if not (self.floor > 0 or self.share > 0):
            raise ValueError("of floor and share one is above 0: no norm is below 0")
        if min(self.records, self.clears_after) < 1:
            raise ValueError("records and clears_after are counts of 1 or more")


@dataclass(frozen=True, slots=True)
class State:
    """The first norms (their median), how often in a row it was too small, the training loss."""

    first: tuple[float, ...] = ()
    small: Streak = NONE
    loss: Series = field(default_factory=Series)
    open: bool = False
    good: int = 0


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the gradient norm of one record, and at its loss."""
    value, here = reading.record.metrics.get(GRAD_NORM), place_of(reading.record)
    if value is None:
        return state, ()
    if reading.starts_life:
        state = State(open=state.open, good=state.good)
    state = replace(state, loss=followed(state.loss, reading.record.metrics.get(TRAIN_LOSS), here))
    if not math.isfinite(value):
        return state, ()
    first = state.first if len(state.first) == 3 else (*state.first, value)
    usual = sorted(first)[1] if len(first) == 3 else 0.0
    small = value <= parameters.floor or (state.loss.points > 0 and value <= parameters.share * usual)
    state = replace(state, first=first, small=extended(state.small, small, here), good=0 if small else state.good + 1)
    if state.open:
        if state.good < parameters.clears_after:
            return state, ()
        return replace(state, open=False), [Cleared(CODE, GRAD_NORM, reading.record.position)]
    if state.small.count < parameters.records or _learned(parameters, state.loss):
        return state, ()
    return replace(state, open=True, good=0), [_finding(context, state, usual, value, reading)]


def _learned(parameters: Parameters, loss: Series) -> bool:
    if loss.start is None:
        return False
    return improvement(loss) >= parameters.learned * abs(loss.start) > 0 or loss.start == 0


def _finding(context: RunContext, state: State, usual: float, value: float, reading: Reading) -> Finding:
    loss = ""
    if state.loss.start is not None:
        loss = f" The training loss began at {state.loss.start:.4g} and is {state.loss.last:.4g}: it has not converged."
    higher, since = advice.higher_start(context), say(state.small.since)
    rate = "" if higher is None else f" If the learning rate is what is too small, {higher}."
    return Finding(
        code=CODE,
        subject=GRAD_NORM,
        severity="warning",
        title=f"{GRAD_NORM} vanishes: {value:.3g}",
        detail=f"{GRAD_NORM} has been next to nothing for {state.small.count} records in a row, since "
        f"{since}, and is {value:.3g} now.{loss}",
        advice=f"Take the gradient norm by layer on one batch of {since}. Exactly 0 in all: the loss is detached, "
        "multiplied by 0, or underflows in float16 (set a loss scale, or use bfloat16). From one layer down: what lies "
        "above it is frozen, or its units are dead or saturated, by inputs that are not scaled or by too large a first "
        f"step; {advice.lower_peak(context)}.{rate}",
        opened=position(state.small.since),
        detected=reading.record.position,
        evidence={
            "metric": GRAD_NORM,
            "value": value,
            "first": usual,
            "in_a_row": state.small.count,
            "train_loss": state.loss.last,
            "train_loss_start": state.loss.start,
        },
    )


def dump(state: State) -> list[Any]:
    """State as JSON values."""
    return [state.first, dump_streak(state.small), dump_series(state.loss), state.open, state.good]


def load(data: Sequence[Any]) -> State:
    """Undo `dump`."""
    first, small, loss, *rest = data
    return State(tuple(first), load_streak(small), load_series(loss), *rest)


RULE = Rule(
    code=CODE,
    name="vanishing gradients",
    summary="The gradient norm is next to nothing while the loss is where it began.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
