"""One message of each sort, as the documentation shows them and the tests pin them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from trackside_service.channels.base import Message
from trackside_service.channels.digest import together
from trackside_service.channels.wording import link_of

OPENED_AT: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RESOLVED_AFTER: Final = timedelta(hours=1, minutes=2, seconds=3)
_ID: Final = UUID("3c9d1a52-8b1e-4c4e-9a57-2d2f6f3c0a11")
_RUN: Final[dict[str, Any]] = {
    "id": "6f1c3a52-6f0b-4c4e-9a57-2d2f6f3c0a11",
    "project": "vision",
    "name": "resnet_7 <warm *restart*>",
    "status": "running",
    "tags": ["nightly", "a&b"],
}
_BRIEF: Final[dict[str, Any]] = {name: _RUN[name] for name in ("id", "project", "name")}
_ALERT: Final[dict[str, Any]] = {
    "id": "0b8f7c1e-4f5e-4ef3-9a0c-3f7a5f1c2d01",
    "run_id": _RUN["id"],
    "code": "LR001",
    "subject": "lr",
    "severity": "warning",
    "state": "open",
    "episode": 1,
    "opened": {"step": 1200, "epoch": 3.0},
    "detected": {"step": 1210, "epoch": 3.0},
    "resolved": None,
    "opened_at": "2026-03-01T12:00:00Z",
    "changed_at": "2026-03-01T12:00:00Z",
    "resolved_at": None,
    "acknowledged": None,
    "flapping": False,
    "title": "Learning rate off schedule",
    "detail": "The learning rate was 0.08 at epoch 3, where CosineAnnealingLR gives 0.07.",
    "evidence": {
        "lr_expected": 0.07,
        "lr_observed": 0.08,
        "ratio": None,
        "worst": "NaN",
        "steps_off": 12,
        "final": True,
        "causes": [{"cause": "shift"}],
    },
    "advice": "Call scheduler.step() once an epoch, after optimizer.step().",
    "cause_id": None,
    "symptoms": [],
}
_SYMPTOM: Final[dict[str, Any]] = {
    **{name: value for name, value in _ALERT.items() if name != "symptoms"},
    "id": "5d1e9f3a-4f5e-4ef3-9a0c-3f7a5f1c2d02",
    "code": "LOSS002",
    "subject": "train_loss",
    "title": "Training loss diverges",
    "detail": "The training loss has risen for 3 epochs.",
    "evidence": {"observed": 4.2},
    "advice": "Lower the peak rate.",
    "cause_id": _ALERT["id"],
}
_LOST: Final[dict[str, Any]] = {
    "channel": {
        "id": "b2f4f6c0-1a35-4c39-8d27-70f3f4f9d001",
        "name": "R&D <team> of *vision*",
        "kind": "slack",
        "target": "https://hooks.slack.com",
        "project": "vision",
    },
    "disabled": {
        "at": "2026-03-01T12:00:00Z",
        "reason": "10 messages in a row were refused for good; the last time, the receiver answered 404: no_service",
        "failing_since": "2026-03-01T09:58:30Z",
        "given_up": 3,
    },
}
_PLOT: Final[dict[str, Any]] = {
    "at": [0, 1, 2, 3, 4],
    "unit": "epoch",
    "expected": [0.1, 0.09, 0.08, 0.07, 0.06],
    "observed": [0.1, 0.09, 0.08, 0.08, "NaN"],
}


def _of(event: str, after: timedelta = timedelta(), *, plot: bool = False, **changes: Any) -> Message:
    at = OPENED_AT + after
    snapshot = {"alert": {**_ALERT, **changes}, "run": _RUN, **({"lr_plot": _PLOT} if plot else {})}
    link = link_of("https://trackside.example.org", snapshot)
    return Message(_ID, f"alert.{event}", at, snapshot, link)


EXAMPLES: Final[Mapping[str, Message]] = {
    "opened": _of("opened", plot=True),
    "changed": _of(
        "changed",
        timedelta(minutes=30),
        severity="critical",
        changed_at="2026-03-01T12:30:00Z",
        symptoms=[_SYMPTOM],
    ),
    "reminder": _of("reminder", timedelta(hours=1), severity="critical"),
    "acknowledged": _of(
        "acknowledged",
        timedelta(minutes=40),
        state="acknowledged",
        acknowledged={"at": "2026-03-01T12:40:00Z", "by": "ada", "note": "restarting with half the peak"},
    ),
    "resolved": _of(
        "resolved",
        RESOLVED_AFTER,
        state="resolved",
        resolved={"step": 2200, "epoch": 5.5},
        resolved_at="2026-03-01T13:02:03Z",
    ),
    "disabled": Message(
        _ID,
        "channel.disabled",
        OPENED_AT,
        _LOST,
        link_of("https://trackside.example.org", _LOST),
    ),
    "test": Message(
        _ID,
        "channel.test",
        OPENED_AT,
        {"channel": {"id": "b2f4f6c0-1a35-4c39-8d27-70f3f4f9d001", "name": "R&D <team> of *vision*"}},
    ),
}


def _in_another_run() -> Message:
    dead = _of("opened", severity="critical", **{name: _SYMPTOM[name] for name in ("id", "code", "title", "detail")})
    run = {**_RUN, "id": "8a7e5b90-6f0b-4c4e-9a57-2d2f6f3c0a12", "name": "resnet_8"}
    return replace(dead, id=UUID(int=_ID.int + 1), snapshot={**dead.snapshot, "run": run})


# What people's channels send of a burst.
GROUP_EXAMPLE: Final = together(
    [EXAMPLES["opened"], _in_another_run(), EXAMPLES["resolved"]], "https://trackside.example.org"
)

_DIGEST: Final[dict[str, Any]] = {
    "digest": {
        "since": "2026-02-28T08:00:00Z",
        "until": "2026-03-01T08:00:00Z",
        "project": "vision",
        "open": {"info": 0, "warning": 1, "critical": 1},
        "runs": 2,
        "opened": 3,
        "resolved": 1,
        "alerts": [
            {**_SYMPTOM, "severity": "critical", "cause_id": None, "run": {**_BRIEF, "name": "resnet_8"}},
            {**{name: value for name, value in _ALERT.items() if name != "symptoms"}, "run": _BRIEF},
        ],
    }
}
# What a channel that asks for it is sent once a day.
DIGEST_EXAMPLE: Final = Message(
    UUID(int=_ID.int + 2),
    "digest",
    datetime(2026, 3, 1, 8, 0, tzinfo=UTC),
    _DIGEST,
    link_of("https://trackside.example.org", _DIGEST),
)
