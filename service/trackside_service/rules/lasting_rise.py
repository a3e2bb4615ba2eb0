"""For LOSS003: a smaller rise of the training loss that lasts: the validation loss agrees, or it goes on for long.

What is compared are levels: the median of the training losses since the evaluation before (the last ones of them), or,
where no validation loss is ever reported, of the last batches or three epochs, twice in such a window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Final, Literal, Protocol, TypeAlias

from trackside_service.domain.metrics import TRAIN_LOSS, VAL_LOSS
from trackside_service.rules import harder_objective, loss_rises, objective_parts, running
from trackside_service.rules.base import Reading, RunContext
from trackside_service.rules.lr_course import planned
from trackside_service.rules.places import Place, place_of
from trackside_service.rules.running import NONE, WINDOW, Series, Streak

_EPOCHS: Final = 3
_KEPT: Final = 8
_SLOWER: Final = 10  # looks to one more of patience where the training loss alone tells of a rise
_SLOWEST: Final = 64
_NOISE: Final = 4.0  # times its jitter: a level that has risen and does not merely tremble
_OF_IMPROVEMENT: Final = (0.05, 0.3)  # what a rise takes back of it at least, with the validation loss and alone
_DOWN: Final = 0.75  # of the height of a rise: what has come down to it is being learned anew
_COMES_DOWN: Final = 0.9  # the same: below it, it is on its way
_TWICE: Final = 2  # times the longest rise that came back
# A cycle of a rate that nobody reports is twice as long as all before it at most (warm restarts whose length doubles),
# and the loss lies within a tenth of its top for the first fifth of it.
_OF_CYCLE: Final = 0.4
_CYCLE: Final = 24
_HIGHER: Final = 1.05  # times the learning rate at the best: above it, a rise is expected at first

Event: TypeAlias = Literal["rises", "ends"]


class Thresholds(Protocol):
    """How far and how long."""

    @property
    def agreed_rise(self) -> float: ...
    @property
    def agreed_patience(self) -> int: ...
    @property
    def lone_rise(self) -> float: ...
    @property
    def lone_patience(self) -> int: ...
    @property
    def expected(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LastingRise:
    """The last training losses (`recent`), the levels of training and validation without the rise that goes on, and
    that rise: for how many looks, its last levels (`level`, `vals`), and the highest of training (`top`).

    `lr`: the learning rate at the best level. `due`: training losses up to the next look where no validation loss is
    reported. `limit`: the level under which an alert that is open is over (None: none is open). `parts`: what an
    objective whose terms are weighed anew on the way consists of, beside its penalty. `back`: for how many looks the
    longest rise went on that came back by itself. `looks`: all of them, whatever was measured anew.
    """

    recent: tuple[float, ...] = ()
    train: Series = field(default_factory=Series)
    val: Series = field(default_factory=Series)
    rise: Streak = NONE
    level: float | None = None
    vals: tuple[float, ...] = ()
    top: float | None = None
    lr: float | None = None
    due: int = 0
    limit: float | None = None
    parts: Mapping[str, Series] = field(default_factory=dict)
    back: int = 0
    looks: int = 0


CALM: Final = LastingRise()


@dataclass(frozen=True, slots=True)
class Look:
    """What the levels are at a place: of training, of validation where it was evaluated, and the learning rate."""

    place: Place
    level: float
    val: float | None
    lr: float | None


def watch(
    context: RunContext,
    thresholds: Thresholds,
    state: LastingRise,
    around: tuple[loss_rises.State, loss_rises.State],
    reading: Reading,
) -> tuple[LastingRise, Event | None]:
    """Return the state after a record; "rises" where a rise has lasted (at every look until it is opened), "ends" where
    one that is open is over. `around`: what LOSS003 knows of the training loss before the record and after it.
    """
    before, fast = around
    if fast.meaningless:
        return state, None
    if reading.starts_life or fast.begun != before.begun:
        rise = NONE if state.limit is None else state.rise
        back, looks = (0, 0) if reading.starts_life else (state.back, state.looks)
        state = LastingRise(limit=state.limit, rise=rise, back=back, looks=looks)
    parts = objective_parts.follow(state.parts, reading)
    if parts is not state.parts:
        state = replace(state, parts=parts)
    state, look = _look(context, state, fast, reading)
    if look is None:
        return state, None
    if state.limit is not None:
        if look.level < state.limit:
            return LastingRise(back=max(state.back, state.rise.count), looks=state.looks), "ends"
        return replace(state, rise=running.extended(state.rise, True, look.place)), None
    state = _after(thresholds, state, fast, look)
    lasts = state.rise.count >= _patience(thresholds, state, fast, look.lr) and not _is_explained(state, fast)
    return state, "rises" if lasts else None


def _look(
    context: RunContext, state: LastingRise, fast: loss_rises.State, reading: Reading
) -> tuple[LastingRise, Look | None]:
    """Return the state with the losses of a record, and what is seen there; None where it is not yet time."""
    values, here = reading.record.metrics, place_of(reading.record)
    loss, val = values.get(TRAIN_LOSS), values.get(VAL_LOSS)
    if val is not None and not math.isfinite(val):
        val = None
    window, due = WINDOW if fast.batched else _EPOCHS, False
    if loss is not None and math.isfinite(loss):
        due, recent = state.due <= 1, (*state.recent[-(window - 1) :], loss)
        state = _with(state, recent, window // 2 if due else state.due - 1, state.looks)
    if val is None and (not due or state.val.points or len(state.recent) < window):
        return state, None
    if not state.recent:
        return state, None
    lr = planned(context, here) if fast.course.last is None else fast.course.last
    look = Look(here, median(state.recent), val, lr)
    return _with(state, state.recent if val is None else (), state.due, state.looks + 1), look


def _with(state: LastingRise, recent: tuple[float, ...], due: int, looks: int) -> LastingRise:
    """Do what `replace` does, in a third of the time: it is done for every record."""
    rise = (state.rise, state.level, state.vals, state.top)
    return LastingRise(
        recent, state.train, state.val, *rise, state.lr, due, state.limit, state.parts, state.back, looks
    )


def limits(thresholds: Thresholds, state: LastingRise, fast: loss_rises.State) -> tuple[float, float | None]:
    """Return above which level of training a rise begins, and of validation where that is reported. There is a best."""
    began = (0.0 if one is None else one for one in (fast.calm.start, state.train.start))
    fallen = max(began) - (state.train.best or 0.0)
    agreed, alone = _OF_IMPROVEMENT
    if state.val.best is None:
        return _limit(state.train, thresholds.lone_rise, alone * fallen), None
    val = _limit(state.val, thresholds.agreed_rise, agreed * running.improvement(state.val))
    return _limit(state.train, thresholds.agreed_rise, agreed * fallen), val


def opened(state: LastingRise, limit: float) -> LastingRise:
    """Return the state with an alert open about the level above `limit`, which is over halfway back to the best."""
    best = limit if state.train.best is None else state.train.best
    return replace(state, limit=(best + limit) / 2)


def _limit(series: Series, share: float, fallen: float) -> float:
    assert series.best is not None
    return series.best + max(share * abs(series.best), fallen, _NOISE * running.jitter(series))


def _after(thresholds: Thresholds, state: LastingRise, fast: loss_rises.State, look: Look) -> LastingRise:
    """Return the state after a look."""
    best, level, val = state.train.best, look.level, look.val
    above = False
    if best is not None and (state.val.best is not None or state.val.points == 0):
        limit, val_limit = limits(thresholds, state, fast)
        above = level > limit and (val_limit is None or (val is not None and val > val_limit))
    if best is None or not above:
        train, lr = running.follow(state.train, level, look.place), state.lr
        if train.best is None or train.since_best == 0:
            lr = look.lr
        after, back = running.followed(state.val, val, look.place), max(state.back, state.rise.count)
        return replace(state, train=train, val=after, rise=NONE, level=None, vals=(), top=None, lr=lr, back=back)
    top = level if state.top is None else max(state.top, level)
    if level - best < _DOWN * (top - best):
        back = max(state.back, state.rise.count)
        return LastingRise(state.recent, due=state.due, parts=state.parts, back=back, looks=state.looks)
    vals = state.vals if val is None else (*state.vals[-(_KEPT - 1) :], val)
    rise = running.extended(state.rise, True, look.place)
    return replace(state, rise=rise, level=level, vals=vals, top=top)


def _patience(thresholds: Thresholds, state: LastingRise, fast: loss_rises.State, lr: float | None) -> int:
    """Return for how many looks a rise has to last: longer by itself, where a higher learning rate explains it, and
    where others came back (twice as long as those: cycles of a learning rate that nobody reports).
    """
    looks = thresholds.agreed_patience
    if state.val.points == 0:
        looks = max(thresholds.lone_patience, min(_SLOWEST, state.train.points // _SLOWER))
    looks = max(looks, min(_SLOWEST, _TWICE * state.back))
    if lr is None and not (fast.batched and state.val.points == 0):
        looks = max(looks, min(_CYCLE, math.ceil(_OF_CYCLE * (state.looks - state.rise.count))))
    higher = lr is not None and state.lr is not None and lr > _HIGHER * state.lr
    return looks * thresholds.expected if higher else looks


def _is_explained(state: LastingRise, fast: loss_rises.State) -> bool:
    """Whether it is on its way back, or something beside it says that nothing is lost."""
    best, val_best, top = state.train.best, state.val.best, state.top
    if best is None or top is None or state.level is None or state.level - best < _COMES_DOWN * (top - best):
        return True
    if val_best is not None and loss_rises.comes_down(state.vals, val_best):
        return True
    if any(name != VAL_LOSS and loss_rises.is_good(series, name) for name, series in fast.others.items()):
        return True
    if fast.course.sweep.is_test:
        return True
    alone = fast.batched and state.val.points == 0
    if alone and harder_objective.climbs_to_its_keys(fast.calm, state.recent, fast.others):
        return True
    return objective_parts.fits_still(state.parts)


def dump(state: LastingRise) -> list[Any]:
    """State as JSON values."""
    return [
        *(state.recent, running.dump_series(state.train), running.dump_series(state.val)),
        *(running.dump_streak(state.rise), state.level, state.vals, state.top, state.lr, state.due, state.limit),
        {name: running.dump_series(series) for name, series in state.parts.items()},
        *(state.back, state.looks),
    ]


def load(data: Sequence[Any]) -> LastingRise:
    """Undo `dump`."""
    recent, train, val, rise, level, vals, top, lr, due, limit, parts, back, looks = data
    return LastingRise(
        tuple(recent),
        running.load_series(train),
        running.load_series(val),
        running.load_streak(rise),
        level,
        tuple(vals),
        top,
        lr,
        due,
        limit,
        {name: running.load_series(series) for name, series in parts.items()},
        back,
        looks,
    )
