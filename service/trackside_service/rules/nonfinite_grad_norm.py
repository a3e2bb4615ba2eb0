"""GRAD003: the gradient norm is not finite.

**What.** `grad_norm` is NaN or infinite: three records in a row in a run in which it was never finite, ten in a row in
one in which it was, or which logs its first hundred updates nearly one by one. While a `loss_scale` that is reported
still falls, and is 1 or more, the records do not count. The loss is finite meanwhile, or not reported: a loss that is
not finite is LOSS001's.

**Why it matters.** An update with such a gradient destroys the weights; a loop that skips it (mixed precision does)
learns nothing for as long as it goes on. The loss may look well all the while: some trainers print its running mean,
or 0, in place of NaN.

**Example.** Epoch 12, iterations 700, 750 and 800: loss 4.35, 4.54, 4.33 and the gradient norm NaN each time. The
alert opens at iteration 700.

**What to try.** Under mixed precision look at the loss scale: if it has fallen to its floor, an operation overflows
in every step; try bfloat16, or keep that operation in float32. Look for a division by zero, a logarithm or square root
of zero, and for parameters without a gradient. Clip the gradient norm; if it was finite before, halve the peak LR.

**Defaults.** Dynamic loss scaling makes single gradients overflow by design, and the first of a run until the scale has
come down from 65536, which takes three to eight updates: hence ten there. In the healthy public runs it happened now
and then, never ten times in a row. It raised nothing on 185 of them. It resolves after three finite values in a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import GRAD_NORM, TRAIN_LOSS
from trackside_service.domain.numbers import to_wire
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import Place, place_of, position, say
from trackside_service.rules.running import NONE, Streak, dump_streak, extended, load_streak

CODE = "GRAD003"
_LOSS_SCALE: Final = "loss_scale"
_EARLY: Final = 100  # updates in which dynamic loss scaling finds its scale
_DENSE: Final = 5  # updates from one record to the next, at most: they are logged nearly one by one


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many records it takes.

    `never_patience`: non-finite values in a row in a run in which none was finite. `patience`: the same once one was,
    and where the first updates are logged nearly one by one.
    `clears_after`: finite values in a row after which the alert resolves.
    """

    never_patience: int = 3
    patience: int = 10
    clears_after: int = 3

    def __post_init__(self) -> None:
        if min(self.never_patience, self.patience, self.clears_after) < 1:
            raise ValueError("never_patience, patience and clears_after are counts of 1 or more")


@dataclass(frozen=True, slots=True)
class State:
    """Non-finite values in a row, and finite ones; the last finite value (None: there was none); whether the training
    loss is NaN or infinite itself; the loss scale, where it is reported.
    """

    bad: Streak = NONE
    good: int = 0
    last: float | None = None
    loss_is_bad: bool = False
    open: bool = False
    scale: float | None = None


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the gradient norm of one record."""
    values = reading.record.metrics
    if reading.starts_life:
        state = State(open=state.open)
    loss, value = values.get(TRAIN_LOSS), values.get(GRAD_NORM)
    if loss is not None and math.isfinite(loss) == state.loss_is_bad:
        state = replace(state, loss_is_bad=not state.loss_is_bad)
    scale, before = values.get(_LOSS_SCALE), state.scale
    if scale is not None and scale != before and math.isfinite(scale):
        state = replace(state, scale=scale)
    if value is None:
        return state, ()
    if math.isfinite(value):
        state = State(NONE, state.good + 1, value, state.loss_is_bad, state.open, state.scale)
        if state.open and state.good >= parameters.clears_after:
            return replace(state, open=False), [Cleared(CODE, GRAD_NORM, reading.record.position)]
        return state, ()
    if state.loss_is_bad:
        return replace(state, good=0), ()
    if scale is not None and before is not None and 1 <= scale < before:
        return replace(state, good=0, bad=NONE), ()  # the scaler is at work
    here = place_of(reading.record)
    state = replace(state, good=0, bad=extended(state.bad, True, here))
    never = state.last is None and not _scaling(state.bad, here)
    patience = parameters.never_patience if never else parameters.patience
    if state.open or state.bad.count < patience:
        return state, ()
    return replace(state, open=True), [_finding(context, state, value, reading)]


def _scaling(bad: Streak, here: Place) -> bool:
    """Whether these are the first updates of a run, logged nearly one by one: so dynamic loss scaling begins."""
    since = bad.since or here
    gaps = max(1, bad.count - 1)
    (first, began), (step, epoch) = since, here
    if epoch is not None and began is not None and bad.count > 1 and epoch - began >= gaps:
        return False  # a record an epoch
    if step is None or first is None:
        return epoch is not None and epoch < 1
    return step <= _EARLY and step - first <= _DENSE * gaps


def _finding(context: RunContext, state: State, value: float, reading: Reading) -> Finding:
    word = "NaN" if math.isnan(value) else "infinite"
    never = state.last is None
    before = "it was never finite" if never else f"the last finite value was {state.last:.6g}"
    loss = reading.record.metrics.get(TRAIN_LOSS)
    meanwhile = "" if loss is None else f" The training loss is {loss:.6g}, which hides it."
    cause = (
        "Look for an operation that overflows or divides by zero in every step (a logarithm or square root of zero, "
        "an empty target), and at the loss scale under mixed precision: bfloat16 or float32 for that operation."
        if never
        else f"Clip the gradient norm, and {advice.lower_peak(context)}. Look at the loss scale under mixed precision: "
        "at its floor, every step overflows."
    )
    return Finding(
        code=CODE,
        subject=GRAD_NORM,
        severity="warning",
        title=f"{GRAD_NORM} is {word}",
        detail=f"{GRAD_NORM} has been NaN or infinite {state.bad.count} times in a row, since {say(state.bad.since)}; "
        f"{before}.{meanwhile}",
        advice=f"{cause} Whether the weights still change tells how much is lost: a loop that skips such updates "
        "learns nothing, one that does not skip them has spoilt its weights.",
        opened=position(state.bad.since),
        detected=reading.record.position,
        evidence={
            "metric": GRAD_NORM,
            "value": to_wire(value),
            "in_a_row": state.bad.count,
            "last_finite": state.last,
            "train_loss": loss,
        },
    )


def dump(state: State) -> list[Any]:
    """State as JSON values."""
    return [dump_streak(state.bad), state.good, state.last, state.loss_is_bad, state.open, state.scale]


def load(data: Sequence[Any]) -> State:
    """Undo `dump`."""
    bad, *rest = data
    return State(load_streak(bad), *rest)


RULE = Rule(
    code=CODE,
    name="gradient norm not finite",
    summary="The gradient norm is NaN or infinite again and again, while the loss looks well.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
    state_version=2,
)
