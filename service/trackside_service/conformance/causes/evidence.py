"""What a search for causes has to go on, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from trackside_service.conformance.causes.screening import surviving
from trackside_service.conformance.conventions import Convention, Places, ticks_at
from trackside_service.conformance.explanation import Cause, Family, FirstOff
from trackside_service.conformance.printing import Print, PrintFormat
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.curve import FloatArray

_AT_ONCE: Final = 400_000
"""LRs that are computed in one array."""
SCREEN: Final = 24
"""Points that a hypothesis is tried on before the whole log is."""
_TOLD: Final = 3
"""Points off at which a hypothesis has to know the LR, where there are as many."""
MOST_WORK: Final = 20_000_000
FOLLOWED: Final = 4
"""What a tick costs that is followed, in LRs."""
_RARE: Final = 10
_A_SCHEDULE: Final = 2_000
"""What building a schedule costs, in LRs."""


@dataclass(slots=True)
class Work:
    """What one diagnosis may still cost, in computed LRs: shared by its searches, and the same on every machine.

    Usual logs take a twentieth of it; it ends the search on declarations and places that nobody has, where hypotheses
    are as many as the ticks. Causes that were not found until then are not named.
    """

    left: int = MOST_WORK

    def spend(self, lrs: int, schedules: int = 0) -> bool:
        """Note that so many LRs are computed and schedules are built; say whether that is still within the bounds."""
        self.left -= lrs + _A_SCHEDULE * schedules
        return self.left > 0

    def affords(self, lrs: int, schedules: int = 0) -> bool:
        """Say whether so much could be spent: a search that would not come to its end need not begin."""
        return self.left > lrs + _A_SCHEDULE * schedules


@dataclass(frozen=True, slots=True)
class View:
    """A log as one convention reads it, without the points that it cannot place. Arrays of shape (points,).

    `ticks`: scheduler steps taken when the LR was read; `updates`: optimizer updates done by then (NaN where not
    known); `expected`: the declared LR; `off`: where the print excludes it; `screen`: a few telling points.
    """

    schedule: CompiledSchedule
    convention: Convention
    ticks: FloatArray
    updates: FloatArray
    values: FloatArray
    halves: FloatArray
    expected: FloatArray
    off: npt.NDArray[np.bool_]
    screen: npt.NDArray[np.int64]
    work: Work

    @property
    def first(self) -> int:
        """The first point off."""
        return int(np.argmax(self.off))

    @property
    def last_tick(self) -> int:
        """The largest tick reached."""
        return int(self.ticks.max())

    @property
    def length(self) -> int:
        """How many points there are."""
        return len(self.ticks)

    def of(self, points: npt.NDArray[np.bool_]) -> View:
        """Return the view of some of its points only."""
        values, off = self.values[points], self.off[points]
        return replace(
            self,
            ticks=self.ticks[points],
            updates=self.updates[points],
            values=values,
            halves=self.halves[points],
            expected=self.expected[points],
            off=off,
            screen=_screen(off, values),
        )

    def agree(self, predicted: FloatArray, where: slice | npt.NDArray[np.int64] = slice(None)) -> npt.NDArray[np.bool_]:
        """Say point by point whether the print allows `predicted`, of shape (..., points at `where`)."""
        fits = np.abs(predicted - self.values[where]) <= self.halves[where]
        if self.schedule.refused_after is None:  # an LR that is not known excludes nothing; a refused one does
            fits |= np.isnan(predicted)
        return fits

    def allows(
        self, predicted: FloatArray, where: slice | npt.NDArray[np.int64] = slice(None)
    ) -> npt.NDArray[np.bool_]:
        """Say of hypotheses of shape (..., points) which ones every print allows: shape (...).

        One whose LRs are known at hardly any point off explains nothing.
        """
        return np.asarray(self.agree(predicted, where).all(axis=-1) & self.told(predicted, where), dtype=np.bool_)

    def told(self, predicted: FloatArray, where: slice | npt.NDArray[np.int64] = slice(None)) -> npt.NDArray[np.bool_]:
        """Say of hypotheses of shape (..., points) whether their LRs are known where the log is off: shape (...)."""
        off = self.off[where]
        needed = min(_TOLD if isinstance(where, slice) else 1, int(off.sum()))
        return np.asarray((~np.isnan(predicted) & off).sum(axis=-1) >= needed)

    def explained_by(self, predict: Callable[[FloatArray], FloatArray]) -> bool:
        """Say whether every print allows what `predict` gives at its tick."""
        some = predict(self.ticks[self.screen])
        return bool(self.allows(some, self.screen)) and bool(self.allows(predict(self.ticks)))

    def survivors(self, candidates: FloatArray, predict: Callable[[FloatArray, FloatArray], FloatArray]) -> FloatArray:
        """Return those of `candidates` (ascending) that every point allows.

        `predict` gets candidates of shape (k, 1) and ticks of shape (points,) and returns LRs of shape (k, points).
        """

        def tried(
            hypotheses: FloatArray, points: npt.NDArray[np.int64], /, *, whole: bool = False
        ) -> npt.NDArray[np.bool_] | None:
            if not self.work.spend(len(hypotheses) * len(points)):
                return None
            size = max(1, _AT_ONCE // max(len(points), 1))
            parts = (hypotheses[begin : begin + size] for begin in range(0, len(hypotheses), size))
            predicted = (predict(part[:, None], self.ticks[points]) for part in parts)
            if whole:
                return np.concatenate([self.allows(each, points) for each in predicted])
            return np.concatenate([self.agree(each, points) for each in predicted])

        screens = [self.screen[:1], self.screen[1:4], self.screen[4:]]
        return surviving(candidates, screens, self.length, tried)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A log that is off its schedule: arrays of shape (points,), perhaps thinned, and the conventions in order
    of preference.

    `halves` says how far the number behind each print may lie; `first_off` is given in the first convention.
    `views` are the readings of the log that can be told apart, in the conventions' order; `prints` are what the values
    were read from.
    """

    schedule: CompiledSchedule
    peak: float
    places: Places
    values: FloatArray
    halves: FloatArray
    format: PrintFormat
    conventions: Sequence[Convention]
    first_off: FirstOff
    run_updates: int | None = None
    prints: tuple[Print, ...] = ()
    own: FloatArray | None = None
    """How far each number may lie from its print by that print's own digits, where it is not held to the format."""
    views: tuple[View, ...] = ()
    work: Work = field(default_factory=Work)

    def ticks(self, convention: Convention) -> FloatArray:
        """Return the ticks at the points: NaN where not placeable, negative where the convention is impossible."""
        return ticks_at(self.schedule, convention, self.places)

    def _spread(self, ticks: FloatArray, expected: FloatArray, values: FloatArray) -> FloatArray:
        """Return how far the LR may be from the one at `ticks` because the epochs are rounded, in the values' size."""
        reach = math.ceil(self.places.reach * (self.schedule.steps_per_epoch or 0))
        if self.schedule.unit == "epoch" or not reach or self.places.all_stepped:
            return np.zeros(ticks.shape)
        near = self.schedule.lrs(np.maximum(ticks + np.linspace(-reach, reach, 9).round()[:, None], 0.0))
        with np.errstate(all="ignore"):
            spread = np.nanmax(np.abs(near - expected), axis=0, initial=0.0)
            size = np.clip(np.abs(values) / np.maximum(np.abs(expected), self.peak * 1e-6), 1.0, 1e3)
            return np.nan_to_num(np.asarray(spread * size, dtype=np.float64), posinf=0.0)

    def with_views(self) -> Evidence:
        """Return the evidence with its views."""
        return replace(self, views=tuple(self._views()))

    def after_falling_back(self, work: Work) -> Evidence | None:
        """Return the evidence as the last process to come to each place left it, to be searched at a cost of its own: a
        run that is resumed at a checkpoint is at the places behind it a second time. None where no place falls back, or
        none is off then.
        """
        views = []
        for view in self.views:
            # Inside an epoch a scheduler that is stepped per epoch has no other tick to fall back to.
            places = view.updates if bool(np.all(np.isfinite(view.updates))) else view.ticks
            fell = np.diff(places) < 0
            again = np.diff(places) == 0
            if _RARE * again.sum() <= len(places):  # else the places are whole epochs, of many points each
                fell |= again
            falls = np.append(np.where(fell, places[1:], np.inf), np.inf)
            overtaken = places >= np.minimum.accumulate(falls[::-1])[::-1]
            if overtaken.any() and bool(view.off[~overtaken].any()):
                views.append(replace(view.of(~overtaken), work=work))
        return replace(self, views=tuple(views), work=work) if views else None

    def _views(self) -> Iterator[View]:
        per_batch = replace(self.schedule, unit="step")
        seen = set()
        if not np.all(np.isfinite(self.values)):
            return
        for convention in self.conventions:
            ticks = self.ticks(convention)
            updates = ticks_at(per_batch, convention, self.places) if not self.schedule.flat else ticks
            placed = ~np.isnan(ticks)
            if not placed.any() or bool(np.any(ticks[placed] < 0)):
                continue
            key = (convention.when if self.schedule.unit == "epoch" else "", ticks.tobytes(), updates.tobytes())
            if key in seen:
                continue
            seen.add(key)
            expected = self.schedule.lrs(ticks[placed])
            values, halves = self.values[placed], self.halves[placed]
            halves = halves + self._spread(ticks[placed], expected, values)
            allowed = self.format.half_widths(values, self.peak, expected) if self.own is None else self.own[placed]
            off = ~(np.abs(values - expected) <= self._spread(ticks[placed], expected, values) + allowed)
            if self.schedule.refused_after is None:
                off &= ~np.isnan(expected)
            if not off.any():
                continue
            yield View(
                schedule=self.schedule,
                convention=convention,
                ticks=ticks[placed],
                updates=updates[placed],
                values=values,
                halves=halves,
                expected=expected,
                off=off,
                screen=_screen(off, values),
                work=self.work,
            )


