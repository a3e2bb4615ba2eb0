"""Examples of the OpenAPI document. They are sent to a running service by a test, in the order of the document's
routes.
"""

from __future__ import annotations

from typing import Any, Final

RUN_ID: Final = "3f0c8a52-6b1e-4f7d-9a35-0c9d2c1f4e10"
ALERT_ID: Final = "8c1f6a1e-32b7-4b0e-8f43-5a1d1f0e9b77"
SILENCE_ID: Final = "5e0f6c1d-9a77-4f3b-8b2e-1f2d3c4b5a69"
CHANNEL_ID: Final = "b2f4f6c0-1a35-4c39-8d27-70f3f4f9d001"
DELIVERY_ID: Final = "d7a2c9e4-5f10-4c7b-a0b1-9e6f4f2a8c55"

STEP_LR: Final[dict[str, Any]] = {
    "framework": "torch",
    "class": "StepLR",
    "params": {"step_size": 10, "gamma": 0.1},
    "base_lr": 0.1,
    "unit": "epoch",
}
ONE_CYCLE: Final[dict[str, Any]] = {
    "framework": "torch",
    "class": "OneCycleLR",
    "params": {"max_lr": 0.01, "total_steps": 100, "pct_start": 0.3, "div_factor": 10, "final_div_factor": 1000},
    "base_lr": 0.01,
    "unit": "step",
}
CONSTANT: Final[dict[str, Any]] = {"kind": "constant", "lr": 0.0003}

RUN: Final[dict[str, Any]] = {
    "project": "vision",
    "name": "resnet-a",
    "framework": "torch",
    "total_epochs": 30,
    "optimizer": {"class": "SGD", "params": {"momentum": 0.9}},
    "schedule": STEP_LR,
    "expectations": [{"metric": "val_acc", "epoch": 1, "min": 5.0}],
    "tags": ["baseline"],
}
RUN_SMALL: Final[dict[str, Any]] = {"project": "vision", "name": "resnet-b"}
RUN_RESUMED: Final[dict[str, Any]] = {**RUN, "process": {"id": "node7-4182", "resumed_from_step": 3910}}
RECORDS: Final[dict[str, Any]] = {
    "records": [
        {"epoch": 0, "metrics": {"lr": 0.01, "train_loss": 2.1, "val_acc": 41.0}},
        {"epoch": 1, "metrics": {"lr": 0.01, "train_loss": "NaN", "val_acc": 47.5}},
    ]
}
RECORDS_OF_PROCESS: Final[dict[str, Any]] = {
    "process": "node7-4182",
    "records": [{"seq": 0, "step": 3911, "metrics": {"lr": 0.1, "train_loss": 1.4}}],
}
END: Final[dict[str, Any]] = {"status": "finished"}
FAILED: Final[dict[str, Any]] = {"status": "failed", "reason": "CUDA out of memory"}

