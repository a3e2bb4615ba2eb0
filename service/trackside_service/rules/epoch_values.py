"""One value an epoch of a metric that is reported once or many times an epoch: itself, or the epoch's mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from trackside_service.rules.places import Place, epoch_of, is_summary, place_from


@dataclass(frozen=True, slots=True)
class Filling:
    """The epoch that is being filled: its number, the sum and the count of its values, and where the last one lies."""

    epoch: int | None = None
    total: float = 0.0
    count: int = 0
    last_at: Place | None = None


EMPTY: Final = Filling()


def gather(
    filling: Filling, value: float, here: Place, steps_per_epoch: int | None
) -> tuple[Filling, tuple[float, Place] | None]:
    """Return the filling after a finite `value` at `here`, and the value of an epoch that is complete with it, and its
    place.

    A record that names a whole epoch and no step speaks for that epoch at once. Others are complete when the next
    epoch begins. Where nothing tells the epoch none ever is.
    """
    if is_summary(here) and filling.count == 0:
        return filling, (value, here)
    epoch = epoch_of(here, steps_per_epoch)
    if epoch is None:
        return filling, None
    if epoch == filling.epoch:
        return Filling(epoch, filling.total + value, filling.count + 1, here), None
    done = None
    if filling.count and filling.last_at is not None:
        done = (filling.total / filling.count, filling.last_at)
    return Filling(epoch, value, 1, here), done


def dump_filling(filling: Filling) -> list[Any]:
    """Return it as JSON values."""
    return [filling.epoch, filling.total, filling.count, filling.last_at]


def load_filling(data: Sequence[Any]) -> Filling:
    """Undo `dump_filling`."""
    epoch, total, count, last_at = data
    return Filling(epoch, total, count, place_from(last_at))
