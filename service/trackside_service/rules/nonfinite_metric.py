"""LOSS008: another metric is not finite.

**What.** A metric other than the losses, the gradient norm and the learning rate is NaN or infinite. It is information,
noted once a metric, and all of them in one alert; and a warning once an accuracy that was finite before has not been
so three evaluations in a row (ten records of a batch), while the losses are finite or not reported.

**Why it matters.** It may be nothing: an average over no samples, a ratio with a zero below, a perplexity that does not
fit into a float. It may also be the first sign of what the loss shows an epoch later; and a metric that is NaN is
missing from every curve and comparison.

**Example.** `val/f1` is NaN in epoch 1, since no sample of one class was predicted. The note opens at epoch 1.

**What to try.** Look at how the metric is computed where there is nothing to compute it from. If its values come
straight out of the network, look at the loss and the gradient norm of the same record.

**Defaults.** In 7 of 299 healthy public runs a side column was NaN, so that it is no more than information; no accuracy
stayed so, and the warning came in none of 185. At most 20 metrics are named. It resolves once each of them was finite
three times in a row; one that goes to and fro is not told of again. A PSNR of plus infinity is what identical images
have, and is not noted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from trackside_service.domain.findings import Cleared, Finding, Outcome, Severity
from trackside_service.domain.metrics import ACCURACIES, GRAD_NORM, LOSSES, LR, VAL_ACC
from trackside_service.domain.numbers import from_wire, to_wire
from trackside_service.rules import scores
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import Place, is_summary, place_from, place_of, position, say

CODE = "LOSS008"
_MOST: Final = 20
_OTHERS: Final = frozenset((*LOSSES, GRAD_NORM, LR))


@dataclass(frozen=True, slots=True)
class Parameters:
    """`clears_after`: finite values in a row of every metric named after which the alert resolves. `patience`: values
    in a row of an accuracy that are not finite after which it is a warning; `batch_patience`: the same of a training
    accuracy that no record of a whole epoch holds.
    """

    clears_after: int = 3
    patience: int = 3
    batch_patience: int = 10

    def __post_init__(self) -> None:
        if min(self.clears_after, self.patience, self.batch_patience) < 1:
            raise ValueError("clears_after, patience and batch_patience are counts of 1 or more")


@dataclass(frozen=True, slots=True)
class Noted:
    """A metric that was not finite: what it was and where first, finite values in a row since, and others in a row."""

    value: float
    at: Place
    good: int = 0
    bad: int = 1


@dataclass(frozen=True, slots=True)
class State:
    """The metrics noted, by name in their order; whether the alert is open; the accuracies that were finite once;
    whether a loss is not finite itself, and the accuracies that make it a warning.
    """

    noted: Mapping[str, Noted] = field(default_factory=dict)
    open: bool = False
    known: tuple[str, ...] = ()
    bad_losses: tuple[str, ...] = ()
    grave: tuple[str, ...] = ()


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    _context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at all metrics of one record."""
    values = reading.record.metrics
    known, bad_losses = _known(state, values), _bad_losses(state, values)
    if (known, bad_losses) != (state.known, state.bad_losses):
        state = replace(state, known=known, bad_losses=bad_losses)
    if not state.open and math.isfinite(sum(values.values())):
        return state, ()  # nearly every record of nearly every run
    here, noted, news, grave = place_of(reading.record), dict(state.noted), False, state.grave
    for name, value in values.items():
        one = noted.get(name)
        if math.isfinite(value):
            if one is not None and (one.good < parameters.clears_after or one.bad):
                noted[name] = replace(one, good=min(one.good + 1, parameters.clears_after), bad=0)
        elif one is not None:
            noted[name] = replace(one, good=0, bad=0 if bad_losses else one.bad + 1)
            if name not in grave and name in known and noted[name].bad >= _patience(parameters, name, here):
                grave, news = (*grave, name), True
        elif value == math.inf and scores.in_decibels(name):
            continue  # of identical images
        elif name not in _OTHERS and not name.startswith("lr/") and len(noted) < _MOST:
            noted[name], news = Noted(value, here, bad=0 if bad_losses else 1), True
    if news:
        state = replace(state, noted=noted, open=True, grave=grave)
        return state, [_finding(state, reading)]
    healed = state.open and all(one.good >= parameters.clears_after for one in noted.values())
    cleared = [Cleared(CODE, next(iter(noted)), reading.record.position)] if healed else ()
    return replace(state, noted=noted, open=state.open and not healed, grave=() if healed else grave), cleared


def _known(state: State, values: Mapping[str, float]) -> tuple[str, ...]:
    """The accuracies that were finite once, with those of a record."""
    new = [name for name in ACCURACIES if name not in state.known and math.isfinite(values.get(name, math.nan))]
    return (*state.known, *new) if new else state.known


def _bad_losses(state: State, values: Mapping[str, float]) -> tuple[str, ...]:
    """The losses that were not finite when they last came: what follows from them is LOSS001's."""
    return tuple(
        name for name in LOSSES if not math.isfinite(values.get(name, math.nan if name in state.bad_losses else 0))
    )


def _patience(parameters: Parameters, name: str, here: Place) -> int:
    return parameters.patience if name == VAL_ACC or is_summary(here) else parameters.batch_patience


def _finding(state: State, reading: Reading) -> Finding:
    subject = next(iter(state.noted))
    words = [f"{name} was {_word(one.value)} at {say(one.at)}" for name, one in state.noted.items()]
    more = f" and {len(words) - 1} more" if len(words) > 1 else ""
    severity: Severity = "warning" if state.grave else "info"
    stays = f" {' and '.join(state.grave)} stayed so since." if state.grave else ""
    first = state.noted[subject]
    return Finding(
        code=CODE,
        subject=subject,
        severity=severity,
        title=f"{(*state.grave, subject)[0]}{more} not finite",
        detail=f"{'; '.join(words)}.{stays}",
        advice="Look at how it is computed where there is nothing to compute it from (no sample of a class, a zero "
        "below a ratio). If its values come straight out of the network, look at the loss and the gradient norm there.",
        opened=position(first.at),
        detected=reading.record.position,
        evidence={"metrics": {name: to_wire(one.value) for name, one in state.noted.items()}},
    )


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "infinite"


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    noted = [[name, to_wire(one.value), one.at, one.good, one.bad] for name, one in state.noted.items()]
    return {"noted": noted, "open": state.open, "rest": [state.known, state.bad_losses, state.grave]}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    noted = {}
    for name, value, at, *counts in data["noted"]:
        noted[name] = Noted(from_wire(value), place_from(at) or (None, None), *counts)
    return State(noted, data["open"], *map(tuple, data["rest"]))


RULE = Rule(
    code=CODE,
    name="metric not finite",
    summary="Another metric is NaN or infinite (information; a warning for an accuracy that stays so).",
    severity="info",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
    state_version=2,
)
