"""Places in a run as JSON lists, for the state of rules."""

from __future__ import annotations

from math import floor
from typing import Any, TypeAlias

from trackside_service.domain.records import Position, Record
from trackside_service.rules.base import Reading

Place: TypeAlias = tuple[int | None, float | None]  # (step, epoch), as printed


def place_of(record: Record) -> Place:
    """Return where the record lies."""
    return record.step, record.epoch


def in_run(reading: Reading) -> Position:
    """Return where the record lies in the run's own count: of a resumed process that counts anew, behind what it
    resumed.
    """
    here = reading.record.position
    return here if reading.resumed is None else reading.resumed.in_run(here)


def position(place: Place | None) -> Position | None:
    """Return the place as the domain has it."""
    return None if place is None else Position(place[0], place[1])


def place_from(data: Any) -> Place | None:
    """Undo what JSON makes of a place: a list."""
    return None if data is None else (data[0], data[1])


def say(place: Place | None) -> str:
    """Return words: "epoch 3", "step 120"; with both, the epoch and the step."""
    return str(Position(*place)) if place is not None else "an unknown place"


def wire(place: Place | None) -> dict[str, Any]:
    """Return the wire's form, for evidence."""
    return {"step": place[0], "epoch": place[1]} if place is not None else {"step": None, "epoch": None}


def epoch_of(place: Place, steps_per_epoch: int | None) -> int | None:
    """Return the epoch of a place, as printed where it is printed, else counted from 0; None if unknown."""
    step, epoch = place
    if epoch is not None:
        return floor(epoch)
    if step is not None and steps_per_epoch:
        return step // steps_per_epoch
    return None


def by_batch(before: Place | None, here: Place, steps_per_epoch: int | None) -> bool:
    """Say whether two values in a row of a training metric lie in one epoch, so that each speaks for some batches only.

    By step where nothing tells the epochs, they do.
    """
    if before is None or before == here:
        return False
    one, other = epoch_of(before, steps_per_epoch), epoch_of(here, steps_per_epoch)
    if one is None or other is None:
        return here[0] is not None
    return one == other


def at_every_step(before: Place | None, here: Place, steps_per_epoch: int | None) -> bool:
    """Say whether two values in a row of a validation metric come at one step and the next, so that each speaks for a
    batch: nobody evaluates a whole set so often.
    """
    if before is None or before[0] is None or here[0] != before[0] + 1:
        return False
    return by_batch(before, here, steps_per_epoch)


def is_summary(place: Place) -> bool:
    """Say whether a record there speaks for a whole epoch: it names a whole epoch and no step."""
    step, epoch = place
    return step is None and epoch is not None and float(epoch).is_integer()
