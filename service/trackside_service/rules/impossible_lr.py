"""LR004: the learning rate is not finite, or negative.

**What.** A reported learning rate, of any parameter group, is NaN, infinite or below 0. Groups that fail are one alert.

**Why it matters.** No optimizer can use such a rate. With NaN or infinity the first update destroys the weights; with
a negative one every update climbs the loss, which for a while looks like ordinary divergence. PyTorch checks the rate
when the optimizer is built and never again, so that a scheduler can set anything.

**Example.** `LambdaLR(optimizer, lambda epoch: 1 - epoch / 90)` in a run that goes on to epoch 100: the rate is 0 at
epoch 90, -0.0011 at 91 and lower at every epoch after. `lambda step: (1 - step / total) ** 0.9` is no real number past
`total`; a warm-up of 0 steps divides zero by zero.

**What to try.** Stop, and restart from a checkpoint of before the first such rate. For a negative one, give the decay
the run's length, and keep its factor from falling below 0. For NaN, look for a division by zero (a total or a warm-up
of 0), a power of a negative number, or a rate that is computed from a loss that is NaN itself.

**Defaults.** One value is enough, also in a record that comes late, but not from a process of which
a resume has reported: that one is gone, and no rule judges what it left. A rate of 0 is no concern of this rule: many
schedules end there, and some by a rounding error below it, so that a negative rate counts only above `noise` times the
highest one that the run has reported. It raised nothing on 185 healthy public runs. The alert resolves when every group
that failed has had three good values in a row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import LR
from trackside_service.domain.numbers import said, to_wire
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import Place, place_from, place_of, position, say, wire

CODE = "LR004"
_GROUP: Final = re.compile(r"lr/(\d{1,6})")
_MOST: Final = 64  # groups that are remembered by name, so that the state stays small
_LEAST: Final = 1e-15  # no rate that somebody chose is as small


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts, and when it is over.

    `noise`: how far below 0 is rounding, as a share of the highest LR reported. `clears_after`: good values in a row
    after which a group counts as sound.
    """

    noise: float = 1e-9
    clears_after: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.noise < 1 or self.clears_after < 1:
            raise ValueError("noise is 0 or more and below 1, clears_after is a count of 1 or more")


