"""A small receiver of webhooks on loopback: what a team's Slack and its own endpoint would be."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

_MAX_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came in: `path` tells the channel, `headers` have lower-case names, `body` is raw."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Receiver:
    """Answers 200 to every POST and keeps what came; a context manager that serves in a thread of its own."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("content-length", "0")), _MAX_BODY)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver._keep(Message(self.path, headers, self.rfile.read(length)))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing: the demo prints what matters."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    @property
    def url(self) -> str:
        """The receiver's own address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _keep(self, message: Message) -> None:
        with self._arrived:
            self._messages.append(message)
            self._arrived.notify_all()

    def messages(self, path: str) -> list[Message]:
        """Return what came in at `path` so far, in the order of arrival."""
        with self._arrived:
            return [message for message in self._messages if message.path == path]

    def wait(self, complete: Callable[[list[Message]], bool], path: str, *, timeout: float) -> list[Message]:
        """Wait until `complete` holds for what came in at `path`, at most `timeout` seconds; return what came."""
        deadline = time.monotonic() + timeout
        with self._arrived:
            while True:
                found = [message for message in self._messages if message.path == path]
                left = deadline - time.monotonic()
                if complete(found) or left <= 0:
                    return found
                self._arrived.wait(left)
