"""The sweeper: looks for runs that are not heard of any more, for alerts whose time has come, and for digests.

One indexed query finds the runs whose deadline has come, and another one the alerts that are due: a silence is over, a
reminder is to be sent, a flapping one has been quiet for long enough. Each run gets a look in a transaction of its own,
under the run's lock, by the same way as a post. Several sweepers on one database share the work: who comes second finds
nothing to do.

A sweeper speaks only of what it could have heard. Time before its start does not count, nor does time in which it could
not look: the database was away, or the machine slept. A long sweep, over thousands of runs, is no such time: it listens
with every look.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

import sqlalchemy as sa

from trackside_service.errors import BusyError, StorageUnavailableError
from trackside_service.monitor import LookResult, digest_of, look_at_alerts, look_for_silence
from trackside_service.storage import alerts, digests, runs
from trackside_service.storage.engine import read_transaction, write_transaction
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

    def __call__(self, job: Callable[[sa.Connection], LookResult], run_id: UUID) -> Future[LookResult]:
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
        on_result: Callable[[LookResult], None] | None = None,
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

    def listens_since(self, now: datetime) -> datetime:
        """Return since when it has been listening without a break; `now` where it has not begun, or sleeps."""
        since, last = self._listening_since, self._looked_at
        return now if since is None or self._is_deaf(last, now) else since

    def sweep(self) -> int:
        """Look at every run whose deadline has come, and at every alert that is due; return the number of looks.

        Raises `StorageUnavailableError` or `BusyError` where the database does not let it.
        """
        now = self._clock()
        since = self._listening(now)
        looks = 0
        due = self._due(now, since)
        while some := list(islice(due, AT_ONCE)):
            if self._stopping.is_set():
                return looks
            futures = [(run.run_id, self._submit(self._look_at(run, since, now), run.run_id)) for run in some]
            looks += self._settle_all(futures)
        self._has_looked()
        looks += self._sweep_alerts(now)
        self._send_digests(now)
        self._has_looked()
        return looks

    def _sweep_alerts(self, now: datetime) -> int:
        """Look at every alert that is due, a page of them at a time. One that could not be looked at waits for the next
        sweep.
        """
        looks = 0
        seen: set[UUID] = set()
        while not self._stopping.is_set():
            with read_transaction(self._engine) as connection:
                page = alerts.due(connection, now, limit=len(seen) + AT_ONCE)
            due: dict[UUID, list[UUID]] = {}
            for run_id, alert_id in page:
                if alert_id not in seen:
                    due.setdefault(run_id, []).append(alert_id)
            if not due:
                return looks
            seen.update(alert_id for some in due.values() for alert_id in some)
            futures = [
                (run_id, self._submit(self._look_at_alerts(run_id, ids, now), run_id)) for run_id, ids in due.items()
            ]
            looks += self._settle_all(futures)
        return looks

    def _send_digests(self, now: datetime) -> None:
        """Write the digests that are due, each in a transaction of its own; reading for it holds up no post. One that
        could not be written waits for the next sweep, and no other does.
        """
        with read_transaction(self._engine) as connection:
            due = digests.due(connection, now)
        for one in due:
            try:
                with read_transaction(self._engine) as connection:
                    digest = digest_of(connection, one, now)
                with write_transaction(self._engine) as connection:
                    digests.write(connection, one, digest, now)
            except (BusyError, StorageUnavailableError):
                raise
            except Exception as error:
                log.warning("the digest of channel %s could not be written: %s", one.channel_id, type(error).__name__)

    def _has_looked(self) -> None:
        """Note that it could look just now, be it in the middle of a sweep."""
        now = self._clock()
        self._listening(now)
        self._looked_at = now

    def _listening(self, now: datetime) -> datetime:
        """Return since when it has been listening without a break."""
        if self._listening_since is None or self._is_deaf(self._looked_at, now):
            self._listening_since = now
        return self._listening_since

    def _is_deaf(self, last: datetime | None, now: datetime) -> bool:
        """Whether the last look is too long ago."""
        return last is None or not timedelta() <= now - last <= self._deaf

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
    def _look_at(run: Overdue, since: datetime, now: datetime) -> Callable[[sa.Connection], LookResult]:
        return lambda connection: look_for_silence(connection, run.run_id, listening_since=since, now=now)

    @staticmethod
    def _look_at_alerts(
        run_id: UUID, alert_ids: Sequence[UUID], now: datetime
    ) -> Callable[[sa.Connection], LookResult]:
        return lambda connection: look_at_alerts(connection, run_id, alert_ids, now=now)

    def _settle_all(self, futures: Sequence[tuple[UUID, Future[LookResult]]]) -> int:
        looked = [self._settle(run_id, future) for run_id, future in futures]
        if any(looked):
            self._has_looked()
        return len(futures)

    def _settle(self, run_id: UUID, future: Future[LookResult]) -> bool:
        """Say whether the run could be looked at."""
        try:
            result = future.result(PATIENCE_S)
        except BusyError:
            raise
        except Exception as error:
            log.warning("run %s could not be looked at: %s", run_id, type(error).__name__)
            return False
        if self._on_result is not None:
            self._on_result(result)
        return True

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self.sweep()
            except Exception as error:
                # The database may be away for a while; the next turn looks again.
                log.warning("silent runs could not be looked for: %s", type(error).__name__)
