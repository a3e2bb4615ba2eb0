"""FIT001: a generalisation gap that persists.

**What.** The training accuracy lies more than ten points above the validation accuracy for several evaluations in a
row, and validation gets worse meanwhile: the validation loss lies clearly over its best, or the validation accuracy
clearly under its best. It is a warning where the gap exceeds twenty points or the accuracy itself has fallen; a loss
that rises while the accuracy holds is information.

Where losses are all that is told of the validation, the losses are judged: the validation loss lies half over its best
and above where it began for five evaluations in a row, while the training loss is half of what it was at that best.

**Why it matters.** The model learns the training set by heart. From the best validation loss on, more training buys
nothing where it counts, and the model becomes sure of its errors.

**Example.** Epoch 10: 97 % of training and 32 % of validation right, and the validation loss is twice what it was in
epoch 3. The alert carries both accuracies, the gap and the two losses.

**What to try.** Keep the checkpoint of the best validation loss, and stop early next time. More data or augmentation
before anything else; then weight decay, dropout, label smoothing, a smaller model. Make sure that validation data come
from where training data come from. With several regularisers on and both accuracies low, the opposite is the problem.

**Defaults.** The gap is absolute: peers' relative ones (validation loss ten percent over the training loss) alarmed on
57 of 60 healthy runs. A gap alone is none of our business: of 185 healthy public runs 18 stayed above ten points for
four evaluations or more, one ended at 43, and another read 89 % against 46 %; so something else must agree. None of
them had a validation loss a quarter over its best at the same time, not once, and this raised nothing on them. An
accuracy that falls counts while the loss is off its best too (by a tenth), or twice as long where none is reported: on
some dozens of samples it falls by chance. Training accuracies of batches count as their mean since the evaluation
before; accuracies that never exceed 1 are fractions, unless `metric_units` says otherwise. Of the healthy runs that
tell of the validation by losses alone none ended more than 13 % over its best; a fine-tuning whose accuracy holds does
so by 60 % and more, hence silence as soon as any other figure of the validation is reported. Where an accuracy falls
deeply and is learned again (a stage with more classes), the best begins anew; so it does where the log counts another
task (`task`, `stage`, `fold` and the like), or training falls back at once by half of what it had gained and is learned
again while validation climbs. It resolves when the gap is back under ten points, or the validation loss back under
where it began.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome, Severity
from trackside_service.domain.metrics import TRAIN_ACC, VAL_ACC
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules import advice, losses_alone, running, stages
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.evaluations import (
    NOTHING,
    Evaluation,
    Gathered,
    dump_gathered,
    evaluate,
    gather,
    load_gathered,
)
from trackside_service.rules.losses_alone import UNTOLD, LossesAlone
from trackside_service.rules.places import place_of, position, say, wire
from trackside_service.rules.relearning import Dip, after_dip, dump_dip, load_dip
from trackside_service.rules.running import Series, Streak
from trackside_service.rules.stages import FIRST, Stage
from trackside_service.rules.units import declared_unit, scale, show, unit_after

CODE = "FIT001"
_OFF_ITS_BEST = 0.1


@dataclass(frozen=True, slots=True)
class Parameters:
    """How wide and how long.

    `gap`: points (of 100) of training over validation accuracy, for `patience` evaluations in a row. `loss_rise`: the
    share by which the validation loss lies over its best meanwhile; `fall`: or the points by which the validation
    accuracy lies under its best. `wide_gap`: the points from which on a loss that rises is enough for a warning.
    `no_loss_patience`: how many times longer it must last where no validation loss is reported. `alone_rise`: the share
    by which a validation loss lies over its best where losses are all that is told, for `alone_patience` evaluations.
    """

    gap: float = 10.0
    patience: int = 4
    loss_rise: float = 0.25
    fall: float = 5.0
    wide_gap: float = 20.0
    no_loss_patience: int = 2
    alone_rise: float = 0.5
    alone_patience: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.gap <= self.wide_gap < 100:
            raise ValueError("gap and wide_gap lie between 0 and 100 points, and gap is not the larger")
        if min(self.patience, self.alone_patience) < 3 or self.no_loss_patience < 1:
            raise ValueError("patience and alone_patience are counts of 3 or more, no_loss_patience is 1 or more")
        if not (self.loss_rise > 0 and self.fall > 0 and self.alone_rise > 0):
            raise ValueError("loss_rise, fall and alone_rise are above 0")


@dataclass(frozen=True, slots=True)
class State:
    """Validation so far, and how long the gap has been there: `wide` and `fallen` count the evaluations of the streak
    at which it was wide, or the accuracy had fallen. `told` is the severity that was told; None: no alert is open.
    `dip`: how the accuracy has gone since it fell far. `alone`: the losses, where they are all that is told. `stage`:
    the training, to know where another stage begins.
    """

    gathered: Gathered = NOTHING
    units: tuple[MetricUnit | None, MetricUnit | None] = (None, None)
    score: Series = field(default_factory=Series)
    loss: Series = field(default_factory=Series)
    gap: Streak = running.NONE
    wide: int = 0
    fallen: int = 0
    told: Severity | None = None
    dip: Dip | None = None
    alone: LossesAlone = UNTOLD
    stage: Stage = FIRST


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State(units=(declared_unit(context.spec, VAL_ACC), declared_unit(context.spec, TRAIN_ACC)))


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at one record."""
    values = reading.record.metrics
    if reading.starts_life and state.told is None:
        state = start(context, parameters)
    alone, outcomes = losses_alone.watch(context, parameters, state.alone, reading)
    if alone is not state.alone:
        state = replace(state, alone=alone)
    if outcomes:
        return state, outcomes
    stage, begins = stages.count(state.stage, values)
    if stage is not state.stage:
        state = replace(start(context, parameters), alone=state.alone, told=state.told) if begins else state
        state = replace(state, stage=stage)
    gathered = gather(state.gathered, values)
    if not math.isfinite(value := values.get(VAL_ACC, math.nan)):
        return state if gathered is state.gathered else replace(state, gathered=gathered), ()
    gathered, seen = evaluate(gathered, value, place_of(reading.record))
    state = _after(parameters, state, gathered, seen)
    severity = _severity(parameters, state)
    if state.told is not None and _closed(parameters, state, seen):
        return replace(state, told=None), [Cleared(CODE, VAL_ACC, reading.record.position)]
    if severity is None or state.told in ("warning", severity):
        return state, ()
    return replace(state, told=severity), [_finding(context, state, seen, severity, reading)]


