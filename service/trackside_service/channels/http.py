"""The only door outwards: one bounded POST to a checked address. The only module that imports an HTTP library.

httpcore and not httpx: httpx writes every address into its log, and an address may be a secret.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, Final

import httpcore

from trackside_service.channels import targets as addresses
from trackside_service.channels.base import MAX_ANSWER_BYTES, Answer, Request, SendError
from trackside_service.channels.targets import Targets
from trackside_service.errors import TargetRefusedError

USER_AGENT: Final = "Trackside"
# Once the status is known, the text is a courtesy: it gets no more than this.
_TEXT_SECONDS: Final = 2.0

Resolver = Callable[[str, int], Iterable[str]]


class Outbound:
    """Posts messages. Safe for many threads at once; every message has a connection of its own.

    The name is resolved once, each address is checked against `targets`, and the connection goes to the checked
    address, so a name that changes its mind gains nothing. Redirects are not followed, proxies of the environment
    are not used. `connect_s`, `read_s`, `total_s` bound the connection, each wait for the receiver, and the whole,
    however slowly it answers. `tls` replaces the usual trust in certificates (for tests).
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
        self._connect_s = connect_s
        self._read_s = read_s
        self._resolve = resolve
        self._tls = tls
        self._tls_lock = threading.Lock()

    def post(self, request: Request, now: datetime) -> Answer:
        """Send `request` and return the answer, whatever its status. Raises `SendError` where none came.

        `now` turns a `Retry-After` that is a date into seconds.
        """
        try:
            target = addresses.parse(request.url)
        except TargetRefusedError as error:
            raise SendError(error.detail, temporary=False) from None
        deadline = time.monotonic() + self.total_s
        backend = _CheckedBackend(self.targets, target.scheme, self._resolve, deadline)
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        headers = {
            "host": target.authority,
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
            "connection": "close",
            "content-length": str(len(request.body)),
            **request.headers,
        }
        waits = {"connect": self._connect_s, "read": self._read_s, "write": self._read_s, "pool": self._connect_s}
        try:
            with (
                httpcore.HTTPConnection(
                    origin=url.origin, ssl_context=self._context(target.scheme), network_backend=backend
                ) as connection,
                connection.stream(
                    "POST",
                    url,
                    headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                    content=request.body,
                    extensions={"timeout": waits},
                ) as response,
            ):
                backend.hurry(_TEXT_SECONDS)
                text, cut = _read(response)
                found = {name.lower(): value for name, value in response.headers}
                retry_after = _seconds(found.get(b"retry-after"), now)
                return Answer(response.status, retry_after, text, cut)
        except SendError:
            raise
        except Exception as error:
            # From None: the cause may hold the address.
            raise SendError(_reason(error)) from None

    def _context(self, scheme: str) -> ssl.SSLContext | None:
        if scheme != "https":
            return None
        with self._tls_lock:
            if self._tls is None:
                self._tls = httpcore.default_ssl_context()
            return self._tls


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only, until the deadline (monotonic seconds)."""

    def __init__(self, targets: Targets, scheme: str, resolve: Resolver, deadline: float) -> None:
        self._targets = targets
        self._scheme = scheme
        self._resolve = resolve
        self._plain = httpcore.SyncBackend()
        self.deadline = deadline

    def hurry(self, seconds: float) -> None:
        """Bring the deadline forward."""
        self.deadline = min(self.deadline, time.monotonic() + seconds)

    def remaining(self, timeout: float | None) -> float:
        """Return how long one wait may still take, seconds. Raises `SendError` when the time is up."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise SendError("the receiver took too long")
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve, check, connect to what was checked."""
        until = time.monotonic() + self.remaining(timeout)
        found = self._addresses(host, port, self.remaining(timeout))
        reasons = [self._targets.refusal(ip_address(text), self._scheme) for text in found]
        fitting = [text for text, reason in zip(found, reasons, strict=True) if reason is None]
        if not fitting:
            reason = next((each for each in reasons if each), "the target's name has no address")
            raise SendError(reason, temporary=not found)
        failure: Exception = SendError("the connection timed out")
        for address in fitting:
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                stream = self._plain.connect_tcp(address, port, self.remaining(left), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _BoundedStream(stream, self)
        raise failure

    def _addresses(self, host: str, port: int, timeout: float) -> list[str]:
        """Resolve within `timeout`: the system's own call has no bound, so its thread may be left behind."""
        with suppress(ValueError):
            return [str(ip_address(host))]
        found: list[str] = []
        failures: list[BaseException] = []

        def ask() -> None:
            try:
                found.extend(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                failures.append(error)

        thread = threading.Thread(target=ask, name="trackside-resolve", daemon=True)
        thread.start()
        thread.join(timeout)
        if thread.is_alive():
            raise SendError("the target's name could not be resolved in time")
        if failures:
            raise SendError("the target's name could not be resolved")
        return found


class _BoundedStream(httpcore.NetworkStream):
    """A stream of which every wait ends with the deadline of its backend."""

    def __init__(self, stream: httpcore.NetworkStream, backend: _CheckedBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.remaining(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._backend.remaining(timeout))
        return _BoundedStream(stream, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _read(response: httpcore.Response) -> tuple[str, bool]:
    """Return the beginning of the answer's text, and whether there was more.

    A text that breaks off takes no status back.
    """
    data = b""
    cut = False
    with suppress(SendError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        for chunk in response.iter_stream():
            data += chunk
            if len(data) > MAX_ANSWER_BYTES:
                cut = True
                break
    return data[:MAX_ANSWER_BYTES].decode("utf-8", "replace"), cut


def _seconds(value: bytes | None, now: datetime) -> float | None:
    """Read `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). Anything else counts as absent."""
    if value is None:
        return None
    text = value.decode("ascii", "replace").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(0.0, (at - now).total_seconds())


def _reason(error: Exception) -> str:
    """Say in our own words why no answer came."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the receiver's certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ConnectionRefusedError):
            return "the receiver refused the connection"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.ConnectTimeout):
        return "the connection timed out"
    if isinstance(error, httpcore.TimeoutException):
        return "the receiver took too long"
    if isinstance(error, httpcore.ConnectError):
        return "the connection failed"
    if isinstance(error, httpcore.ProtocolError):
        return "the receiver's answer is not HTTP, or it closed the connection without one"
    if isinstance(error, httpcore.NetworkError):
        return "the connection broke"
    return f"sending failed ({type(error).__name__})"
