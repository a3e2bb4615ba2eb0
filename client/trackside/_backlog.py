"""What earlier runs left on disk, sent one file at a time while this run has nothing more urgent to do."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

from trackside import _spool
from trackside._replay import Replay

FILE_TRIES = 5  # answers in a row that do not take a request; then the file waits for the next run


class Backlog:
    """The waiting files for one service. At most one is claimed at a time, and read request by request."""

    def __init__(self, folder: Path, *, url: str, run_id: str) -> None:
        self._folder = folder
        self._url = url
        self._run_id = run_id
        self._paths: deque[Path] | None = None
        self._current: Replay | None = None
        self._failures = 0
        self._closed = False
        self._lock = threading.Lock()  # of the thread that sends and the one that ends the run
        self.retry_at = 0.0  # no earlier is another file's request worth its while

    def earlier_life(self) -> Replay | None:
        """Return what an earlier life of this very run left, so that the service sees the lives in their order."""
        paths = self._listed()
        while self._current is None and paths and _spool.is_of(paths[0], self._run_id):
            self._take(paths.popleft())
        return self._current

    def next(self) -> Replay | None:
        """Return what is to be sent next, or None when nothing is left."""
        paths = self._listed()
        while self._current is None and paths:
            self._take(paths.popleft())
        return self._current

    @property
    def empty(self) -> bool:
        """Whether nothing is left that this run can send."""
        return self._current is None and not self._listed()

    def refused(self) -> int:
        """Note that the service answered and did not take the request; after a few of them go on to the next file.

        Returns how many such answers came in a row.
        """
        self._failures += 1
        failures = self._failures
        if failures >= FILE_TRIES:
            self.release()
        return failures

    def taken(self) -> None:
        """Note that the service took a request. A file whose requests all were made is removed."""
        with self._lock:
            self._failures = 0
            if self._current is not None and self._current.finished:
                self._current.close()
                self._current = None

    def release(self) -> None:
        """Put the claimed file back for a later run."""
        with self._lock:
            self._release()

    def _release(self) -> None:
        self._failures = 0
        current, self._current = self._current, None
        if current is not None:
            current.release()

    def close(self, *, wait_s: float) -> None:
        """Claim no more, and put back what is claimed.

        Where a disk that does not answer keeps the thread for longer than `wait_s` seconds, the file that it is about
        comes back as a killed process's does.
        """
        self._closed = True
        if self._lock.acquire(timeout=wait_s):
            try:
                self._release()
            finally:
                self._lock.release()

    def _listed(self) -> deque[Path]:
        if self._paths is None:
            found = _spool.waiting(self._folder)
            self._paths = deque(sorted(found, key=lambda path: not _spool.is_of(path, self._run_id)))
        return self._paths

    def _take(self, path: Path) -> None:
        with self._lock:
            taken = None if self._closed else _spool.claim(path, url=self._url)
            if taken is not None:
                self._current = Replay(taken)
        self.taken()  # a file without requests, or whose first is not one that we wrote, is dealt with at once
