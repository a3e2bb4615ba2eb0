"""A thread for all that touches the disk: one that hangs (a dead network file system, say) keeps this thread, and
neither the training, nor what goes to the service, nor the process's end.

It starts with the run, since an interpreter that shuts down starts none (from Python 3.12 on). What hangs in it is left
behind: a daemon thread keeps no process.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")

PATIENCE_S = 1.0  # of the thread that sends, for one piece of work
STALL_S = 1.0  # without any progress, after the time of the run's end
LONGEST_S = 10.0  # after that time, for a disk that is slow and goes on
STALLED_S = 0.2  # the same after another run's end found that nothing moves: several runs end one after the other
LOOK_S = 0.1


class Job(Generic[T]):
    """A piece of work that may outlast the wait for it."""

    stalled: ClassVar[bool] = False  # whether the latest wait past its time, of any run, saw nothing move

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
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

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self._done.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long. Tells whether it is done."""
        return self._done.wait(seconds)

    def wait_past(self, deadline: float, progress: Callable[[], int]) -> bool:
        """Wait until it is done. False where past `deadline` (`time.monotonic`) it goes on no more, or for too long.

        `progress` changes as long as it goes on.
        """
        seen, changed_at = progress(), time.monotonic()
        longest = max(deadline, changed_at) + LONGEST_S
        while not self._done.wait(LOOK_S):
            now, found = time.monotonic(), progress()
            if found != seen:
                seen, changed_at, Job.stalled = found, now, False
            still = now >= deadline and now - changed_at >= (STALLED_S if Job.stalled else STALL_S)
            if still or now >= longest:
                Job.stalled = still
                return False
        Job.stalled = False
        return True

    def result(self) -> T:
        """Return what the work returned, or raise what it raised. It is done by then."""
        if self._error is not None:
            raise self._error
        return self._found[0]


class DiskThread:
    """Does one job after the other. Where the system grants no thread, the caller does them, and waits for the disk."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Job[Any], bool]] = queue.SimpleQueue()
        self._latest: Job[Any] | None = None
        self._stuck: Job[Any] | None = None
        self._runs = False

    def start(self) -> None:
        """Start the thread. Raises `RuntimeError` where the system grants none."""
        threading.Thread(target=self._run, name="trackside-disk", daemon=True).start()
        self._runs = True

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._latest is not None and not self._latest.done

    def do(self, work: Callable[[], T], *, last: bool = False) -> Job[T]:
        """Have a job done, and end after the `last`. Returns at once where there is a thread."""
        job = Job(work)
        if self._runs:
            self._latest = job
            self._jobs.put((job, last))
        else:
            job.run()
        return job

    def ask(self, work: Callable[[], T]) -> T | None:
        """Have a job done and return what it returns. None where the disk does not answer: it is done once it does."""
        if self.stuck:
            return None
        job = self.do(work)
        if job.wait(PATIENCE_S):
            return job.result()
        self._stuck = job
        return None

    @property
    def stuck(self) -> bool:
        """Whether the disk did not answer the last time that it was asked, and has not since."""
        return self._stuck is not None and not self._stuck.done

    def _run(self) -> None:
        last = False
        while not last:
            job, last = self._jobs.get()
            job.run()
            del job
