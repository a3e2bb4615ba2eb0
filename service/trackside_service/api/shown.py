"""Stored things on the wire: runs, metrics, channels, deliveries. What an alert says is `domain.wire`'s, since
webhooks show it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from trackside_service.channels import channel as kind_of
from trackside_service.domain.alerts import Alert, AlertChange, under_causes
from trackside_service.domain.declared import declared, declared_rules
from trackside_service.domain.findings import rank
from trackside_service.domain.numbers import to_wire
from trackside_service.domain.runs import ProcessLife, Run
from trackside_service.domain.silences import FIELDS, Silence
from trackside_service.domain.wire import alert_to_wire, symptom_to_wire, time_to_wire
from trackside_service.storage.channels import StoredChannel
from trackside_service.storage.delivery_log import Delivery
from trackside_service.storage.metrics import Metric


def latest(metrics: Iterable[Metric]) -> dict[str, Any]:
    """Return the latest value of each metric, by name."""
    return {
        metric.name: {"value": to_wire(metric.value), "step": metric.step, "epoch": metric.epoch} for metric in metrics
    }


def run_summary(run: Run, metrics: Iterable[Metric]) -> dict[str, Any]:
    """Return a run as lists show it."""
    return {
        "id": str(run.id),
        "project": run.spec.project,
        "name": run.spec.name,
        "status": run.status,
        "health": run.health,
        "reason": run.reason,
        "tags": list(run.spec.tags),
        "created_at": time_to_wire(run.created_at),
        "ended_at": time_to_wire(run.ended_at),
        "last_seen_at": time_to_wire(run.last_seen_at),
        "metrics": latest(metrics),
    }


def run_whole(run: Run, metrics: Iterable[Metric], lives: Iterable[ProcessLife]) -> dict[str, Any]:
    """Return a run with its declaration and its processes."""
    return {
        **run_summary(run, metrics),
        "declaration": declared(run.spec),
        "project_rules": declared_rules(run.project_rules),
        "processes": [
            {
                "number": life.number,
                "process": life.process,
                "started_at": time_to_wire(life.started_at),
                "resumed_from_step": life.resumed_from_step,
                "lost": life.lost,
            }
            for life in lives
        ],
    }


def news(changes: Sequence[AlertChange], counted: Iterable[Alert]) -> list[dict[str, Any]]:
    """Return what happened to alerts. `counted` are all of the run's that count, after it: the symptoms among them are
    shown under their causes.
    """
    latest = {change.alert.id: change for change in changes}
    _, symptoms = under_causes(
        {**{alert.id: alert for alert in counted}, **{each: one.alert for each, one in latest.items()}}.values()
    )
    hidden = {alert.id for each in symptoms.values() for alert in each}
    return [
        {
            **symptom_to_wire(change.alert),
            "event": change.event,
            "symptoms": [
                {**symptom_to_wire(each), "event": latest[each.id].event if each.id in latest else None}
                for each in symptoms.get(change.alert.id, ())
            ],
        }
        for change in changes
        if change.alert.id not in hidden
    ]


def alert_shown(alert: Alert, symptoms: Iterable[Alert], silenced_until: datetime | None) -> dict[str, Any]:
    """Return an alert with its `symptoms`, and until when a silence keeps its news back."""
    return {**alert_to_wire(alert, symptoms), "silenced_until": time_to_wire(silenced_until)}


def silence_to_wire(silence: Silence, now: datetime) -> dict[str, Any]:
    """Return a silence."""
    return {
        "id": str(silence.id),
        "matchers": {name: list(getattr(silence.matchers, name)) for name in FIELDS},
        "until": time_to_wire(silence.until),
        "active": silence.until > now,
        "created_at": time_to_wire(silence.created_at),
        "by": silence.by,
        "note": silence.note,
    }


def worst_first(alerts: Sequence[Alert]) -> list[Alert]:
    """Order alerts by severity; within one, by when they opened."""
    return sorted(alerts, key=lambda alert: (-rank(alert.severity), alert.opened_at, alert.code, alert.subject))


def last_seen(run: Run, metrics: Sequence[Metric], lost: int) -> dict[str, Any]:
    """Return where the run is: the furthest place at which a metric was reported; and how many records it lost."""
    last = max(metrics, key=lambda metric: metric.ordinal, default=None)
    return {
        "at": time_to_wire(run.last_seen_at),
        "deadline": time_to_wire(run.deadline),
        "step": None if last is None else last.step,
        "epoch": None if last is None else last.epoch,
        "metrics": latest(metrics),
        "lost": lost,
    }


def channel_to_wire(channel: StoredChannel, now: datetime) -> dict[str, Any]:
    """Return a channel as it stands at `now`, without its address and its secret."""
    paused = channel.ready_at is not None and channel.ready_at > now
    return {
        "id": str(channel.id),
        "kind": channel.kind,
        "name": channel.name,
        "target": channel.target,
        "project": channel.route.project,
        "min_severity": channel.route.min_severity,
        "codes": list(channel.route.codes),
        "tags": list(channel.route.tags),
        "events": list(channel.route.events),
        "max_per_minute": channel.max_per_minute or kind_of(channel.kind).per_minute,
        "digest_at": channel.digest_at,
        "disabled_reason": channel.disabled_reason,
        "paused_until": time_to_wire(channel.ready_at) if paused else None,
        "disabled_at": time_to_wire(channel.disabled_at),
        "failing_since": time_to_wire(channel.failing_since),
        "delivered_at": time_to_wire(channel.delivered_at),
        "created_at": time_to_wire(channel.created_at),
    }


def delivery_to_wire(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery with its attempts."""
    return {
        "id": str(delivery.id),
        "channel_id": str(delivery.channel_id),
        "run_id": None if delivery.run_id is None else str(delivery.run_id),
        "alert_id": None if delivery.alert_id is None else str(delivery.alert_id),
        "event": delivery.event,
        "status": delivery.status,
        "due_at": time_to_wire(delivery.due_at),
        "created_at": time_to_wire(delivery.created_at),
        "settled_at": time_to_wire(delivery.settled_at),
        "attempts": [
            {
                "at": time_to_wire(attempt.at),
                "duration_ms": attempt.duration_ms,
                "status_code": attempt.status_code,
                "error": attempt.error,
            }
            for attempt in delivery.attempts
        ],
    }
