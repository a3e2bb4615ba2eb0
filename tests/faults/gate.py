"""The socket server between client and service: it passes on what comes, or does what a broken network does."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from typing import Final, Literal

Mode = Literal[
    "up", "dead", "hangs at connect", "hangs", "hangs after headers", "resets", "429", "500", "413", "nonsense", "drips"
]
_RESET: Final = struct.pack("ii", 1, 0)
_SLICE_S: Final = 0.05


def _answer(status: str, body: bytes, *more: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *more, f"Content-Length: {length or len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


_ANSWERS: Final = {
    "429": _answer("429 Too Many Requests", b"{}", "Retry-After: 1"),
    "500": _answer("500 Internal Server Error", b"<html>no</html>"),
    "413": _answer("413 Content Too Large", b"<html>no</html>"),
    "nonsense": _answer("200 OK", b'{"accepted": tru'),
}


class Gate:
    """Listens on a port of its own, which stays the same whatever the mode; `mode` may change at any time."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._mode: Mode = "up"
        self._stopped = False
        self._open: set[socket.socket] = set()
        self._fillers: list[socket.socket] = []
        self._listener: socket.socket | None = self._listen(64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def mode(self) -> Mode:
        """What it does now."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        self._close_all()
        if mode == "dead":
            return
        if mode == "hangs at connect":
            # A full queue of connections that nobody accepts: the next one's first packet is dropped.
            self._listener = self._listen(0)
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                with contextlib.suppress(OSError):
                    filler.connect(("127.0.0.1", self.port))
                self._fillers.append(filler)
            return
        self._listener = self._listen(64)

    def stop(self) -> None:
        """Close everything."""
        self._stopped = True
        self._close_all()
        self._thread.join(5)

    def _close_all(self) -> None:
        listener, self._listener = self._listener, None
        for each in [*([listener] if listener else []), *self._fillers, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._fillers.clear()
        self._open.clear()

    def _listen(self, backlog: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + 10
        while True:
            try:
                listener.bind(("127.0.0.1", getattr(self, "port", 0)))
                break
            except OSError:  # a connection of before is being closed
                if time.monotonic() > deadline:
                    raise
                time.sleep(_SLICE_S)
        listener.listen(backlog)
        return listener

    def _accept(self) -> None:
        while not self._stopped:
            listener = self._listener
            if listener is None or self._mode == "hangs at connect":
                time.sleep(_SLICE_S)
                continue
            with contextlib.suppress(OSError, ValueError):
                if select.select([listener], [], [], _SLICE_S)[0]:
                    connection, _ = listener.accept()
                    self._open.add(connection)
                    threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._mode == "up":
                self._relay(connection)
            else:
                self._misbehave(connection)
        self._open.discard(connection)
        connection.close()

    def _relay(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._target), timeout=10) as service:
            self._open.add(service)
            others = {client: service, service: client}
            while self._mode == "up":
                for side in select.select(list(others), [], [], _SLICE_S)[0]:
                    data = side.recv(1 << 16)
                    if not data:
                        return
                    others[side].sendall(data)
            self._open.discard(service)

    def _misbehave(self, connection: socket.socket) -> None:
        mode = self._mode
        while self._mode == mode and self._read_request(connection):
            if mode == "resets":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            if mode == "hangs":
                self._wait_for_another(mode)
            elif mode == "hangs after headers":
                connection.sendall(_answer("200 OK", b"", length=1000))
                self._wait_for_another(mode)
            elif mode == "drips":
                connection.sendall(_answer("200 OK", b"", length=100_000))
                while self._mode == mode and not self._stopped:
                    connection.sendall(b" ")
                    time.sleep(_SLICE_S)
            else:
                connection.sendall(_ANSWERS[mode])

    def _wait_for_another(self, mode: Mode) -> None:
        while self._mode == mode and not self._stopped:
            time.sleep(_SLICE_S)

    def _read_request(self, connection: socket.socket) -> bool:
        """Read one request to its end; False where the peer has gone."""
        data = b""
        connection.settimeout(60)
        while b"\r\n\r\n" not in data:
            part = connection.recv(1 << 16)
            if not part:
                return False
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        wanted = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < wanted:
            part = connection.recv(1 << 16)
            if not part:
                return False
            body += part
        return True
