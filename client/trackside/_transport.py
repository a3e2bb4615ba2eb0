"""One connection to the service. Importing this module imports httpx: only a configured run does.

Every outcome is an `Answer` or `UnreachableError`; nothing else leaves `request`.
"""

from __future__ import annotations

import contextlib

# Imported here, in the caller's thread, because a fork in the middle of an import that another thread makes can
# deadlock the child. httpx and the resolver load these late, on the first request.
import encodings.idna  # noqa: F401
import gzip
import json
import logging
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from trackside._version import __version__

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
TOTAL_TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 4_000_000
MAX_RETRY_AFTER_S = 300.0
COMPRESS_BYTES = 8_000  # a body of a few records travels faster than it is compressed
COMPRESSION = 1  # repeated names make records small at any level, and the first costs a third of the sixth


class UnreachableError(Exception):
    """No usable answer came; the text says what happened, without the address."""


@dataclass(frozen=True)
class Answer:
    """What the service said. `body` is the JSON object, or None when there was none."""

    status: int
    body: dict[str, Any] | None
    retry_after_s: float | None

    @property
    def detail(self) -> str:
        """The problem's text for a person."""
        said = (self.body or {}).get("detail") or (self.body or {}).get("title")
        return f"{self.status} {said}" if isinstance(said, str) else f"status {self.status}"


class Transport:
    """Sends JSON to `url` + path. Used by one thread at a time; building it loads all that httpx needs."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self._url = url
        headers = {"User-Agent": f"trackside-python/{__version__}", "Accept": "application/json"}
        if api_key is not None:
            headers["Authorization"] = f"Bearer {api_key}"
        self._compresses = True
        self._client = httpx.Client(headers=headers, limits=httpx.Limits(max_connections=1), follow_redirects=False)

    def request(self, method: str, path: str, body: dict[str, Any], *, timeout_s: float = TOTAL_TIMEOUT_S) -> Answer:
        """Send and return the service's answer. Raises `UnreachableError` when none came within `timeout_s` seconds.

        A long body is compressed. Where that is not understood (by something on the way, say), it is sent as it is.
        """
        deadline = time.monotonic() + timeout_s
        try:
            content = _encoded(body)
        except Exception as error:
            raise UnreachableError(f"a request cannot be written ({type(error).__name__})") from None
        if self._compresses and len(content) >= COMPRESS_BYTES:
            answer = self._send(
                method, path, gzip.compress(content, COMPRESSION), deadline, {"Content-Encoding": "gzip"}
            )
            if answer.status not in (400, 415):
                return answer
            self._compresses = False
        return self._send(method, path, content, deadline, {})

    def _send(self, method: str, path: str, content: bytes, deadline: float, more: dict[str, str]) -> Answer:
        try:
            timeout_s = max(0.05, deadline - time.monotonic())
            limit = httpx.Timeout(min(READ_TIMEOUT_S, timeout_s), connect=min(CONNECT_TIMEOUT_S, timeout_s))
            headers = {"Content-Type": "application/json", **more}
            with (
                _unlogged(),
                self._client.stream(
                    method, self._url + path, content=content, headers=headers, timeout=limit
                ) as response,
            ):
                received = bytearray()
                for chunk in response.iter_bytes():
                    received += chunk
                    if len(received) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
                        raise UnreachableError("its answer does not end")
                status = response.status_code
                retry_after = _retry_after(response.headers.get("Retry-After"))
        except UnreachableError:
            raise
        except httpx.TimeoutException:
            raise UnreachableError("it does not answer in time") from None
        except httpx.ConnectError:
            raise UnreachableError("the connection is refused or the address unknown") from None
        except Exception as error:
            raise UnreachableError(f"the connection broke ({type(error).__name__})") from None
        try:
            said = json.loads(received) if received else None
        except (ValueError, RecursionError):
            said = None
        return Answer(status, said if isinstance(said, dict) else None, retry_after)

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(Exception), _unlogged():
            self._client.close()


def _encoded(body: dict[str, Any]) -> bytes:
    """Return the body as JSON, written record by record: a long one would hold the interpreter's lock."""
    records = body.get("records")
    if not isinstance(records, list) or len(records) < 2:
        return _json(body)
    head = _json({name: value for name, value in body.items() if name != "records"})
    parts = [head[1:-1], b'"records":[' + b",".join(map(_json, records)) + b"]"]
    return b"{" + b",".join(part for part in parts if part) + b"}"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _retry_after(text: str | None) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date (RFC 9110 10.2.3); None when absent or nonsense."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(timezone.utc)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None


class _OwnThreads(logging.Filter):
    """Drops what httpx logs about our requests, and only ours: the script may use httpx and log it."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread not in self.threads


_filter = _OwnThreads()
for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_filter)


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    thread = threading.get_ident()
    _filter.threads.add(thread)
    try:
        yield
    finally:
        _filter.threads.discard(thread)