def _screen(off: npt.NDArray[np.bool_], values: FloatArray) -> npt.NDArray[np.int64]:
    """Return a few points, the most telling ones first: around the first one off, the extremes, the ends, a spread."""
    count, first = len(off), int(np.argmax(off))
    wrong = np.flatnonzero(off)
    spread = np.linspace(0, count - 1, 12).astype(np.int64)
    telling = [first, int(wrong[-1]), int(wrong[len(wrong) // 2]), int(np.argmax(values)), int(np.argmin(values))]
    around = [first + 1, first + 2, first - 1, count - 1, int(wrong[len(wrong) // 4])]
    order = dict.fromkeys([*telling, *around, 0, 1, *spread.tolist()])
    return np.array([place for place in order if 0 <= place < count][:SCREEN], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Fit:
    """A cause that explains every point, under a convention.

    `free`: how many numbers were fitted to the log. `changes`: whether something is supposed to have changed on the
    way. `far_fetched`: to be named only where nothing else explains the log. `behind`: causes that say the same more
    simply where they explain the log too.
    """

    cause: Cause
    convention: Convention
    free: int = 0
    changes: bool = False
    far_fetched: bool = False
    behind: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CauseSpec:
    """One family's search: every fit that the log cannot rule out, simplest first, at most one a cause.

    `deep` solves for a number, at tens of milliseconds: only for logs that are not explained without.
    """

    family: Family
    search: Callable[[Evidence], Sequence[Fit]]
    deep: Callable[[Evidence], Sequence[Fit]] | None = None
