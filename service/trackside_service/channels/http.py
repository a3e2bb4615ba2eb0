"""HTTP: one bounded POST to a checked address. The only module that imports an HTTP library.

httpcore and not httpx: httpx writes every address into its log, and an address may be a secret.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpcore

from trackside_service.channels import targets as addresses
from trackside_service.channels.base import MAX_ANSWER_BYTES, Answer, Request, SendError
from trackside_service.channels.reaching import TOO_LONG, Deadline, Reach, common_reason
from trackside_service.errors import TargetRefusedError

USER_AGENT: Final = "Trackside"
# Once the status is known, the text is a courtesy: it gets no more than this.
_TEXT_SECONDS: Final = 2.0


def trust() -> ssl.SSLContext:
    """Return the usual trust in certificates."""
    return httpcore.default_ssl_context()


def post(request: Request, now: datetime, reach: Reach, tls: ssl.SSLContext) -> Answer:
    """Send `request` and return the answer, whatever its status. Raises `SendError` where none came.

    `now` turns a `Retry-After` that is a date into seconds. Redirects are not followed, proxies of the environment are
    not used.
    """
    try:
        target = addresses.parse(request.url)
    except TargetRefusedError as error:
        raise SendError(error.detail, temporary=False) from None
    deadline = Deadline(reach.total_s)
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
    waits = {"connect": reach.connect_s, "read": reach.read_s, "write": reach.read_s, "pool": reach.connect_s}
    try:
        with (
            httpcore.HTTPConnection(
                origin=url.origin, ssl_context=tls, network_backend=_CheckedBackend(reach, target.scheme, deadline)
            ) as connection,
            connection.stream(
                "POST",
                url,
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                content=request.body,
                extensions={"timeout": waits},
            ) as response,
        ):
            deadline.hurry(_TEXT_SECONDS)
            text, cut = _read(response)
            found = {name.lower(): value for name, value in response.headers}
            retry_after = _seconds(found.get(b"retry-after"), now)
            return Answer(response.status, retry_after, text, cut)
    except SendError:
        raise
    except Exception as error:
        # From None: the cause may hold the address.
        raise SendError(_reason(error)) from None


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only, until the deadline."""

    def __init__(self, reach: Reach, scheme: str, deadline: Deadline) -> None:
        self._reach = reach
        self._scheme = scheme
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve, check, connect to what was checked."""
        stream = self._reach.connect(
            host,
            port,
            self._scheme,
            deadline=self._deadline,
            timeout=timeout,
            dial=lambda address, left: self._plain.connect_tcp(address, port, left, local_address, socket_options),
            failures=(httpcore.ConnectError, httpcore.ConnectTimeout),
        )
        return _BoundedStream(stream, self._deadline)


class _BoundedStream(httpcore.NetworkStream):
    """A stream of which every wait ends with the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.remaining(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.remaining(timeout))
        return _BoundedStream(stream, self._deadline)

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
    except (ValueError, OverflowError):  # the latter for a zone of many digits
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(0.0, (at - now).total_seconds())


def _reason(error: Exception) -> str:
    """Say in our own words why no answer came."""
    if (known := common_reason(error)) is not None:
        return known
    if isinstance(error, httpcore.ConnectTimeout):
        return "the connection timed out"
    if isinstance(error, httpcore.TimeoutException):
        return TOO_LONG
    if isinstance(error, httpcore.ConnectError):
        return "the connection failed"
    if isinstance(error, httpcore.ProtocolError):
        return "the receiver's answer is not HTTP, or it closed the connection without one"
    if isinstance(error, httpcore.NetworkError):
        return "the connection broke"
    return f"sending failed ({type(error).__name__})"
