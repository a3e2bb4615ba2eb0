"""For FIT001: a validation loss that runs away from a training loss, where nothing else is told of the validation."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Protocol

from trackside_service.domain.findings import Cleared, Finding, Outcome
from trackside_service.domain.metrics import TRAIN_LOSS, VAL_LOSS
from trackside_service.rules import advice, running, scores
from trackside_service.rules.base import Reading, RunContext
from trackside_service.rules.loss_meaning import moves_its_own_goal
from trackside_service.rules.places import place_of, position, say, wire
from trackside_service.rules.running import Series, Streak

CODE: Final = "FIT001"
_LEARNED: Final = 0.5  # of the training loss at the best validation loss
_NOISE: Final = 3.0
_VALIDATION: Final = re.compile(r"(?:^|[_/ .-])(?:val|valid|validation|eval|test|dev|metrics?)[_/ .-]", re.IGNORECASE)
_HOUSEKEEPING: Final = re.compile(r"runtime|per_second|samples|steps|time|loss|lr|epoch", re.IGNORECASE)


class Thresholds(Protocol):
    """How far and how long."""

    @property
    def alone_rise(self) -> float: ...
    @property
    def alone_patience(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LossesAlone:
    """The validation loss, the sum and count of the training losses since the evaluation before, the mean of them at
    the best validation loss, and how long that has been far over its best. `more`: something else is told.
    """

    val: Series = field(default_factory=Series)
    train: float = 0.0
    trains: int = 0
    train_at_best: float | None = None
    far: Streak = running.NONE
    open: bool = False
    more: bool = False


UNTOLD: Final = LossesAlone()


def watch(
    context: RunContext, thresholds: Thresholds, state: LossesAlone, reading: Reading
) -> tuple[LossesAlone, Sequence[Outcome]]:
    """Look at the losses of one record."""
    values = reading.record.metrics
    if state.more:
        return state, ()
    if _tells_more(tuple(values)):
        cleared = [Cleared(CODE, VAL_LOSS, reading.record.position)] if state.open else []
        return LossesAlone(more=True), cleared
    if reading.starts_life and not state.open:
        state = UNTOLD
    train, val = values.get(TRAIN_LOSS), values.get(VAL_LOSS)
    if train is not None and math.isfinite(train):
        state = replace(state, train=state.train + train, trains=state.trains + 1)
    if val is None or not math.isfinite(val):
        return state, ()
    series = running.follow(state.val, val, place_of(reading.record))
    mean = state.train / state.trains if state.trains else None
    at_best = mean if series.best is None or series.since_best == 0 else state.train_at_best
    far = _is_far(thresholds, series, mean, at_best)
    streak = running.extended(state.far, far, place_of(reading.record))
    after = LossesAlone(series, 0.0, 0, at_best, streak, state.open)
    if state.open:
        if series.start is None or val >= series.start:
            return after, ()
        return replace(after, open=False), [Cleared(CODE, VAL_LOSS, reading.record.position)]
    if streak.count < thresholds.alone_patience:
        return after, ()
    return replace(after, open=True), [_finding(context, after, mean, reading)]


def _is_far(thresholds: Thresholds, series: Series, mean: float | None, at_best: float | None) -> bool:
    """Whether validation is far over its best and above where it began, and training far under what it was there."""
    best, start, last = series.best, series.start, series.last
    if best is None or start is None or last is None or mean is None or at_best is None or best <= 0 or mean < 0:
        return False
    over = last - best > max(thresholds.alone_rise * best, _NOISE * running.jitter(series))
    return over and last > start and mean <= _LEARNED * at_best


@lru_cache(maxsize=1024)
def _tells_more(names: tuple[str, ...]) -> bool:
    """Whether metrics tell of the validation by another figure than its loss, or a loss does not tell how it does."""
    return moves_its_own_goal(names) or any(
        scores.rank(name) is not None
        or (scores.better(name) is not None and name != VAL_LOSS and not name.startswith("train"))
        or (_VALIDATION.search(name) is not None and not _HOUSEKEEPING.search(name))
        for name in names
    )


def _finding(context: RunContext, state: LossesAlone, mean: float | None, reading: Reading) -> Finding:
    series = state.val
    return Finding(
        code=CODE,
        subject=VAL_LOSS,
        severity="warning",
        title=f"{VAL_LOSS} runs away from {TRAIN_LOSS}: {series.best:.4g} to {series.last:.4g}",
        detail=f"{VAL_LOSS} was {series.best:.4g} at its best, around {say(series.best_at)}, has been far above that "
        f"and above where it began ({series.start:.4g}) for {state.far.count} evaluations in a row, since "
        f"{say(state.far.since)}, and is {series.last:.4g} now. {TRAIN_LOSS} went on falling: "
        f"{state.train_at_best:.4g} there, {mean:.4g} now.",
        advice=f"Keep the checkpoint of {say(series.best_at)}, where validation was best, and stop early. First more "
        f"data or augmentation, then {advice.more_regularisation(context)}, a smaller model, or fewer epochs. Report "
        "an accuracy or another score beside the losses: where it holds, the model has only become too sure of itself.",
        opened=position(state.far.since),
        detected=reading.record.position,
        evidence={
            "val_loss": series.last,
            "val_loss_best": series.best,
            "val_loss_best_at": wire(series.best_at),
            "val_loss_start": series.start,
            "train_loss": mean,
            "train_loss_at_best": state.train_at_best,
            "evaluations": state.far.count,
        },
    )


def dump(state: LossesAlone) -> list[Any]:
    """State as JSON values."""
    if state.more:
        return [True]
    own = [state.train, state.trains, state.train_at_best, state.open]
    return [False, running.dump_series(state.val), running.dump_streak(state.far), *own]


def load(data: Sequence[Any]) -> LossesAlone:
    """Undo `dump`."""
    more, *held = data
    if more:
        return LossesAlone(more=True)
    val, far, train, trains, at_best, is_open = held
    return LossesAlone(running.load_series(val), train, trains, at_best, running.load_streak(far), is_open)
