"""ACC002: the accuracy degrades from its best.

**What.** The validation accuracy, or where none is reported the score that speaks for the model (mAP, IoU, F1, PSNR and
the like, known by name), lies clearly under its best for several evaluations in a row, and the validation loss is worse
than at its best as well. `val_metric`, of which nobody knows whether more is better, is judged only with a
validation loss beside it.

**Why it matters.** The model was better some epochs ago than it is now, and each further epoch costs time and may
overwrite the better checkpoint. Where the training loss goes on falling meanwhile, the run overfits; where it rises
too, the learning rate is the first suspect. A collapse is ACC001's: this one is slow, and is missed for that reason.

**Example.** A detector is fine-tuned from a good model: mAP50 is 0.89 in epoch 2 and 0.60 in epoch 25; its training
losses fall all the time, its validation losses rise by a quarter. The alert carries the best and its epoch.

**What to try.** Take the checkpoint of the best epoch. If the training loss went on falling: stop early, more
regularisation or augmentation, fewer epochs, a lower learning rate for fine-tuning. If it rose as well: lower the
peak of the learning rate. Look at whether validation data are prepared as training data are.

**Defaults.** The best is a median of three in a row, so that one lucky evaluation is no best; what lies under it must
do so by a tenth (a fifth for scores, whose evaluations are noisier), by five points of accuracy and by three times the
usual change between evaluations, whichever is most. Evaluations are counted, not epochs. While the learning rate rises,
or is over twice what it was at the best (a warm restart, the peak of a cycle), a dip is expected: such evaluations do
not count while the declared schedule has it so, else a third at most, and for twice as long as it took to the best. No
validation accuracy of 185 healthy public runs lay a tenth under its best for even two evaluations in that sense; mAP
did by a fifth for eight in a row and recovered, hence fifteen. It raised nothing on them. What climbs on its way back
does not count either, and where half of a fall by a quarter is regained and stays (another fold, stage or task), or
the log counts another task or training is learned anew as well, the best begins anew. It resolves when half of what was
lost is regained; the next has to last twice as long as that did (a learning rate that cycles and is not reported).
Where none is reported or declared, the first has to last half as long as the run before it, up to 24 evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import VAL_ACC
from trackside_service.domain.runs import MetricUnit
from trackside_service.rules import advice, running, scores, stages
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
from trackside_service.rules.lr_course import planned
from trackside_service.rules.places import place_of, position, say, wire
from trackside_service.rules.relearning import Dip, after_dip, climbs, dump_dip, load_dip
from trackside_service.rules.running import Series, Streak
from trackside_service.rules.stages import FIRST, Stage
from trackside_service.rules.units import declared_unit, scale, show, unit_after

CODE = "ACC002"
_COLLAPSED = 0.5  # under this share of its best it is ACC001's to tell
_LONGEST = 64  # evaluations: what lasts so long is told of whatever came before
_CYCLE = 24  # evaluations: half of a cycle of a rate that nobody reports, if one such cycle led to the best
_NOISE = 2.0  # times its jitter: what a score has regained at least that is on its way back


@dataclass(frozen=True, slots=True)
class Parameters:
    """How deep and how long.

    `fall`: the share of its best that a validation accuracy loses, `points` the points that it loses at least (of
    100), for `patience` evaluations. `score_fall`, `score_patience`: the same for other scores. `noise`: how many
    times the usual change between evaluations the fall, and the rise of the validation loss, exceed. `loss_rise`: the
    share by which the validation loss lies over its best. `no_loss_patience`: how many times longer it must last
    where no validation loss is reported, `expected`: where the learning rate explains a dip.
    """

    fall: float = 0.1
    points: float = 5.0
    patience: int = 5
    score_fall: float = 0.2
    score_patience: int = 15
    noise: float = 3.0
    loss_rise: float = 0.1
    no_loss_patience: int = 2
    expected: int = 3

    def __post_init__(self) -> None:
        if not (0 < self.fall < 1 and 0 < self.score_fall < 1):
            raise ValueError("fall and score_fall lie between 0 and 1")
        if min(self.patience, self.score_patience) < 3:
            raise ValueError("patience and score_patience are counts of 3 or more")
        if min(self.no_loss_patience, self.expected) < 1:
            raise ValueError("no_loss_patience and expected are factors of 1 or more")
        if min(self.points, self.noise, self.loss_rise) < 0 or self.points >= 100:
            raise ValueError("points, noise and loss_rise are 0 or more, and points below 100: no accuracy loses more")


@dataclass(frozen=True, slots=True)
class State:
    """The metric that is judged and its unit, it and the validation loss so far, and how long it has been worse.

    `worse` counts the evaluations in a row, `calm` those of them at which no learning rate explains a dip. `last_lr`
    is the LR at the evaluation before, `best_lr` and `best_train_loss` what stood beside the best. `open`: told.
    `by_plan`: evaluations in a row that the declared schedule explains. `dip`: how it has gone since it fell far.
    `stage`: the training, to know where another stage begins. `back`: evaluations in a row of the longest time of
    which an alert told and after which it was regained. `seen`: all evaluations, whatever was measured anew.
    """

    gathered: Gathered = NOTHING
    name: str | None = None
    unit: MetricUnit | None = None
    score: Series = field(default_factory=Series)
    loss: Series = field(default_factory=Series)
    worse: Streak = running.NONE
    calm: int = 0
    last_lr: float | None = None
    best_lr: float | None = None
    best_train_loss: float | None = None
    open: bool = False
    by_plan: int = 0
    dip: Dip | None = None
    stage: Stage = FIRST
    back: int = 0
    seen: int = 0


def start(_context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State()


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at one record."""
    values = reading.record.metrics
    if reading.starts_life and not state.open:
        state = State()
    stage, begins = stages.count(state.stage, values)
    if stage is not state.stage:
        state = State(stage=stage) if begins and not state.open else replace(state, stage=stage)
    name = scores.lead(values, state.name)
    gathered = gather(state.gathered, values)
    if name != state.name and not state.open:
        unit = None if name is None else declared_unit(context.spec, name)
        state = State(gathered=gathered, name=name, unit=unit, stage=state.stage)
    if state.name is None or not math.isfinite(value := values.get(state.name, math.nan)):
        return state if gathered is state.gathered else replace(state, gathered=gathered), ()
    gathered, evaluation = evaluate(gathered, value, place_of(reading.record))
    state = _after(context, parameters, state, gathered, evaluation)
    if state.open:
        if _regained(parameters, state):
            return replace(state, open=False, worse=running.NONE, calm=0), [
                Cleared(CODE, state.name or "", reading.record.position)
            ]
        return state, ()
    if not _degraded(parameters, state) or value < _COLLAPSED * (state.score.best or 0.0):
        return state, ()
    return replace(state, open=True), [_finding(context, state, evaluation, reading)]


