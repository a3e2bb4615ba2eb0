"""What a training job reports, and where in the run it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

MAX_LOST: Final = 10**12  # what a process may say it lost: the sum over a run's processes stays a 64-bit number


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a run as its log counts it: `step` (optimizer updates), `epoch` (may be fractional); either or both
    may be unknown.
    """

    step: int | None = None
    epoch: float | None = None

    def __str__(self) -> str:
        parts = [] if self.epoch is None else [f"epoch {self.epoch:g}"]
        parts += [] if self.step is None else [f"step {self.step}"]
        return ", ".join(parts) or "an unknown place"


NOWHERE: Final = Position()


@dataclass(frozen=True, slots=True)
class Record:
    """One report: metric names (canonical from the edge inwards) to values, which may be NaN or infinite, at a place.

    `seq` is the client's own count inside its process; `time` is when the client saw it (aware, UTC).
    """

    metrics: Mapping[str, float]
    step: int | None = None
    epoch: float | None = None
    time: datetime | None = None
    seq: int | None = None

    def __post_init__(self) -> None:
        if self.time is not None and self.time.tzinfo is None:
            raise ValueError("time must carry its zone")

    @property
    def position(self) -> Position:
        """Where the record lies."""
        return Position(self.step, self.epoch)
