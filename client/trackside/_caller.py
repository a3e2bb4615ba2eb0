"""Makes the requests in a thread of their own, so that the sender waits for no answer longer than it means to.

A name server that does not answer, an answer that drips: what httpx's own limits do not bound is bounded here, and
while a request is under way the sender puts what it holds on disk.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from trackside._transport import Answer, Transport

LOOK_S = 0.25


class _Job(NamedTuple):
    number: int
    method: str
    path: str
    body: dict[str, Any]
    timeout_s: float


class Caller:
    """One request at a time. Where no thread is to be had, requests are made in the caller's."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[int, Answer | Exception]] = queue.SimpleQueue()
        self._number = 0
        self._busy = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if the system grants one."""
        thread = threading.Thread(target=self._run, name="trackside-requests", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return
        self._thread = thread

    def request(
        self, method: str, path: str, body: dict[str, Any], *, timeout_s: float, meanwhile: Callable[[], bool]
    ) -> Answer:
        """Make one request. Raises `UnreachableError` when no answer came within `timeout_s` seconds.

        `meanwhile` is called now and then during the wait, which ends when it returns False.
        """
        from trackside._transport import UnreachableError

        if self._thread is None:
            return self._transport.request(method, path, body, timeout_s=timeout_s)
        # One that was given up may still be under way, and the connection is its own until then.
        deadline = time.monotonic() + timeout_s
        if self._busy:
            self._answer(self._number, deadline, meanwhile)
            if time.monotonic() >= deadline:
                raise UnreachableError("it does not answer in time")
        self._number += 1
        self._busy = True
        self._jobs.put(_Job(self._number, method, path, body, max(0.05, deadline - time.monotonic())))
        found = self._answer(self._number, deadline + LOOK_S, meanwhile)
        if found is None:
            raise UnreachableError("it does not answer in time")
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        """Close the connection, after the request that is under way."""
        if self._thread is None:
            self._transport.close()
        else:
            self._jobs.put(None)

    def _answer(self, number: int, deadline: float, meanwhile: Callable[[], bool]) -> Answer | Exception | None:
        while True:
            left = deadline - time.monotonic()
            try:
                answered, found = self._answers.get(timeout=max(0.0, min(left, LOOK_S)))
            except queue.Empty:
                if left <= 0 or not meanwhile():
                    return None
                continue
            if answered == number:
                self._busy = False
                return found

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                self._transport.close()
                return
            try:
                found: Answer | Exception = self._transport.request(
                    job.method, job.path, job.body, timeout_s=job.timeout_s
                )
            except Exception as error:
                found = error
            self._answers.put((job.number, found))
            del job, found
