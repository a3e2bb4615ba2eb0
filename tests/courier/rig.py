"""A courier whose clock and dice the test holds, and what became of its deliveries."""

from __future__ import annotations

import threading
from datetime import datetime
from random import Random
from uuid import UUID

import sqlalchemy as sa
from tests.support.outbox import NOW, of_channel, outbound, secrets
from tests.support.receiver import until

from trackside_service.courier import Courier


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Settled:
    """Counts attempts as they are settled, so that a test can wait for them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.outcomes: list[str] = []

    def __call__(self, outcome: str) -> None:
        with self.changed:
            self.outcomes.append(outcome)
            self.changed.notify_all()

    def wait(self, count: int) -> None:
        until(self.changed, lambda: len(self.outcomes) >= count)


def courier(engine: sa.Engine, **settings: object) -> Courier:
    values: dict[str, object] = {"clock": Clock(), "rng": Random(1), **settings}
    return Courier(engine, secrets(), values.pop("outbound", outbound()), **values)  # type: ignore[arg-type]


def outcomes(engine: sa.Engine, channel_id: UUID) -> list[tuple[str, list[int | None]]]:
    """Return each delivery's status with the receiver's answers."""
    return [
        (each.status, [attempt.status_code for attempt in each.attempts]) for each in of_channel(engine, channel_id)
    ]