LATEST: Final[dict[str, Any]] = {
    "lr": {"value": 0.01, "step": None, "epoch": 1.0},
    "train_loss": {"value": "NaN", "step": None, "epoch": 1.0},
}
SUMMARY: Final[dict[str, Any]] = {
    "id": RUN_ID,
    "project": "vision",
    "name": "resnet-a",
    "status": "running",
    "health": "critical",
    "reason": None,
    "tags": ["baseline"],
    "created_at": "2026-01-31T12:00:00Z",
    "ended_at": None,
    "last_seen_at": "2026-01-31T12:04:10Z",
    "metrics": LATEST,
}
SHOWN: Final[dict[str, Any]] = {
    **SUMMARY,
    "declaration": RUN,
    "project_rules": {},
    "processes": [
        {"number": 0, "process": None, "started_at": "2026-01-31T12:00:02Z", "resumed_from_step": None, "lost": 0}
    ],
}
ALERT: Final[dict[str, Any]] = {
    "id": ALERT_ID,
    "run_id": RUN_ID,
    "code": "LOSS001",
    "subject": "train_loss",
    "severity": "critical",
    "state": "open",
    "episode": 1,
    "opened": {"step": None, "epoch": 1.0},
    "detected": {"step": None, "epoch": 1.0},
    "resolved": None,
    "opened_at": "2026-01-31T12:04:10Z",
    "changed_at": "2026-01-31T12:04:10Z",
    "resolved_at": None,
    "acknowledged": None,
    "flapping": False,
    "title": "train_loss is not finite",
    "detail": "train_loss became NaN at epoch 1.",
    "evidence": {"metric": "train_loss", "value": "NaN", "lr": 0.01},
    "advice": "Lower the peak learning rate, and clip gradients.",
    "cause_id": None,
    "silenced_until": None,
    "symptoms": [],
}
REPLAYED: Final[dict[str, Any]] = {
    name: value
    for name, value in ALERT.items()
    if name
    not in ("id", "run_id", "opened_at", "changed_at", "resolved_at", "acknowledged", "cause_id", "silenced_until")
}
NEWS: Final[dict[str, Any]] = {
    **{name: value for name, value in ALERT.items() if name != "silenced_until"},
    "event": "opened",
}
TAKEN: Final[dict[str, Any]] = {"accepted": 2, "duplicates": 0, "health": "critical", "alerts": [NEWS]}
EXPLANATION: Final[dict[str, Any]] = {
    "verdict": "off_schedule",
    "reason": None,
    "first_off": {"index": 0, "step": None, "epoch": 0.0, "expected": 0.1, "observed": 0.01},
    "causes": [
        {
            "cause": "scale",
            "family": "scale",
            "params": {"factor": {"value": 0.1, "low": 0.095, "high": 0.105}},
            "statement": "Every LR is 0.1 times the configured one.",
            "advice": "Look for a second place that sets the base LR.",
        }
    ],
    "convention": {"when": "in_use", "at": "start", "epoch_base": 0},
    "points": 2,
}
HEALTH: Final[dict[str, Any]] = {
    "run_id": RUN_ID,
    "project": "vision",
    "name": "resnet-a",
    "status": "running",
    "health": "critical",
    "alerts": [ALERT],
    "lr": EXPLANATION,
    "last": {
        "at": "2026-01-31T12:04:10Z",
        "deadline": "2026-01-31T16:04:10Z",
        "step": None,
        "epoch": 1.0,
        "metrics": LATEST,
        "lost": 0,
    },
}
HEALTH_TEXT: Final = """\
vision / resnet-a   running   CRITICAL
last heard 2026-01-31 12:04:10 UTC, at epoch 1; expected again by 2026-01-31 16:04:10

CRITICAL LOSS001 train_loss is not finite   since epoch 1
  train_loss became NaN at epoch 1.
  -> Lower the peak learning rate, and clip gradients.
"""
STORED_RECORD: Final[dict[str, Any]] = {
    "ordinal": 0,
    "life": 0,
    "step": None,
    "epoch": 0.0,
    "time": None,
    "metrics": {"lr": 0.01, "train_loss": 2.1, "val_acc": 41.0},
}
HISTORY: Final[dict[str, Any]] = {
    "metrics": {
        "lr": {
            "points": 2,
            "ordinal": [0, 1],
            "life": [0, 0],
            "step": [None, None],
            "epoch": [0.0, 1.0],
            "value": [0.01, 0.01],
        }
    }
}
LR: Final[dict[str, Any]] = {
    **EXPLANATION,
    "schedule": STEP_LR,
    "series": [
        {"step": None, "epoch": 0.0, "observed": 0.01, "expected": 0.1},
        {"step": None, "epoch": 1.0, "observed": 0.01, "expected": 0.1},
    ],
}
PREVIEW: Final[dict[str, Any]] = {"schedule": ONE_CYCLE, "steps": [0, 29, 99]}
PREVIEW_TOTAL: Final[dict[str, Any]] = {"schedule": CONSTANT, "total": 3}
PREVIEWED: Final[dict[str, Any]] = {"lrs": [0.001, 0.01, 1e-06]}
EXPLAIN: Final[dict[str, Any]] = {
    "schedule": STEP_LR,
    "observed": [{"epoch": 0, "lr": 0.01, "lr_text": "0.0100"}, {"epoch": 1, "lr": 0.01, "lr_text": "0.0100"}],
}
IDENTIFY: Final[dict[str, Any]] = {
    "observed": [
        {"epoch": epoch, "lr": lr, "lr_text": f"{lr:.4f}"}
        for epoch, lr in enumerate([0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125])
    ],
    "framework": "torch",
    "total_epochs": 8,
}
IDENTIFIED: Final[dict[str, Any]] = {
    "verdict": "identified",
    "statement": "Step decay from 0.1: times 0.5 every 2 epochs (3 drops seen).",
    "families": ["step"],
    "schedules": [
        {
            "family": "step",
            "warmup": False,
            "params": {
                "lr": {"value": 0.1, "low": 0.09995, "high": 0.10005},
                "gamma": {"value": 0.5, "low": 0.4992, "high": 0.5008},
                "every": {"value": 2, "low": 2, "high": 2},
            },
            "schedule": {
                "framework": "torch",
                "class": "StepLR",
                "params": {"step_size": 2, "gamma": 0.5},
                "base_lr": 0.1,
                "unit": "epoch",
            },
            "framework": "torch",
            "convention": {"when": "in_use", "at": "start", "step_base": 0, "epoch_base": 0},
            "statement": "Step decay from 0.1: times 0.5 every 2 epochs (3 drops seen).",
        }
    ],
    "points": 8,
}
CHECK: Final[dict[str, Any]] = {"run": RUN, "records": RECORDS["records"]}
RULE: Final[dict[str, Any]] = {
    "code": "LOSS001",
    "name": "loss-not-finite",
    "summary": "A loss is NaN or infinite.",
    "severity": "critical",
    "parameters": {},
}
BACKTEST: Final[dict[str, Any]] = {"rule": "ACC001", "params": {"share": 0.4}, "project": "vision", "limit": 50}
PROJECT_RULES: Final[dict[str, Any]] = {
    "rules": {
        "ACC001": {"severity": "warning", "params": {"share": 0.4}},
        "LR003": {"enabled": False},
    }
}
ACKNOWLEDGE: Final[dict[str, Any]] = {"by": "ada", "note": "restarting with half the peak"}
ACKNOWLEDGED: Final[dict[str, Any]] = {
    **ALERT,
    "state": "acknowledged",
    "acknowledged": {"at": "2026-01-31T12:06:00Z", **ACKNOWLEDGE},
}
SILENCE: Final[dict[str, Any]] = {
    "matchers": {"project": "vision", "tag": ["sweep-7", "sweep-8"], "severity": "warning"},
    "until": "2099-02-01T08:00:00Z",
    "by": "ada",
    "note": "the short runs of the sweep",
}
SILENCE_SHOWN: Final[dict[str, Any]] = {
    "id": SILENCE_ID,
    "matchers": {"project": ["vision"], "run": [], "tag": ["sweep-7", "sweep-8"], "code": [], "severity": ["warning"]},
    "until": "2099-02-01T08:00:00Z",
    "active": True,
    "created_at": "2026-01-31T12:05:00Z",
    "by": "ada",
    "note": "the short runs of the sweep",
}
SILENCE_WITH_MATCHES: Final[dict[str, Any]] = {
    **SILENCE_SHOWN,
    "matching": {
        "runs": 12,
        "alerts": 1,
        "unmatched": [
            {"pointer": "/matchers/tag/1", "detail": "no run has this tag so far; did you mean 'sweep-7'?"},
        ],
    },
}
CHANNEL: Final[dict[str, Any]] = {
    "kind": "webhook",
    "name": "our endpoint",
    "url": "https://example.com/hooks/trackside",
    "project": "vision",
    "min_severity": "warning",
}
SLACK: Final[dict[str, Any]] = {
    "kind": "slack",
    "name": "training",
    "url": "https://hooks.slack.com/services/your/own/address",
}
DISCORD: Final[dict[str, Any]] = {
    "kind": "discord",
    "name": "training",
    "url": "https://discord.com/api/webhooks/your/own-address",
}
TEAMS: Final[dict[str, Any]] = {
    "kind": "teams",
    "name": "training",
    "url": "https://example.westus.logic.azure.com/workflows/your/own/address?sig=and-its-signature",
}
ALERTMANAGER: Final[dict[str, Any]] = {
    "kind": "alertmanager",
    "name": "on call",
    "url": "https://alertmanager.example.com",
    "secret": "user:password",
    "min_severity": "critical",
}
EMAIL: Final[dict[str, Any]] = {
    "kind": "email",
    "name": "ada",
    "url": "smtp+starttls://user:password@smtp.example.com:587/?to=ada@example.com&from=trackside@example.com",
}
CHANNEL_SHOWN: Final[dict[str, Any]] = {
    "id": CHANNEL_ID,
    "kind": "webhook",
    "name": "our endpoint",
    "target": "https://example.com",
    "project": "vision",
    "min_severity": "warning",
    "codes": [],
    "tags": [],
    "events": ["opened", "changed", "resolved"],
    "max_per_minute": None,
    "digest_at": None,
    "disabled_reason": None,
    "paused_until": None,
    "disabled_at": None,
    "failing_since": None,
    "delivered_at": "2026-01-31T12:04:11Z",
    "created_at": "2026-01-31T12:00:00Z",
}
CHANNEL_CHANGE: Final[dict[str, Any]] = {"codes": ["GRAD"], "tags": ["nightly"], "max_per_minute": 20}
ROTATE: Final[dict[str, Any]] = {"overlap_s": 3600}
REPLAY: Final[dict[str, Any]] = {"channel_id": CHANNEL_ID, "since": "2026-01-31T00:00:00Z"}
DELIVERY: Final[dict[str, Any]] = {
    "id": DELIVERY_ID,
    "channel_id": CHANNEL_ID,
    "run_id": RUN_ID,
    "alert_id": ALERT_ID,
    "event": "alert.opened",
    "status": "delivered",
    "due_at": None,
    "created_at": "2026-01-31T12:04:10Z",
    "settled_at": "2026-01-31T12:04:11Z",
    "attempts": [{"at": "2026-01-31T12:04:10Z", "duration_ms": 84.2, "status_code": 200, "error": None}],
}
