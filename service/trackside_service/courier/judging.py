"""What follows from an attempt: for each delivery of the group, and for their channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeAlias
from uuid import UUID

import sqlalchemy as sa

from trackside_service.backoff import delay, pause
from trackside_service.channels import Outcome
from trackside_service.dying import TRIES, why_dead
from trackside_service.storage import standing, turns
from trackside_service.storage.deliveries import Claimed
from trackside_service.storage.delivery_log import Attempt
from trackside_service.storage.settling import Settlement

# Deliveries of one channel, at least one, that travel as one message.
Group: TypeAlias = tuple[Claimed, ...]

TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Judgement:
    """How each of a group ended, in its order, and what the attempt says of the channel: what was the `outcome`, and
    until when nothing is sent there (`pause_until`), where the receiver has too much. `insisted`: one of them was tried
    often (`dying.TRIES`), or to the end of its schedule.
    """

    settlements: tuple[Settlement, ...]
    outcome: Outcome
    attempt: Attempt
    pause_until: datetime | None = None
    insisted: bool = False


def judged(
    group: Group, outcome: Outcome, attempt: Attempt, *, now: datetime, schedule: Sequence[float], rng: Random
) -> Judgement:
    """Judge an attempt whose outcome is known at `now`. Each keeps to its own schedule; those that were tried as often
    are due as one.
    """
    if outcome.status == "delivered":
        return Judgement((Settlement("delivered", attempt, now),) * len(group), outcome, attempt)
    final = Settlement("failed", attempt, now, gone=outcome.status == "gone")
    if outcome.status != "retry":
        return Judgement((final,) * len(group), outcome, attempt)
    waits = {
        made: delay(made + 2, schedule, rng, retry_after=outcome.retry_after)
        for made in sorted({claimed.in_round for claimed in group})
    }
    settlements = tuple(
        final if wait is None else Settlement("pending", attempt, now, due_at=now + timedelta(seconds=wait))
        for wait in (waits[claimed.in_round] for claimed in group)
    )
    insisted = None in waits.values() or max(waits) + 1 >= TRIES
    if outcome.status_code != TOO_MANY:
        return Judgement(settlements, outcome, attempt, insisted=insisted)
    seconds = pause(outcome.retry_after, waits[group[0].in_round])
    return Judgement(settlements, outcome, attempt, now + timedelta(seconds=seconds), insisted)


def stand(
    connection: sa.Connection, channel_id: UUID, judgement: Judgement, *, now: datetime, dead_after: timedelta | None
) -> str | None:
    """Write what an attempt says of its channel; return why it was switched off for it, None where it was not."""
    outcome = judgement.outcome
    if outcome.status == "delivered":
        standing.arrived(connection, channel_id, now)
        return None
    if judgement.pause_until is not None:
        turns.pause(connection, channel_id, judgement.pause_until)
    if outcome.ours:
        standing.give_up_if_off(connection, channel_id, now)
        return None
    failing = standing.missed(connection, channel_id, judgement.attempt.at, refused=outcome.status == "failed")
    if failing is None:
        standing.give_up_if_off(connection, channel_id, now)
        return None
    reason = outcome.error if outcome.status == "gone" else None
    if reason is None:
        answered = outcome.status_code is not None
        why = why_dead(failing, answered=answered, insisted=judgement.insisted, now=now, dead_after=dead_after)
        reason = None if why is None else f"{why}; the last time, {outcome.error}"
    if reason is None or not standing.switch_off(connection, channel_id, reason, now):
        return None
    return reason
