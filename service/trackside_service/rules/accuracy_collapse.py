"""ACC001: the accuracy collapses.

**What.** `val_acc` or `train_acc` loses most of what it had reached: it falls to zero, or to chance where
`num_classes` is declared, in one step from a good value; or it stays under half of its best for three evaluations; or
training and validation accuracy are both a quarter below their best for two; or one of them is so for six since the
learning rate rose three times above what it had ever been. Where both collapse, it is one event
and one alert: about the one that fell first (`val_acc` where they fell together), with the numbers of the other.
Where no validation accuracy is reported, the score that speaks for the model is watched (mAP, IoU, F1 and the like,
known by name; `val_metric`, whose direction nobody knows, only while a validation loss agrees): under half of its best
for ten evaluations, or under a tenth for five. That is a warning.

**Why it matters.** Such a run rarely recovers by itself: the weights were thrown far from where they were good. Every
hour from there on is lost, and the last good checkpoint should be kept from being overwritten.

**Example.** Epoch 1: 58.14 %, epoch 2: 0 %, with a learning rate that rose a hundred times between the two. The alert
opens at epoch 2 and carries both rates, since a collapse that follows a large change of the learning rate has most
likely been caused by it.

**What to try.** If the learning rate rose just before: a slower rise, a lower peak. If it did not: look at what
changed at that place (data, augmentation, a resume, an unfrozen layer), at the loss and the gradient norm. Go on from
the last good checkpoint.

**Defaults.** Relative to the run's own best, so that percent and fractions do alike. Validation accuracy fell by over
20 % and recovered in 10 of 299 healthy public runs: hence the half, and three in a row; none stayed under half of its
best for two. mAP does so in the warm-up of fine-tuning, up to seven evaluations in a row on a healthy public run and
two under a tenth: hence ten and five, and a warning. A fall to zero counts from 20 % on, one to chance from well above
it. Training accuracy reported batch by batch is judged by the median of fifteen, over twenty records. While the
learning rate, reported or declared, is over twice that at the best after it has risen back to where it was before (a
warm restart), evaluations do not count: as long as the declared schedule has it so, else for as many as came before the
dip. A fall to zero or chance has to last for three then. So it has where it may be noise: within five times the
accuracy's own jitter, or twice its largest fall so far; or where a validation loss in the same record is as good as
ever, for nine. The best that half is taken of is less 2.5 times the jitter: small validation sets jump about. Where all
values are shares of a few samples (0.25, 0.5, 0.75), a fall at once must be less likely by chance than one in a
thousand. Figures of batches are judged by the mean of fifteen. What climbs again is no collapse but is being learned: a
new fold, a harder stage, weights that were cut away; once half of a deep fall is regained and stays, the best begins
anew there. So it does where another task has begun: the log counts them (`task`, `stage`, `fold` and the like), or
training falls back at once with it and is learned again while this climbs. What jumps up and down and is under half of
its best at most of six evaluations has collapsed.
On 185 healthy public runs it raised nothing. It resolves when every accuracy that it tells of is back at three quarters
of its best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Any

from trackside_service.domain.findings import Cleared, Outcome
from trackside_service.domain.metrics import ACCURACIES, LR, TRAIN_ACC, VAL_ACC, VAL_LOSS
from trackside_service.rules import scores, stages
from trackside_service.rules.accuracies import Accuracy, Parameters, dump_accuracy, follow, load_accuracy, with_lr
from trackside_service.rules.base import Reading, Rule, RunContext
from trackside_service.rules.collapse_report import CODE, Fall, Reason, Told, add, finding, tell
from trackside_service.rules.evaluations import NOTHING, Gathered, dump_gathered, evaluate, gather, load_gathered
from trackside_service.rules.places import Place, place_from, place_of
from trackside_service.rules.stages import FIRST, Stage
from trackside_service.rules.units import declared_unit, samples_of, scale

_NOISY = 0.05  # of all right: an accuracy that jitters so is that of some dozens of samples
_FEW = 6  # evaluations before which a low accuracy may owe all of its best to luck
_LUCK = 1e-3  # how likely a fall is at most that is more than chance
_LOSS_RISE = 1.1  # times its best, from which on a validation loss agrees with a metric of unknown direction


@dataclass(frozen=True, slots=True)
class State:
    """The accuracies by name, the latest LR, and the standing alert as it was told last (None: none is open).

    `score` is the metric that speaks for the model; where it is no accuracy it is among `accuracies` as well.
    `least_loss` is the best validation loss so far, `loss` the latest (infinite where it is not finite). `gathered` and
    `stage`: the training since the evaluation before, and so far, to know where another stage begins.
    """

    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)
    lr: float | None = None
    lr_at: Place | None = None
    told: Told | None = None
    score: str | None = None
    least_loss: float | None = None
    loss: float | None = None
    highest: float = 0.0
    gathered: Gathered = NOTHING
    stage: Stage = FIRST


def start(context: RunContext, _parameters: Parameters) -> State:
    """Before the first record."""
    return State({name: Accuracy(unit=declared_unit(context.spec, name)) for name in ACCURACIES})


def check(
    context: RunContext, parameters: Parameters, state: State, reading: Reading
) -> tuple[State, Sequence[Outcome]]:
    """Look at the accuracies of one record."""
    values, here = reading.record.metrics, place_of(reading.record)
    stage, begins = stages.count(state.stage, values)
    if reading.starts_life or begins:
        state = _anew(context, state)
    gathered = gather(state.gathered, values)
    if VAL_ACC in values and math.isfinite(values[VAL_ACC]):
        gathered, seen_there = evaluate(gathered, values[VAL_ACC], here)
        stage, another = stages.follow(stage, seen_there)
        state = _from_here(state) if another else state
    lr, lr_at, accuracies, highest = state.lr, state.lr_at, state.accuracies, state.highest
    now = values.get(LR)
    if now is not None and math.isfinite(now) and now >= 0:
        lr, lr_at, highest = now, here, max(highest, now)
        others = {
            n: with_lr(one, now, here) for n, one in accuracies.items() if one.good_lr is not None and n not in values
        }
        accuracies = {**accuracies, **others} if others else accuracies
    score = scores.lead(values, state.score)
    if score != state.score:
        accuracies = _with_score(context, accuracies, score)
    least, loss = state.least_loss, state.loss
    if VAL_LOSS in values:
        least, loss = _with_loss(least, values[VAL_LOSS])
    seen = [name for name in accuracies if name in values and math.isfinite(values[name])]
    if not seen:
        return State(accuracies, lr, lr_at, state.told, score, least, loss, highest, gathered, stage), ()
    accuracies = dict(accuracies)
    falls: list[Fall] = []
    for name in seen:
        before = accuracies[name]
        if name == scores.UNKNOWN and values[name] < parameters.share * before.best and not _agrees(least, loss):
            continue
        after = follow(
            context,
            parameters,
            before,
            name=name,
            value=values[name],
            here=here,
            lr=lr,
            lr_at=lr_at,
            highest=highest,
        )
        if before.open and after.quarter_since is None:
            after = replace(after, open=False)
        refuted = name == VAL_ACC and VAL_LOSS in values and not _agrees(least, loss)
        after, reason = _reason(context, parameters, name, before, after, refuted=refuted)
        if reason in ("half", "mostly", "rate") and name == VAL_ACC and _begins(parameters, stage):
            reason = None
        if reason is not None:
            falls.append(Fall(name, reason, before, after))
            after = replace(after, open=True, window=before.window)
        accuracies[name] = after
    if not any(one.open for one in accuracies.values()) and _both(parameters, accuracies):
        falls = [Fall(name, "both", accuracies[name], accuracies[name]) for name in ACCURACIES]
        accuracies |= {name: replace(accuracies[name], open=True) for name in ACCURACIES}
    state = State(accuracies, lr, lr_at, state.told, score, least, loss, highest, gathered, stage)
    if state.told is not None and not any(one.open for one in accuracies.values()):
        return replace(state, told=None), [Cleared(CODE, state.told.subject, reading.record.position)]
    if not falls:
        return state, ()
    words = state.told
    if words is None:
        falls.sort(key=lambda fall: fall.name != VAL_ACC)
        first, *falls = falls
        words = tell(context, parameters, first)
    for fall in falls:
        words = add(context, parameters, words, fall)
    return replace(state, told=words), [finding(words, reading)]


def _anew(context: RunContext, state: State) -> State:
    """Return the state for another process: it may begin from scratch, or be another run in the same log, so its best
    is its own.
    """
    accuracies = {
        name: one if one.open else Accuracy(unit=declared_unit(context.spec, name))
        for name, one in state.accuracies.items()
    }
    return replace(state, accuracies=accuracies, least_loss=None, loss=None, gathered=NOTHING, stage=FIRST)


def _from_here(state: State) -> State:
    """Return the state where another stage has begun and been learned: the best validation accuracy is that of now."""
    one = state.accuracies[VAL_ACC]
    if one.open:
        return state
    fresh = replace(one, best=-math.inf, best_at=None, half=0, quarter=0, deep=0, chance=0, waited=0, dip=None)
    fresh = replace(fresh, half_since=None, quarter_since=None)
    return replace(state, accuracies={**state.accuracies, VAL_ACC: fresh}, least_loss=None, loss=None)


def _begins(parameters: Parameters, stage: Stage) -> bool:
    """Say whether another task has just begun, by the training: what it does to the validation is not yet known."""
    return stage.relearns and stage.since is not None and stage.since < parameters.expected * parameters.patience


def _with_score(context: RunContext, accuracies: Mapping[str, Accuracy], score: str | None) -> dict[str, Accuracy]:
    """Return the accuracies where another metric than so far speaks for the model."""
    kept = {name: one for name, one in accuracies.items() if name in ACCURACIES or one.open}
    if score is not None and score not in kept:
        kept[score] = Accuracy(unit=declared_unit(context.spec, score))
    return kept


def _with_loss(least: float | None, loss: float) -> tuple[float | None, float]:
    """Return the best validation loss and the latest after one more."""
    if not math.isfinite(loss):
        return least, math.inf
    return loss if least is None else min(loss, least), loss


def _agrees(least: float | None, loss: float | None) -> bool:
    """Say whether the validation loss is clearly over its best, so that a metric which falls gets worse by it."""
    return loss is not None and (math.isinf(loss) or (least is not None and loss >= _LOSS_RISE * least > 0))


def _reason(
    context: RunContext, parameters: Parameters, name: str, before: Accuracy, after: Accuracy, *, refuted: bool
) -> tuple[Accuracy, Reason | None]:
    """Return the accuracy with how long it has been at zero or chance, and why it is a collapse, if it is one by
    itself. `refuted`: the validation loss beside it is as good as ever.
    """
    if after.open or after.quarter_since is None or after.last is None:
        return after, None
    if after.batched:
        return after, "half" if after.half >= parameters.batch_patience and not after.climbs else None
    if name not in ACCURACIES:
        if after.climbs:
            return after, None
        if after.deep >= parameters.deep_patience:
            return after, "deep"
        return after, "half" if after.half >= parameters.score_patience else None
    patience = parameters.patience * (parameters.expected if refuted else 1)
    if _spread(after) > _NOISY * scale(after.unit):
        patience *= 2
    guess = None if after.half_since is None else _guess(context, parameters, before, after)
    if guess is not None:
        last = after.last
        after = replace(after, chance=before.chance + 1)
        if after.chance == 1:
            largest = max((one - other for one, other in pairwise(before.window)), default=0.0)
            usual = min(_level(before), median(before.window[-_FEW:] or (last,)))
            noisy = usual - last <= max(parameters.sudden * after.jitter, 2 * largest) or _by_luck(before, usual, last)
            at_once = not (noisy or refuted or after.waiting)
        else:
            at_once = after.chance >= patience and not after.climbs
        if at_once:
            return after, guess
    if not after.climbs and _mostly(parameters, after, 2 * patience):
        return after, "mostly"
    if after.half < patience or after.climbs:
        return after, "rate" if _after_rise(parameters, after) else None
    sure = after.best - parameters.noise * _spread(after)
    if after.points - after.quarter < _FEW and after.best < parameters.good * scale(after.unit):
        return after, None
    return after, "half" if after.last is not None and after.last < parameters.share * sure else None


def _guess(context: RunContext, parameters: Parameters, before: Accuracy, after: Accuracy) -> Reason | None:
    """Say whether an accuracy is at zero or chance after it was good; while it stays, how good its best surely was."""
    assert after.last is not None
    whole, classes = scale(after.unit), context.spec.num_classes
    level = _level(before)
    if before.chance:
        level = after.best - parameters.noise * after.jitter
    if level < parameters.share * after.best:
        return None
    if level >= parameters.good * whole and after.last <= 1e-3 * level:
        return "zero"
    if classes is not None and classes > 1:
        chance = 1 / classes
        well_above = max(chance + 0.3 * (1 - chance), chance + 0.2, parameters.good)
        if level >= well_above * whole and after.last <= 1.1 * chance * whole:
            return "chance"
    return None


def _after_rise(parameters: Parameters, one: Accuracy) -> bool:
    """Say whether an accuracy has lost a quarter for good since the LR rose to where it had never been: of two classes,
    nothing is left then.
    """
    if one.climbs or one.quarter < 2 * parameters.patience or one.good_lr is None or one.far_lr is None:
        return False
    return one.far_lr >= parameters.lr_change * max(one.good_lr, one.peak_lr or 0.0) > 0


def _mostly(parameters: Parameters, one: Accuracy, evaluations: int) -> bool:
    """Say whether an accuracy that never came back to three quarters of its best was under half of it at most of the
    last evaluations: it may jump up and down.
    """
    if one.quarter < evaluations or len(one.recent) < evaluations:
        return False
    limit = parameters.share * (one.best - parameters.noise * _spread(one))
    return median(one.recent[-evaluations:]) < limit


def _spread(one: Accuracy) -> float:
    """Return the standard deviation of an accuracy: its own jitter, or what the number of samples that its values show
    makes likely, whichever is more.
    """
    samples = samples_of(one.window, one.unit)
    if samples is None:
        return one.jitter
    right = median(one.window) / scale(one.unit)
    likely = (right * samples + 1) / (samples + 2)
    return max(one.jitter, math.sqrt(likely * (1 - likely) / samples) * scale(one.unit))


def _by_luck(one: Accuracy, usual: float, value: float) -> bool:
    """Say whether an accuracy may be `value` by the few samples that it is taken of, where it is about `usual`."""
    samples = samples_of((*one.window, value), one.unit)
    if samples is None:
        return False
    likely = (usual / scale(one.unit) * samples + 1) / (samples + 2)
    right = round(value / scale(one.unit) * samples)
    tail = sum(math.comb(samples, k) * likely**k * (1 - likely) ** (samples - k) for k in range(right + 1))
    return tail > _LUCK


def _level(one: Accuracy) -> float:
    return -math.inf if one.last is None else one.last


def _both(parameters: Parameters, accuracies: Mapping[str, Accuracy]) -> bool:
    train, val = accuracies[TRAIN_ACC], accuracies[VAL_ACC]
    if train.batched or val.batched or train.waiting or val.waiting or train.climbs or val.climbs:
        return False
    luck = parameters.noise * val.jitter
    if val.last is None or val.last >= parameters.both_share * (val.best - luck):
        return False
    return min(train.quarter, val.quarter) >= parameters.both_patience


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    accuracies = {name: dump_accuracy(one) for name, one in state.accuracies.items()}
    said = None if state.told is None else asdict(state.told)
    return {
        "accuracies": accuracies,
        "lr": [state.lr, state.lr_at],
        "told": said,
        "score": state.score,
        "loss": [state.least_loss, state.loss, state.highest],
        "stage": [dump_gathered(state.gathered), stages.dump(state.stage)],
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    accuracies = {name: load_accuracy(held) for name, held in data["accuracies"].items()}
    said = data["told"]
    if said is not None:
        said = Told(**{**said, "opened": place_from(said["opened"])})
    lr, lr_at = data["lr"]
    gathered, stage = data["stage"]
    least, loss, highest = data["loss"]
    state = State(accuracies, lr, place_from(lr_at), said, data["score"], least, loss, highest)
    return replace(state, gathered=load_gathered(gathered), stage=stages.load(stage))


RULE = Rule(
    code=CODE,
    name="accuracy collapse",
    summary="The accuracy falls to zero or chance at once, or stays under half of its best.",
    severity="critical",
    page=__doc__ or "",
    parameters=Parameters,
    start=start,
    check=check,
    state_version=7,
    dump=dump,
    load=load,
)