def _after(context: RunContext, parameters: Parameters, state: State, gathered: Gathered, seen: Evaluation) -> State:
    """Return the state after an evaluation."""
    score, loss, dip = running.follow(state.score, seen.score, seen.place, "higher"), state.loss, None
    stage, begins = stages.follow(state.stage, seen)
    if not state.open:
        dip, again = after_dip(state.score, state.dip, seen.score, 1 - _fall(parameters, state.name))
        if again or begins:
            dip = None
            score, loss = running.follow(Series(), seen.score, seen.place, "higher"), Series()
    climbing = dip is not None and climbs(dip, best=state.score.best or 0.0, jitter=_NOISE * running.jitter(score))
    loss = running.followed(loss, seen.val_loss, seen.place)
    unit = unit_after(state.unit, seen.score) if state.name == VAL_ACC else state.unit
    at_best = score.best is None or score.best_point == score.points
    lr = planned(context, seen.place) if seen.lr is None else seen.lr
    best_lr, best_train_loss = (lr, seen.train_loss) if at_best else (state.best_lr, state.best_train_loss)
    worse, calm, by_plan = running.NONE, 0, 0
    if _is_worse(parameters, seen, name=state.name, unit=unit, score=score, loss=loss):
        worse = state.worse if climbing and state.worse.count else running.extended(state.worse, True, seen.place)
        rising = lr is not None and state.last_lr is not None and lr > 1.001 * state.last_lr
        higher = lr is not None and best_lr is not None and lr > 2 * best_lr
        calm = state.calm + (not (rising or higher or climbing))
        plan = planned(context, seen.place) if higher else None
        by_plan = state.by_plan + (plan is not None and best_lr is not None and plan > 2 * best_lr)
    lrs = (lr, best_lr, best_train_loss)
    back = max(state.back, worse.count) if state.open else state.back
    series = (gathered, state.name, unit, score, loss, worse, calm)
    return State(*series, *lrs, state.open, by_plan, dip, stage, back, state.seen + 1)


def _is_worse(
    parameters: Parameters, seen: Evaluation, *, name: str | None, unit: MetricUnit | None, score: Series, loss: Series
) -> bool:
    """Say whether an evaluation lies clearly under the best, and the validation loss agrees where there is one."""
    best = score.best
    if best is None or best <= 0:
        return False
    under = best - seen.score
    if under <= _fall(parameters, name) * best:
        return False
    if name == VAL_ACC and under <= parameters.points / 100 * scale(unit):
        return False
    if under <= parameters.noise * running.jitter(score):
        return False
    least = loss.best
    if seen.val_loss is None or least is None:
        # A loss that was never finite agrees with anything; one that is not reported says nothing.
        return name != scores.UNKNOWN and (seen.val_loss is None or loss.points == 0)
    return seen.val_loss >= least + max(parameters.loss_rise * abs(least), parameters.noise * running.jitter(loss))


def _fall(parameters: Parameters, name: str | None) -> float:
    return parameters.fall if name == VAL_ACC else parameters.score_fall


