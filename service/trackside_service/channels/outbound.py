"""The only door outwards: messages over HTTP and by mail, each to a checked address and in bounded time."""

from __future__ import annotations

import ssl
import threading
from datetime import datetime

from trackside_service.channels import http, smtp
from trackside_service.channels import targets as addresses
from trackside_service.channels.base import Answer, Letter, Request
from trackside_service.channels.reaching import Reach, Resolver
from trackside_service.channels.targets import Targets


class Outbound:
    """Sends messages. Safe for many threads at once; every message has a connection of its own.

    The name is resolved once, each address is checked against `targets`, and the connection goes to the checked
    address, so a name that changes its mind gains nothing. `connect_s`, `read_s`, `total_s` bound the connection, each
    wait for the receiver, and the whole, however slowly it answers. `tls` replaces the usual trust in certificates (for
    tests).
    """

    def __init__(
        self,
        targets: Targets,
        *,
        connect_s: float = 5.0,
        read_s: float = 10.0,
        total_s: float = 20.0,
        resolve: Resolver = addresses.resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.targets = targets
        self.total_s = total_s
        self._reach = Reach(targets, connect_s, read_s, total_s, resolve)
        self._given_tls = tls
        self._tls: dict[str, ssl.SSLContext] = {}
        self._tls_lock = threading.Lock()

    def post(self, request: Request, now: datetime) -> Answer:
        """Send `request` and return the answer, whatever its status. Raises `SendError` where none came."""
        return http.post(request, now, self._reach, self._context("http"))

    def mail(self, letter: Letter) -> Answer:
        """Hand a mail to its server and return what that answered. Raises `SendError` where it did not."""
        return smtp.mail(letter, self._reach, self._context("smtp"))

    def _context(self, protocol: str) -> ssl.SSLContext:
        # One each: the HTTP library writes its own protocol into the one that it is given.
        if self._given_tls is not None:
            return self._given_tls
        with self._tls_lock:
            if protocol not in self._tls:
                self._tls[protocol] = http.trust()
            return self._tls[protocol]
