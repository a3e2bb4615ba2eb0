"""LOSS003: the training loss has spiked and stays up.

**What.** `train_loss` stays for four epochs (eight records and more where several are reported an epoch) above its
best by half of the improvement so far, by the best value itself and by eight times its noise, whichever is the most. A
single spike, however high, is none. Where it stays above where it began, LOSS002 tells of it instead.

Or it has risen by less, and does not come back: at three evaluations in a row both the level of the training loss since
the one before and the validation loss lie a quarter over their best. Where no validation loss is reported, the level
alone lies half over its best and has taken back three tenths of the improvement, for six epochs or 72 records (longer
in a log of very many).

**Why it matters.** A spike that recovers by itself costs little. One that stays has thrown the weights out of what
they had learned: the run goes on from there as if it had begun anew, with a learning rate that is no longer meant
for that.

**Example.** The loss has come down from 2.3 to 0.4; at step 5120 it is 2.1, and stays around it for the next eight
records. The alert opens at step 5120.

**What to try.** Look at the learning rate and the gradient norm just before: clip the gradients, lower the peak. Look
at the data of those steps (a corrupt shard, an order that is not shuffled), and whether a resume or an unfrozen layer
lies there. If it does not recover, go back to the checkpoint of before and leave out those batches.

**Defaults.** In 16 of 299 healthy public runs the training loss rose over twice its running median and recovered: hence
the streak, and the scale by improvement, level and noise. A rise where the learning rate begins a cycle anew is
expected, so the loss is measured anew from there; one during which the validation or an accuracy reaches a new best is
none; and where rewards or adversarial losses are reported nothing is judged. A rise that comes down by itself (by a
tenth from the first half of its last eight values to the second) is waited for, and measured anew once it is down by
half: harder data, a new fold, another objective begin so. Nor is a rise judged while an accuracy, a score or the
validation loss beside it shows that nothing of what was learned is lost, nor in a range test of the learning rate, nor
where the objective has become harder (LOSS002 tells how both are known).

A level is the median of the training losses since the evaluation before, alone that of the last 24 batches or three
epochs. It exceeds four times its jitter, and is still within a tenth of the highest of the rise. Where the learning
rate is higher than it was at the best, three times as long is waited; where rises came back before, twice as long as
the longest of those (a learning rate that cycles and is not reported). The first such cycle shows nothing of the kind:
where no rate is reported or declared, evaluations are waited for two fifths as long as the run before, up to 24 of
them, since after a warm restart that doubles the length the loss lies near its top for a fifth of the cycle. While the
weight of a term of the objective is reported (`beta`, `kl_weight`) and higher than it was, nothing is said of levels.
Levels of 185 healthy public runs, 80 of them with both losses, lay a fifth over their best at two evaluations in a row
in one run, at most one in the others, and three tenths never. The rule raised nothing on them. It resolves after four
values in a row halfway back to the best, or a level that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import TRAIN_LOSS, VAL_LOSS
from trackside_service.domain.numbers import to_wire
from trackside_service.rules import advice, lasting_rise, loss_rises
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.lasting_rise import CALM, LastingRise
from trackside_service.rules.loss_rises import divergence_limit, level_of, spike_limit, watch
from trackside_service.rules.places import position, say, wire

CODE = "LOSS003"


@dataclass(frozen=True, slots=True)
class Parameters:
    """How far and how long.

    `epochs`: values in a row where one is reported an epoch. `records`: where several are (in a log of hundreds and
    more one for each fifty, up to 64), after at least `least_records`. Of either, three are enough where the loss is
    ten times as far up as it has to be. `clears_after`: values in a row halfway back to the best after which the alert
    resolves. `agreed_rise`: the share of their best by which the levels of training and validation loss lie over it,
    for `agreed_patience` evaluations; `lone_rise`: by which that of training alone does, for `lone_patience` looks (an
    epoch, or twelve records, each). `expected`: times as long where the learning rate is higher than at the best.
    """

    epochs: int = 4
    records: int = 8
    least_records: int = 12
    clears_after: int = 4
    agreed_rise: float = 0.25
    agreed_patience: int = 3
    lone_rise: float = 0.5
    lone_patience: int = 6
    expected: int = 3

    def __post_init__(self) -> None:
        if min(self.epochs, self.records, self.least_records, self.clears_after) < 1:
            raise ValueError("epochs, records, least_records and clears_after are counts of 1 or more")
        if min(self.agreed_patience, self.lone_patience) < 3 or self.expected < 1:
            raise ValueError("agreed_patience and lone_patience are counts of 3 or more, expected is 1 or more")
        if not (self.agreed_rise > 0 and self.lone_rise > 0):
            raise ValueError("agreed_rise and lone_rise are above 0")


@dataclass(frozen=True, slots=True)
class State:
    """The loss and its rises that go far, and those that last."""

    fast: loss_rises.State = field(default_factory=loss_rises.State)
    lasting: LastingRise = CALM


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the training loss of one record, and at the validation loss."""
    fast, event = watch(context, parameters, state.fast, reading, limit_of=spike_limit)
    lasting, slow_event = lasting_rise.watch(context, parameters, state.lasting, (state.fast, fast), reading)
    state = State(fast, lasting)
    if "ends" in (event, slow_event) and not fast.open and lasting.limit is None:
        return state, [Cleared(CODE, TRAIN_LOSS, reading.record.position)]
    if fast.open or lasting.limit is not None:
        return state, ()
    if event == "rises" and level_of(fast) <= divergence_limit(fast.calm):
        limit = spike_limit(fast.calm)
        return replace(state, fast=loss_rises.opened(fast, limit)), [_finding(context, fast, limit, reading)]
    if slow_event == "rises":
        limit, _ = lasting_rise.limits(parameters, lasting, fast)
        return replace(state, lasting=lasting_rise.opened(lasting, limit)), [_lasting(context, state, limit, reading)]
    return state, ()


