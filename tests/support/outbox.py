"""Runs, alerts and channels for tests of delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from trackside_service.channels import Endpoint, Targets, configure, parse_targets
from trackside_service.channels.outbound import Outbound
from trackside_service.channels.secrets import Secrets
from trackside_service.domain.alerts import Alert, AlertChange, AlertEvent
from trackside_service.domain.records import Position
from trackside_service.domain.routing import Route
from trackside_service.domain.runs import Run, RunSpec
from trackside_service.storage import channels, deliveries, delivery_log
from trackside_service.storage.engine import read_transaction, write_transaction

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOOPBACK: Targets = parse_targets("127.0.0.0/8")
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def after(seconds: float) -> datetime:
    """Return a time so many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def secrets() -> Secrets:
    """Return secrets with the tests' key."""
    return Secrets([b"0123456789abcdef0123456789abcdef"])


def outbound(**settings: Any) -> Outbound:
    """Return a door outwards that may reach the loopback, with patience for a busy machine."""
    return Outbound(LOOPBACK, **{"connect_s": 20.0, "read_s": 30.0, "total_s": 50.0, **settings})


def make_run(project: str = "vision", name: str = "resnet-7") -> Run:
    """Return a run."""
    spec = RunSpec(project=project, name=name, tags=("nightly",))
    return Run(UUID("6f1c3a52-6f0b-4c4e-9a57-2d2f6f3c0a11"), spec, "running", NOW)


def make_alert(**changes: Any) -> Alert:
    """Return an open alert about the learning rate."""
    values: dict[str, Any] = {
        "id": uuid4(),
        "run_id": make_run().id,
        "code": "LR001",
        "subject": "lr",
        "severity": "critical",
        "state": "open",
        "episode": 1,
        "title": "Learning rate off schedule",
        "detail": "The learning rate is 10 times below the configured schedule.",
        "advice": "Multiply the base rate by 10.",
        "opened": Position(step=1200, epoch=3.0),
        "detected": Position(step=1210, epoch=3.0),
        "opened_at": NOW,
        "changed_at": NOW,
        "evidence": {"expected": 0.01, "observed": 0.001},
    }
    return Alert(**{**values, **changes})


def add_channel(engine: sa.Engine, url: str, kind: str = "webhook", **settings: Any) -> tuple[UUID, Endpoint]:
    """Store a channel and return its id and where it sends. `settings` are those of `channels.create` and a `Route`."""
    endpoint = configure(kind, url, None, LOOPBACK)
    names = [each.name for each in fields(Route) if each.name in settings]
    route = Route(**{name: settings.pop(name) for name in names})
    with write_transaction(engine) as connection:
        stored = channels.create(
            connection,
            secrets(),
            **{
                "channel_id": uuid4(),
                "kind": kind,
                "name": f"{kind} of the team",
                "url": endpoint.url,
                "secret": endpoint.secret,
                "target": endpoint.target,
                "now": NOW,
                "route": route,
                **settings,
            },
        )
    return stored.id, endpoint


def tell(engine: sa.Engine, *alerts: Alert, event: AlertEvent = "opened", now: datetime = NOW) -> int:
    """Enqueue a change of each alert; return the number of deliveries."""
    with write_transaction(engine) as connection:
        changes = [AlertChange(event, alert) for alert in alerts]
        return deliveries.enqueue_all(connection, changes, make_run(), now)


def claim(engine: sa.Engine, channel_id: UUID, now: datetime = NOW, limit: int = 100) -> tuple[deliveries.Claimed, ...]:
    """Lease what is due on a channel, for a minute."""
    with write_transaction(engine) as connection:
        until = after((now - NOW).total_seconds() + 60)
        return deliveries.claim(connection, channel_id, lease=uuid4(), now=now, until=until, limit=limit)


def of_channel(engine: sa.Engine, channel_id: UUID) -> Sequence[delivery_log.Delivery]:
    """Return the deliveries of a channel, the first first."""
    with read_transaction(engine) as connection:
        return delivery_log.page(connection, channel_id, limit=10_000)[::-1]
