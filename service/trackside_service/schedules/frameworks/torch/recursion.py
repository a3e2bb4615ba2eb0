"""How torch's schedulers act on one another: each sets a group's LR from the LR that it finds there.

Every class maps the LR of a group to a * lr + b, with a and b depending on its own clock alone. SequentialLR and
ChainedScheduler decide which maps are applied at a tick, and on which clocks: members are constructed in order on the
same optimizer, which leaves traces (OneCycleLR and CyclicLR overwrite what the others start from), and a nested
SequentialLR is one tick ahead of its members. All of that is reproduced here; where no trace remains, the closed forms
of `kinds` are used instead.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

import numpy as np

from trackside_service.schedules.curve import Curve, FloatArray, Plain

MOST_TICKS: Final = 1_000_000
"""Ticks that are followed at most; the LRs after them are not known. Following so many takes tenths of a second."""
_ONE_BY_ONE: Final = 16_384
_FEW: Final = 512
"""Maps that do more than multiply, as a cosine's turn does, up to which the others are multiplied at once."""

Map: TypeAlias = tuple[float, float]
Maps: TypeAlias = tuple[FloatArray, FloatArray]


class NeverBegunError(ValueError):
    """The constructor itself raises."""


@dataclass(slots=True)
class Group:
    """What constructors write into a parameter group."""

    lr: float
    initial_lr: float | None = None
    max_lr: float = math.nan
    min_lr: float = math.nan


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scheduler for one group: its maps.

    `step(epochs, base, group)`: the maps of ordinary steps to those values of last_epoch; `first(base, group)`: the one
    of the constructor (and of `again`, where a SequentialLR that starts with it has it take its first step again and
    that differs); `at_zero(base, group)`: the one that SequentialLR applies when the member's turn comes.
    `prepare` is what the constructor writes before (in place of the default: remember the LR as initial_lr), and
    returns the base. `last`: the last value of last_epoch that does not raise. `exact`: whether in a SequentialLR it
    equals its own closed form and leaves no trace on the others (later: unless it is the first); `factor`: it only ever
    multiplies, so that in a ChainedScheduler it is a factor.
    """

    step: Callable[[FloatArray, float, Group], Maps]
    first: Callable[[float, Group], Map]
    at_zero: Callable[[float, Group], Map]
    prepare: Callable[[Group], float] | None = None
    again: Callable[[float, Group], Map] | None = None
    last: float = math.inf
    zero_raises: bool = False
    exact: Literal["always", "later", "never"] = "always"
    factor: bool = False
    restarts_below_zero: bool = False


@dataclass(frozen=True, slots=True)
class Succession:
    """SequentialLR's members and milestones."""

    parts: tuple[Part, ...]
    milestones: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """ChainedScheduler's members."""

    parts: tuple[Part, ...]


Part: TypeAlias = "Leaf | Succession | Chain"


class Node(Protocol):
    """A live scheduler of one group."""

    def undo(self) -> None:
        """Take one step back from every leaf's clock, as SequentialLR's constructor does."""

    def initial_step(self, group: Group) -> None:
        """Take the constructor's step again."""

    def steps(self, count: int, group: Group) -> Maps:
        """Take `count` ordinary steps: arrays of shape (count, maps a step)."""

    def at_zero(self, group: Group) -> Map | None:
        """Be set to 0 by a SequentialLR; None where the real class raises."""

    def allowed(self) -> float:
        """Return how many ordinary steps do not raise."""


class LeafNode:
    """A scheduler of its own."""

    def __init__(self, leaf: Leaf, group: Group) -> None:
        base = leaf.prepare(group) if leaf.prepare is not None else remember(group)
        self.leaf, self.base, self.epoch = leaf, base, -1
        self._take(leaf.first, group)

    def undo(self) -> None:
        """Set the clock back."""
        self.epoch -= 1

    def initial_step(self, group: Group) -> None:
        """Apply the constructor's map again."""
        self._take(self.leaf.again or self.leaf.first, group)

    def _take(self, first: Callable[[float, Group], Map], group: Group) -> None:
        self.epoch += 1
        scale, shift = first(self.base, group)
        group.lr = scale * group.lr + shift

    def steps(self, count: int, group: Group) -> Maps:
        """Return the maps of the next steps."""
        epochs = np.arange(self.epoch + 1, self.epoch + 1 + count, dtype=np.float64)
        if self.leaf.restarts_below_zero and self.epoch < -1:
            epochs -= self.epoch + 1
        self.epoch = int(epochs[-1]) if count else self.epoch
        scale, shift = self.leaf.step(epochs, self.base, group)
        raising = epochs > self.leaf.last
        scale, shift = np.where(raising, np.nan, scale), np.where(raising, np.nan, shift)
        return scale[:, None], shift[:, None]

    def at_zero(self, group: Group) -> Map | None:
        """Return the map at 0."""
        self.epoch = 0
        return None if self.leaf.zero_raises else self.leaf.at_zero(self.base, group)

    def allowed(self) -> float:
        """Return the steps left."""
        return self.leaf.last - self.epoch


