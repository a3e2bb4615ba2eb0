"""GRAD001: the gradients explode.

**What.** `grad_norm` stays for eight records (three epochs where one is reported an epoch) above twenty times its
running median, or for three above a thousand times, and the training loss, where it is reported, is worse than its best
meanwhile.

**Why it matters.** Such a step is decided by a few samples or one layer. Clipping bounds its length and not its
direction; without clipping the loss diverges or becomes NaN soon after.

**Example.** A gradient norm around 1.2, from step 880 on 41, 60, 38, 95, ... while the loss goes from 2.1 to 3.4. The
alert opens at step 880.

**What to try.** Clip the norm at about its running median; lower the peak learning rate or lengthen its warm-up. Look
at where it began: the batch, the loss term with the largest share, mixed precision, a layer that was unfrozen.

**Defaults.** Single norms of ten to a hundred times the median are usual and harmless. What counts is that they follow
one another, and that the loss suffers: with clipping, a high norm alone is no defect. The values of a rise do not enter
the median that it is measured by, and at least ten come before. It raised nothing on 185 healthy public runs, of which
16 report a gradient norm. It resolves after eight values in a row below half of that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import GRAD_NORM, LR, TRAIN_LOSS
from trackside_service.rules import advice
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.places import Place, by_batch, place_from, place_of, position, say
from trackside_service.rules.running import (
    NONE,
    WINDOW,
    Series,
    Streak,
    dump_series,
    dump_streak,
    extended,
    follow,
    followed,
    level,
    load_series,
    load_streak,
    noise,
)

CODE = "GRAD001"
_FAR_RECORDS = 3


@dataclass(frozen=True, slots=True)
class Parameters:
    """How high and how long.

    `factor`: times the running median, for `records` in a row (`epochs` where one is reported an epoch). `far_factor`:
    times the median, for three in a row. `least`: values that come before. `clears_after`: values in a row below half
    of that after which the alert resolves.
    """

    factor: float = 20.0
    records: int = 8
    epochs: int = 3
    far_factor: float = 1000.0
    least: int = 10
    clears_after: int = 8

    def __post_init__(self) -> None:
        if not 1 < self.factor <= self.far_factor:
            raise ValueError("factor and far_factor are ratios above 1, and far_factor is not the smaller")
        if min(self.records, self.epochs, self.least, self.clears_after) < 1:
            raise ValueError("records, epochs, least and clears_after are counts of 1 or more")


@dataclass(frozen=True, slots=True)
class State:
    """The norm without its rises, the rise that goes on and how many of it in a row are very high, the training loss;
    while an alert is `open`, what the norm falls below when it is over, and values in a row under it.
    """

    calm: Series = field(default_factory=Series)
    rise: Streak = NONE
    far: int = 0
    last_at: Place | None = None
    batched: bool = False
    loss: Series = field(default_factory=Series)
    open: bool = False
    limit: float = 0.0
    good: int = 0


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the gradient norm of one record, and at its loss."""
    values, value = reading.record.metrics, reading.record.metrics.get(GRAD_NORM)
    if value is None:
        return state, ()
    if reading.starts_life:
        state = State(open=state.open, limit=state.limit, good=state.good)
    here = place_of(reading.record)
    state = replace(state, loss=followed(state.loss, values.get(TRAIN_LOSS), here))
    if not math.isfinite(value) or value < 0:
        return state, ()
    batched = state.batched or by_batch(state.last_at, here, context.spec.steps_per_epoch)
    state = replace(state, last_at=here, batched=batched)
    if state.open:
        state = replace(state, good=0 if value > state.limit else state.good + 1)
        if state.good < parameters.clears_after:
            return state, ()
        return replace(state, open=False, rise=NONE, far=0), [Cleared(CODE, GRAD_NORM, reading.record.position)]
    usual = level(state.calm, WINDOW) if state.calm.points >= parameters.least else math.inf
    if value <= parameters.factor * usual:
        return replace(state, calm=follow(state.calm, value, here), rise=NONE, far=0), ()
    far = state.far + 1 if value > parameters.far_factor * usual else 0
    state = replace(state, rise=extended(state.rise, True, here), far=far)
    enough = parameters.records if batched else parameters.epochs
    long = state.rise.count >= enough or far >= min(_FAR_RECORDS, enough)
    if not long or not _suffers(state.loss):
        return state, ()
    return replace(state, open=True, limit=parameters.factor * usual / 2, good=0), [
        _finding(context, state, usual, value, reading)
    ]


def _suffers(loss: Series) -> bool:
    """Whether the loss is worse than its best by more than its noise; so where none is reported."""
    return loss.best is None or level(loss) > loss.best + 2 * noise(loss)


def _finding(context: RunContext, state: State, usual: float, value: float, reading: Reading) -> Finding:
    lr = reading.record.metrics.get(LR)
    loss = ""
    if state.loss.best is not None:
        loss = f" The training loss is {level(state.loss):.4g}, its best was {state.loss.best:.4g}."
    warmup = advice.longer_warmup(context)
    slower = "" if warmup is None else f", or make its rise slower ({warmup})"
    return Finding(
        code=CODE,
        subject=GRAD_NORM,
        severity="warning",
        title=f"{GRAD_NORM} explodes: {value:.4g}, usually {usual:.4g}",
        detail=f"{GRAD_NORM} has been far above its running median of {usual:.4g} for {state.rise.count} values in a "
        f"row, since {say(state.rise.since)}, and is {value:.4g} now.{loss}",
        advice=f"Clip the gradient norm at about {usual:.2g}, its running median; {advice.lower_peak(context)}{slower}."
        f" Look at {say(state.rise.since)}: the batch, the loss term with the largest share, float16, layers unfrozen.",
        opened=position(state.rise.since),
        detected=reading.record.position,
        evidence={
            "metric": GRAD_NORM,
            "value": value,
            "median": usual,
            "in_a_row": state.rise.count,
            "train_loss": state.loss.last,
            "train_loss_best": state.loss.best,
            "lr": lr if lr is not None and math.isfinite(lr) else None,
        },
    )


def dump(state: State) -> list[Any]:
    """State as JSON values."""
    return [
        *(dump_series(state.calm), dump_streak(state.rise), state.far, state.last_at, state.batched),
        *(dump_series(state.loss), state.open, state.limit, state.good),
    ]


def load(data: Sequence[Any]) -> State:
    """Undo `dump`."""
    calm, rise, far, last_at, batched, loss, *rest = data
    return State(load_series(calm), load_streak(rise), far, place_from(last_at), batched, load_series(loss), *rest)


RULE = Rule(
    code=CODE,
    name="exploding gradients",
    summary="The gradient norm stays far above its running median while the loss suffers.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
