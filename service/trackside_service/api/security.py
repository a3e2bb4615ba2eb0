"""Who is answered: a key once one is set; without one, only requests that are addressed to the loopback interface.

The Host check is what keeps a page on the internet from reaching a keyless service through a name that it rebinds to
127.0.0.1.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from trackside_service.api.errors import CrossOriginError, NotAuthenticatedError, WrongHostError

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Door:
    """ASGI middleware. `admin_key` None: no key is asked for, and only loopback hosts are answered."""

    def __init__(self, app: ASGIApp, admin_key: str | None) -> None:
        self._app = app
        self._key = None if admin_key is None else admin_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or raise the named refusal."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            headers = Headers(scope=scope)
            if self._key is None:
                self._only_loopback(headers)
            else:
                self._only_with_key(headers, self._key)
            self._same_origin(scope["method"], headers)
        await self._app(scope, receive, send)

    @staticmethod
    def _only_loopback(headers: Headers) -> None:
        if not is_loopback(headers.get("host", "")):
            raise WrongHostError(
                "No key is set, so only requests to 127.0.0.1, [::1] or localhost are answered. "
                "Set TRACKSIDE_ADMIN_KEY to serve other names."
            )

    @staticmethod
    def _only_with_key(headers: Headers, key: bytes) -> None:
        given = presented_key(headers.get("authorization", ""))
        if given is None:
            raise NotAuthenticatedError("Send the key as 'Authorization: Bearer <key>', or as the password of Basic.")
        if not hmac.compare_digest(given, key):
            raise NotAuthenticatedError("The key is not right.")

    def _same_origin(self, method: str, headers: Headers) -> None:
        # A browser sends Basic credentials, or none to a keyless service, on behalf of any page; a Bearer key it
        # never sends by itself.
        origin = headers.get("origin")
        if origin is None or method in READS or headers.get("authorization", "")[:7].lower() == "bearer ":
            return
        if urlsplit(origin).netloc != headers.get("host"):
            raise CrossOriginError("The page that sent this request is not Trackside's own.")


def presented_key(authorization: str) -> bytes | None:
    """Return the key in an Authorization header: Bearer's token, or Basic's password under any user name; else None."""
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value.encode("latin-1", errors="replace") or None
    if scheme.lower() == "basic":
        try:
            _user, colon, password = base64.b64decode(value, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None
        return password if colon and password else None
    return None


def is_loopback(host: str) -> bool:
    """Tell whether a Host header names the loopback interface: localhost, 127.0.0.0/8 or ::1."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
