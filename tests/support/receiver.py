"""A real receiver of messages on the loopback that behaves as told: answers, refuses, hangs, closes, dribbles."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Received:
    """One POST as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON value."""
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The message's id (webhooks)."""
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Reply:
    """An ordinary answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"


@dataclass(frozen=True)
class Raw:
    """Bytes instead of an answer, then the connection closes."""

    data: bytes = b""


@dataclass(frozen=True)
class Hold:
    """Takes the message and answers nothing until `Receiver.release`, then `status`."""

    status: int = 200


@dataclass(frozen=True)
class Dribble:
    """Sends `head`, then a byte whenever the last one was taken, without end."""

    head: bytes = b"HTTP/1.1 200 OK\r\nX-Slow: "


Behaviour = Reply | Raw | Hold | Dribble
HANG = Hold()
CLOSE = Raw()


class Receiver:
    """Keeps what it received. `behave(path, first, second, ...)`: the last behaviour goes on; unless told, 200."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._plans: dict[str, deque[Behaviour]] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                self.close_connection = True
                if len(body) < length:
                    return  # a sender that was killed half-way has sent no message
                behaviour = receiver._take(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                with contextlib.suppress(OSError):
                    receiver._act(self, behaviour)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """A peer that goes away is what is being tested."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """The address of `path`."""
        return f"{self._scheme}://{host}:{self.port}{path}"

    def behave(self, path: str, *behaviours: Behaviour) -> None:
        """Answer POSTs to `path` so, one after the other; the last one stays."""
        with self._changed:
            self._plans[path] = deque(behaviours)

    def wait(self, count: int, path: str | None = None) -> list[Received]:
        """Wait until `count` messages (for `path`) came in, and return all of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.at(path)) >= count, PATIENCE_S), f"{len(self.at(path))} came"
            return self.at(path)

    def wait_for_more(self, count: int, timeout_s: float) -> None:
        """Wait until `count` more messages came in, or for so long."""
        with self._changed:
            wanted = len(self.received) + count
            self._changed.wait_for(lambda: len(self.received) >= wanted, timeout_s)

    def at(self, path: str | None = None) -> list[Received]:
        """What came in so far (for `path`)."""
        return [each for each in self.received if path is None or each.path == path]

    def release(self) -> None:
        """Let the held messages be answered."""
        self._released.set()

    def stop(self) -> None:
        """Close the door."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, received: Received) -> Behaviour:
        with self._changed:
            self.received.append(received)
            plan = self._plans.get(received.path)
            behaviour: Behaviour = Reply() if not plan else plan.popleft() if len(plan) > 1 else plan[0]
            self._changed.notify_all()
        return behaviour

    def _act(self, handler: BaseHTTPRequestHandler, behaviour: Behaviour) -> None:
        if isinstance(behaviour, Hold):
            self._released.wait(PATIENCE_S)
            behaviour = Reply(behaviour.status)
        if isinstance(behaviour, Reply):
            handler.send_response(behaviour.status)
            for name, value in behaviour.headers.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(behaviour.body)))
            handler.end_headers()
            handler.wfile.write(behaviour.body)
        elif isinstance(behaviour, Raw):
            handler.wfile.write(behaviour.data)
        else:
            handler.wfile.write(behaviour.head)
            while not self._released.wait(0.02):
                handler.wfile.write(b"x")
                handler.wfile.flush()


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Open a receiver for a while."""
    receiver = Receiver(tls)
    try:
        yield receiver
    finally:
        receiver.stop()


def until(condition: threading.Condition, true: Callable[[], bool]) -> None:
    """Wait for something to become true, with patience and no sleep."""
    with condition:
        assert condition.wait_for(true, PATIENCE_S)
