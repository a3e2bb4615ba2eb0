"""What follows from an attempt: for each delivery of the group, and for their channel. Pure but for the dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeAlias

from trackside_service.backoff import delay, pause
from trackside_service.channels import Outcome
from trackside_service.storage.deliveries import Claimed
from trackside_service.storage.delivery_log import Attempt
from trackside_service.storage.settling import Settlement

# Deliveries of one channel, at least one, that travel as one message.
Group: TypeAlias = tuple[Claimed, ...]

TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Judgement:
    """How each of a group ended, in its order. `pause_until`: the receiver has too much, so nothing is sent to the
    channel before."""

    settlements: tuple[Settlement, ...]
    pause_until: datetime | None = None


def judged(
    group: Group, outcome: Outcome, attempt: Attempt, *, now: datetime, schedule: Sequence[float], rng: Random
) -> Judgement:
    """Judge an attempt whose outcome is known at `now`. Each keeps to its own schedule; those that were tried as often
    are due as one.
    """
    if outcome.status == "delivered":
        return Judgement((Settlement("delivered", attempt, now),) * len(group))
    final = Settlement("failed", attempt, now, disable=outcome.error if outcome.status == "gone" else None)
    if outcome.status != "retry":
        return Judgement((final,) * len(group))
    waits = {
        made: delay(made + 2, schedule, rng, retry_after=outcome.retry_after)
        for made in sorted({claimed.in_round for claimed in group})
    }
    settlements = tuple(
        final if wait is None else Settlement("pending", attempt, now, due_at=now + timedelta(seconds=wait))
        for wait in (waits[claimed.in_round] for claimed in group)
    )
    if outcome.status_code != TOO_MANY:
        return Judgement(settlements)
    seconds = pause(outcome.retry_after, waits[group[0].in_round])
    return Judgement(settlements, now + timedelta(seconds=seconds))
