"""What the routes work with: made once by whoever starts the service, and passed in. No globals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

import sqlalchemy as sa
from starlette.requests import Request

from trackside_service.api.metrics import Meters
from trackside_service.api.remembered import Remembered
from trackside_service.channels.outbound import Outbound
from trackside_service.channels.secrets import Secrets
from trackside_service.courier import Courier
from trackside_service.sweeper import Sweeper
from trackside_service.writer import Writer

T = TypeVar("T")
MIB: Final = 1024 * 1024


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that the HTTP edge itself reads. `admin_key` None: only loopback is answered."""

    admin_key: str | None = field(default=None, repr=False)
    max_body_bytes: int = 32 * MIB
    max_records: int = 20_000
    max_checked: int = 100_000


@dataclass(frozen=True, slots=True)
class Context:
    """What is opened at the start: the database, who writes, who sends and who looks for silent runs (None where
    another process does), the meters, the clock; and what is worth remembering between requests: the schedules
    `identified` in runs without one.
    """

    engine: sa.Engine
    writer: Writer
    courier: Courier | None
    secrets: Secrets
    outbound: Outbound
    meters: Meters
    options: Options = field(default_factory=Options)
    now: Callable[[], datetime] = _now
    identified: Remembered[dict[str, Any]] = field(default_factory=lambda: Remembered(256))
    sweeper: Sweeper | None = None

    def listening_since(self, now: datetime) -> datetime | None:
        """Since when this process could be reached by jobs, as far as it knows."""
        return None if self.sweeper is None else self.sweeper.listens_since(now)


def context(request: Request) -> Context:
    """Return the context of the application that answers `request`."""
    return cast(Context, request.app.state.context)


async def committed(future: Future[T]) -> T:
    """Wait for a post's own commit. A caller that goes away does not take back what the writer has begun."""
    return await asyncio.shield(asyncio.wrap_future(future))
