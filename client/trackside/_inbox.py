"""What was logged and is not sent yet: a bounded queue from the training loop, and the records that were made of it.

`put` is all that the loop touches: it takes no lock (`queue.SimpleQueue` may be entered again from a signal handler)
and wakes the sender's thread only where that sleeps. The thread takes items off with `absorb`; a value on a device is
read outside the lock, so that a device that hangs never keeps the run's end from taking away what is left.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections import deque
from typing import Any

from trackside._records import Ending, Logged, build, on_device, without_unread
from trackside._say import Notices

MAX_VALUES = 1_000_000  # metric values that may wait, in all records together: some 100 MB


class Inbox:
    """Holds at most `most` records and `MAX_VALUES` values; what comes on top is dropped and counted."""

    def __init__(self, most: int, notices: Notices) -> None:
        self._most = most
        self._notices = notices
        self._queue: queue.SimpleQueue[Logged | Ending] = queue.SimpleQueue()
        self._nudge: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._asleep = False
        self._drops = itertools.count(1)
        self._seq = itertools.count()
        self._queued_values = 0
        self._held_values = 0
        self._held = 0
        self._reading: Logged | None = None
        self._rest: deque[Logged] = deque()
        self.lock = (
            threading.Lock()
        )  # held for moments only: never while a device, the network or the loop is waited for
        self.closed = False
        self.pending: deque[dict[str, Any]] = deque()
        self.ending: Ending | None = None
        self.dropped = 0
        self.unread = 0
        self.emptied = 0  # records that held nothing but what was not read

    # -- the training loop's side ------------------------------------------------------------------------------------

    def put(self, logged: Logged) -> None:
        """Queue one record, or drop and count it when too much waits."""
        values = len(logged.metrics)
        # What is held is read first: what the thread takes over in between is then counted once or not, never twice.
        if (
            self._held + self._queue.qsize() >= self._most
            or self._held_values + self._queued_values + values > MAX_VALUES
        ):
            self.dropped = next(self._drops)
            waiting = self._held + self._queue.qsize()
            self._notices.tell(
                "full", f"{waiting} records wait to be sent and no more are kept; what follows is dropped."
            )
            return
        # Two threads may lose each other's addition here; `absorb` sets the sum right whenever the queue is empty.
        self._queued_values += values
        self._queue.put(logged)
        if self._asleep:
            self._asleep = False
            self._nudge.put(None)

    def end(self, ending: Ending) -> None:
        """Queue the run's end and wake the thread."""
        self._queue.put(ending)
        self._nudge.put(None)

    def close(self, *, lock_s: float, read_s: float) -> bool:
        """Take everything away from the thread and make records of it; False when the lock is not to be had.

        Values on a device get `read_s` seconds to be read; those that are not are lost, `unread` counts their records,
        and the record's other values are kept. May be called again after an interruption.
        """
        if not self.lock.acquire(timeout=lock_s):
            return False
        try:
            self.closed = True
            if self._reading is not None:
                self._rest.append(self._reading)
                self._reading = None
            for item in self._drained():
                self._rest.append(item)
        finally:
            self.lock.release()
        self._fetch(read_s)
        while self._rest:
            readable = without_unread(self._rest[0])
            record = build(readable, self._notices)
            if readable is not self._rest[0]:
                self.unread += 1
                self.emptied += record is None
            self._keep(record)
            self._rest.popleft()
        return True

    def _drained(self) -> list[Logged]:
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if isinstance(item, Ending):
                    self.ending = self.ending or item
                else:
                    found.append(item)
        return found

    def _fetch(self, seconds: float) -> None:
        """Read the values on devices, in a thread of its own because a device may hang."""
        values = [value for logged in self._rest for value in on_device(logged)]
        if not values:
            return

        def read() -> None:
            for value in values:
                with contextlib.suppress(Exception):
                    value.item()

        reader = threading.Thread(target=read, name="trackside-device", daemon=True)
        try:
            reader.start()
        except RuntimeError:  # at the interpreter's end Python 3.12 starts no thread
            for value in values:
                if value.ready():
                    with contextlib.suppress(Exception):
                        value.item()
            return
        reader.join(seconds)

    # -- the thread's side -------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many items the loop queued and `absorb` has not taken."""
        return self._queue.qsize()

    def absorb(self) -> bool:
        """Make records of all that is queued. Returns False once `close` was called."""
        while True:
            with self.lock:
                if self.closed:
                    return False
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    self._queued_values = 0
                    return True
                if isinstance(item, Ending):
                    self.ending = self.ending or item
                    continue
                self._reading = item
                self._queued_values -= len(item.metrics)
            record = build(item, self._notices)
            with self.lock:
                if self._reading is not item:  # `close` took it meanwhile
                    return False
                self._reading = None
                self._keep(record)

    def _keep(self, record: dict[str, Any] | None) -> None:
        if record is not None:
            record["seq"] = next(self._seq)
            self.pending.append(record)
            self._held += 1
            self._held_values += len(record["metrics"])

    def more_than(self, records: int, values: int) -> bool:
        """Whether so much waits as records that were made."""
        return self._held > records or self._held_values > values

    def settle(self, count: int) -> None:
        """Drop the first so many records: they were dealt with. The caller holds the lock."""
        for _ in range(count):
            self._held_values -= len(self.pending.popleft()["metrics"])
        self._held = len(self.pending)

    def sleep(self, seconds: float | None) -> None:
        """Wait so long, or for ever, unless something is queued already or until something is."""
        self._asleep = True
        if not self._queue.qsize():
            with contextlib.suppress(queue.Empty):
                self._nudge.get(timeout=seconds)
        self._asleep = False

    def rest(self, seconds: float) -> None:
        """Wait so long, at most a second, or until the run's end is asked for. Records gather without a wake."""
        with contextlib.suppress(queue.Empty):
            self._nudge.get(timeout=min(seconds, 1.0))
