"""The thread that sends what the inbox holds: the training loop never waits for the network.

The thread opens the run, posts batches, repeats what failed, and ends the run. While the service is away, what waits is
copied to disk; what is left when the time at the run's end is over goes there too.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from trackside import _delivery
from trackside._backlog import Backlog
from trackside._caller import Caller
from trackside._config import Settings
from trackside._disk import PATIENCE_S, DiskThread, Job
from trackside._inbox import MAX_VALUES, Inbox
from trackside._keeper import NO_ANSWER, Keeper, Kept, Losses
from trackside._records import Ending, batches
from trackside._say import Notices
from trackside._spool import Request
from trackside._wire import OnDevice

if TYPE_CHECKING:
    from trackside._replay import Replay
    from trackside._transport import Answer, Transport

T = TypeVar("T")

BATCH = 500
BATCH_VALUES = 20_000
GATHER_S = 0.2
LAST_TRIES = 3
LAST_DELAY_S = 0.25
LOOK_S = 0.25  # between two looks at what waits, while the service is away
DISK_AGAIN_S = 5.0  # between two looks at files for which the disk does not answer
READ_S = 0.5  # of the time at the end, for values on a device that the thread did not come to


class Sender:
    """Sends one process life of one run. `body` is the run's declaration, with its `process`."""

    def __init__(
        self, settings: Settings, transport: Transport, *, run_id: str, body: dict[str, Any], notices: Notices
    ) -> None:
        self._spill_above = settings.queue_size // 2, MAX_VALUES // 2
        self._caller = Caller(transport)
        self._run_id = run_id
        self._body = body
        self._notices = notices
        self._path = f"/v1/runs/{run_id}"
        self._process: str = body["process"]["id"]
        self._resumed = "resumed_from_step" in body["process"]
        self._rng = random.Random()  # noqa: S311 - jitter, no secret
        self._inbox = Inbox(settings.queue_size, notices)
        self._keeper = Keeper(settings, self._inbox, notices, run_id=run_id)
        self._backlog = Backlog(settings.spool_dir, url=settings.url, run_id=run_id)
        self._disk = DiskThread()
        self._stuck: Job[Any] | None = None  # what the disk was asked and did not answer in time
        self._last: Job[Kept] | None = None
        self._thread: threading.Thread | None = None
        self._opened = False
        self._reopened = False
        self._ended = False
        self._limit = BATCH
        self._failures = 0
        self._refused_in_a_row = 0
        self._last_tries = 0
        self._retry_at = 0.0
        self._told_to_wait = False  # by the service; else the wait is our own
        self._hurried = False
        self._deadline: float | None = None
        self.handing_over = False
        self.handed_over = False
        self.lost = 0  # beside what was dropped
        self._told_lost = 0
        self._tells_lost = True
        self._alerts = _delivery.CriticalAlerts()
        self.critical = False
        self.health: str | None = None
        self.put = self._inbox.put

    @property
    def dropped(self) -> int:
        """How many records were dropped because too much waited."""
        return self._inbox.dropped

    @property
    def _losses(self) -> Losses:
        return Losses(self.lost + self._keeper.lost + self._inbox.dropped, self._told_lost)

    @property
    def _has_to_tell(self) -> bool:
        return self._tells_lost and self._losses.untold

    def _opening(self) -> Request:
        return Request("PUT", self._path, self._body)

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
            self._deadline = time.monotonic() + within_s
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
            self.lost, inbox.emptied = self.lost + inbox.emptied, 0
            self._last = self._disk.do(self._conclude, last=True)
        needed = bool(inbox.pending) or not self._ended or self._losses.untold or self._keeper.has_files
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
        ending = self._inbox.ending
        last = None
        if ending is not None and ending.status and not self._ended:
            last = Request("PATCH", self._path, _end_body(ending))
        kept = self._keeper.conclude(self._opening(), last, losses=self._losses)
        self._backlog.release()
        return kept

    def _tell_end(self, kept: Kept) -> None:
        notices, inbox = self._notices, self._inbox
        if kept.why == NO_ANSWER:
            what = f"{kept.lost} records" if kept.lost else "the run's end"
            notices.tell("lost", f"{what} could not be sent and may be lost: {kept.why}.")
        elif kept.lost:
            self.lost += kept.lost
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
            while not self._ended and self._turn():
                pass
        except Exception as error:  # a mistake in here must not look like one of the script's
            self._notices.tell("internal", f"reporting stopped: {type(error).__name__} in the sender.")
        if self._inbox.closed or self._ended:  # `wait` did not wait for the last answer
            self._caller.close()

    def _turn(self) -> bool:
        """Wait for something to do and do one piece of it. Returns False when the thread should end."""
        inbox = self._inbox
        on_disk = self._keeper.has_moved and not self._disk_is_stuck
        idle = self._opened and not inbox.pending and not self._has_to_tell and not on_disk
        if idle and inbox.ending is None:
            self._gather()
        if not inbox.absorb():
            return False
        now = time.monotonic()
        if inbox.ending is not None and not self._hurried:
            self._hurried = True
            if not self._told_to_wait:
                self._retry_at = now  # what the service asked for is kept, our own patience is over
        # A wait that outlasts the time that is left is no use: the spool takes the rest now.
        if self._deadline is not None and (
            now >= self._deadline or (self._hurried and self._retry_at >= self._deadline)
        ):
            return False
        if now < self._retry_at:
            self._away()
            inbox.rest(min(self._retry_at, self._deadline or self._retry_at, now + LOOK_S) - now)
            return True
        return self._work()

    def _away(self) -> None:
        """The service is away: put on disk what waits, and take it out of memory where it is much."""
        if not self._disk.busy:
            opening = self._opening()
            self._disk.do(lambda: self._keeper.keep(opening, spill_above=self._spill_above))

    def _meanwhile(self) -> bool:
        """Called during the wait for an answer. Returns False where nobody wants it any more."""
        if not self._inbox.absorb():
            return False
        self._away()
        return True

    def _on_disk(self, work: Callable[[], T]) -> T | None:
        """Have something done that needs the disk. None where it does not answer: it is done once it does."""
        if self._disk_is_stuck:
            return None
        job = self._disk.do(work)
        if job.wait(PATIENCE_S):
            return job.result()
        self._stuck = job
        return None

    @property
    def _disk_is_stuck(self) -> bool:
        return self._stuck is not None and not self._stuck.done

    def _gather(self) -> None:
        """With nothing at hand, wait for a record, and then for some more: a batch should be worth its request."""
        inbox, backlog = self._inbox, self._backlog
        if self._disk_is_stuck:
            inbox.sleep(DISK_AGAIN_S)
        elif backlog.empty:
            inbox.sleep(None)
        else:
            pause = backlog.retry_at - time.monotonic()
            if pause > 0:
                inbox.sleep(pause)
        if self._deadline is None and 0 < inbox.waiting < BATCH:
            inbox.rest(GATHER_S)

    def _work(self) -> bool:
        """Make one request, the most urgent one."""
        if not self._opened:
            replay = self._on_disk(self._backlog.earlier_life)
            return self._open() if replay is None else self._replay(replay)
        moved = self._on_disk(self._keeper.next) if self._keeper.has_moved else None
        if moved is not None:
            return self._post_moved(moved)
        if self._inbox.pending:
            return self._post()
        if self._has_to_tell:
            return self._tell_lost()
        if self._inbox.ending is not None:
            return self._end()
        if time.monotonic() >= self._backlog.retry_at:
            replay = self._on_disk(self._backlog.next)
            if replay is not None:
                return self._replay(replay)
        return True

    def _open(self) -> bool:
        answer = self._ask("PUT", self._path, self._body)
        if answer is None:
            return self._go_on()
        meaning = _delivery.meaning("PUT", answer)
        if meaning == "done" or (meaning == "refused" and answer.status == _delivery.CONFLICT):
            lives = (answer.body or {}).get("processes")
            self._resumed = self._resumed or (isinstance(lives, list) and len(lives) > 1)
            if meaning != "done":
                self._notices.tell("conflict", f"the service keeps the run as it knows it: {answer.detail}")
            return self._settled("PUT", answer, opened=True)
        if meaning == "refused":
            body = _delivery.lighter(self._body, answer)
            if body is not None:
                given_up = ", ".join(sorted(set(self._body) - set(body)))
                self._notices.tell(
                    "declaration", f"the service refuses {given_up} and the run goes on without: {answer.detail}"
                )
                with self._inbox.lock:
                    self._body = body
                return True
        return self._failed(answer)

    def _post(self) -> bool:
        with self._inbox.lock:
            if self._inbox.closed:
                return False
            batch = next(batches(self._inbox.pending, self._limit, BATCH_VALUES))
            self._keeper.posting = True
        try:
            return self._post_batch(batch)
        finally:
            self._keeper.posting = False

    def _post_batch(self, batch: list[dict[str, Any]]) -> bool:
        answer = self._ask("POST", self._path + "/records", {"process": self._process, "records": batch})
        if answer is None:
            return self._go_on()
        meaning = _delivery.meaning("POST", answer)
        if meaning == "done":
            self._limit = min(BATCH, self._limit * 2)
            self._reopened = False
            self._refused_in_a_row = 0
            return self._settled("POST", answer, records=len(batch))
        if meaning == "unknown_run" and not self._reopened:
            self._opened = False  # the service lost its database, or another answers at its address
            self._reopened = True
            return True
        if len(batch) > 1 and (meaning == "refused" or answer.status == _delivery.TOO_LARGE):
            self._limit = len(batch) // 2  # halves, so that one bad record costs few requests and only itself
            return True
        if meaning != "refused":
            return self._failed(answer)
        self._notices.tell("record", f"the service refuses a record, which is left out: {answer.detail}")
        self.lost += 1
        self._refused_in_a_row += 1
        self._retry_at = time.monotonic() + _delivery.refusal_pause(self._refused_in_a_row)
        self._told_to_wait = False
        return self._settled("POST", None, records=1, refused=True)

    def _post_moved(self, moved: Replay) -> bool:
        """Send on what had been moved to disk."""
        request = moved.next()
        answer = self._ask(request.method, request.path, request.body)
        if answer is None:
            return self._go_on()
        found = self._on_disk(lambda: self._keeper.settle(answer))
        if found is None:
            return True
        dealt_with, refused = found
        if dealt_with:
            self._failures = 0
            self._reopened = False
            if refused:
                self._notices.tell("record", f"the service refuses a record, which is left out: {answer.detail}")
                self._retry_at = time.monotonic() + moved.pause_s
                self._told_to_wait = False
            return True
        if _delivery.meaning(request.method, answer) == "unknown_run" and not self._reopened:
            self._opened = False
            self._reopened = True
            return True
        return self._failed(answer)

    def _tell_lost(self) -> bool:
        """Tell the service how many records are lost, by themselves: nothing else is to be refused with it."""
        total = self._losses.total
        body = {"process": self._process, "records": [], "lost": total}
        answer = self._ask("POST", self._path + "/records", body)
        if answer is None:
            return self._go_on()
        if _delivery.meaning("POST", answer) == "refused":  # by a service that does not ask for it
            self._tells_lost = False
            return True
        if _delivery.meaning("POST", answer) != "done":
            return self._failed(answer)
        self._told_lost = total
        return self._settled("POST", answer)

    def _end(self) -> bool:
        ending = self._inbox.ending
        assert ending is not None
        if not ending.status:  # another process life of the run goes on with it
            self._ended = True
            return False
        answer = self._ask("PATCH", self._path, _end_body(ending))
        if answer is None:
            return self._go_on()
        meaning = _delivery.meaning("PATCH", answer)
        if meaning in ("done", "refused"):
            if meaning == "refused":
                self._notices.tell("end", f"the service refuses the run's end: {answer.detail}")
            self._settled("PATCH", answer, ended=True)
            return False
        return self._failed(answer)

    def _settled(
        self,
        method: str,
        answer: Answer | None,
        *,
        opened: bool = False,
        records: int = 0,
        ended: bool = False,
        refused: bool = False,
    ) -> bool:
        """Note that a request was dealt with. Returns False when `wait` took the rest away meanwhile."""
        with self._inbox.lock:
            if self._inbox.closed:
                return False
            self._inbox.settle(records)
            self._keeper.settled(records, refused=refused)
            self._opened = self._opened or opened
            self._ended = self._ended or ended
        if self._keeper.untidy and not self._disk.busy:
            self._disk.do(self._keeper.tidy)
        self._failures = 0
        if answer is not None and answer.body is not None:
            health = answer.body.get("health")
            self.health = health if isinstance(health, str) else self.health
            self.critical |= self._alerts.opened(method, answer.body, resumed=self._resumed)
        return True

    def _replay(self, replay: Replay) -> bool:
        request = replay.next()
        answer = self._ask(request.method, request.path, request.body)
        if answer is None:
            return self._go_on()
        failures = self._on_disk(lambda: self._backlog.settle(answer))
        if failures is None:
            return True
        if not failures:
            self._failures = 0
            self._backlog.retry_at = time.monotonic() + replay.pause_s
            return True
        if not self._opened:  # an earlier life of this run: its own records wait behind it, but not for ever
            return self._failed(answer)
        self._backlog.retry_at = time.monotonic() + _delivery.delay(failures, answer.retry_after_s, self._rng)
        return True

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> Answer | None:
        """Make one request; on no answer note the failure and return None."""
        from trackside._transport import TOTAL_TIMEOUT_S, UnreachableError

        limit = TOTAL_TIMEOUT_S
        if self._deadline is not None:
            limit = max(0.05, min(limit, self._deadline - time.monotonic()))
        try:
            return self._caller.request(method, path, body, timeout_s=limit, meanwhile=self._meanwhile)
        except UnreachableError as error:
            if self._inbox.closed:
                return None
            self._notices.tell(
                "unreachable", f"the service cannot be reached: {error}. Training goes on; records wait."
            )
            self._back_off(None)
            return None

    def _failed(self, answer: Answer) -> bool:
        """Note an answer that is no success, and when to try again."""
        if answer.status in (401, 403):
            self._notices.tell(
                "key", f"the service does not accept the key ({answer.detail}); records wait. See TRACKSIDE_API_KEY."
            )
        elif answer.status != 429:
            self._notices.tell("answer", f"the service cannot take records now ({answer.detail}); records wait.")
        self._back_off(answer.retry_after_s)
        return self._go_on()

    def _back_off(self, retry_after_s: float | None) -> None:
        self._failures += 1
        self._told_to_wait = retry_after_s is not None
        if self._inbox.ending is None:
            wait = _delivery.delay(self._failures, retry_after_s, self._rng)
        else:
            self._last_tries += 1
            wait = max(LAST_DELAY_S, retry_after_s or 0.0)
        self._retry_at = time.monotonic() + wait

    def _go_on(self) -> bool:
        """After the end was asked for, only a few more tries are made: the spool keeps the rest."""
        return self._inbox.ending is None or self._last_tries < LAST_TRIES


def _end_body(ending: Ending) -> dict[str, Any]:
    body: dict[str, Any] = {"status": ending.status}
    if ending.reason:
        body["reason"] = ending.reason
    return body
