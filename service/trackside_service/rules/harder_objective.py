"""A training loss that rises because what it asks for has become harder, and not because the model has become worse.

Where the log tells of what grows (the length of the sequences over which the loss is summed, a margin, the weight of a
term), the loss is measured anew where it rises with it, and by no more than it has grown: a run whose loss explodes
while its sequences are lengthened a little explodes all the same. Where the log does not tell, there is one objective
that climbs from its very first record on: choosing the one match among many keys, as contrastive learning with a queue
does (He et al., "Momentum Contrast", 2020). While the queue is empty of real keys the choice is easy; then the loss
climbs to near the logarithm of their number, and comes down slowly from there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import median
from typing import Any, Final

from trackside_service.rules.objective_parts import is_of_divergence, weights_of
from trackside_service.rules.running import Series, improvement, jitter, jitter_of, noise_of

_GROWN: Final = 1.05
_KEYS: Final = math.log(2**17)  # the largest queue in use has 65536 keys; a batch beside it adds as many at most
_UNTAUGHT: Final = (0.02, 2.0)  # of the start, and times its jitter: a loss that has come down by no more
_GRADUAL: Final = 1.2  # times its best: what a climb has come to before it is above any limit, unless it is a jump
_SMOOTH: Final = 0.035  # of the level: one that was thrown there by too large a step trembles by more
_ROOM: Final = 1.3  # times a growth: what a loss may rise by beyond it, for its noise
_NEAR: Final = 1.02  # the same for a small growth, beside its power of three halves
_RISES: Final = 1.05  # times the loss before: a rise that is no noise; times the first: no higher than that
_ANSWERS: Final = 2  # losses: the one beside a growth may still be that of before
_STAGE: Final = 1.2  # times: a step to another stage, and no ramp
_ANY: Final = 1e6  # times: no loss is asked for more
_MOST: Final = 8  # sizes of a run
# A count of tokens or samples so far is none, nor is what one batch happens to hold.
_LENGTH: Final = (
    r"(?:max_?)?seq_?len(?:gth)?|(?:max_?)?sequence_length|context_?len(?:gth)?|ctx_?len|block_?size"
    r"|max_?len(?:gth)?|(?:global_?)?batch_?size"
)
_SIDE: Final = r"resolution|im(?:age|g)_?(?:size|sz)|imgsz"  # of images: their pixels grow with its square
_TASK: Final = r"mask_?ratio|difficulty|curriculum(?:_\w+)?"
_ANYWHERE: Final = r"(?:.*[/ ])?"
_SIZES: Final = re.compile(rf"{_ANYWHERE}(?:{_LENGTH}|{_SIDE}|{_TASK}|margin)", re.IGNORECASE)
_TASKS: Final = re.compile(rf"{_ANYWHERE}(?:{_TASK})", re.IGNORECASE)
_LENGTHS: Final = re.compile(rf"{_ANYWHERE}(?:{_LENGTH}|{_SIDE})", re.IGNORECASE)
_SIDES: Final = re.compile(rf"{_ANYWHERE}(?:{_SIDE})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Demand:
    """What the objective depends on: the `highest` of each such metric, and the run's `first` loss.

    A growth explains so much of a rise as it is itself, which is kept as factors: `grown` by a growth that the loss has
    not answered yet, for which the next `due` losses are looked at, and `room`, what is left of those before for the
    noise. `staged`: what has grown so at once is no length, so that the loss may go up by more, but not above where it
    began. `bounded`: it makes the task harder, or weighs a divergence from a prior, which costs no more than a model
    that has learned nothing.
    """

    highest: Mapping[str, float] = field(default_factory=dict)
    first: float | None = None
    room: float = _ROOM
    grown: float = 1.0
    due: int = 0
    staged: bool = False
    bounded: bool = False


def follow(
    demand: Demand, values: Mapping[str, float], loss: float | None, before: Sequence[float]
) -> tuple[Demand, bool]:
    """Return the demand after a record with this `loss` (None: without a finite one), the last ones `before` it, and
    whether the loss has risen because more is asked for, so that it is to be measured anew.
    """
    names = sizes_of(tuple(values))
    if names:
        demand = _with_sizes(demand, names, values)
    if loss is None or (demand.first is not None and not demand.due):
        return demand, False
    first = loss if demand.first is None else demand.first
    if not demand.due:
        return replace(demand, first=first), False
    explained, room, due = False, _ROOM, demand.due - 1
    level = median(before) if before else None
    if level is not None and min(loss, level) > 0:
        rose, may = loss / level, min(demand.room * demand.grown, _NEAR * demand.grown**1.5)
        explained = rose > (_RISES if demand.bounded else 1) and (
            (rose <= may and not (demand.bounded and loss > _ROOM * first))
            or (demand.staged and loss <= _RISES * first)
        )
        left = demand.room * demand.grown
        room = min(_ROOM, max(1.0, left / rose if explained else left))
    elif level is not None:  # no ratio tells anything of losses that may be negative
        explained = level < loss <= first
    if explained or not due:
        return Demand(demand.highest, first, room), explained
    return replace(demand, first=first, due=due), False


def _with_sizes(demand: Demand, names: Sequence[str], values: Mapping[str, float]) -> Demand:
    """Note what is higher than ever. From 0 on, where a term sets in, the loss may go up by whatever it is."""
    highest, times, staged, bounded = demand.highest, 1.0, False, True
    for name in names:
        value, most = values[name], highest.get(name)
        if not math.isfinite(value) or (most is None and len(highest) >= _MOST):
            continue
        if most is not None and not value > max(_GROWN * most, most):
            continue
        highest = {**highest, name: value}
        if most is None or value <= 0:
            continue
        factor = min(_ANY, value / most) if most > 0 else _ANY
        times = min(_ANY, times * (factor * factor if _SIDES.fullmatch(name) else factor))
        staged = staged or (factor >= _STAGE and _LENGTHS.fullmatch(name) is None)
        bounded = bounded and (_TASKS.fullmatch(name) is not None or is_of_divergence(name))
    if highest is demand.highest:
        return demand
    if times == 1.0:
        return replace(demand, highest=highest)
    room = min(_ROOM, demand.room * demand.grown) if demand.due else demand.room
    return Demand(highest, demand.first, room, times, _ANSWERS, staged, bounded)


@lru_cache(maxsize=1024)
def sizes_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `names` that are a size, a margin or a weight which the loss grows with."""
    return (*(name for name in names if _SIZES.fullmatch(name)), *weights_of(names))


