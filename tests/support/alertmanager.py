"""A receiver that takes alerts as Alertmanager's API v2 does: it refuses what its OpenAPI document and its own checks
refuse, tells alerts apart by their labels, and knows which of them fire.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_FIELDS = {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}

Labels = frozenset[tuple[str, str]]


class Alertmanager:
    """Keeps the alerts by their labels. With `credentials` ("user:password") it refuses everybody else with 401."""

    def __init__(self, credentials: str | None = None, prefix: str = "") -> None:
        self.alerts: dict[Labels, dict[str, Any]] = {}
        self.posts: list[Any] = []
        manager = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                basic = "Basic " + base64.b64encode((credentials or "").encode()).decode()
                if self.path != f"{prefix}/api/v2/alerts":
                    self._answer(404, "no such path")
                elif credentials is not None and self.headers.get("authorization") != basic:
                    self._answer(401, f"unauthorized: {self.headers.get('authorization')}")
                elif self.headers.get("content-type") != "application/json":
                    self._answer(415, "unsupported media type")
                else:
                    fault = manager.take(json.loads(body))
                    self._answer(400 if fault else 200, fault)

            def _answer(self, status: int, text: str) -> None:
                data = json.dumps(text).encode() if text else b""
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{prefix}"

    def stop(self) -> None:
        """Close the door."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, alerts: Any) -> str:
        """Keep `alerts`, or return what is wrong with them."""
        self.posts.append(alerts)
        if not isinstance(alerts, list):
            return "an array is wanted"
        faults = [fault for alert in alerts if (fault := _fault(alert))]
        if not faults:
            self.alerts |= {frozenset(alert["labels"].items()): alert for alert in alerts}
        return "; ".join(faults)

    def firing(self, at: datetime) -> list[dict[str, str]]:
        """Return the labels of the alerts that have begun and not ended at `at`."""
        return [
            dict(labels)
            for labels, alert in self.alerts.items()
            if _time(alert["startsAt"]) <= at < _time(alert["endsAt"])
        ]


def _fault(alert: Any) -> str:
    """Say what is wrong with one alert; empty where nothing is."""
    if not isinstance(alert, dict) or set(alert) - _FIELDS or not alert.get("labels"):
        return "an object with labels and no unknown field is wanted"
    for pairs in (alert["labels"], alert.get("annotations", {})):
        if not all(_NAME.fullmatch(name) and isinstance(value, str) for name, value in pairs.items()):
            return "a name is not valid, or a value is no text"
    if not all(alert["labels"].values()) or "alertname" not in alert["labels"]:
        return "an empty label, or no alertname"
    if _time(alert["endsAt"]) < _time(alert["startsAt"]):
        return "start time must be before end time"
    if "generatorURL" in alert and not urlsplit(alert["generatorURL"]).hostname:
        return "the generatorURL is no URI"
    return ""


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    assert at.tzinfo is not None, "RFC 3339 wants an offset"
    return at.astimezone(UTC)


@contextmanager
def alertmanager(credentials: str | None = None, prefix: str = "") -> Iterator[Alertmanager]:
    """Open one for a while."""
    manager = Alertmanager(credentials, prefix)
    try:
        yield manager
    finally:
        manager.stop()
