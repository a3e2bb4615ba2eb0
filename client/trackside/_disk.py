"""A thread for what is written at the run's end: a disk that hangs (a dead network file system, say) keeps it, not the
script.

It starts with the run, since an interpreter that shuts down starts none (from Python 3.12 on). What hangs in it is left
behind: a daemon thread keeps no process.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

STALL_S = 1.0  # without any progress, after the time of the run's end
LONGEST_S = 10.0  # after that time, for a disk that is slow and goes on
LOOK_S = 0.1


class Job(Generic[T]):
    """A piece of work that may outlast the wait for it. `progress` changes as long as it goes on."""

    def __init__(self, work: Callable[[], T], progress: Callable[[], int]) -> None:
        self._work = work
        self._progress = progress
        self._done = threading.Event()
        self._found: list[T] = []
        self._error: Exception | None = None

    def run(self) -> None:
        """Do the work. An interruption (Ctrl-C) goes on up, and the job may be done again."""
        try:
            self._found.append(self._work())
        except Exception as error:
            self._error = error
        finally:
            self._done.set()

    def wait(self, deadline: float) -> bool:
        """Wait until it is done. False where past `deadline` (`time.monotonic`) it makes no progress, or too little."""
        seen, changed_at = self._progress(), time.monotonic()
        longest = max(deadline, changed_at) + LONGEST_S
        while not self._done.wait(LOOK_S):
            now, progress = time.monotonic(), self._progress()
            if progress != seen:
                seen, changed_at = progress, now
            if now >= longest or (now >= deadline and now - changed_at >= STALL_S):
                return False
        return True

    def result(self) -> T:
        """Return what the work returned, or raise what it raised. It is done by then."""
        if self._error is not None:
            raise self._error
        return self._found[0]


class DiskThread:
    """Does one job after the other, and ends after the last. Where the system grants no thread, the caller does them,
    and waits for the disk however long it takes.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._runs = False

    def start(self) -> None:
        """Start the thread, if the system grants one."""
        thread = threading.Thread(target=self._run, name="trackside-disk", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return
        self._runs = True

    def last(self, work: Callable[[], T], *, progress: Callable[[], int]) -> Job[T]:
        """Do the last job. Returns at once where there is a thread."""
        job = Job(work, progress)
        if self._runs:
            self._jobs.put(job.run)
        else:
            job.run()
        return job

    def _run(self) -> None:
        self._jobs.get()()