def climbs_to_its_keys(
    calm: Series, values: Sequence[float], others: Mapping[str, Series], *, settled: bool = False
) -> bool:
    """Say whether a loss, calm so far and with these last `values`, may be climbing to the logarithm of the number of
    keys that it chooses among: nothing had been learned before, it came by and by, nothing else is told that could be
    worse, and it goes as smoothly as before (which is not asked again once it has `settled` there), no higher than such
    a loss can be.
    """
    if others or not values or calm.start is None or calm.best is None or calm.best < 0 or max(values) > _KEYS:
        return False
    if calm.recent[-1] < _GRADUAL * calm.best:
        return False  # it was thrown there at once, and a queue fills by and by
    share, times = _UNTAUGHT
    if improvement(calm) > max(share * calm.start, times * jitter(calm)):
        return False
    # A trend adds to the noise, and chance to the jitter of few values: it takes both.
    return settled or min(noise_of(values), jitter_of(values)) <= _SMOOTH * median(values)


def dump(demand: Demand) -> list[Any]:
    """Return it as JSON values."""
    return [dict(demand.highest), demand.first, demand.room, demand.grown, demand.due, demand.staged, demand.bounded]


def load(data: Sequence[Any]) -> Demand:
    """Undo `dump`."""
    return Demand(*data)
