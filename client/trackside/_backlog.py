"""What earlier runs left on disk, sent one file at a time while this run has nothing more urgent to do."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from trackside import _spool
from trackside._replay import Replay

if TYPE_CHECKING:
    from trackside._transport import Answer

FILE_TRIES = 5  # answers in a row that do not take a request; then the file waits for the next run


class Backlog:
    """The waiting files for one service. At most one is claimed at a time, and read request by request.

    All but `empty` and `retry_at` is for the thread that touches the disk (see `_disk`).
    """

    def __init__(self, folder: Path, *, url: str, run_id: str) -> None:
        self._folder = folder
        self._url = url
        self._run_id = run_id
        self._paths: deque[Path] | None = None
        self._current: Replay | None = None
        self._failures = 0
        self.retry_at = 0.0  # no earlier is another file's request worth its while

    @property
    def empty(self) -> bool:
        """Whether nothing is left that this run can send. Not before somebody looked."""
        return self._current is None and self._paths is not None and not self._paths

    def earlier_life(self) -> Replay | None:
        """Return what an earlier life of this very run left, so that the service sees the lives in their order."""
        paths = self._listed()
        while self._current is None and paths and _spool.is_of(paths[0], self._run_id):
            self._take(paths.popleft())
        return self._current

    def next(self) -> Replay | None:
        """Return what is to be sent next, or None when nothing is left."""
        paths = self._listed()
        while self._current is None and paths:
            self._take(paths.popleft())
        return self._current

    def settle(self, answer: Answer) -> int:
        """Take the answer to the request that is to be sent. Returns how many answers in a row did not take it, 0 when
        it was dealt with; after a few of them the next file is gone on to.
        """
        if self._current is None:
            return 0
        if self._current.settle(answer):
            self._failures = 0
            self._drop_finished()
            return 0
        self._failures += 1
        failures = self._failures
        if failures >= FILE_TRIES:
            self.release()
        return failures

    def release(self) -> None:
        """Put the claimed file back for a later run."""
        self._failures = 0
        current, self._current = self._current, None
        if current is not None:
            current.release()

    def _listed(self) -> deque[Path]:
        if self._paths is None:
            found = _spool.waiting(self._folder)
            self._paths = deque(sorted(found, key=lambda path: not _spool.is_of(path, self._run_id)))
        return self._paths

    def _take(self, path: Path) -> None:
        taken = _spool.claim(path, url=self._url)
        if taken is not None:
            self._failures = 0
            self._current = Replay(taken)
            self._drop_finished()  # without requests, or the first is not one that we wrote

    def _drop_finished(self) -> None:
        """Deal with a file whose requests all were made."""
        if self._current is not None and self._current.finished:
            self._current.close()
            self._current = None