@dataclass(frozen=True, slots=True)
class Failure:
    """The episode that is open: where it began, in which group and how; `groups` are the names that failed, each with
    its good values in a row since.
    """

    subject: str
    value: float
    at: Place
    late: bool
    groups: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class State:
    """The highest LR so far, the last good value of a group and where, and what is wrong now."""

    highest: float = 0.0
    last: float | None = None
    last_at: Place | None = None
    failure: Failure | None = field(default=None)


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the rates of one record. One that is behind can open or widen the alert and do nothing else."""
    values = reading.record.metrics
    rates = {name: values[name] for name in _rates(tuple(values))}
    if not rates:
        return state, ()
    bad = {name: value for name, value in rates.items() if _impossible(value, parameters, state)}
    if not reading.behind:
        state = _noted(state, {name: value for name, value in rates.items() if name not in bad}, reading)
    outcomes: list[Outcome] = []
    if bad:
        state, outcomes = _failed(context, state, bad, reading)
    elif state.failure is not None and not reading.behind:
        state, outcomes = _recovering(parameters, state, state.failure, rates, reading)
    return state, outcomes


@lru_cache(maxsize=1024)
def _rates(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name == LR or _GROUP.fullmatch(name) is not None)


def _impossible(value: float, parameters: Parameters, state: State) -> bool:
    return not math.isfinite(value) or value < -max(parameters.noise * state.highest, _LEAST)


def _noted(state: State, good: Mapping[str, float], reading: Reading) -> State:
    if not good:
        return state
    first = min(good, key=_number)
    return State(max(state.highest, *good.values()), good[first], place_of(reading.record), state.failure)


def _number(name: str) -> int:
    return 0 if name == LR else int(name.partition("/")[2])


def _failed(
    context: RunContext, state: State, bad: Mapping[str, float], reading: Reading
) -> tuple[State, list[Outcome]]:
    """Open the alert, or widen it by the groups that are new in it."""
    failure = state.failure
    if failure is None:
        subject = min(bad, key=_number)
        failure = Failure(subject, bad[subject], place_of(reading.record), reading.behind, {})
    new = [name for name in sorted(bad, key=_number) if name not in failure.groups]
    room = _MOST - len(failure.groups)
    groups = {name: 0 if name in bad else good for name, good in failure.groups.items()}
    failure = replace(failure, groups=groups | dict.fromkeys(new[:room], 0))
    told = [_finding(context, state, failure, reading)] if new[:room] else []
    return replace(state, failure=failure), list(told)


def _recovering(
    parameters: Parameters, state: State, failure: Failure, rates: Mapping[str, float], reading: Reading
) -> tuple[State, list[Outcome]]:
    groups = {name: good + (name in rates) for name, good in failure.groups.items()}
    if min(groups.values()) < parameters.clears_after:
        return replace(state, failure=replace(failure, groups=groups)), []
    return replace(state, failure=None), [Cleared(CODE, failure.subject, reading.record.position)]


def _word(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "infinite" if math.isinf(value) else "negative"


def _finding(context: RunContext, state: State, failure: Failure, reading: Reading) -> Finding:
    word = _word(failure.value)
    shown = f" ({said(failure.value)})" if math.isfinite(failure.value) else ""
    late = ", in a record that came late" if failure.late else ""
    before = (
        f"the last sound rate was {said(state.last)} at {say(state.last_at)}"
        if state.last is not None
        else "no sound rate was reported before"
    )
    others = [name for name in sorted(failure.groups, key=_number) if name != failure.subject]
    along = f" So it is in {', '.join(f'`{name}`' for name in others)}." if others else ""
    return Finding(
        code=CODE,
        subject=failure.subject,
        severity="critical",
        title=f"{failure.subject} is {word}",
        detail=f"{failure.subject} is {word}{shown} at {say(failure.at)}{late}; {before}.{along}",
        advice=_advice(context, word),
        opened=position(failure.at),
        detected=reading.record.position,
        evidence={
            "metric": failure.subject,
            "value": to_wire(failure.value),
            "last_sound": state.last,
            "last_sound_at": None if state.last_at is None else wire(state.last_at),
            "groups": [failure.subject, *others],
        },
    )


def _advice(context: RunContext, word: str) -> str:
    epochs = context.spec.total_epochs
    length = "the run's length" if epochs is None else f"the run's {epochs} epochs"
    if word == "negative":
        return (
            "Stop, and restart from a checkpoint of before it: at a negative rate every update climbs the loss. A "
            f"decay such as 1 - step / total goes below 0 past its total: give it {length}, in the unit in which the "
            "scheduler is stepped, and keep the factor from falling below 0 (max(0.0, ...))."
        )
    return (
        "Stop, and restart from a checkpoint of before it: one update at such a rate destroys the weights. Where the "
        "schedule is a function, look for a division by zero (a total or a warm-up of 0), a power of a negative "
        f"number past its total (give it {length}), and an overflow. Where the rate is computed from the loss or the "
        "gradients, look at whether those are finite first."
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    failure = state.failure
    return {
        "highest": state.highest,
        "last": state.last,
        "last_at": state.last_at,
        "failure": None
        if failure is None
        else [failure.subject, to_wire(failure.value), failure.at, failure.late, dict(failure.groups)],
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    failure = None
    if data["failure"] is not None:
        subject, value, at, late, groups = data["failure"]
        failure = Failure(subject, float(value), place_from(at) or (None, None), late, groups)
    return State(data["highest"], data["last"], place_from(data["last_at"]), failure)


RULE = Rule(
    code=CODE,
    name="impossible LR",
    summary="A learning rate, of any parameter group, is NaN, infinite or negative.",
    severity="critical",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    sees_behind=True,
    dump=dump,
    load=load,
)
