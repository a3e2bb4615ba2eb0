"""Puts what waits in memory on disk while the service is away: a process that is killed loses a second of it.

What is copied stays in memory too, until so much waits there that it is moved out; then the disk is what is sent from,
in order, before what came later.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from trackside import _marks, _spool
from trackside._journal import Journal
from trackside._records import batches
from trackside._replay import Replay
from trackside._spool import Claim, Request, SpoolError

if TYPE_CHECKING:
    from trackside._config import Settings
    from trackside._inbox import Inbox
    from trackside._say import Notices
    from trackside._transport import Answer

LINE = 100  # records a line: what has to give way to the end is little
LINE_VALUES = 5_000
TOUCH_S = 60.0
NO_ANSWER = "the disk does not answer"
ROOM_AGAIN_S = 15.0  # a disk that took nothing is tried again after that


class Losses(NamedTuple):
    """How many records are lost so far, and how many the service was told of."""

    total: int
    told: int

    @property
    def untold(self) -> bool:
        """Whether the service does not know it all."""
        return self.total > self.told


class Kept(NamedTuple):
    """What became of what was left at the end: how many records are on disk, how many are not and why not, and whether
    anything is.
    """

    records: int
    lost: int
    why: str
    anything: bool


class Keeper:
    """The files of one process life. What touches the disk is called in the thread for that (see `_disk`); what both
    that thread and the sender's look at is under the inbox's lock.
    """

    def __init__(self, settings: Settings, inbox: Inbox, notices: Notices, *, run_id: str) -> None:
        self._settings = settings
        self._inbox = inbox
        self._notices = notices
        self._run_id = run_id
        self._journal: Journal | None = None
        self._copied = 0  # how many of the first that wait in memory are in the journal
        self._copying = False
        self._overtaken: list[bool] = []  # more that were dealt with while they were copied: were they refused?
        self._moved: deque[Journal] = deque()
        self._replay: Replay | None = None
        self._not_before = 0.0
        self._touch_at = 0.0
        self.posting = False  # whether the first in memory are on their way
        self.lost = 0  # records that the service refused of what had been moved, and that are counted nowhere else
        self.steps = 0  # whoever waits for the disk sees that it goes on

    # -- in the sender's thread --------------------------------------------------------------------------------------

    def settled(self, records: int, *, refused: bool = False) -> None:
        """Note that the first so many in memory were dealt with. The caller holds the inbox's lock."""
        if refused and self._copied and self._journal is not None:
            self._journal.refused += records  # whoever replays the file gets that answer again
        if self._copying:
            self._overtaken += [refused] * (records - self._copied)
        self._copied = max(0, self._copied - records)

    @property
    def untidy(self) -> bool:
        """Whether there is a copy of which all was sent."""
        return self._journal is not None and not self._copied

    @property
    def has_files(self) -> bool:
        """Whether the end has something to do on the disk, beside what is in memory."""
        return self._journal is not None or bool(self._moved)

    @property
    def has_moved(self) -> bool:
        """Whether something was moved out of memory."""
        return bool(self._moved)

    # -- in the disk's thread ----------------------------------------------------------------------------------------

    def keep(self, opening: Request, *, spill_above: tuple[int, int]) -> None:
        """Copy to disk what is not there yet. Where more records or values than `spill_above` wait, take out of memory
        what is on disk, if all of it is.
        """
        now = time.monotonic()
        gone = self._journal is not None and not self._journal.is_there
        with self._inbox.lock:
            if gone:
                self._give_up_journal()
            if self._inbox.closed:
                return
            fresh = list(islice(self._inbox.pending, self._copied, None))
            self._copying = bool(fresh) and now >= self._not_before
            self._overtaken = []
        self._show_life(now)
        if self._copying:
            self._copy(opening, fresh, now)
        with self._inbox.lock:
            if not self.posting and self._inbox.more_than(*spill_above) and self._copied == len(self._inbox.pending):
                self._spill()

    def _copy(self, opening: Request, fresh: Sequence[dict[str, Any]], now: float) -> None:
        taken = 0
        try:
            if self._journal is None:
                self._journal = self._begin(opening)
            taken = self._journal.append(self._posts(opening, fresh), wanted=self._goes_on)
            why = self._journal.why
        except Exception as error:
            why = _reason(error)
        with self._inbox.lock:
            self._copying = False
            self._copied += max(0, taken - len(self._overtaken))
            if self._journal is not None:
                self._journal.refused += sum(self._overtaken[:taken])
        if taken < len(fresh) and not self._inbox.closed:  # else the end keeps the rest
            self._not_before = now + ROOM_AGAIN_S
            self._notices.tell("disk", f"what waits to be sent cannot be kept on disk and stays in memory: {why}.")

    def _give_up_journal(self) -> None:
        """The copy is no more where it was: all that is in memory is to be copied anew, which does no harm where
        somebody took the file. The caller holds the inbox's lock, or the inbox is closed.
        """
        if self._journal is not None:
            self._journal.abandon()
        self._journal, self._copied = None, 0

    def _show_life(self, now: float) -> None:
        if now >= self._touch_at:
            self._touch_at = now + TOUCH_S
            for journal in (*self._moved, *([self._journal] if self._journal is not None else [])):
                _spool.touch(journal.path)

    def _spill(self) -> None:
        if self._journal is not None and not self._inbox.closed:
            self._moved.append(self._journal)
            self._inbox.settle(self._copied)
            self._journal, self._copied = None, 0

    def tidy(self) -> None:
        """Remove the copy when all of it was sent."""
        with self._inbox.lock:
            if self._journal is None or self._copied or self._inbox.closed:
                return
            journal, self._journal = self._journal, None
        journal.discard()

    def next(self) -> Replay | None:
        """Return what was moved out of memory and is to be sent before anything else, or None."""
        if self._replay is None and self._moved and not self._inbox.closed:
            self._replay = Replay(Claim(self._moved[0].path, self._run_id))
        self._drop_finished()
        return self._replay

    def settle(self, answer: Answer) -> tuple[bool, bool]:
        """Take the answer to the request that `next` gave: whether it was dealt with, and whether it was refused."""
        replay = self._replay
        if replay is None:
            return True, False
        known = self._moved[0].refused if self._moved else 0
        before = replay.refused
        dealt_with = replay.settle(answer)
        self.lost += max(0, replay.refused - known) - max(0, before - known)
        self._drop_finished()
        return dealt_with, replay.refused > before

    def _drop_finished(self) -> None:
        replay = self._replay
        if replay is None or not replay.finished:
            return
        self._replay = None
        with self._inbox.lock:
            if self._inbox.closed:
                return
            journal = self._moved.popleft()
        if replay.readable:
            journal.discard()
        else:
            journal.hand_on()  # what the disk does not give back now, it may give another process

    # -- the end -----------------------------------------------------------------------------------------------------

    def conclude(self, opening: Request, ending: Request | None, *, losses: Losses) -> Kept:
        """Put on disk what is left, and let it wait for whoever replays it. The inbox is closed by then.

        `ending`: the request that ends the run, if it was not made. What finds no room is lost, and counted.
        """
        if self._journal is not None and not self._journal.is_there:
            self._give_up_journal()
        losses = losses._replace(total=losses.total - self._counted_again())
        moved = sum(journal.records for journal in self._moved)
        for journal in self._moved:
            journal.hand_on()
        self._moved.clear()
        left = list(islice(self._inbox.pending, self._copied, None))
        unsent = self._copied + len(left)
        if not (unsent or ending is not None or losses.untold):
            if self._journal is not None:
                self._journal.discard()
            return Kept(moved, 0, "", anything=moved > 0)
        kept = self._conclude(opening, ending, left, losses)
        return kept._replace(records=kept.records + moved)

    def _counted_again(self) -> int:
        """How many records were refused, and will be again when their files are replayed from the beginning."""
        counts = [journal.refused for journal in self._moved]
        if self._replay is not None and counts:
            counts[0] = max(counts[0], self._replay.refused)
        return sum(counts) + (self._journal.refused if self._journal is not None else 0)

    def _conclude(
        self, opening: Request, ending: Request | None, left: Sequence[dict[str, Any]], losses: Losses
    ) -> Kept:
        unsent = self._copied + len(left)
        missing = len(left)

        def last(given_up: int) -> list[Request]:
            more = missing + min(given_up, unsent - missing)
            told = Request(
                "POST", opening.path + "/records", {**_of(opening), "records": [], "lost": losses.total + more}
            )
            return [*([told] if more + losses.total else []), *([ending] if ending is not None else [])]

        journal = self._journal
        try:
            if journal is None:
                # the declaration goes first even where the run was opened: it changes nothing then, and a service that
                # lost its database meanwhile can still take the rest
                journal = self._begin(opening)
            missing -= journal.append(self._posts(opening, left), wanted=self._step)
            why = journal.why
            given_up = journal.conclude(last)
            journal.hand_on()
        except Exception as error:
            if journal is not None:
                journal.discard()
            refused = journal.refused if journal is not None else 0  # the file is gone, and nobody replays it
            self._mark(opening, ending, losses.total + refused + unsent)
            return Kept(0, unsent, _reason(error), anything=False)
        missing += min(given_up, unsent - missing)
        return Kept(unsent - missing, missing, why or journal.why, anything=True)

    def _step(self) -> bool:
        self.steps += 1
        return True

    def _goes_on(self) -> bool:
        return self._step() and not self._inbox.closed

    def _mark(self, opening: Request, ending: Request | None, lost: int) -> None:
        settings, body = self._settings, opening.body
        status = _marks.OPEN if ending is None else ending.body["status"]
        if settings.spool_mb:  # 0 asks for nothing on disk
            _marks.leave(settings.spool_dir, url=settings.url, run_id=self._run_id, body=body, lost=lost, status=status)

    def _begin(self, opening: Request) -> Journal:
        settings = self._settings
        return Journal(
            settings.spool_dir, url=settings.url, run_id=self._run_id, limit_mb=settings.spool_mb, opening=opening
        )

    def _posts(self, opening: Request, records: Sequence[dict[str, Any]]) -> list[Request]:
        path, process = opening.path + "/records", _of(opening)
        return [Request("POST", path, {**process, "records": part}) for part in batches(records, LINE, LINE_VALUES)]


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SpoolError) else type(error).__name__


def _of(opening: Request) -> dict[str, Any]:
    return {"process": opening.body["process"]["id"]}
