"""What the tests of the adapters ask a receiver or the service for."""

from __future__ import annotations

from typing import Any

import httpx

from tests.client.receiver import Receiver, Reply, Request


def only_run(receiver: Receiver) -> tuple[str, dict[str, Any]]:
    """The id and the declaration of the one run there is."""
    ((run_id, body),) = receiver.runs.items()
    return run_id, body


def rates(receiver: Receiver, run_id: str) -> dict[int, float]:
    """The LR of the first group at each step that it was reported at."""
    return {r["step"]: r["metrics"]["lr"] for r in receiver.stored(run_id) if "lr" in r["metrics"]}


def critical(request: Request) -> Reply | None:
    """Answer each post with a critical alert that it opened."""
    if request.method != "POST":
        return None
    alert = {"code": "LOSS001", "severity": "critical", "state": "open", "event": "opened"}
    return Reply(200, {"accepted": 1, "duplicates": 0, "health": "critical", "alerts": [alert]})


def newest(url: str) -> dict[str, Any]:
    """The run that the service heard of last."""
    runs = httpx.get(f"{url}/v1/runs", timeout=30).raise_for_status().json()["items"]
    newest_id = max(runs, key=lambda run: run["created_at"])["id"]
    found: dict[str, Any] = httpx.get(f"{url}/v1/runs/{newest_id}", timeout=30).raise_for_status().json()
    return found


def judged(url: str, run_id: str) -> tuple[str, list[str], list[str]]:
    """The verdict on a run's LR, the codes of its open alerts, and the causes named."""
    lr = httpx.get(f"{url}/v1/runs/{run_id}/lr", timeout=30).raise_for_status().json()
    health = httpx.get(f"{url}/v1/runs/{run_id}/health", timeout=30).raise_for_status().json()
    return lr["verdict"], [alert["code"] for alert in health["alerts"]], [cause["cause"] for cause in lr["causes"]]
