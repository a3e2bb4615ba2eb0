"""Alerts on the wire."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from uuid import UUID

from trackside_service.domain.alerts import Alert
from trackside_service.domain.records import Position
from trackside_service.domain.wire import alert_to_wire, replayed_alert_to_wire

ALERT = Alert(
    id=UUID(int=1),
    run_id=UUID(int=2),
    code="LOSS001",
    subject="train_loss",
    severity="critical",
    state="open",
    episode=1,
    title="t",
    detail="d",
    advice="a",
    opened=Position(3, None),
    detected=None,
    opened_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    changed_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    evidence={"value": math.nan, "last": [1.0, math.inf]},
)


def test_an_alert_is_strict_json() -> None:
    wire = json.loads(json.dumps(alert_to_wire(ALERT), allow_nan=False))
    assert wire["opened"] == {"step": 3, "epoch": None}
    assert wire["detected"] == {"step": None, "epoch": None}
    assert wire["resolved"] is None
    assert wire["opened_at"] == "2026-01-02T03:04:05Z"
    assert wire["evidence"] == {"value": "NaN", "last": [1.0, "Infinity"]}


def test_a_replayed_alert_has_no_ids_and_no_times() -> None:
    wire = replayed_alert_to_wire(ALERT)
    assert not {"id", "run_id", "opened_at", "changed_at", "resolved_at"} & wire.keys()
    assert wire["subject"] == "train_loss"
