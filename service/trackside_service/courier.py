"""The courier: claim, send, settle.

A short transaction leases what is due; the message is rendered from its snapshot and sent outside any transaction;
another short transaction settles it. A courier that is killed loses nothing: its leases end and another one, or the
same started again, sends what it held, under the same id. Several couriers on one database share the work.

What is claimed is a group of deliveries that travel as one message: of one, unless people read the channel and a burst
came in (`grouping` chooses). A group is sent once and settled in one transaction, each delivery with its own attempt.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from random import Random
from typing import Final, TypeAlias
from uuid import UUID, uuid4

import sqlalchemy as sa

from trackside_service.backoff import STANDARD_WEBHOOKS, delay
from trackside_service.channels import Message, Outcome, channel, deliver
from trackside_service.channels.base import Endpoint
from trackside_service.channels.digest import together
from trackside_service.channels.outbound import Outbound
from trackside_service.channels.secrets import Secrets
from trackside_service.channels.wording import news, run_link
from trackside_service.errors import SecretKeyMissingError
from trackside_service.storage import channels, deliveries, groups
from trackside_service.storage.channels import Sealed
from trackside_service.storage.deliveries import Attempt, Claimed, Settlement
from trackside_service.storage.engine import read_transaction, write_transaction

log: Final = logging.getLogger(__name__)

# Long against the longest sending (20 s), short against a person's patience when a courier has died.
LEASE_S: Final = 60.0
POLL_S: Final = 1.0
# A message that arrived and is not settled is sent again, so settling is tried again, ever more seldom, until this
# share of the lease is over.
SETTLE_PAUSES_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
SETTLE_SHARE: Final = 0.9
# So many channels divided by the cap of one may hang at once before the others have to wait.
THREADS: Final = 32
PER_CHANNEL: Final = 4


# Deliveries of one channel, at least one, that travel as one message.
Group: TypeAlias = tuple[Claimed, ...]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Courier:
    """Delivers what is due. `wake` is called after a commit that wrote deliveries; polling is the floor if that is
    lost.

    Sending happens in threads, at most `per_channel` at once for one channel, so that a slow receiver does not
    hold up the others. `clock` gives the time (UTC), `rng` the jitter of the retry schedule. `on_attempt` is told
    the outcome of every attempt. `public_url` is where people reach the service, for links to runs. `group_window_s`:
    for so long after a message to a channel that people read, what follows waits and becomes one message; 0 never.
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
        self._window = timedelta(seconds=group_window_s)
        self._changed = threading.Condition()
        self._awake = False
        self._stopping = False
        self._abandoned = threading.Event()
        self._busy: Counter[UUID] = Counter()
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
            for channel_id in due:
                for group, settle_by in self._claim([(channel_id, 1)], clock()):
                    self._attempt(group, clock, settle_by)
                    made += 1
            if made == before:
                return made

    def _run(self, pool: ThreadPoolExecutor) -> None:
        while True:
            with self._changed:
                if not self._awake and not self._stopping:
                    self._changed.wait(self._poll_s)
                if self._stopping:
                    return
                self._awake = False
            try:
                self._dispatch(pool)
            except Exception as error:
                # The database may be away for a while; polling goes on.
                log.warning("deliveries could not be claimed: %s", type(error).__name__)

    def _dispatch(self, pool: ThreadPoolExecutor) -> None:
        with read_transaction(self._engine) as connection:
            due = deliveries.due_channels(connection, self._clock())
        with self._changed:
            free = self._threads - self._busy.total()
            wanted: list[tuple[UUID, int]] = []
            for channel_id in sorted(due, key=lambda each: self._busy[each]):
                room = min(free, self._per_channel - self._busy[channel_id])
                if room > 0:
                    wanted.append((channel_id, room))
                    free -= room
        if not wanted:
            return
        for group, settle_by in self._claim(wanted, self._clock()):
            with self._changed:
                self._busy[group[0].channel_id] += 1
            pool.submit(self._work, group, settle_by)

    def _claim(self, wanted: Sequence[tuple[UUID, int]], now: datetime) -> list[tuple[Group, float]]:
        """Lease what is due, and say until when (`time.monotonic`) it should be settled."""
        settle_by = time.monotonic() + SETTLE_SHARE * self._lease.total_seconds()
        until = now + self._lease
        claimed: list[Group] = []
        with write_transaction(self._engine) as connection:
            grouped = self._grouped(connection, [channel_id for channel_id, _ in wanted])
            for channel_id, limit in wanted:
                if channel_id in grouped:
                    group = groups.claim_group(
                        connection, channel_id, lease=uuid4(), now=now, until=until, window=self._window
                    )
                    claimed += [group] if group else []
                    continue
                single = deliveries.claim(connection, channel_id, lease=uuid4(), now=now, until=until, limit=limit)
                # Should a database lease more than it was asked for, the cap of a receiver holds all the same: what is
                # left waits for the end of its lease.
                claimed += [(each,) for each in single[:limit]]
        return [(group, settle_by) for group in claimed]

    def _grouped(self, connection: sa.Connection, channel_ids: Sequence[UUID]) -> set[UUID]:
        """Return those of these channels whose messages are grouped."""
        if not self._window:
            return set()
        kinds = channels.kinds(connection, channel_ids)
        return {channel_id for channel_id, kind in kinds.items() if channel(kind).for_people}

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
            told = [_can_be_told(message) for message in messages]
            for claimed, good in zip(group, told, strict=True):
                if not good:
                    self._attempt((claimed,), clock, settle_by)
            if not any(told):
                return
            group = tuple(claimed for claimed, good in zip(group, told, strict=True) if good)
            messages = [message for message, good in zip(messages, told, strict=True) if good]
        at, began = clock(), time.perf_counter()
        message = messages[0] if len(messages) == 1 else together(messages, self._public_url)
        outcome = _send(message, group[0].endpoint, self._secrets, self._outbound, at)
        duration_ms = (time.perf_counter() - began) * 1000
        attempt = Attempt(at, duration_ms, outcome.status_code, outcome.error)
        settlements = self._settlements(group, outcome, attempt, clock())
        if not self._settle(group, settlements, settle_by):
            log.warning("%s took longer than its lease; another courier has it", _named(group))
        elif outcome.status != "delivered":
            log.info("%s: %s (attempt %d)", _named(group), outcome.error, group[0].attempts + 1)
        if self._on_attempt is not None:
            self._on_attempt(outcome.status)

    def _message(self, claimed: Claimed) -> Message:
        link = run_link(self._public_url, claimed.snapshot)
        return Message(claimed.id, claimed.event, claimed.created_at, claimed.snapshot, link)

    def _settle(self, group: Group, settlements: Sequence[Settlement], settle_by: float) -> bool:
        """Write how it went, again and again while the lease lasts: the database may be busy or away for a moment.

        Return False where the lease is not ours any more. Raises the last error once it is time to give up.
        """
        pauses = chain(SETTLE_PAUSES_S, repeat(SETTLE_PAUSES_S[-1]))
        while True:
            try:
                with write_transaction(self._engine) as connection:
                    ours = [deliveries.settle(connection, *each) for each in zip(group, settlements, strict=True)]
                return all(ours)
            except Exception as error:
                pause = next(pauses)
                if time.monotonic() + pause >= settle_by or self._abandoned.wait(pause):
                    raise
                log.info("%s is settled anew: %s", _named(group), type(error).__name__)

    def _settlements(self, group: Group, outcome: Outcome, attempt: Attempt, now: datetime) -> tuple[Settlement, ...]:
        """Return how each ended. Each keeps to its own schedule; those that were tried as often are due as one."""
        if outcome.status == "delivered":
            return (Settlement("delivered", attempt, now),) * len(group)
        final = Settlement("failed", attempt, now, disable=outcome.error if outcome.status == "gone" else None)
        if outcome.status != "retry":
            return (final,) * len(group)
        waits = {
            made: delay(made + 2, self._schedule, self._rng, retry_after=outcome.retry_after)
            for made in sorted({claimed.attempts for claimed in group})
        }
        return tuple(
            final if wait is None else Settlement("pending", attempt, now, due_at=now + timedelta(seconds=wait))
            for wait in (waits[claimed.attempts] for claimed in group)
        )


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a test message fared: `said` is what the receiver answered, `error` what went wrong; both bounded and
    redacted."""

    __test__ = False  # the name is the field's; pytest need not collect it

    delivered: bool
    status_code: int | None
    duration_ms: float
    said: str | None
    error: str | None


def send_test(
    engine: sa.Engine,
    secrets: Secrets,
    outbound: Outbound,
    channel_id: UUID,
    *,
    clock: Callable[[], datetime] = _utc_now,
) -> TestResult:
    """Send a test message to a channel now, once, and say how it went. Success enables a channel that was switched off.

    Raises `ChannelNotFoundError`.
    """
    with read_transaction(engine) as connection:
        stored = channels.get(connection, channel_id)
        endpoint = channels.sealed(connection, channel_id)
    at, began = clock(), time.perf_counter()
    message = Message(uuid4(), "channel.test", at, {"channel": {"id": str(channel_id), "name": stored.name}})
    outcome = _send(message, endpoint, secrets, outbound, at)
    duration_ms = (time.perf_counter() - began) * 1000
    delivered = outcome.status == "delivered"
    if delivered and stored.disabled_reason is not None:
        with write_transaction(engine) as connection:
            channels.set_disabled(connection, channel_id, None)
    return TestResult(delivered, outcome.status_code, duration_ms, outcome.said, outcome.error)


def _named(group: Group) -> str:
    others = f" and {len(group) - 1} with it" if len(group) > 1 else ""
    return f"delivery {group[0].id}{others}"


def _can_be_told(message: Message) -> bool:
    try:
        news(message)
    except Exception as error:
        log.error("a message could not be made: %s", type(error).__name__)
        return False
    return True


def _send(message: Message, sealed: Sealed, secrets: Secrets, outbound: Outbound, now: datetime) -> Outcome:
    """Send a message to a sealed endpoint; raises nothing."""
    try:
        endpoint = Endpoint(
            secrets.decrypt(sealed.url),
            None if sealed.secret is None else secrets.decrypt(sealed.secret),
            sealed.target,
        )
    except SecretKeyMissingError as error:
        return Outcome("retry", error=error.detail)
    try:
        return deliver(channel(sealed.kind), message, endpoint, outbound, now)
    except Exception as error:
        # Not the text of the error: it may repeat what was to be sent.
        log.error("a %s message could not be made: %s", sealed.kind, type(error).__name__)
        return Outcome("failed", error=f"the message could not be made ({type(error).__name__})")