class ChainNode:
    """Every member steps at every tick."""

    def __init__(self, chain: Chain, group: Group) -> None:
        self.members = [grow(part, group) for part in chain.parts]

    def undo(self) -> None:
        """Set the members' clocks back."""
        for member in self.members:
            member.undo()

    def initial_step(self, group: Group) -> None:
        """Step the members as at any other tick: only their own constructors tell the first step apart."""
        _must(self.allowed())
        scale, shift = self.steps(1, group)
        for a, b in zip(scale[0], shift[0], strict=True):
            group.lr = float(a) * group.lr + float(b)

    def steps(self, count: int, group: Group) -> Maps:
        """Return the members' maps one after another."""
        maps = [member.steps(count, group) for member in self.members]
        return np.hstack([scale for scale, _ in maps]), np.hstack([shift for _, shift in maps])

    def at_zero(self, group: Group) -> Map | None:  # noqa: ARG002
        """Raise: ChainedScheduler has no get_lr."""
        return None

    def allowed(self) -> float:
        """Return the steps left to the member that raises first."""
        return min(member.allowed() for member in self.members)


class SequenceNode:
    """The members take turns at the milestones."""

    def __init__(self, sequence: Succession, group: Group) -> None:
        self.members = [grow(part, group) for part in sequence.parts]
        self.milestones = sequence.milestones
        self.epoch = 0
        group.lr = remember(group)
        self.undo()
        self._turn(0).initial_step(group)

    def _turn(self, epoch: int) -> Node:
        return self.members[bisect_right(self.milestones, epoch)]

    def undo(self) -> None:
        """Set the members' clocks back, not its own."""
        for member in self.members:
            member.undo()

    def initial_step(self, group: Group) -> None:
        """Step as at any other tick, and so get one tick ahead."""
        _must(self.allowed())
        scale, shift = self.steps(1, group)
        for a, b in zip(scale[0], shift[0], strict=True):
            group.lr = float(a) * group.lr + float(b)

    def steps(self, count: int, group: Group) -> Maps:
        """Return the maps of the members whose turn it is, filled up with maps that change nothing."""
        blocks: list[Maps] = []
        left = count
        while left > 0:
            following = self.epoch + 1
            member = self._turn(following)
            later = [mark for mark in self.milestones if mark > following]
            if following in self.milestones:
                taken = 1
                zero = member.at_zero(group) or (math.nan, math.nan)
                blocks.append((np.asarray([[zero[0]]]), np.asarray([[zero[1]]])))
            else:
                taken = min(left, math.ceil(min(later)) - following if later else left)
                blocks.append(member.steps(taken, group))
            self.epoch += taken
            left -= taken
        width = max(scale.shape[1] for scale, _ in blocks)
        scales = [np.pad(a, ((0, 0), (0, width - a.shape[1])), constant_values=1.0) for a, _ in blocks]
        shifts = [np.pad(b, ((0, 0), (0, width - b.shape[1]))) for _, b in blocks]
        return np.vstack(scales), np.vstack(shifts)

    def allowed(self) -> float:
        """Return the steps left to the first member that raises in its turn."""
        for index in range(bisect_right(self.milestones, self.epoch), len(self.members)):
            member = self.members[index]
            begin = self.milestones[index - 1] if index and self.milestones[index - 1] > self.epoch else None
            end = self.milestones[index] if index < len(self.milestones) else math.inf
            if begin is None:
                last = self.epoch + member.allowed()
            elif math.ceil(begin) == (end if math.isinf(end) else math.ceil(end)):
                continue
            elif begin % 1.0:  # no tick equals it, and its first step is one as any other
                last = math.ceil(begin) - 1 + member.allowed()
            elif isinstance(member, LeafNode) and not member.leaf.zero_raises:
                last = begin + member.leaf.last
            else:
                last = begin - 1
            if last + 1 < (end if math.isinf(end) else math.ceil(end)):
                return last - self.epoch
        return math.inf

    def at_zero(self, group: Group) -> Map | None:  # noqa: ARG002
        """Raise: SequentialLR has no get_lr."""
        return None


def _must(allowed: float) -> None:
    if allowed < 1:
        raise NeverBegunError("a member divides by zero, or cannot be set to 0, in the constructor")


def remember(group: Group) -> float:
    """Do what every constructor does: keep the LR as initial_lr unless there is one, and return it."""
    if group.initial_lr is None:
        group.initial_lr = group.lr
    return group.initial_lr


