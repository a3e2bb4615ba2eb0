"""The thread that sends, behind a bounded queue: the training loop never waits for the network.

`put` is all that the loop touches: it takes no lock (`queue.SimpleQueue` may be entered again from a signal handler)
and does not wake the thread more than once a batch. The thread opens the run, posts batches, repeats what failed, and
ends the run. What is left when the time at exit is over goes to the spool.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import random
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from trackside import _delivery, _spool
from trackside._config import Settings
from trackside._records import Ending, Logged, build
from trackside._replay import Replay
from trackside._say import Notices

if TYPE_CHECKING:
    from trackside._transport import Answer, Transport

BATCH = 500
GATHER_S = 0.2
LAST_TRIES = 3
LAST_DELAY_S = 0.25


class Sender:
    """Sends one process life of one run. `body` is the run's declaration, with its `process`."""

    def __init__(
        self, settings: Settings, transport: Transport, *, run_id: str, body: dict[str, Any], notices: Notices
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._run_id = run_id
        self._body = body
        self._notices = notices
        self._path = f"/v1/runs/{run_id}"
        self._process: str = body["process"]["id"]
        self._rng = random.Random()  # noqa: S311 - jitter, no secret
        self._most = settings.queue_size
        self._queue: queue.SimpleQueue[Logged | Ending] = queue.SimpleQueue()
        self._nudge: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._drops = itertools.count(1)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # what is unsent: the thread's, until `wait` takes it away
        self._abandoned = False
        self._pending: deque[dict[str, Any]] = deque()
        self._held = 0
        self._seq = itertools.count()
        self._opened = False
        self._reopened = False
        self._ending: Ending | None = None
        self._ended = False
        self._limit = BATCH
        self._failures = 0
        self._last_tries = 0
        self._retry_at = 0.0
        self._deadline: float | None = None
        self._replays: deque[Replay] = deque()
        self._spool_read = False
        self.dropped = 0
        self.lost = 0
        self.critical = False
        self.health: str | None = None

    # -- the training loop's side ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; when the system refuses one, records wait and are spooled at the end."""
        thread = threading.Thread(target=self._run, name="trackside", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._notices.tell(
                "thread", f"no thread can be started ({error}); records are kept and spooled at the end."
            )
            return
        self._thread = thread

    def put(self, logged: Logged) -> None:
        """Queue one record, or drop and count it when the queue is full."""
        if self._queue.qsize() + self._held >= self._most:
            self.dropped = next(self._drops)
            self._notices.tell(
                "full", f"{self._most} records wait to be sent and no more are kept; what follows is dropped."
            )
            return
        self._queue.put(logged)

    def end(self, ending: Ending, *, within_s: float) -> None:
        """Ask the thread to send what is left and the end, within so many seconds. Returns at once."""
        self._deadline = time.monotonic() + within_s
        self._queue.put(ending)
        self._nudge.put(None)

    def wait(self) -> None:
        """Wait for the thread until the deadline of `end`, then spool what is left. Never raises."""
        deadline = self._deadline or time.monotonic()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        if not self._lock.acquire(timeout=1.0):  # the thread is stuck on a device while it reads a value
            self._notices.tell("lost", "the last records could not be read from the device in time and are lost.")
            return
        try:
            self._abandoned = True
            self._absorb()
            for replay in self._replays:
                replay.release()
            left = self._unsent()
            records = len(self._pending)
        finally:
            self._lock.release()
        if left:
            self._keep(left, records)
        if self.dropped:
            self._notices.tell("dropped", f"{self.dropped} records were dropped because the queue was full.")
        if self._thread is None or not self._thread.is_alive():
            self._transport.close()

    def _unsent(self) -> list[_spool.Request]:
        """Return the requests still to be made, in order; empty when the service has everything."""
        if self._opened and not self._pending and (self._ended or self._ending is None):
            return []
        # the declaration goes first even where the run was opened: it changes nothing then, and a service that
        # lost its database meanwhile can still take the rest
        left = [_spool.Request("PUT", self._path, self._body)]
        records = list(self._pending)
        for start in range(0, len(records), BATCH):
            body = {"process": self._process, "records": records[start : start + BATCH]}
            left.append(_spool.Request("POST", self._path + "/records", body))
        if self._ending is not None and not self._ended:
            left.append(_spool.Request("PATCH", self._path, _end_body(self._ending)))
        return left

    def _keep(self, left: list[_spool.Request], records: int) -> None:
        settings = self._settings
        try:
            _spool.write(
                settings.spool_dir, url=settings.url, run_id=self._run_id, requests=left, limit_mb=settings.spool_mb
            )
        except Exception as error:
            self.lost += records
            reason = error if isinstance(error, _spool.SpoolError) else type(error).__name__
            self._notices.tell("lost", f"{records} records could not be sent and are lost: {reason}.")
        else:
            self._notices.tell(
                "spooled",
                f"{records} records could not be sent in time; they wait on disk and go out when a run starts next "
                "or with `python -m trackside sync`.",
            )

    # -- the thread's side -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._abandoned and not (self._ending is not None and self._ended):
                if not self._turn():
                    break
        except Exception as error:  # a mistake in here must not look like one of the script's
            self._notices.tell("internal", f"reporting stopped: {type(error).__name__} in the sender.")

    def _turn(self) -> bool:
        """Wait for something to do and do one piece of it. Returns False when the thread should end."""
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            return False
        if now < self._retry_at:
            self._rest(min(self._retry_at, self._deadline or self._retry_at) - now)
            with self._lock:
                if not self._abandoned:
                    self._absorb()
            return True
        if self._idle():
            self._take()
            if self._ending is None and self._queue.qsize() < BATCH:
                self._rest(GATHER_S)  # so that a batch is worth its request
        with self._lock:
            if self._abandoned:
                return False
            self._absorb()
        return self._work()

    def _idle(self) -> bool:
        return self._opened and not self._pending and not self._replays and self._ending is None and self._spool_read

    def _take(self) -> None:
        """Wait for an item and take it in."""
        item = self._queue.get()
        with self._lock:
            if self._abandoned:
                self._queue.put(item)
            else:
                self._admit(item)

    def _rest(self, seconds: float) -> None:
        """Wait so long, at most a second, or until the run's end is asked for. Records gather without a wake."""
        with contextlib.suppress(queue.Empty):
            self._nudge.get(timeout=min(seconds, 1.0))

    def _absorb(self) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            self._admit(item)

    def _admit(self, item: Logged | Ending) -> None:
        if isinstance(item, Ending):
            self._ending = self._ending or item
            return
        record = build(item, self._notices)
        if record is not None:
            record["seq"] = next(self._seq)
            self._pending.append(record)
            self._held = len(self._pending)

    def _work(self) -> bool:
        """Make one request, the most urgent one."""
        if not self._spool_read:
            self._read_spool()
        if self._replays and self._replays[0].run_id == self._run_id and not self._opened:
            return self._replay_one()
        if not self._opened:
            return self._open()
        if self._pending:
            return self._post()
        if self._ending is not None:
            return self._end()
        if self._replays:
            return self._replay_one()
        return True

    def _open(self) -> bool:
        answer = self._ask("PUT", self._path, self._body)
        if answer is None:
            return self._go_on()
        meaning = _delivery.meaning(answer)
        if meaning == "done" or answer.status == 409:
            if meaning != "done":
                self._notices.tell("conflict", f"the service keeps the run as it knows it: {answer.detail}")
            return self._settled(answer, opened=True)
        if meaning == "refused":
            body = _delivery.lighter(self._body, answer)
            if body is not None:
                given_up = ", ".join(sorted(set(self._body) - set(body)))
                self._notices.tell(
                    "declaration", f"the service refuses {given_up} and the run goes on without: {answer.detail}"
                )
                with self._lock:
                    self._body = body
                return True
        return self._failed(answer)

    def _post(self) -> bool:
        batch = list(itertools.islice(self._pending, self._limit))
        answer = self._ask("POST", self._path + "/records", {"process": self._process, "records": batch})
        if answer is None:
            return self._go_on()
        meaning = _delivery.meaning(answer, wants="accepted")
        if meaning == "done":
            self._limit = min(BATCH, self._limit * 2)
            self._reopened = False
            return self._settled(answer, records=len(batch))
        if meaning == "unknown_run" and not self._reopened:
            self._opened = False  # the service lost its database, or another answers at its address
            self._reopened = True
            return True
        if meaning != "refused":
            return self._failed(answer)
        if len(batch) > 1:
            self._limit = len(batch) // 2  # halves, so that one bad record costs few requests and only itself
            return True
        self._notices.tell("record", f"the service refuses a record, which is left out: {answer.detail}")
        self.lost += 1
        return self._settled(None, records=1)

    def _end(self) -> bool:
        assert self._ending is not None
        answer = self._ask("PATCH", self._path, _end_body(self._ending))
        if answer is None:
            return self._go_on()
        meaning = _delivery.meaning(answer)
        if meaning in ("done", "refused"):
            if meaning == "refused":
                self._notices.tell("end", f"the service refuses the run's end: {answer.detail}")
            self._settled(answer, ended=True)
            return False
        return self._failed(answer)

    def _settled(self, answer: Answer | None, *, opened: bool = False, records: int = 0, ended: bool = False) -> bool:
        """Note that a request was dealt with. Returns False when `wait` took the rest away meanwhile."""
        with self._lock:
            if self._abandoned:
                return False
            for _ in range(records):
                self._pending.popleft()
            self._held = len(self._pending)
            self._opened = self._opened or opened
            self._ended = self._ended or ended
        self._failures = 0
        if answer is not None and answer.body is not None:
            health = answer.body.get("health")
            self.health = health if isinstance(health, str) else self.health
            self.critical = self.critical or _delivery.critical_opened(answer.body)
        return True

    def _read_spool(self) -> None:
        self._spool_read = True
        found = (_spool.claim(path, url=self._settings.url) for path in _spool.waiting(self._settings.spool_dir))
        replays = [Replay(taken) for taken in found if taken is not None]
        with self._lock:
            # an earlier life of this run goes first, so that the service sees the lives in their order
            self._replays.extend(sorted(replays, key=lambda replay: replay.run_id != self._run_id))

    def _replay_one(self) -> bool:
        replay = self._replays[0]
        request = replay.next()
        answer = self._ask(request.method, request.path, request.body)
        if answer is None:
            return self._go_on()
        if not replay.settle(answer):
            return self._failed(answer)
        self._failures = 0
        with self._lock:
            if replay.finished and not self._abandoned:
                replay.remove()
                self._replays.popleft()
        return True

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> Answer | None:
        """Make one request; on no answer note the failure and return None."""
        from trackside._transport import TOTAL_TIMEOUT_S, UnreachableError

        limit = TOTAL_TIMEOUT_S
        if self._deadline is not None:
            limit = max(0.05, min(limit, self._deadline - time.monotonic()))
        try:
            return self._transport.request(method, path, body, timeout_s=limit)
        except UnreachableError as error:
            if self._abandoned:
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
        if self._ending is None:
            wait = _delivery.delay(self._failures, retry_after_s, self._rng)
        else:
            self._last_tries += 1
            wait = max(LAST_DELAY_S, retry_after_s or 0.0)
        self._retry_at = time.monotonic() + wait

    def _go_on(self) -> bool:
        """After the end was asked for, only a few more tries are made: the spool keeps the rest."""
        return self._ending is None or self._last_tries < LAST_TRIES


def _end_body(ending: Ending) -> dict[str, Any]:
    body: dict[str, Any] = {"status": ending.status}
    if ending.reason:
        body["reason"] = ending.reason
    return body