def _points(val: MetricUnit | None, train: MetricUnit | None, seen: Evaluation) -> float | None:
    """Return the gap in points of 100; None without a training accuracy."""
    if seen.train_acc is None:
        return None
    # What one of them shows of the unit holds for both: a run prints its accuracies alike.
    return 100 * (seen.train_acc / scale(train or val) - seen.score / scale(val or train))


def _after(parameters: Parameters, state: State, gathered: Gathered, seen: Evaluation) -> State:
    """Return the state after an evaluation."""
    val, train = unit_after(state.units[0], seen.score), state.units[1]
    if seen.train_acc is not None:
        train = unit_after(train, seen.train_acc)
    score, loss = running.follow(state.score, seen.score, seen.place, "higher"), state.loss
    dip, again = after_dip(state.score, state.dip, seen.score)
    stage, begins = stages.follow(state.stage, seen)
    if again or begins:
        dip = None
        score, loss = running.follow(Series(), seen.score, seen.place, "higher"), Series()
    loss = running.followed(loss, seen.val_loss, seen.place)
    gap, wide, fallen = (running.NONE, 0, 0) if begins else (state.gap, state.wide, state.fallen)
    points = _points(val, train, seen)
    # An evaluation without a training accuracy says nothing, nor does one while the training is learned anew.
    if points is not None and not stage.begins:
        falls = worse = False
        if points > parameters.gap:
            falls = _falls(parameters, score, val or train, seen) and _loss_allows(loss, seen)
            worse = _loss_rises(parameters, loss, seen)
        gap = running.extended(gap, falls or worse, seen.place)
        wide = wide + (worse and points > parameters.wide_gap) if gap.count else 0
        fallen = fallen + falls if gap.count else 0
    return State(gathered, (val, train), score, loss, gap, wide, fallen, state.told, dip, state.alone, stage)


def _falls(parameters: Parameters, score: Series, unit: MetricUnit | None, seen: Evaluation) -> bool:
    """Say whether the validation accuracy lies clearly under its best."""
    if score.best is None:
        return False
    points, noise = 100 * (score.best - seen.score) / scale(unit), 100 * running.jitter(score) / scale(unit)
    return points > max(parameters.fall, 3 * noise)


