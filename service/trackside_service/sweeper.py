"""The sweeper: looks for runs that are not heard of any more.

One indexed query finds the runs whose deadline has come; each gets a look in a transaction of its own, under the run's
lock, by the same way as a post. Several sweepers on one database share the work: who comes second finds nothing to do.

A sweeper speaks only of what it could have heard. Time before its start does not count, nor does time in which it could
not look: the database was away, or the machine slept.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

import sqlalchemy as sa

from trackside_service.errors import BusyError
from trackside_service.monitor import SilenceResult, look_for_silence
from trackside_service.storage import runs
from trackside_service.storage.engine import read_transaction
from trackside_service.storage.runs import Overdue

log: Final = logging.getLogger(__name__)
SWEEP_S: Final = 5
# A sweeper that has not looked for so long, or for a few of its turns, has not been listening.
DEAF_S: Final = 60.0
DEAF_TURNS: Final = 3
AT_ONCE: Final = 50
PATIENCE_S: Final = 60.0


class Submit(Protocol):
    """`Writer.submit`, or what does as it does."""

    def __call__(self, job: Callable[[sa.Connection], SilenceResult], run_id: UUID) -> Future[SilenceResult]:
        """Run `job` in a transaction."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sweeper:
    """Sweeps every `every_s` seconds, in a thread of its own. `submit` runs a look in the writer's transactions.

    `clock` gives the time (UTC); `on_result` is told what each look found.
    """

    def __init__(
        self,
        engine: sa.Engine,
        submit: Submit,
        *,
        every_s: float = SWEEP_S,
        clock: Callable[[], datetime] = _utc_now,
        on_result: Callable[[SilenceResult], None] | None = None,
    ) -> None:
        if every_s <= 0:
            raise ValueError("every_s is above 0")
        self._engine = engine
        self._submit = submit
        self._every_s = every_s
        self._clock = clock
        self._on_result = on_result
        self._deaf = timedelta(seconds=max(DEAF_S, DEAF_TURNS * every_s))
        self._listening_since: datetime | None = None
        self._looked_at: datetime | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to sweep."""
        if self._thread is not None:
            raise RuntimeError("the sweeper runs already")
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="trackside-sweeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the sweep that is under way, and stop."""
        if self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self._thread = None

    def sweep(self) -> int:
        """Look at every run whose deadline has come; return the number of looks.

        Raises `StorageUnavailableError` or `BusyError` where the database does not let it.
        """
        now = self._clock()
        since = self._listening(now)
        looks = 0
        due = self._due(now, since)
        while some := list(islice(due, AT_ONCE)):
            if self._stopping.is_set():
                return looks
            futures = [(run, self._submit(self._look_at(run, since, now), run.run_id)) for run in some]
            for run, future in futures:
                looks += 1
                self._settle(run, future)
        self._looked_at = now
        return looks

    def _listening(self, now: datetime) -> datetime:
        """Return since when it has been listening without a break."""
        last = self._looked_at
        if self._listening_since is None or last is None or not timedelta() <= now - last <= self._deaf:
            self._listening_since = now
        return self._listening_since

    def _due(self, now: datetime, since: datetime) -> Iterator[Overdue]:
        """Yield the runs that need a look: a new deadline, or that they are silent. One that is waited for until the
        sweeper itself has listened for long enough needs none yet.
        """
        after: Overdue | None = None
        while True:
            with read_transaction(self._engine) as connection:
                page = runs.overdue(connection, now, after=after)
            if not page:
                return
            for run in page:
                limit = timedelta(seconds=run.limit_s)
                if run.last_seen_at + limit > now or since + limit <= now:
                    yield run
            after = page[-1]

    @staticmethod
    def _look_at(run: Overdue, since: datetime, now: datetime) -> Callable[[sa.Connection], SilenceResult]:
        return lambda connection: look_for_silence(connection, run.run_id, listening_since=since, now=now)

    def _settle(self, run: Overdue, future: Future[SilenceResult]) -> None:
        try:
            result = future.result(PATIENCE_S)
        except BusyError:
            raise
        except Exception as error:
            log.warning("run %s could not be looked at: %s", run.run_id, type(error).__name__)
            return
        if self._on_result is not None:
            self._on_result(result)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self.sweep()
            except Exception as error:
                # The database may be away for a while; the next turn looks again.
                log.warning("silent runs could not be looked for: %s", type(error).__name__)
