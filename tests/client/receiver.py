"""A small real HTTP service on loopback that the client's tests report to, and that can be made to misbehave."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.client.environment import PATIENCE_S


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Reply:
    """What to answer. `fault` is "close" (no answer), "hang" (none until the end) or "drip" (an answer without end)."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    fault: str | None = None


def problem(status: int, detail: str = "no", **more: Any) -> Reply:
    """A refusal in the service's own shape."""
    return Reply(
        status, {"title": "Not acceptable", "status": status, "code": "invalid_input", "detail": detail, **more}
    )


Behaviour = Callable[[Request], "Reply | None"]


class Receiver:
    """Answers like the service, or as `behave` says for a request (None: like the service)."""

    def __init__(self, behave: Behaviour | None = None, port: int = 0) -> None:
        self.behave = behave
        self.requests: list[Request] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self.ends: dict[str, dict[str, Any]] = {}
        self.records: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
        self.lost: dict[tuple[str, str], int] = {}
        self.duplicates = 0
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    raw = gzip.decompress(raw)
                request = Request(self.command, self.path, dict(self.headers.items()), json.loads(raw or b"{}"))
                receiver.answer(self, request)

            do_PUT = do_POST = do_PATCH = do_GET = handle_one  # noqa: N815

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that goes away is no error here."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        reply = self.behave(request) if self.behave is not None else None
        if reply is None:
            reply = self.serve(request)
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        if reply.fault == "close":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        if reply.fault == "hang":
            self._stopped.wait(2 * PATIENCE_S)
            return
        content = (
            reply.raw if reply.raw is not None else json.dumps(reply.body if reply.body is not None else {}).encode()
        )
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if reply.fault == "drip":
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            while not self._stopped.wait(0.05):
                handler.wfile.write(b" ")
                handler.wfile.flush()
            return
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def serve(self, request: Request) -> Reply:
        """Do what the service does, as far as a client sees it."""
        run_id = request.path.split("/")[3]
        with self._changed:
            if request.method == "PUT":
                self.runs[run_id] = request.body
                return Reply(200, {"id": run_id, "status": "running"})
            if run_id not in self.runs:
                return Reply(404, {"title": "No such run", "code": "run_not_found", "status": 404})
            if request.method == "PATCH":
                self.ends[run_id] = request.body
                return Reply(200, {"id": run_id, **request.body})
            stored = self.records.setdefault((run_id, request.body["process"]), {})
            life = (run_id, request.body["process"])
            self.lost[life] = max(self.lost.get(life, 0), request.body.get("lost", 0))
            accepted = duplicates = 0
            for record in request.body["records"]:
                if record["seq"] in stored:
                    duplicates += 1
                else:
                    stored[record["seq"]] = record
                    accepted += 1
            self.duplicates += duplicates
            return Reply(200, {"accepted": accepted, "duplicates": duplicates, "health": "ok", "alerts": []})

    def stored(self, run_id: str) -> list[dict[str, Any]]:
        """The records of a run, life by life, in the order of `seq`."""
        with self._changed:
            return [life[seq] for (run, _), life in self.records.items() if run == run_id for seq in sorted(life)]

    def wait_for(self, condition: Callable[[], bool], timeout: float = PATIENCE_S) -> None:
        """Return when `condition` holds; it is looked at after each request. Fails after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, (
                    f"not within {timeout} s; requests so far: {[(r.method, r.path) for r in self.requests]}"
                )
                self._changed.wait(min(left, 0.2))

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
