"""Ports on loopback where nobody listens, and that nobody else is given."""

from __future__ import annotations

import socket

_kept: list[socket.socket] = []


def free_port() -> int:
    """Return a port that refuses connections until somebody listens on it by its number.

    It stays bound in this process, so that the system hands it to no other server on "any port" meanwhile. A listener
    that asks for this very port (with SO_REUSEADDR, as servers do) gets it.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _kept.append(kept)
    port: int = kept.getsockname()[1]
    return port