def grow(part: Part, group: Group) -> Node:
    """Construct a scheduler on a group, which it changes."""
    if isinstance(part, Leaf):
        return LeafNode(part, group)
    return ChainNode(part, group) if isinstance(part, Chain) else SequenceNode(part, group)


def last_tick(part: Part, base: float) -> int | None:
    """Return the last tick that does not raise, None where none does."""
    allowed = grow(part, Group(base)).allowed()
    return None if math.isinf(allowed) else int(allowed)


def _applied(scale: FloatArray, shift: FloatArray, first: float) -> FloatArray:
    """Return `first` and what it becomes under one map after another: shape (maps + 1,).

    Maps that only multiply are applied one by one, as the real classes do. Where many add something too, only the
    first ones are; the others are composed within rows of maps, all rows at a time, which rounds differently by some
    1e-13.
    """
    adding = np.flatnonzero(shift != 0.0)
    if len(adding) <= _FEW:
        return _multiplied(scale, shift, first, adding.tolist())
    lrs = _one_by_one(scale[:_ONE_BY_ONE], shift[:_ONE_BY_ONE], first)
    left = len(scale) - _ONE_BY_ONE
    if left <= 0:
        return np.array(lrs)
    long = max(math.isqrt(left), 1)  # as many rows as there are maps in one
    rows = -(-left // long)
    a = np.concatenate([scale[_ONE_BY_ONE:], np.ones(rows * long - left)]).reshape(rows, long).T.copy()
    b = np.concatenate([shift[_ONE_BY_ONE:], np.zeros(rows * long - left)]).reshape(rows, long).T.copy()
    for place in range(1, long):
        b[place] += a[place] * b[place - 1]
        a[place] *= a[place - 1]
    begins = np.array(_one_by_one(a[-1], b[-1], lrs[-1])[:-1])
    return np.concatenate([lrs, (a * begins + b).T.ravel()[:left]])


def _one_by_one(scale: FloatArray, shift: FloatArray, first: float) -> list[float]:
    lr, lrs = first, [first]
    for a, b in zip(scale.tolist(), shift.tolist(), strict=True):
        lr = a * lr + b
        lrs.append(lr)
    return lrs


def _multiplied(scale: FloatArray, shift: FloatArray, first: float, adding: Sequence[int]) -> FloatArray:
    """Do what `_applied` does where only the maps `adding` do more than multiply: a product rounds as factors come."""
    lrs = np.empty(len(scale) + 1)
    lrs[0], begin = first, 0
    for end in (*adding, len(scale)):
        lrs[begin + 1 : end + 1] = scale[begin:end]
        np.multiply.accumulate(lrs[begin : end + 1], out=lrs[begin : end + 1])
        if end < len(scale):
            lrs[end + 1] = scale[end] * lrs[end] + shift[end]
        begin = end + 1
    return lrs


@dataclass(frozen=True, slots=True)
class Recursion(Plain):
    """The LRs of nested schedulers, followed tick by tick. `outline` says where cycles and ends are."""

    part: Part
    base: float
    outline: Curve
    _known: list[FloatArray] = field(default_factory=list, repr=False, compare=False)

    @property
    def horizon(self) -> float | None:
        """The outline's end."""
        return self.outline.horizon

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the LRs; NaN beyond `MOST_TICKS`."""
        clock = np.floor(np.asarray(ticks, dtype=np.float64))
        most = int(np.max(clock, initial=0.0, where=clock <= MOST_TICKS))
        if not self._known or len(self._known[0]) <= most:
            ahead = most // 4 if self._known else 0  # who asks again will ask for more
            self._known[:] = [self._follow(min(max(1024, most + ahead), MOST_TICKS))]
        values = self._known[0]
        place = np.minimum(clock, len(values) - 1).astype(np.int64)
        return np.where(clock <= most, values[place], np.nan)

    def followed_to(self, tick: float) -> int:
        """Return the ticks up to there, a thousand at least."""
        return int(max(min(tick, MOST_TICKS), 1024))

    def _follow(self, count: int) -> FloatArray:
        group = Group(self.base)
        node = grow(self.part, group)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            scales, shifts = node.steps(count, group)
            scale, shift = scales[:, 0], shifts[:, 0]
            for each in range(1, scales.shape[1]):  # one map a tick
                scale, shift = scales[:, each] * scale, scales[:, each] * shift + shifts[:, each]
            return _applied(scale, shift, group.lr)

    def landmarks(self) -> Sequence[float]:
        """Return the outline's landmarks, and ticks between them."""
        marks = self.outline.landmarks()
        most = max([*marks, self.outline.horizon or 0.0])
        return (*marks, *(float(tick) for tick in np.linspace(0.0, most, 1025)))

    def restarts(self, up_to: float) -> FloatArray:
        """Return the outline's restarts."""
        return self.outline.restarts(up_to)
