"""What LOSS002 and LOSS003 share: a training loss that has risen far above what it was, and stays there.

How far is far is scaled by the run itself: by the improvement so far, by the level, and by the noise. A rise where a
cycle of the LR begins anew is expected, and what is measured begins anew there. A rise during which validation,
accuracy, or the score that speaks for the model reach a new best is none: the loss has come to mean something else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import median
from typing import Any, Final, Literal, Protocol

from trackside_service.domain.metrics import TRAIN_ACC, TRAIN_LOSS, VAL_ACC, VAL_LOSS
from trackside_service.rules import harder_objective, scores
from trackside_service.rules.base import Reading, RunContext
from trackside_service.rules.harder_objective import Demand
from trackside_service.rules.loss_meaning import moves_its_own_goal
from trackside_service.rules.lr_course import Course, advance, dump_course, load_course
from trackside_service.rules.places import Place, by_batch, place_from, place_of
from trackside_service.rules.running import (
    NONE,
    Better,
    Series,
    Streak,
    dump_series,
    dump_streak,
    extended,
    follow,
    improvement,
    jitter,
    load_series,
    load_streak,
    noise,
)
from trackside_service.rules.sharing import shared

_SLOWER: Final = 50  # records to one more of patience
_SLOWEST: Final = 64
_FAR: Final = 10
_FAR_RECORDS: Final = 3
_SETTLED: Final = 4  # times the patience: what was smooth for so long is so, whatever few values say by chance
_COMES_DOWN: Final = 0.9  # of what the first half of a rise lies above the best: under it the second comes down
_BACK: Final = 0.5  # of the height of a rise: what has come down by so much is learned anew
_LEARNED: Final = 0.2  # of its best: what a metric has gained that tells of a model which has learned
_GOOD: Final = 0.95  # of its best
_OF_LIKENESS: Final = (0.05, 0.85)  # the same of how like images are: much at once, less where they are to look sharp
_NEAR: Final = 8  # values: the level of batches
_MOST: Final = 6  # metrics beside the loss
_GOOD_LOSS: Final = 0.25  # of its improvement
_OWN: Final[Mapping[str, Better]] = {VAL_LOSS: "lower", VAL_ACC: "higher", TRAIN_ACC: "higher"}
_UNSEEN: Final = Series()
_follow_calm: Final = shared(follow)  # LOSS002 and LOSS003 follow one loss, mostly alike


class Thresholds(Protocol):
    """How long it takes."""

    @property
    def epochs(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def least_records(self) -> int: ...
    @property
    def clears_after(self) -> int: ...


@dataclass(frozen=True, slots=True)
class State:
    """The training loss without its rises (`calm`), and the rise that goes on: how long, its last values, and whether
    something else says that all is well (`refuted`), or is good at present (`doubted`). `height`: about how high it was
    at first, as soon as that is known.

    `batched`: several values an epoch. `others`: the metrics beside it. `meaningless`: this run's loss does not tell
    how it does. `demand`: what the loss grows with, where that is reported. `begun`: how often it was measured anew.
    `limit`: what the loss falls below when an alert that is `open` is over; `good`: values in a row under it.
    """

    calm: Series = field(default_factory=Series)
    rise: Streak = NONE
    values: tuple[float, ...] = ()
    refuted: bool = False
    last_at: Place | None = None
    batched: bool = False
    others: Mapping[str, Series] = field(default_factory=dict)
    course: Course = field(default_factory=Course)
    meaningless: bool = False
    demand: Demand = field(default_factory=Demand)
    begun: int = 0
    open: bool = False
    limit: float = 0.0
    good: int = 0
    doubted: bool = False
    height: float | None = None


Event = Literal["rises", "ends"]


def spike_limit(calm: Series) -> float:
    """Return above what a loss has spiked: its best, and on top the largest of half of the improvement so far, of the
    best value itself, and of eight times the median absolute difference.
    """
    assert calm.best is not None
    return calm.best + max(improvement(calm) / 2, abs(calm.best), 8 * noise(calm))


def divergence_limit(calm: Series) -> float:
    """Return above what a loss has diverged: where it began, and on top the largest of half of the improvement, of the
    start and the best themselves (half of the start), and of eight times the median absolute difference.
    """
    assert calm.best is not None
    assert calm.start is not None
    level = max(abs(calm.start) / 2, abs(calm.best))
    return max(calm.start, calm.best) + max(improvement(calm) / 2, level, 8 * noise(calm))


def watch(
    context: RunContext,
    thresholds: Thresholds,
    state: State,
    reading: Reading,
    *,
    limit_of: Callable[[Series], float],
) -> tuple[State, Event | None]:
    """Return the state after a record; "rises" where the rise has lasted long enough (at every record of it until it is
    opened), "ends" where an open one is over.
    """
    values = reading.record.metrics
    if state.meaningless or moves_its_own_goal(tuple(values)):
        return (state if state.meaningless else replace(state, meaningless=True)), None
    if reading.starts_life:
        state = State(open=state.open, limit=state.limit, good=state.good)
    here = place_of(reading.record)
    course, restarts = advance(context, state.course, reading)
    value = values.get(TRAIN_LOSS)
    if value is not None and not math.isfinite(value):
        value = None
    before = (state.values or state.calm.recent)[-_NEAR if state.batched else -1 :]
    demand, is_harder = harder_objective.follow(state.demand, values, value, before)
    # A rise that was there before explains itself by nothing that has grown since.
    if (restarts or (is_harder and state.rise.count == 0)) and not state.open:
        begun = state.begun + 1
        state = State(course=course, batched=state.batched, last_at=state.last_at, demand=demand, begun=begun)
    others, refuted, doubted = _beside(state, values, here)
    if value is None:
        if others is not state.others or course is not state.course or demand is not state.demand:
            state = replace(state, course=course, others=others, refuted=refuted, doubted=doubted, demand=demand)
        return state, None
    batched = state.batched or by_batch(state.last_at, here, context.spec.steps_per_epoch)
    around = (here, batched, others, course, False, demand, state.begun)
    if state.open:
        return _opened(thresholds, State(state.calm, state.rise, state.values, refuted, *around), state, value)
    calm = state.calm
    # The noise is asked for only where the rest does not settle it: every limit is above twice the best.
    if calm.best is None or value <= calm.best + abs(calm.best) or value <= limit_of(calm):
        return State(_follow_calm(calm, value, here), NONE, (), False, *around), None
    rise, recent = extended(state.rise, True, here), (*state.values[-7:], value)
    height = median(recent) if state.height is None and rise.count >= thresholds.epochs else state.height
    if height is not None and median(recent[-_FAR_RECORDS:]) - calm.best < _BACK * (height - calm.best):
        return State(follow(_UNSEEN, value, here), NONE, (), False, *around[:-1], state.begun + 1), None
    state = State(calm, rise, recent, refuted, *around, doubted=doubted, height=height)
    enough = patience(thresholds, state, limit_of)
    if rise.count < enough or refuted or doubted or course.sweep.is_test or comes_down(recent, calm.best):
        return state, None
    settled = rise.count > _SETTLED * enough
    keys = batched and harder_objective.climbs_to_its_keys(calm, recent, others, settled=settled)
    return state, None if keys else "rises"


def comes_down(values: Sequence[float], best: float) -> bool:
    """Say whether a rise is on its way back: what began anew there is being learned, or a spike recovers."""
    half = (len(values) + 1) // 2
    return median(values[-half:]) - best < _COMES_DOWN * (median(values[:half]) - best)


def patience(thresholds: Thresholds, state: State, limit_of: Callable[[Series], float]) -> int:
    """Return for how many values the rise has to hold: longer in a log of very many records, and three where it goes
    many times as far as it has to.
    """
    calm, limit = state.calm, limit_of(state.calm)
    if calm.best is not None and min(state.values[-_FAR_RECORDS:]) - calm.best > _FAR * (limit - calm.best):
        return _FAR_RECORDS
    if not state.batched:
        return thresholds.epochs
    early = max(0, thresholds.least_records - state.calm.points)
    return max(thresholds.records, min(_SLOWEST, state.calm.points // _SLOWER)) + early


def opened(state: State, limit: float) -> State:
    """Return the state with an alert open about the rise above `limit`. It is over halfway back to the best, so that
    a loss that hovers around the limit is told of once.
    """
    best = limit if state.calm.best is None else state.calm.best
    return replace(state, open=True, limit=(best + limit) / 2, good=0)


def level_of(state: State) -> float:
    """Return about how high the rise is."""
    return median(state.values)


def _beside(state: State, values: Mapping[str, float], here: Place) -> tuple[Mapping[str, Series], bool, bool]:
    others, new = _with_others(state.others, values, here)
    if state.rise.count == 0:
        return others, state.refuted, False
    refuted, doubted = state.refuted, state.doubted
    if new:
        refuted = refuted or any(_is_better_than_ever(others[name], name) for name in new)
        doubted = any(is_good(others[name], name) for name in new)
    return others, refuted, doubted


def _is_better_than_ever(series: Series, name: str) -> bool:
    """Say whether a metric is at a new best; of a score one that is more than chance in what never got better."""
    if series.since_best or series.points <= _FAR_RECORDS:
        return False
    return name in _OWN or improvement(series, scores.better(name) or "higher") > jitter(series)


@shared
def _with_others(
    others: Mapping[str, Series], values: Mapping[str, float], here: Place
) -> tuple[Mapping[str, Series], tuple[str, ...]]:
    """Return the metrics beside the loss after a record, and which of them it reports."""
    new: dict[str, Series] = {}
    for name, better in _ways(tuple(values)):
        value = values[name]
        if math.isfinite(value) and (name in others or len(others) < _MOST):
            new[name] = follow(others.get(name) or _UNSEEN, value, here, better)
    return ({**others, **new} if new else others), tuple(new)


@lru_cache(maxsize=1024)
def _ways(names: tuple[str, ...]) -> tuple[tuple[str, Better], ...]:
    return (*((name, way) for name, way in _OWN.items() if name in names), *scores.beside(names))


def is_good(series: Series, name: str) -> bool:
    """Say whether the last value of a metric beside the rise tells of a model that has learned and has not lost it."""
    value = series.last
    if series.best is None or series.start is None or value is None:
        return False
    if scores.better(name) == "lower":
        gained = improvement(series)
        return gained >= _LEARNED * abs(series.start) and value <= series.best + _GOOD_LOSS * gained
    learned, good = _OF_LIKENESS if scores.is_likeness(name) else (_LEARNED, _GOOD)
    return improvement(series, "higher") >= learned * abs(series.best) and value >= good * series.best > 0


def _opened(thresholds: Thresholds, after: State, before: State, value: float) -> tuple[State, Event | None]:
    if value > before.limit:
        return replace(after, open=True, limit=before.limit), None
    good = before.good + 1
    if good < thresholds.clears_after:
        return replace(after, open=True, limit=before.limit, good=good), None
    return replace(after, rise=NONE, values=(), refuted=False), "ends"


def dump(state: State) -> dict[str, Any]:
    """State as JSON values."""
    return {
        "calm": dump_series(state.calm),
        "rise": dump_streak(state.rise),
        "values": state.values,
        "others": {name: dump_series(series) for name, series in state.others.items()},
        "course": dump_course(state.course),
        "last_at": state.last_at,
        "demand": harder_objective.dump(state.demand),
        "rest": [
            *(state.refuted, state.batched, state.meaningless, state.open, state.limit, state.good, state.doubted),
            *(state.height, state.begun),
        ],
    }


def load(data: Mapping[str, Any]) -> State:
    """Undo `dump`."""
    refuted, batched, meaningless, is_open, limit, good, doubted, height, begun = data["rest"]
    return State(
        calm=load_series(data["calm"]),
        rise=load_streak(data["rise"]),
        values=tuple(data["values"]),
        refuted=refuted,
        last_at=place_from(data["last_at"]),
        batched=batched,
        others={name: load_series(series) for name, series in data["others"].items()},
        course=load_course(data["course"]),
        demand=harder_objective.load(data["demand"]),
        meaningless=meaningless,
        open=is_open,
        limit=limit,
        good=good,
        doubted=doubted,
        height=height,
        begun=begun,
    )
