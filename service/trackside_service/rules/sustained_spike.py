"""LOSS003: the training loss has spiked and stays up.

**What.** `train_loss` stays for four epochs (eight records and more where several are reported an epoch) above its
best by half of the improvement so far, by the best value itself and by eight times its noise, whichever is the most. A
single spike, however high, is none. Where it stays above where it began, LOSS002 tells of it instead.

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
validation loss beside it shows that nothing of what was learned is lost. It raised nothing on 185 healthy public runs.
It resolves after four values in a row that are halfway back to the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import TRAIN_LOSS
from trackside_service.domain.numbers import to_wire
from trackside_service.rules import advice, loss_rises
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.loss_rises import State, divergence_limit, level_of, spike_limit, watch
from trackside_service.rules.places import position, say, wire

CODE = "LOSS003"


@dataclass(frozen=True, slots=True)
class Parameters:
    """How long it takes.

    `epochs`: values in a row where one is reported an epoch. `records`: where several are (in a log of hundreds and
    more one for each fifty, up to 64), after at least `least_records`. Of either, three are enough where the loss is
    ten times as far up as it has to be. `clears_after`: values in a row halfway back to the best after which the alert
    resolves.
    """

    epochs: int = 4
    records: int = 8
    least_records: int = 12
    clears_after: int = 4

    def __post_init__(self) -> None:
        if min(self.epochs, self.records, self.least_records, self.clears_after) < 1:
            raise ValueError("epochs, records, least_records and clears_after are counts of 1 or more")


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the training loss of one record."""
    state, event = watch(context, parameters, state, reading, limit_of=spike_limit)
    if event == "ends":
        return state, [Cleared(CODE, TRAIN_LOSS, reading.record.position)]
    if event is None or level_of(state) > divergence_limit(state.calm):
        return state, ()
    limit = spike_limit(state.calm)
    return loss_rises.opened(state, limit), [_finding(context, state, limit, reading)]


def _finding(context: RunContext, state: State, limit: float, reading: Reading) -> Finding:
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


RULE = Rule(
    code=CODE,
    name="sustained loss spike",
    summary="The training loss has risen far above its best and stays there.",
    severity="warning",
    state_version=2,
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    dump=loss_rises.dump,
    load=loss_rises.load,
)
