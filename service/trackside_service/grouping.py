"""What leaves a people's channel now, and what waits to become one message with what follows (pure).

- The first event goes at once. For a window after a message, further ones wait; critical ones only for `URGENT`.
- When one may leave, everything that waits goes with it. What waits is never put off a second time.
- What was tried together is tried again together, and alone: nothing joins it, so that it is the same message.
- What is about no alert (another channel that was switched off) is told by itself, at once.
- Events of one alert leave in their order: what is later than one that stays, stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

# A critical alert may break the window, but a sweep that fails everywhere must not call once for each run.
URGENT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that nobody holds. `attempts` were made; `lease` is that of a courier that died with it; `urgent`: it
    says that something is, or became, critical; `alone`: it is about no alert, and is told by itself, at once.
    """

    number: int
    alert_id: UUID | None
    attempts: int
    lease: UUID | None
    created_at: datetime
    due_at: datetime
    urgent: bool
    alone: bool = False

    @property
    def fresh(self) -> bool:
        """Whether it was never tried."""
        return not self.attempts and self.lease is None

    @property
    def tried_with(self) -> tuple[UUID | None, datetime | None]:
        """Tell apart what was tried together: by the lease of who died with it, else by when it is due again."""
        return (self.lease, None) if self.lease is not None else (None, self.due_at)


@dataclass(frozen=True, slots=True)
class Choice:
    """`leaving` are the numbers of those that become one message now, `held` until when the others wait."""

    leaving: tuple[int, ...] = ()
    held: Mapping[int, datetime] = field(default_factory=dict)


def choose(waiting: Sequence[Waiting], *, told_at: datetime | None, window: timedelta, now: datetime) -> Choice:
    """Choose from what waits on a channel, in the order of numbers; the last message left at `told_at`."""
    for each in waiting:
        if each.alone and each.due_at <= now:
            return Choice((each.number,))
    waiting = [each for each in waiting if not each.alone]
    tried = sorted((each for each in waiting if not each.fresh and each.due_at <= now), key=lambda each: each.due_at)
    for first in tried:
        leaving = _in_order(waiting, [each for each in tried if each.tried_with == first.tried_with])
        if leaving:
            return Choice(leaving)
    fresh = [each for each in waiting if each.fresh]
    held: dict[int, datetime] = {}
    for each in fresh:
        if each.due_at > now:
            continue
        # What was held, or asked for by hand, is due at another time than it was made.
        until = now if told_at is None or each.due_at != each.created_at else _opens(each, told_at, window, now)
        if until <= now:
            return Choice(_in_order(waiting, fresh))
        held[each.number] = until
    return Choice(held=held)


def _opens(each: Waiting, told_at: datetime, window: timedelta, now: datetime) -> datetime:
    """Return when the window opens for it; a clock that was set back makes it no longer than it is."""
    quiet = min(window, URGENT) if each.urgent else window
    return min(told_at, now) + quiet


def _in_order(waiting: Sequence[Waiting], wanted: Sequence[Waiting]) -> tuple[int, ...]:
    """Return those of `wanted` that leave no earlier one about the same alert behind."""
    numbers = {each.number for each in wanted}
    behind: set[UUID] = set()
    leaving = []
    for each in waiting:
        if each.number in numbers and each.alert_id not in behind:
            leaving.append(each.number)
        elif each.alert_id is not None:
            behind.add(each.alert_id)
    return tuple(leaving)