def _finding(context: RunContext, state: loss_rises.State, limit: float, reading: Reading) -> Finding:
    best, now = state.calm.best, level_of(state)
    assert best is not None
    lr = state.course.last
    rate = "" if lr is None else f" The learning rate is {lr:.6g}."
    return Finding(
        code=CODE,
        subject=TRAIN_LOSS,
        severity="warning",
        title=f"{TRAIN_LOSS} has risen from {best:.4g} to {now:.4g} and stays there",
        detail=f"{TRAIN_LOSS} has been above {limit:.4g} for {state.rise.count} values in a row, since "
        f"{say(state.rise.since)}; its best was {best:.4g} at {say(state.calm.best_at)}.{rate}",
        advice=f"Look at the gradient norm and the learning rate just before {say(state.rise.since)}, at the data of "
        "those steps, and at what changed there (a resume, layers unfrozen, another loss term). Clip the gradient "
        f"norm, or {advice.lower_peak(context)}. If it does not come back, go on from the checkpoint of before.",
        opened=position(state.rise.since),
        detected=reading.record.position,
        evidence={
            "metric": TRAIN_LOSS,
            "value": now,
            "limit": limit,
            "best": best,
            "best_at": wire(state.calm.best_at),
            "in_a_row": state.rise.count,
            "lr": None if lr is None else to_wire(lr),
        },
    )


def _lasting(context: RunContext, state: State, limit: float, reading: Reading) -> Finding:
    lasting, lr = state.lasting, state.fast.course.last
    train, val, since = lasting.train, lasting.val, say(lasting.rise.since)
    best, now = train.best, lasting.level
    assert best is not None
    assert now is not None
    looks = f"{lasting.rise.count} looks in a row" if val.best is None else f"{lasting.rise.count} evaluations in a row"
    agrees = ""
    if val.best is not None and lasting.vals:
        agrees = f" {VAL_LOSS} agrees: {val.best:.4g} at its best, {lasting.vals[-1]:.4g} now."
    rate = "" if lr is None else f" The learning rate is {lr:.6g}."
    was = "" if lr is None or lasting.lr is None or lr <= lasting.lr else f" ({lasting.lr:.6g} where the loss was best)"
    return Finding(
        code=CODE,
        subject=TRAIN_LOSS,
        severity="warning",
        title=f"{TRAIN_LOSS} has risen from {best:.4g} to {now:.4g} and does not come back",
        detail=f"The level of {TRAIN_LOSS} has been above {limit:.4g} for {looks}, since {since}; its best was "
        f"{best:.4g} around {say(train.best_at)}.{agrees}{rate.removesuffix('.')}{was}{'.' if rate else ''}",
        advice=f"Some of what was learned around {say(train.best_at)} is lost, and does not come back: go on from the "
        f"checkpoint of there. Look at what changed before {since} (the data or their order, a resume, another loss "
        f"term, the learning rate). With the same data, {advice.lower_peak(context)}, and clip the gradient norm.",
        opened=position(lasting.rise.since),
        detected=reading.record.position,
        evidence={
            "metric": TRAIN_LOSS,
            "value": now,
            "limit": limit,
            "best": best,
            "best_at": wire(train.best_at),
            "in_a_row": lasting.rise.count,
            "val_loss": lasting.vals[-1] if lasting.vals else None,
            "val_loss_best": val.best,
            "lr": None if lr is None else to_wire(lr),
        },
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {"fast": loss_rises.dump(state.fast), "lasting": lasting_rise.dump(state.lasting)}


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    return State(loss_rises.load(data["fast"]), lasting_rise.load(data["lasting"]))


RULE = Rule(
    code=CODE,
    name="sustained loss spike",
    summary="The training loss has risen far above its best, or less far with the validation loss, and stays there.",
    severity="warning",
    state_version=7,
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=dump,
    load=load,
)
