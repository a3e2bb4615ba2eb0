"""A test message to a channel, and what the other side answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import sqlalchemy as sa

from trackside_service.channels import Message
from trackside_service.channels.outbound import Outbound
from trackside_service.channels.secrets import Secrets
from trackside_service.courier.sending import send
from trackside_service.storage import channels, standing
from trackside_service.storage.engine import read_transaction, write_transaction


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a test message fared: `said` is what the receiver answered, `error` what went wrong; both bounded and
    redacted."""

    __test__ = False  # the name is the field's; pytest need not collect it

    delivered: bool
    status_code: int | None
    duration_ms: float
    said: str | None
    error: str | None


def send_test(
    engine: sa.Engine,
    secrets: Secrets,
    outbound: Outbound,
    channel_id: UUID,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> TestResult:
    """Send a test message to a channel now, once, and say how it went. Success enables a channel that was switched off.

    Raises `ChannelNotFoundError`.
    """
    with read_transaction(engine) as connection:
        stored = channels.get(connection, channel_id)
        endpoint = channels.sealed(connection, channel_id)
    at, began = clock(), time.perf_counter()
    message = Message(uuid4(), "channel.test", at, {"channel": {"id": str(channel_id), "name": stored.name}})
    outcome = send(message, endpoint, secrets, outbound, at)
    duration_ms = (time.perf_counter() - began) * 1000
    delivered = outcome.status == "delivered"
    if delivered:
        with write_transaction(engine) as connection:
            if stored.disabled_reason is not None:
                standing.switch_on(connection, channel_id, at)
            standing.arrived(connection, channel_id, at)
    return TestResult(delivered, outcome.status_code, duration_ms, outcome.said, outcome.error)