def _degraded(parameters: Parameters, state: State) -> bool:
    patience = parameters.patience if state.name == VAL_ACC else parameters.score_patience
    if state.loss.points == 0:
        patience *= parameters.no_loss_patience
    patience = max(patience, min(_LONGEST, 2 * state.back))
    if state.last_lr is None:
        patience = max(patience, min(_CYCLE, (state.seen - state.worse.count) // 2))
    longest = max(parameters.expected * patience, 2 * state.score.best_point)
    return state.calm >= patience or state.worse.count - state.by_plan >= longest


def _regained(parameters: Parameters, state: State) -> bool:
    best = state.score.best or 0.0
    return running.level(state.score) >= (1 - _fall(parameters, state.name) / 2) * best


def _finding(context: RunContext, state: State, seen: Evaluation, reading: Reading) -> Finding:
    name, best = state.name or "", state.score.best or 0.0
    parts = [
        f"{name} was {show(best, state.unit)} around {say(state.score.best_at)}, has been clearly under that for "
        f"{state.worse.count} evaluations in a row, since {say(state.worse.since)}, and is "
        f"{show(seen.score, state.unit)} now."
    ]
    if state.loss.best is not None and seen.val_loss is not None:
        parts.append(f"val_loss agrees: {state.loss.best:.4g} at its best, {seen.val_loss:.4g} now.")
    falling = _falling(state, seen)
    if falling is not None and state.best_train_loss is not None and seen.train_loss is not None:
        way = "went on falling" if falling else "rose as well"
        parts.append(f"The training loss {way}: {state.best_train_loss:.4g} there, {seen.train_loss:.4g} now.")
    evidence = {
        "metric": name,
        "best": best,
        "best_at": wire(state.score.best_at),
        "value": seen.score,
        "evaluations": state.worse.count,
        "val_loss_best": state.loss.best,
        "val_loss": seen.val_loss,
        "train_loss_at_best": state.best_train_loss,
        "train_loss": seen.train_loss,
        "lr_at_best": state.best_lr,
        "lr": seen.lr,
    }
    return Finding(
        code=CODE,
        subject=name,
        severity="warning",
        title=f"{name} degrades: {show(best, state.unit)} to {show(seen.score, state.unit)}",
        detail=" ".join(parts),
        advice=_advice(context, state, falling),
        opened=position(state.worse.since),
        detected=reading.record.position,
        evidence=evidence,
    )


def _falling(state: State, seen: Evaluation) -> bool | None:
    """Say whether the training loss fell since the best; None where it did neither, or nobody knows."""
    before, now = state.best_train_loss, seen.train_loss
    if before is None or now is None or abs(now - before) <= 0.05 * abs(before):
        return None
    return now < before


def _advice(context: RunContext, state: State, falling: bool | None) -> str:
    keep = f"Keep the checkpoint of {say(state.score.best_at)}: it is the best so far."
    if falling:
        return (
            f"{keep} The run overfits: stop early, or more augmentation, then {advice.more_regularisation(context)}; "
            f"or train more gently: {advice.lower_peak(context)}."
        )
    if falling is False:
        return (
            f"{keep} Training and validation get worse together: {advice.lower_peak(context)}, and look at the "
            "gradient norm and at what changed in the data there."
        )
    best = show(state.score.best or 0.0, state.unit)
    rate = ""
    if state.best_lr is not None and state.last_lr is not None and state.best_lr != state.last_lr:
        rate = f" (the learning rate was {state.best_lr:.6g} there and is {state.last_lr:.6g} now)"
    return (
        f"{keep} Evaluate it again: if it no longer gives {best}, the validation data or how they are prepared have "
        "changed, or the batch-norm statistics or averaged weights that evaluation uses. If it does, later weights are "
        f"worse: {advice.lower_peak(context)}{rate}."
    )


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {
        "gathered": dump_gathered(state.gathered),
        "name": state.name,
        "unit": state.unit,
        "score": running.dump_series(state.score),
        "loss": running.dump_series(state.loss),
        "worse": running.dump_streak(state.worse),
        "calm": state.calm,
        "lrs": [state.last_lr, state.best_lr, state.best_train_loss],
        "open": state.open,
        "by_plan": state.by_plan,
        "dip": dump_dip(state.dip),
        "stage": stages.dump(state.stage),
        "back": [state.back, state.seen],
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    last_lr, best_lr, best_train_loss = data["lrs"]
    back, seen = data["back"]
    return State(
        gathered=load_gathered(data["gathered"]),
        name=data["name"],
        unit=data["unit"],
        score=running.load_series(data["score"]),
        loss=running.load_series(data["loss"]),
        worse=running.load_streak(data["worse"]),
        calm=data["calm"],
        last_lr=last_lr,
        best_lr=best_lr,
        best_train_loss=best_train_loss,
        open=data["open"],
        by_plan=data["by_plan"],
        dip=load_dip(data["dip"]),
        stage=stages.load(data["stage"]),
        back=back,
        seen=seen,
    )


RULE = Rule(
    code=CODE,
    name="accuracy degrading from its best",
    summary="The validation accuracy or score stays clearly under its best, and the validation loss agrees.",
    severity="warning",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    state_version=6,
    dump=dump,
    load=load,
)
