"""Whether the counters of a resumed process go on from the run's, or begin again: and where its records lie then.

A loop that loads a checkpoint may count its steps on, or from 0 again. Told the step that it resumed from, its first
record shows which: a counter that begins below half of it and falls back behind what the run had reached began again.
Near that step it may be either (a checkpoint resumed a little before its step, or a first print late after a restart),
and then both are kept as possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor
from typing import Any, Literal, TypeAlias

from trackside_service.domain.records import NOWHERE, Position

Counting: TypeAlias = Literal["on", "anew", "either"]


@dataclass(frozen=True, slots=True)
class Resumed:
    """What a process that resumes a run declared, and how it counts: None until its first record shows it.

    `from_step`: the step of the checkpoint; `steps_per_epoch`: where it is known. `first`, `furthest`: the first place
    that the run's log had, and the furthest before this process, each number None where it has none. `steps`, `epochs`:
    how each counter is counted; where it is not known how long an epoch is, its counter says nothing.
    """

    from_step: int
    steps_per_epoch: int | None = None
    first: Position = NOWHERE
    furthest: Position = NOWHERE
    steps: Counting | None = None
    epochs: Counting | None = None

    @property
    def anew(self) -> bool:
        """Whether one of the counters is sure to have begun again."""
        return "anew" in (self.steps, self.epochs)

    def seen(self, position: Position) -> Resumed:
        """Return what is known after a record of the process."""
        steps, epochs = self.steps, self.epochs
        if steps is None and position.step is not None:
            steps = _counting(self.from_step, position.step, self.first.step, self.furthest.step)
        if epochs is None and position.epoch is not None and self.steps_per_epoch:
            done = self.from_step / self.steps_per_epoch
            if float(position.epoch).is_integer():
                done = floor(done)  # an epoch that was resumed in its middle is printed again
            epochs = _counting(done, position.epoch, self.first.epoch, self.furthest.epoch)
        if steps == self.steps and epochs == self.epochs:
            return self
        return replace(self, steps=steps, epochs=epochs)

    def updates_before(self, position: Position) -> tuple[int, int]:
        """Return the updates done before the counter that places a record began: those that are sure, and those that
        there may be besides.
        """
        counting = self.epochs if position.step is None else self.steps
        return (self.from_step if counting == "anew" else 0), (self.from_step if counting == "either" else 0)

    def in_run(self, position: Position) -> Position:
        """Return where a record lies in the run, as far as that is sure: whole epochs stay whole."""
        step, epoch, per_epoch = position.step, position.epoch, self.steps_per_epoch
        if step is not None and self.steps == "anew":
            step += self.from_step
        if epoch is not None and self.epochs == "anew" and per_epoch:
            whole = float(epoch).is_integer()
            # The step of a checkpoint may be the number of the last update, counted from 0.
            ends = (self.from_step + 1) % per_epoch == 0
            done = (self.from_step + ends) / per_epoch
            epoch += floor(done) if whole else done
        return Position(step, epoch)


def earliest(places: Sequence[Position]) -> Position:
    """Return the first step and the first epoch of places in the order in which they came."""
    step = next((place.step for place in places if place.step is not None), None)
    return Position(step, next((place.epoch for place in places if place.epoch is not None), None))


def latest(places: Sequence[Position]) -> Position:
    """Return the furthest step and the furthest epoch."""
    step = max((place.step for place in places if place.step is not None), default=None)
    return Position(step, max((place.epoch for place in places if place.epoch is not None), default=None))


def dump(resumed: Resumed | None) -> list[Any] | None:
    """Return it as JSON values."""
    if resumed is None:
        return None
    first, furthest = resumed.first, resumed.furthest
    places = [first.step, first.epoch, furthest.step, furthest.epoch]
    return [resumed.from_step, resumed.steps_per_epoch, *places, resumed.steps, resumed.epochs]


def load(data: Sequence[Any] | None) -> Resumed | None:
    """Undo `dump`."""
    if data is None:
        return None
    from_step, per_epoch, step, epoch, last_step, last_epoch, steps, epochs = data
    return Resumed(from_step, per_epoch, Position(step, epoch), Position(last_step, last_epoch), steps, epochs)


def _counting(done: float, began: float, first: float | None, furthest: float | None) -> Counting:
    """Say how a counter that begins at `began` after `done` is counted."""
    if began >= done:
        # A run that prints every so often, resumed before or at its first print: a new counter prints first there too.
        return "either" if first is None or began <= first + 1 else "on"
    if 2 * began >= done or (furthest is not None and began > furthest):
        return "either"
    return "anew"
