"""Writes a file of the spool (see `_spool`): while the service is away, and at the run's end."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from trackside import _spool
from trackside._spool import Request, SpoolError

LOOK_S = 1.0  # between two looks at the whole folder, which may hold thousands of files


class Journal:
    """One file, begun with the run's declaration, to which requests are appended; others see it once it is handed on.

    Every line is in it whole or not at all, whatever the disk does. Used by one thread at a time. Raises `SpoolError`
    when the disk or the limit refuses even the beginning.
    """

    def __init__(self, folder: Path, *, url: str, run_id: str, limit_mb: float, opening: Request) -> None:
        self._folder = folder
        self._limit_mb = limit_mb
        self._end = 0
        self._looked_at: float | None = None
        self._others = 0  # bytes of the folder's other files, at the last look
        self._lines: list[tuple[int, int]] = []  # where a line begins, and how many records it holds
        self.refused = 0  # records in it that the service refused meanwhile, and that are counted as lost
        self.why = ""  # why the last line was not taken
        head = {"version": _spool.VERSION, "url": url, "run_id": run_id}
        name = f"{time.time_ns():020d}-{run_id}-{uuid.uuid4().hex[:8]}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = folder / (name + _spool.DRAFT)
            self._descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise SpoolError(f"the spool cannot be written ({_reason(error)})") from None
        self.path = draft
        try:
            _spool.lock(self._descriptor)
            if not self._write(_line(head)) or not self._write(_line(_as_json(opening))):
                raise SpoolError(self.why)
            live = folder / (name + _spool.LIVE)
            os.rename(draft, live)  # under the lock: whoever finds a .live without one knows that its process is gone
            self.path = live
        except (OSError, SpoolError) as error:
            self.discard()
            raise (error if isinstance(error, SpoolError) else SpoolError(_reason(error))) from None

    @property
    def is_there(self) -> bool:
        """Whether the file still lies where it was written: somebody may have emptied the folder, or taken the file of
        a process that showed no life for long (a suspended job).
        """
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except OSError:
            return False

    def abandon(self) -> None:
        """Leave the file to whoever took it."""
        self._close()

    @property
    def records(self) -> int:
        """How many records it holds."""
        return sum(records for _, records in self._lines)

    def append(self, requests: Iterable[Request], *, wanted: Callable[[], bool] = lambda: True) -> int:
        """Append requests until one is not taken, or while they are `wanted`. Returns how many records were (`why` says
        why not more).
        """
        taken = 0
        for request in requests:
            if not wanted():
                break
            begins = self._end
            if not self._write(_line(_as_json(request))):
                break
            self._lines.append((begins, request.records))
            taken += request.records
        return taken

    def conclude(self, last: Callable[[int], list[Request]]) -> int:
        """Append what `last` makes of the number of records that had to give way to it. Returns that number.

        The file is on the disk then. Raises `SpoolError` when there is no room even so.
        """
        given_up = 0
        while True:
            begins, tail = self._end, last(given_up)
            if all(self._write(_line(_as_json(request))) for request in tail):
                break
            self._cut(begins)
            if not self._lines:
                raise SpoolError(self.why)
            begins, records = self._lines.pop()
            self._cut(begins)
            given_up += records
        with contextlib.suppress(OSError):
            os.fsync(self._descriptor)
        return given_up

    def hand_on(self) -> None:
        """Let the file wait for whoever replays it."""
        with contextlib.suppress(OSError):
            os.rename(self.path, _spool.to_waiting(self.path))
        self._close()

    def discard(self) -> None:
        """Remove the file: what is in it was sent, or is worth nothing."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self._close()

    def _write(self, line: bytes) -> bool:
        now = time.monotonic()
        if self._looked_at is None or now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._others = _spool.size(self._folder) - self._end
        if self._others + self._end + len(line) > self._limit_mb * 1e6:
            self.why = f"the spool is full ({self._limit_mb:g} MB)"
            return False
        begins = self._end
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.why = f"the spool cannot be written ({_reason(error)})"
            self._cut(begins)
            return False
        self._end = begins + len(line)
        return True

    def _cut(self, size: int) -> None:
        self._end = size
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, size)
            os.lseek(self._descriptor, size, os.SEEK_SET)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _as_json(request: Request) -> dict[str, object]:
    return {"method": request.method, "path": request.path, "body": request.body}


def _line(item: dict[str, object]) -> bytes:
    return json.dumps(item, separators=(",", ":")).encode() + b"\n"


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
