"""LOSS008: another metric is not finite.

**What.** A metric other than the losses, the gradient norm and the learning rate is NaN or infinite. It is information
only, noted once a metric, and all of them in one alert.

**Why it matters.** It may be nothing: an average over no samples, a ratio with a zero below, a perplexity that does not
fit into a float. It may also be the first sign of what the loss shows an epoch later; and a metric that is NaN is
missing from every curve and comparison.

**Example.** `val/f1` is NaN in epoch 1, since no sample of one class was predicted. The note opens at epoch 1.

**What to try.** Look at how the metric is computed where there is nothing to compute it from. If its values come
straight out of the network, look at the loss and the gradient norm of the same record.

**Defaults.** In 7 of 299 healthy public runs a side column was NaN, so that this never is more than information unless
configured. At most 20 metrics are named. It resolves once each of them was finite three times in a row; one that goes
to and fro is not told of again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import GRAD_NORM, LOSSES, LR
from trackside_service.domain.numbers import from_wire, to_wire
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import Place, place_from, place_of, position, say

CODE = "LOSS008"
_MOST: Final = 20
_OTHERS: Final = frozenset((*LOSSES, GRAD_NORM, LR))


@dataclass(frozen=True, slots=True)
class Parameters:
    """`clears_after`: finite values in a row of every metric named after which the alert resolves."""

    clears_after: int = 3

    def __post_init__(self) -> None:
        if self.clears_after < 1:
            raise ValueError("clears_after is a count of 1 or more")


@dataclass(frozen=True, slots=True)
class Noted:
    """A metric that was not finite: what it was and where first, and finite values in a row since."""

    value: float
    at: Place
    good: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """The metrics noted, by name in their order; whether the alert is open."""

    noted: Mapping[str, Noted] = field(default_factory=dict)
    open: bool = False


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    _context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at all metrics of one record."""
    values = reading.record.metrics
    if not state.open and math.isfinite(sum(values.values())):
        return state, ()  # nearly every record of nearly every run
    here, noted, news = place_of(reading.record), dict(state.noted), False
    for name, value in values.items():
        one = noted.get(name)
        if math.isfinite(value):
            if one is not None and one.good < parameters.clears_after:
                noted[name] = replace(one, good=one.good + 1)
        elif one is not None:
            noted[name] = replace(one, good=0)
        elif name not in _OTHERS and not name.startswith("lr/") and len(noted) < _MOST:
            noted[name], news = Noted(value, here), True
    if news:
        state = State(noted, open=True)
        return state, [_finding(state, reading)]
    healed = state.open and all(one.good >= parameters.clears_after for one in noted.values())
    cleared = [Cleared(CODE, next(iter(noted)), reading.record.position)] if healed else ()
    return State(noted, open=state.open and not healed), cleared


def _finding(state: State, reading: Reading) -> Finding:
    subject, first = next(iter(state.noted.items()))
    words = [f"{name} was {_word(one.value)} at {say(one.at)}" for name, one in state.noted.items()]
    more = f" and {len(words) - 1} more" if len(words) > 1 else ""
    return Finding(
        code=CODE,
        subject=subject,
        severity="info",
        title=f"{subject}{more} not finite",
        detail=f"{'; '.join(words)}.",
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
    noted = [[name, to_wire(one.value), one.at, one.good] for name, one in state.noted.items()]
    return {"noted": noted, "open": state.open}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    noted = {}
    for name, value, at, good in data["noted"]:
        noted[name] = Noted(from_wire(value), place_from(at) or (None, None), good)
    return State(noted, data["open"])


RULE = Rule(
    code=CODE,
    name="metric not finite",
    summary="Another metric is NaN or infinite (information).",
    severity="info",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