def _loss_allows(loss: Series, seen: Evaluation) -> bool:
    """Say whether the validation loss, where there is one, is off its best too: else the fall may be chance."""
    return seen.val_loss is None or loss.best is None or seen.val_loss >= loss.best + _OFF_ITS_BEST * abs(loss.best)


def _loss_rises(parameters: Parameters, loss: Series, seen: Evaluation) -> bool:
    """Say whether the validation loss lies clearly over its best."""
    if seen.val_loss is None or loss.best is None:
        return False
    return seen.val_loss >= loss.best + max(parameters.loss_rise * abs(loss.best), running.jitter(loss))


def _severity(parameters: Parameters, state: State) -> Severity | None:
    """Return how serious the gap is by now; None while it is nothing."""
    patience = parameters.patience * (1 if state.loss.points else parameters.no_loss_patience)
    if state.gap.count < patience:
        return None
    return "warning" if max(state.wide, state.fallen) >= patience else "info"


def _closed(parameters: Parameters, state: State, seen: Evaluation) -> bool:
    points = _points(*state.units, seen)
    return points is not None and points <= parameters.gap


def _finding(context: RunContext, state: State, seen: Evaluation, severity: Severity, reading: Reading) -> Finding:
    points = _points(*state.units, seen) or 0.0
    unit = state.units[0] or state.units[1]
    train, val, best = show(seen.train_acc or 0.0, unit), show(seen.score, unit), show(state.score.best or 0.0, unit)
    parts = [
        f"train_acc is {train} and val_acc {val}: a gap of {points:.3g} points, above ten with validation getting "
        f"worse for {state.gap.count} evaluations in a row, since {say(state.gap.since)}.",
        f"val_acc was {best} at its best, around {say(state.score.best_at)}.",
    ]
    if state.loss.best is not None and seen.val_loss is not None:
        parts.append(
            f"val_loss was {state.loss.best:.4g} at its best, around {say(state.loss.best_at)}, and is "
            f"{seen.val_loss:.4g} now."
        )
    keep = state.loss.best_at if state.loss.best_at is not None else state.score.best_at
    return Finding(
        code=CODE,
        subject=VAL_ACC,
        severity=severity,
        title=f"generalisation gap of {points:.3g} points: train_acc {train}, val_acc {val}",
        detail=" ".join(parts),
        advice=(
            f"Keep the checkpoint of {say(keep)}, where validation was best. First more data or augmentation, then "
            f"{advice.more_regularisation(context)}, a smaller model, or fewer epochs. Make sure that validation data "
            "come from where training data come from, and are prepared alike."
        ),
        opened=position(state.gap.since),
        detected=reading.record.position,
        evidence={
            "train_acc": seen.train_acc,
            "val_acc": seen.score,
            "gap_points": points,
            "evaluations": state.gap.count,
            "val_acc_best": state.score.best,
            "val_acc_best_at": wire(state.score.best_at),
            "val_loss": seen.val_loss,
            "val_loss_best": state.loss.best,
            "val_loss_best_at": wire(state.loss.best_at),
        },
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {
        "gathered": dump_gathered(state.gathered),
        "units": list(state.units),
        "score": running.dump_series(state.score),
        "loss": running.dump_series(state.loss),
        "gap": [*running.dump_streak(state.gap), state.wide, state.fallen],
        "told": state.told,
        "dip": dump_dip(state.dip),
        "alone": losses_alone.dump(state.alone),
        "stage": stages.dump(state.stage),
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    *gap, wide, fallen = data["gap"]
    val, train = data["units"]
    return State(
        gathered=load_gathered(data["gathered"]),
        units=(val, train),
        score=running.load_series(data["score"]),
        loss=running.load_series(data["loss"]),
        gap=running.load_streak(gap),
        wide=wide,
        fallen=fallen,
        told=data["told"],
        dip=load_dip(data["dip"]),
        alone=losses_alone.load(data["alone"]),
        stage=stages.load(data["stage"]),
    )


RULE = Rule(
    code=CODE,
    name="generalisation gap",
    summary="Training accuracy stays more than ten points above validation accuracy while validation gets worse.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    state_version=3,
    dump=dump,
    load=load,
)
