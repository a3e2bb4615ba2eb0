"""How a receiver is reached: its name is resolved once, every address is checked, the connection goes to a checked one,
and all of it takes bounded time.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, TypeVar

from trackside_service.channels import targets as addresses
from trackside_service.channels.base import SendError
from trackside_service.channels.targets import Targets

T = TypeVar("T")
Resolver = Callable[[str, int], Iterable[str]]
TOO_LONG: Final = "the receiver took too long"


class Deadline:
    """When a sending has to be over, whatever the receiver does (monotonic)."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def hurry(self, seconds: float) -> None:
        """Bring the deadline forward."""
        self._at = min(self._at, time.monotonic() + seconds)

    def remaining(self, timeout: float | None = None) -> float:
        """Return how long one wait may still take, seconds. Raises `SendError` when the time is up."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise SendError(TOO_LONG)
        return left if timeout is None else min(timeout, left)


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached, and with how much patience.

    `connect_s`, `read_s`, `total_s` bound the connection, each wait for the receiver, and the whole.
    """

    targets: Targets
    connect_s: float = 5.0
    read_s: float = 10.0
    total_s: float = 20.0
    resolve: Resolver = addresses.resolve

    def connect(
        self,
        host: str,
        port: int,
        scheme: str,
        *,
        deadline: Deadline,
        timeout: float | None = None,
        dial: Callable[[str, float], T],
        failures: tuple[type[Exception], ...],
    ) -> T:
        """Return the first connection that `dial` (given a checked address and seconds) makes; where it raises one of
        `failures`, the next address is tried, and the last of them is raised.

        Raises `SendError`, not temporary where every address is refused.
        """
        timeout = self.connect_s if timeout is None else timeout
        until = Deadline(deadline.remaining(timeout))
        found = self._addresses(host, port, until.remaining())
        reasons = [self.targets.refusal(ip_address(text), scheme) for text in found]
        fitting = [text for text, reason in zip(found, reasons, strict=True) if reason is None]
        if not fitting:
            reason = next((each for each in reasons if each), "the target's name has no address")
            raise SendError(reason, temporary=not found)
        failure: Exception = SendError("the connection timed out")
        for address in fitting:
            try:
                left = until.remaining()
            except SendError:
                break
            try:
                return dial(address, deadline.remaining(left))
            except failures as error:
                failure = error
        raise failure

    def _addresses(self, host: str, port: int, timeout: float) -> list[str]:
        """Resolve within `timeout`: the system's own call has no bound, so its thread may be left behind."""
        with suppress(ValueError):
            return [str(ip_address(host))]
        found: list[str] = []
        failures: list[BaseException] = []

        def ask() -> None:
            try:
                found.extend(self.resolve(host, port))
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


def common_reason(error: BaseException) -> str | None:
    """Say in our own words why a connection failed, where that is the same for every protocol."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the receiver's certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ConnectionRefusedError):
            return "the receiver refused the connection"
        cause = cause.__cause__ or cause.__context__
    return None
