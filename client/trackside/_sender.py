"""The thread that sends what the inbox holds: the training loop never waits for the network.

It gathers records, has them sent (see `_exchange`), and waits where that is of no use now. While the service is away,
what waits is copied to disk; what is left when the time at the run's end is over goes there too.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from trackside._backlog import Backlog
from trackside._caller import Caller
from trackside._config import Settings
from trackside._disk import DiskThread, Job
from trackside._exchange import BATCH, Exchange
from trackside._inbox import MAX_VALUES, Inbox
from trackside._keeper import NO_ANSWER, Keeper, Kept
from trackside._records import Ending
from trackside._say import Notices
from trackside._wire import OnDevice

if TYPE_CHECKING:
    from trackside._transport import Transport

GATHER_S = 0.2
LOOK_S = 0.25  # between two looks at what waits, while the service is away
DISK_AGAIN_S = 5.0  # between two looks at files for which the disk does not answer
READ_S = 0.5  # of the time at the end, for values on a device that the thread did not come to


class Sender:
    """Sends one process life of one run. `body` is the run's declaration, with its `process`."""

    def __init__(
        self, settings: Settings, transport: Transport, *, run_id: str, body: dict[str, Any], notices: Notices
    ) -> None:
        self._spill_above = settings.queue_size // 2, MAX_VALUES // 2
        self._notices = notices
        self._caller = Caller(transport)
        self._inbox = Inbox(settings.queue_size, notices)
        self._keeper = Keeper(settings, self._inbox, notices, run_id=run_id)
        self._backlog = Backlog(settings.spool_dir, url=settings.url, run_id=run_id)
        self._disk = DiskThread()
        self._exchange = Exchange(
            self._caller,
            self._inbox,
            self._keeper,
            self._backlog,
            self._disk,
            run_id=run_id,
            body=body,
            notices=notices,
            meanwhile=self._meanwhile,
        )
        self._last: Job[Kept] | None = None
        self._thread: threading.Thread | None = None
        self._hurried = False
        self._deadline: float | None = None
        self.handing_over = False
        self.handed_over = False
        self.put = self._inbox.put

    @property
    def dropped(self) -> int:
        """How many records were dropped because too much waited."""
        return self._inbox.dropped

    @property
    def lost(self) -> int:
        """How many records are lost beside those."""
        return self._exchange.lost

    @property
    def critical(self) -> bool:
        """Whether the service told of a critical alert."""
        return self._exchange.critical

    @property
    def health(self) -> str | None:
        """The run's health as the service last told it."""
        return self._exchange.health

    # -- the training loop's side ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; when the system refuses one, records wait and are spooled at the end."""
        thread = threading.Thread(target=self._run, name="trackside", daemon=True)
        try:
            self._disk.start()
            thread.start()
        except RuntimeError as error:
            self._notices.tell(
                "thread", f"no thread can be started ({error}); records are kept and spooled at the end."
            )
            return
        self._thread = thread

    def end(self, ending: Ending, *, within_s: float) -> None:
        """Ask the thread to send what is left and the end, within so many seconds. Returns at once; once is enough."""
        if self._deadline is None:
            self._deadline = self._exchange.deadline = time.monotonic() + within_s
            self._inbox.end(ending)

    def wait(self, *, patient: bool = True) -> None:
        """Wait for the thread until the deadline of `end`, then spool what is left.

        An interruption (Ctrl-C) ends the wait and goes on up, after what is left was spooled all the same. One that
        hits the spooling itself leaves it to the next call.
        """
        if self.handed_over or self.handing_over:
            return
        deadline = self._deadline if self._deadline is not None and patient else time.monotonic()
        spare = min(READ_S, max(0.0, deadline - time.monotonic()) / 4) if OnDevice.any_made else 0.0
        try:
            if self._thread is not None:
                self._thread.join(max(0.0, deadline - spare - time.monotonic()))
        finally:
            self.handing_over = True
            try:
                self._hand_over(deadline)
                self.handed_over = True
            finally:
                self.handing_over = False

    def _hand_over(self, deadline: float) -> None:
        """Take away from the thread what is left, and put it on disk."""
        inbox = self._inbox
        left_s = max(0.0, deadline - time.monotonic())
        if not inbox.close(lock_s=max(0.2, left_s), read_s=left_s):
            self._notices.tell("lost", "the last records could not be taken over at the end and are lost.")
            return
        if self._last is None:  # else an interruption ended the wait for it
            self._exchange.lost, inbox.emptied = self._exchange.lost + inbox.emptied, 0
            self._last = self._disk.do(self._conclude, last=True)
        needed = (
            bool(inbox.pending) or not self._exchange.ended or self._exchange.losses.untold or self._keeper.has_files
        )
        if self._last.wait_past(deadline if needed else time.monotonic(), lambda: self._keeper.steps):
            kept = self._last.result()
        elif not needed:  # the file of an earlier run that was to be sent comes back as a killed process's does
            kept = Kept(0, 0, "", anything=False)
        else:
            kept = Kept(0, len(inbox.pending), NO_ANSWER, anything=False)
        self._tell_end(kept)
        if self._thread is None or not self._thread.is_alive():
            self._caller.close()

    def _conclude(self) -> Kept:
        """Put on disk what is left."""
        exchange = self._exchange
        kept = self._keeper.conclude(exchange.opening(), exchange.ending(), losses=exchange.losses)
        self._backlog.release()
        return kept

    def _tell_end(self, kept: Kept) -> None:
        notices, inbox = self._notices, self._inbox
        if kept.why == NO_ANSWER:
            what = f"{kept.lost} records" if kept.lost else "the run's end"
            notices.tell("lost", f"{what} could not be sent and may be lost: {kept.why}.")
        elif kept.lost:
            self._exchange.lost += kept.lost
            notices.tell("lost", f"{kept.lost} records could not be sent and are lost: {kept.why}.")
        if kept.records or (kept.anything and not kept.lost):
            notices.tell(
                "spooled",
                f"{kept.records} records could not be sent in time; they wait on disk and go out when a run starts "
                "next or with `python -m trackside sync`.",
            )
        if inbox.unread:
            notices.tell(
                "device",
                f"{inbox.unread} records held values on a device that did not give them in time; those are lost.",
            )
        if inbox.dropped:
            notices.tell("dropped", f"{inbox.dropped} records were dropped because too many waited.")

    # -- the thread's side -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._caller.start()
        try:
            while not self._exchange.ended and self._turn():
                pass
        except Exception as error:  # a mistake in here must not look like one of the script's
            self._notices.tell("internal", f"reporting stopped: {type(error).__name__} in the sender.")
        if self._inbox.closed or self._exchange.ended:  # `wait` did not wait for the last answer
            self._caller.close()

    def _turn(self) -> bool:
        """Wait for something to do and do one piece of it. Returns False when the thread should end."""
        inbox, exchange = self._inbox, self._exchange
        on_disk = self._keeper.has_moved and not self._disk.stuck
        idle = exchange.opened and not inbox.pending and not exchange.has_to_tell and not on_disk
        if idle and inbox.ending is None:
            self._gather()
        if not inbox.absorb():
            return False
        now = time.monotonic()
        if inbox.ending is not None and not self._hurried:
            self._hurried = True
            if not exchange.told_to_wait:
                exchange.retry_at = now  # what the service asked for is kept, our own patience is over
        # A wait that outlasts the time that is left is no use: the spool takes the rest now.
        if self._deadline is not None and (
            now >= self._deadline or (self._hurried and exchange.retry_at >= self._deadline)
        ):
            return False
        if now < exchange.retry_at:
            self._away()
            inbox.rest(min(exchange.retry_at, self._deadline or exchange.retry_at, now + LOOK_S) - now)
            return True
        return exchange.work()

    def _away(self) -> None:
        """The service is away: put on disk what waits, and take it out of memory where it is much."""
        if not self._disk.busy:
            opening = self._exchange.opening()
            self._disk.do(lambda: self._keeper.keep(opening, spill_above=self._spill_above))

    def _meanwhile(self) -> bool:
        """Called during the wait for an answer. Returns False where nobody wants it any more."""
        if not self._inbox.absorb():
            return False
        self._away()
        return True

    def _gather(self) -> None:
        """With nothing at hand, wait for a record, and then for some more: a batch should be worth its request."""
        inbox, backlog = self._inbox, self._backlog
        if self._disk.stuck:
            inbox.sleep(DISK_AGAIN_S)
        elif backlog.empty:
            inbox.sleep(None)
        else:
            pause = backlog.retry_at - time.monotonic()
            if pause > 0:
                inbox.sleep(pause)
        if self._deadline is None and 0 < inbox.waiting < BATCH:
            inbox.rest(GATHER_S)
