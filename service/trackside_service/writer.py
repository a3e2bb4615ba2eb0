"""The writer: owns the transactions in which posts are stored.

A commit is the dear part of a small post. So the posts that wait when a transaction begins go into it together, and
one commit answers them all (group commit). Where one of them fails the transaction is rolled back and begun again with
a savepoint for each, so that the bad one fails alone: few fail, and savepoints are paid for by all. Nobody is answered
before the commit.

SQLite has one writer at a time, so there is one lane; Postgres has several, and a run always goes to the same one,
which keeps its posts in order. Inside a group the runs are worked on in the order of their ids, so that two services
never wait for each other's locks in a circle.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import exc

from trackside_service.errors import BusyError, StorageUnavailableError
from trackside_service.storage.engine import APART, WRITES, Savepoint, commit, is_sqlite, unavailable

T = TypeVar("T")
log: Final = logging.getLogger(__name__)

LANES: Final = 2
GROUP_LIMIT: Final = 64
GROUP_WEIGHT: Final = 5_000  # records: a group holds the only writer for well under a second
QUEUE_LIMIT: Final = 1_000
QUEUE_WEIGHT: Final = 200_000  # records that wait in memory
# Groups that get savepoints at once after one that was begun again: who sent the bad post may well send more of them.
CAREFUL: Final = 64
# Serialization failure and deadlock: Postgres has rolled back and asks for another try.
_TRY_AGAIN: Final = frozenset({"40001", "40P01"})


@dataclass(slots=True)
class _Post:
    job: Callable[[sa.Connection], Any]
    run_id: UUID
    future: Future[Any]
    weight: int = 1
    result: Any = None
    error: Exception | None = None


class _GroupError(Exception):
    """The transaction is gone, with all that was in it. `again`: nothing of it was stored, and a new try may work."""

    def __init__(self, cause: Exception, *, again: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.again = again


class _SpoiltError(Exception):
    """A post failed in a transaction without savepoints, which is rolled back with what the others wrote."""


@dataclass(slots=True)
class _Lane:
    posts: deque[_Post] = field(default_factory=deque)
    weight: int = 0  # of what waits
    changed: threading.Condition = field(default_factory=threading.Condition)
    stopping: bool = False
    careful: int = 0  # groups to come that get savepoints at once
    thread: threading.Thread | None = None


class Writer:
    """Runs jobs in grouped transactions. Start it once; `submit` may be called from any thread.

    `lanes` is the number of connections on Postgres. `group_limit` is the largest number of posts in a transaction: 1
    where a transaction must not touch two runs (a distributed Postgres); it is closed earlier where the weights of its
    posts reach `group_weight`. `queue_limit` and `queue_weight` bound the posts that wait in a lane. `on_commit` gets
    the results of the posts of each commit; it is called in the lane's thread and must be quick.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        lanes: int = LANES,
        group_limit: int = GROUP_LIMIT,
        group_weight: int = GROUP_WEIGHT,
        queue_limit: int = QUEUE_LIMIT,
        queue_weight: int = QUEUE_WEIGHT,
        on_commit: Callable[[Sequence[Any]], None] | None = None,
    ) -> None:
        if min(lanes, group_limit, group_weight, queue_limit, queue_weight) < 1:
            raise ValueError("lanes and limits are 1 or more")
        self._engine = engine.execution_options(**{WRITES: True, APART: group_limit == 1})
        self._group_limit = group_limit
        self._group_weight = group_weight
        self._queue_limit = queue_limit
        self._queue_weight = queue_weight
        self._on_commit = on_commit
        self._lanes = [_Lane(stopping=True) for _ in range(1 if is_sqlite(engine) else lanes)]

    def start(self) -> None:
        """Start the lanes' threads."""
        for number, lane in enumerate(self._lanes):
            lane.stopping = False
            lane.thread = threading.Thread(
                target=self._run, args=(lane,), name=f"trackside-writer-{number}", daemon=True
            )
            lane.thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Accept nothing more, store what waits and stop. What is left after `timeout_s` fails."""
        for lane in self._lanes:
            with lane.changed:
                lane.stopping = True
                lane.changed.notify_all()
        for lane in self._lanes:
            if lane.thread is not None:
                lane.thread.join(timeout_s)
            with lane.changed:
                left = list(lane.posts)
                lane.posts.clear()
                lane.weight = 0
            for post in left:
                if post.future.set_running_or_notify_cancel():
                    post.future.set_exception(_stopped())

    @property
    def waiting(self) -> int:
        """How many posts wait for a transaction."""
        return sum(len(lane.posts) for lane in self._lanes)

    def submit(self, job: Callable[[sa.Connection], T], run_id: UUID, *, weight: int = 1) -> Future[T]:
        """Run `job` in a transaction; the future has its result once that is committed, or its exception.

        `weight` is what it is beside others: the number of records that it stores. Jobs of one run run in the order in
        which they were submitted. A job may be run a second time where the first
        left nothing behind. Raises `BusyError` where too many wait, `StorageUnavailableError` where the writer is not
        running.
        """
        lane = self._lanes[run_id.int % len(self._lanes)]
        future: Future[T] = Future()
        with lane.changed:
            if lane.stopping:
                raise _stopped()
            # A post that is heavier than the queue has room alone: it could never be sent otherwise.
            full = bool(lane.posts) and lane.weight + weight > self._queue_weight
            if full or len(lane.posts) >= self._queue_limit:
                raise BusyError("more posts wait than can be stored at the moment; send this one again in a moment")
            lane.posts.append(_Post(job, run_id, future, weight))
            lane.weight += weight
            lane.changed.notify()
        return future

    def _run(self, lane: _Lane) -> None:
        while True:
            with lane.changed:
                while not lane.posts and not lane.stopping:
                    lane.changed.wait()
                if not lane.posts:
                    return
                taken = self._take(lane)
            group = [post for post in taken if post.future.set_running_or_notify_cancel()]
            # Stable: the posts of one run keep their order.
            group.sort(key=lambda post: post.run_id)
            try:
                self._store(lane, group)
            except Exception as error:
                log.exception("a group of %d posts failed", len(group))
                for post in group:
                    post.error = error
            self._answer(group)

    def _take(self, lane: _Lane) -> list[_Post]:
        """Take the next group from the queue: at least one post, and no more once they weigh enough."""
        taken = [lane.posts.popleft()]
        weight = taken[0].weight
        while lane.posts and len(taken) < self._group_limit and weight + lane.posts[0].weight <= self._group_weight:
            taken.append(lane.posts.popleft())
            weight += taken[-1].weight
        lane.weight -= weight
        return taken

    def _store(self, lane: _Lane, group: Sequence[_Post]) -> None:
        if not group:
            return
        try:
            self._together(lane, group)
        except _GroupError as failure:
            self._fail(group, failure.cause)
            if not failure.again:
                return
            # One of them may be the reason: each gets a transaction of its own, once.
            for index, post in enumerate(group):
                try:
                    self._transact([post])
                except _GroupError as second:
                    self._fail([post], second.cause)
                    if _is_lost(second.cause):
                        self._fail(group[index:], second.cause)
                        return

    def _together(self, lane: _Lane, group: Sequence[_Post]) -> None:
        """Run the jobs in one transaction and commit, so that each fails alone. Raises `_GroupError`."""
        if lane.careful == 0:
            try:
                self._transact(group)
            except _SpoiltError:
                lane.careful = CAREFUL
            else:
                return
        lane.careful -= 1
        self._transact(group, apart=True)

    def _transact(self, group: Sequence[_Post], *, apart: bool = False) -> None:
        """Run the jobs in one transaction and commit; `apart`: with a savepoint for each.

        Raises `_GroupError` where the transaction as a whole is lost, and `_SpoiltError` where one of several failed
        and they are not apart.
        """
        committing = False
        try:
            with self._engine.connect() as connection:
                transaction = connection.begin()
                savepoint = Savepoint(connection) if apart and len(group) > 1 else None
                for post in group:
                    self._run_job(connection, post, savepoint)
                    if post.error is not None and savepoint is None and len(group) > 1:
                        transaction.rollback()
                        raise _SpoiltError
                committing = True
                if len(group) > 1 or group[0].error is None:
                    commit(connection, transaction)
                else:
                    transaction.rollback()
        except (exc.DBAPIError, exc.TimeoutError) as error:
            state = getattr(getattr(error, "orig", None), "sqlstate", None)
            # A connection that breaks during the commit may have committed: the sender has to ask again, and what was
            # stored is then found to be a repetition.
            again = state in _TRY_AGAIN or (_is_lost(error) and not committing)
            raise _GroupError(error, again=again) from error

    @staticmethod
    def _run_job(connection: sa.Connection, post: _Post, savepoint: Savepoint | None) -> None:
        post.error = None
        if savepoint is not None:
            savepoint.set()
        try:
            post.result = post.job(connection)
        except Exception as error:
            if _breaks_transaction(error):
                raise
            post.error = error
            if savepoint is not None:
                savepoint.roll_back()
        else:
            if savepoint is not None:
                savepoint.keep()

    @staticmethod
    def _fail(group: Sequence[_Post], cause: Exception) -> None:
        for post in group:
            post.error = cause

    def _answer(self, group: Sequence[_Post]) -> None:
        stored = [post.result for post in group if post.error is None]
        for post in group:
            if post.error is None:
                post.future.set_result(post.result)
            else:
                post.future.set_exception(_named(post.error))
        if stored and self._on_commit is not None:
            try:
                self._on_commit(stored)
            except Exception:
                log.exception("what follows a commit failed; the commit stands")


def _stopped() -> StorageUnavailableError:
    return StorageUnavailableError("the service is stopping; send this again in a moment")


def _is_lost(error: Exception) -> bool:
    return isinstance(error, exc.DBAPIError) and error.connection_invalidated


def _breaks_transaction(error: Exception) -> bool:
    """Say whether a savepoint cannot help: the connection is gone, or Postgres has given up the transaction."""
    return isinstance(error, exc.DBAPIError) and (
        error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _TRY_AGAIN
    )


def _named(error: Exception) -> Exception:
    """Turn the driver's trouble into a refusal with a name."""
    if isinstance(error, exc.TimeoutError):
        named: Exception = BusyError("all connections to the database are in use; send this again in a moment")
    elif isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        named = unavailable(error)
    else:
        return error
    named.__cause__ = error
    return named
