"""The requests of one process life of a run, and what their answers mean for the next: `_sender` says when."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trackside import _delivery
from trackside._keeper import Keeper, Losses
from trackside._records import Ending, batches
from trackside._spool import Request

if TYPE_CHECKING:
    from trackside._backlog import Backlog
    from trackside._caller import Caller
    from trackside._disk import DiskThread
    from trackside._inbox import Inbox
    from trackside._replay import Replay
    from trackside._say import Notices
    from trackside._transport import Answer

BATCH = 500
BATCH_VALUES = 20_000
LAST_TRIES = 3
LAST_DELAY_S = 0.25


class Exchange:
    """Opens the run, posts batches, repeats what failed, and ends the run: one request at a time, the most urgent one.

    `body` is the run's declaration, with its `process`. `meanwhile` is called now and then during the wait for an
    answer, which ends when it returns False.
    """

    def __init__(
        self,
        caller: Caller,
        inbox: Inbox,
        keeper: Keeper,
        backlog: Backlog,
        disk: DiskThread,
        *,
        run_id: str,
        body: dict[str, Any],
        notices: Notices,
        meanwhile: Callable[[], bool],
    ) -> None:
        self._caller = caller
        self._inbox = inbox
        self._keeper = keeper
        self._backlog = backlog
        self._disk = disk
        self._body = body
        self._notices = notices
        self._meanwhile = meanwhile
        self._path = f"/v1/runs/{run_id}"
        self._process: str = body["process"]["id"]
        self._resumed = "resumed_from_step" in body["process"]
        self._rng = random.Random()  # noqa: S311 - jitter, no secret
        self._reopened = False
        self._limit = BATCH
        self._failures = 0
        self._refused_in_a_row = 0
        self._last_tries = 0
        self._told_lost = 0
        self._tells_lost = True
        self._alerts = _delivery.CriticalAlerts()
        self.opened = False
        self.ended = False
        self.retry_at = 0.0
        self.told_to_wait = False  # by the service; else the wait is our own
        self.deadline: float | None = None
        self.lost = 0  # beside what was dropped
        self.critical = False
        self.health: str | None = None

    @property
    def losses(self) -> Losses:
        """What is lost so far, and what the service knows of it."""
        return Losses(self.lost + self._keeper.lost + self._inbox.dropped, self._told_lost)

    @property
    def has_to_tell(self) -> bool:
        """Whether the service does not know of all that is lost, and can be told."""
        return self._tells_lost and self.losses.untold

    def opening(self) -> Request:
        """Return the request that opens the run."""
        return Request("PUT", self._path, self._body)

    def ending(self) -> Request | None:
        """Return the request that ends the run, if its end was asked for and is not told yet."""
        ending = self._inbox.ending
        if ending is None or not ending.status or self.ended:
            return None
        return Request("PATCH", self._path, _end_body(ending))

    def work(self) -> bool:
        """Make one request, the most urgent one."""
        if not self.opened:
            replay = self._disk.ask(self._backlog.earlier_life)
            return self._open() if replay is None else self._replay(replay)
        moved = self._disk.ask(self._keeper.next) if self._keeper.has_moved else None
        if moved is not None:
            return self._post_moved(moved)
        if self._inbox.pending:
            return self._post()
        if self.has_to_tell:
            return self._tell_lost()
        if self._inbox.ending is not None:
            return self._end()
        if time.monotonic() >= self._backlog.retry_at:
            replay = self._disk.ask(self._backlog.next)
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
            self.opened = False  # the service lost its database, or another answers at its address
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
        self.retry_at = time.monotonic() + _delivery.refusal_pause(self._refused_in_a_row)
        self.told_to_wait = False
        return self._settled("POST", None, records=1, refused=True)

    def _post_moved(self, moved: Replay) -> bool:
        """Send on what had been moved to disk."""
        request = moved.next()
        answer = self._ask(request.method, request.path, request.body)
        if answer is None:
            return self._go_on()
        found = self._disk.ask(lambda: self._keeper.settle(answer))
        if found is None:
            return True
        dealt_with, refused = found
        if dealt_with:
            self._failures = 0
            self._reopened = False
            if refused:
                self._notices.tell("record", f"the service refuses a record, which is left out: {answer.detail}")
                self.retry_at = time.monotonic() + moved.pause_s
                self.told_to_wait = False
            return True
        if _delivery.meaning(request.method, answer) == "unknown_run" and not self._reopened:
            self.opened = False
            self._reopened = True
            return True
        return self._failed(answer)

    def _tell_lost(self) -> bool:
        """Tell the service how many records are lost, by themselves: nothing else is to be refused with it."""
        total = self.losses.total
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
            self.ended = True
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
            self.opened = self.opened or opened
            self.ended = self.ended or ended
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
        failures = self._disk.ask(lambda: self._backlog.settle(answer))
        if failures is None:
            return True
        if not failures:
            self._failures = 0
            self._backlog.retry_at = time.monotonic() + replay.pause_s
            return True
        if not self.opened:  # an earlier life of this run: its own records wait behind it, but not for ever
            return self._failed(answer)
        self._backlog.retry_at = time.monotonic() + _delivery.delay(failures, answer.retry_after_s, self._rng)
        return True

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> Answer | None:
        """Make one request; on no answer note the failure and return None."""
        from trackside._transport import TOTAL_TIMEOUT_S, UnreachableError

        limit = TOTAL_TIMEOUT_S
        if self.deadline is not None:
            limit = max(0.05, min(limit, self.deadline - time.monotonic()))
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
        self.told_to_wait = retry_after_s is not None
        if self._inbox.ending is None:
            wait = _delivery.delay(self._failures, retry_after_s, self._rng)
        else:
            self._last_tries += 1
            wait = max(LAST_DELAY_S, retry_after_s or 0.0)
        self.retry_at = time.monotonic() + wait

    def _go_on(self) -> bool:
        """After the end was asked for, only a few more tries are made: the spool keeps the rest."""
        return self._inbox.ending is None or self._last_tries < LAST_TRIES


def _end_body(ending: Ending) -> dict[str, Any]:
    body: dict[str, Any] = {"status": ending.status}
    if ending.reason:
        body["reason"] = ending.reason
    return body
