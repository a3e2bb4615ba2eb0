"""The courier's loop: which channels have something to send, how much of it at once, and what became of it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from random import Random
from typing import Final
from uuid import UUID, uuid4

import sqlalchemy as sa

from trackside_service.backoff import STANDARD_WEBHOOKS
from trackside_service.channels import Message, channel
from trackside_service.channels.digest import together
from trackside_service.channels.outbound import Outbound
from trackside_service.channels.secrets import Secrets
from trackside_service.channels.wording import link_of
from trackside_service.courier.judging import Group, Judgement, judged, stand
from trackside_service.courier.listening import Listener
from trackside_service.courier.sending import can_be_told, send
from trackside_service.dying import DEAD_AFTER
from trackside_service.storage import deliveries, groups, settling, turns
from trackside_service.storage.deliveries import Claimed, Due
from trackside_service.storage.delivery_log import Attempt
from trackside_service.storage.engine import read_transaction, write_transaction

log: Final = logging.getLogger(__name__)

# Long against the longest sending (20 s), short against a person's patience when a courier has died.
LEASE_S: Final = 60.0
POLL_S: Final = 0.5
# A message that arrived and is not settled is sent again, so settling is tried again, ever more seldom, until this
# share of the lease is over.
SETTLE_PAUSES_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
SETTLE_SHARE: Final = 0.9
# Half as many channels may hang at once before the others have to wait (`Courier._rooms`).
THREADS: Final = 64
PER_CHANNEL: Final = 4


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Courier:
    """Delivers what is due. `wake` is called after a commit that wrote deliveries; on Postgres it also listens for the
    commits of other processes. Polling is the floor if that is lost.

    Sending happens in threads, at most `per_channel` at once for one channel, so that a slow receiver does not
    hold up the others. `clock` gives the time (UTC), `rng` the jitter of the retry schedule. `on_attempt` is told
    the outcome of every attempt. `public_url` is where people reach the service, for links to runs. `group_window_s`:
    for so long after a message to a channel that people read, what follows waits and becomes one message; 0 never.
    `dead_after`: for so long nothing arrives at a channel until it is switched off (`dying`; None: never).
    """

    def __init__(
        self,
        engine: sa.Engine,
        secrets: Secrets,
        outbound: Outbound,
        *,
        schedule: Sequence[float] = STANDARD_WEBHOOKS,
        clock: Callable[[], datetime] = _utc_now,
        rng: Random | None = None,
        threads: int = THREADS,
        per_channel: int = PER_CHANNEL,
        lease_s: float = LEASE_S,
        poll_s: float = POLL_S,
        on_attempt: Callable[[str], None] | None = None,
        public_url: str | None = None,
        group_window_s: float = 0.0,
        dead_after: timedelta | None = DEAD_AFTER,
    ) -> None:
        if lease_s <= outbound.total_s:
            raise ValueError("a lease must outlast the longest sending")
        self._engine = engine
        self._secrets = secrets
        self._outbound = outbound
        self._schedule = tuple(schedule)
        self._clock = clock
        self._rng = rng or Random()  # noqa: S311 - jitter, not a secret
        self._threads = threads
        self._per_channel = per_channel
        self._lease = timedelta(seconds=lease_s)
        self._poll_s = poll_s
        self._on_attempt = on_attempt
        self._public_url = public_url
        self._dead_after = dead_after
        self._window = timedelta(seconds=group_window_s)
        self._changed = threading.Condition()
        self._awake = False
        self._stopping = False
        self._abandoned = threading.Event()
        self._busy: Counter[UUID] = Counter()
        self._ready_at: datetime | None = None
        self._listener = Listener(engine, self.wake)
        self._dispatcher: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Begin to deliver, in threads of its own."""
        if self._dispatcher is not None:
            raise RuntimeError("the courier runs already")
        self._stopping = False
        self._abandoned.clear()
        self._awake = True
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="trackside-courier")
        self._dispatcher = threading.Thread(target=self._run, args=(self._pool,), name="trackside-courier", daemon=True)
        self._dispatcher.start()
        self._listener.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Claim nothing more and wait for what is being sent, at most `timeout_s` (unless given: the longest sending).

        What is not settled by then is sent again after its lease has ended.
        """
        dispatcher, pool = self._dispatcher, self._pool
        if dispatcher is None or pool is None:
            return
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._listener.stop()
        dispatcher.join()
        with self._changed:
            self._changed.wait_for(
                lambda: not self._busy.total(), self._outbound.total_s if timeout_s is None else timeout_s
            )
        self._abandoned.set()
        pool.shutdown(wait=False, cancel_futures=True)
        self._dispatcher = self._pool = None

    def wake(self) -> None:
        """Look for due deliveries now. Cheap, and may be called from any thread."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def run_once(self, now: datetime | None = None) -> int:
        """Deliver in this thread everything that is due (at `now`, else by the clock); return the number of messages
        that were sent."""
        clock = self._clock if now is None else (lambda: now)
        made = 0
        while True:
            with read_transaction(self._engine) as connection:
                due = deliveries.due_channels(connection, clock())
            before = made
            for each in (one for one in due if one.ready_at is None):
                for group, settle_by in self._claim([(each, 1)], clock()):
                    self._attempt(group, clock, settle_by)
                    made += 1
            if made == before:
                return made

    def _run(self, pool: ThreadPoolExecutor) -> None:
        while True:
            with self._changed:
                if not self._awake and not self._stopping:
                    self._changed.wait(self._nap())
                if self._stopping:
                    return
                self._awake = False
            try:
                self._dispatch(pool)
            except Exception as error:
                # The database may be away for a while; polling goes on.
                log.warning("deliveries could not be claimed: %s", type(error).__name__)

    def _nap(self) -> float:
        """Return for how many seconds to sleep: less than a poll where a channel that waits is ready sooner."""
        if self._ready_at is None:
            return self._poll_s
        return min(self._poll_s, max(0.0, (self._ready_at - self._clock()).total_seconds()))

    def _dispatch(self, pool: ThreadPoolExecutor) -> None:
        now = self._clock()
        self._ready_at = None  # should the database not answer, the next look is a poll away
        with read_transaction(self._engine) as connection:
            due = deliveries.due_channels(connection, now)
        self._ready_at = min((each.ready_at for each in due if each.ready_at is not None), default=None)
        with self._changed:
            wanted = self._rooms([each for each in due if each.ready_at is None])
        if not wanted:
            return
        for group, settle_by in self._claim(wanted, self._clock()):
            with self._changed:
                self._busy[group[0].channel_id] += 1
            pool.submit(self._work, group, settle_by)

    def _rooms(self, due: Sequence[Due]) -> list[tuple[Due, int]]:
        """Share the free threads among the channels, those first that have few. The more a channel has the more have to
        be free for another one: receivers that hang take all their shares, and leave the first ones to the others.
        """
        free = self._threads - self._busy.total()
        wanted: list[tuple[Due, int]] = []
        for each in sorted(due, key=lambda each: self._busy[each.channel_id]):
            room = 0
            held = self._busy[each.channel_id]
            while held < self._per_channel and free > self._threads * held // self._per_channel:
                held, room, free = held + 1, room + 1, free - 1
            if room:
                wanted.append((each, room))
        return wanted

    def _claim(self, wanted: Sequence[tuple[Due, int]], now: datetime) -> list[tuple[Group, float]]:
        """Lease what is due, and say until when (`time.monotonic`) it should be settled."""
        settle_by = time.monotonic() + SETTLE_SHARE * self._lease.total_seconds()
        until = now + self._lease
        claimed: list[Group] = []
        with write_transaction(self._engine) as connection:
            for each, room in wanted:
                claimed += self._claim_of(connection, each, room, now, until)
        return [(group, settle_by) for group in claimed]

    def _claim_of(
        self, connection: sa.Connection, due: Due, room: int, now: datetime, until: datetime
    ) -> Sequence[Group]:
        """Lease what leaves a channel now: several messages, or one where they are grouped or their rate is limited."""
        kind = channel(due.kind)
        grouped = bool(self._window) and kind.for_people
        most = due.max_per_minute or kind.per_minute
        if not grouped and most is None:
            single = deliveries.claim(connection, due.channel_id, lease=uuid4(), now=now, until=until, limit=room)
            # Should a database lease more than it was asked for, the cap of a receiver holds all the same: what is left
            # waits for the end of its lease.
            return [(each,) for each in single[:room]]
        turn = turns.take(connection, due.channel_id, now)
        if turn is None:
            return ()
        if grouped:
            group = groups.claim_group(connection, turn, lease=uuid4(), until=until, window=self._window)
        else:
            group = deliveries.claim(connection, due.channel_id, lease=uuid4(), now=now, until=until, limit=1)[:1]
        if not group:
            return ()
        turns.use(connection, turn, None if most is None else timedelta(minutes=1) / most)
        return [group]

    def _work(self, group: Group, settle_by: float) -> None:
        try:
            self._attempt(group, self._clock, settle_by)
        except Exception as error:
            log.warning("%s could not be settled: %s", _named(group), type(error).__name__)
        finally:
            with self._changed:
                self._busy[group[0].channel_id] -= 1
                self._awake = True
                self._changed.notify_all()

    def _attempt(self, group: Group, clock: Callable[[], datetime], settle_by: float) -> None:
        """Send a group as one message and settle it. What cannot be told fails by itself, and takes nobody along."""
        messages = [self._message(claimed) for claimed in group]
        if len(group) > 1:
            told = [can_be_told(message) for message in messages]
            for claimed, good in zip(group, told, strict=True):
                if not good:
                    self._attempt((claimed,), clock, settle_by)
            if not any(told):
                return
            group = tuple(claimed for claimed, good in zip(group, told, strict=True) if good)
            messages = [message for message, good in zip(messages, told, strict=True) if good]
        at, began = clock(), time.perf_counter()
        message = messages[0] if len(messages) == 1 else together(messages, self._public_url)
        outcome = send(message, group[0].endpoint, self._secrets, self._outbound, at)
        duration_ms = (time.perf_counter() - began) * 1000
        attempt = Attempt(at, duration_ms, outcome.status_code, outcome.error)
        judgement = judged(group, outcome, attempt, now=clock(), schedule=self._schedule, rng=self._rng)
        if not self._settle(group, judgement, settle_by):
            log.warning("%s took longer than its lease; another courier has it", _named(group))
        elif outcome.status != "delivered":
            log.info("%s: %s (attempt %d)", _named(group), outcome.error, group[0].attempts + 1)
        if self._on_attempt is not None:
            self._on_attempt(outcome.status)

    def _message(self, claimed: Claimed) -> Message:
        link = link_of(self._public_url, claimed.snapshot)
        return Message(claimed.id, claimed.event, claimed.created_at, claimed.snapshot, link)

    def _settle(self, group: Group, judgement: Judgement, settle_by: float) -> bool:
        """Write how it went, again and again while the lease lasts: the database may be busy or away for a moment.

        Return False where the lease is not ours any more. Raises the last error once it is time to give up.
        """
        pauses = chain(SETTLE_PAUSES_S, repeat(SETTLE_PAUSES_S[-1]))
        while True:
            try:
                with write_transaction(self._engine) as connection:
                    each_one = zip(group, judgement.settlements, strict=True)
                    ours = [settling.settle(connection, *each) for each in each_one]
                    off = None
                    if any(ours):
                        off = stand(
                            connection,
                            group[0].channel_id,
                            judgement,
                            now=judgement.settlements[0].at,
                            dead_after=self._dead_after,
                        )
                if off is not None:
                    log.warning("channel %s is switched off: %s", group[0].channel_id, off)
                    self.wake()
                return all(ours)
            except Exception as error:
                pause = next(pauses)
                if time.monotonic() + pause >= settle_by or self._abandoned.wait(pause):
                    raise
                log.info("%s is settled anew: %s", _named(group), type(error).__name__)


def _named(group: Group) -> str:
    others = f" and {len(group) - 1} with it" if len(group) > 1 else ""
    return f"delivery {group[0].id}{others}"
