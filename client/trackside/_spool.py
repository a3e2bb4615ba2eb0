"""What could not be sent waits on disk and is replayed when a run starts again, or by `python -m trackside sync`.

One file is one process life of one run, or a part of it, in lines of JSON: first what it is, then the requests that are
still to be made, in order, one a line, so that it is written and read without holding all of it (`_journal` writes it).
It holds no key. While its process lives it is called .live and locked; a process that is killed leaves it so, and the
next one sees that nobody holds the lock. A reader claims a file by renaming it, so that two processes do not replay the
same one; since every request is idempotent, a doubled replay would do no harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trackside import _marks

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

VERSION = 2
SUFFIX = ".jsonl"
LIVE = ".live"
CLAIMED = ".claimed"
DRAFT = ".tmp"
STALE_S = 900.0  # what lives shows it more often

# What we write, and so all that is sent again with the key of this process.
PATH = re.compile(r"/v1/runs/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/records)?")
METHODS = ("PUT", "POST", "PATCH")


class SpoolError(Exception):
    """The spool cannot take more, or a file holds what we did not write; the text says which."""


@dataclass(frozen=True)
class Request:
    """One request still to be made. `path` begins with /v1/runs/."""

    method: str
    path: str
    body: dict[str, Any]

    @property
    def records(self) -> int:
        """How many records it carries."""
        return len(self.body.get("records", ()))


@dataclass(frozen=True)
class Claim:
    """A spooled file that this process is replaying."""

    path: Path
    run_id: str

    def requests(self) -> Iterator[Request]:
        """Read the requests, one at a time. Raises `SpoolError` at one that is not as we write them.

        A last line without its end is of a process that was killed while it wrote, and is left out.
        """
        mark = _marks.parse(self.path.with_suffix("").name)
        if mark is not None:
            for method, path, body in mark.requests():
                yield Request(method, path, body)
            return
        try:
            with self.path.open("rb") as file:
                file.readline()
                for line in file:
                    if line.endswith(b"\n"):
                        yield _request(line)
        except OSError as error:
            raise SpoolError(f"the spool cannot be read ({error.strerror or type(error).__name__})") from None


def size(folder: Path) -> int:
    """Return the bytes that the folder holds."""
    total = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                total += entry.stat().st_size
    return total


def waiting(folder: Path) -> list[Path]:
    """Return the files that wait, oldest first; those whose process is gone are put back among them. None where the
    folder is not to be had.
    """
    for path in _ending(folder, LIVE):
        _recover(path)
    for path in _ending(folder, CLAIMED):
        if _stale(path):
            with contextlib.suppress(OSError):
                os.replace(path, path.with_suffix(""))
    for path in _ending(folder, DRAFT):  # of a process that was killed while it began one
        if _stale(path):
            with contextlib.suppress(OSError):
                path.unlink()
    found = [path for place in (folder, _marks.shelter()) for path in _ending(place, _marks.SUFFIX)]
    return sorted([*_ending(folder, SUFFIX), *found], key=lambda path: path.name)


def _ending(folder: Path, suffix: str) -> list[Path]:
    """The folder's files of a kind. `Path.glob` would raise where a folder above is closed to this user, say."""
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.name.endswith(suffix)]
    except OSError:
        return []


def is_of(path: Path, run_id: str) -> bool:
    """Tell by its name whether a file is of a run."""
    return f"-{run_id}-" in path.name


def claim(path: Path, *, url: str) -> Claim | None:
    """Take one waiting file, or return None when another process has it, it is not for `url`, or is none of ours.

    Never for another address, and never one that another user wrote: the key that this process holds is not for it. A
    file of another version is left alone.
    """
    try:
        with path.open("rb") as file:
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            mark = _marks.parse(path.name)
            if mark is not None:
                head = {"version": VERSION, "url": url if mark.is_for(url) else None, "run_id": mark.run_id}
            else:
                head = json.loads(file.readline())
        if head["version"] != VERSION or head["url"] != url or not isinstance(head["run_id"], str):
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    claimed = path.with_name(path.name + CLAIMED)
    try:
        os.utime(path)
        os.rename(path, claimed)
    except OSError:
        return None
    return Claim(claimed, head["run_id"])


def address(path: Path) -> str:
    """Return the address that a waiting file is for; empty where it does not say, as a mark does not."""
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline())
        return head["url"] if head["version"] == VERSION and isinstance(head["url"], str) else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def touch(path: Path) -> None:
    """Show that the process that has a file still lives."""
    with contextlib.suppress(OSError):
        os.utime(path)


def done(taken: Claim) -> None:
    """Remove a file whose requests all were made."""
    with contextlib.suppress(OSError):
        taken.path.unlink()


def release(taken: Claim) -> None:
    """Put a file back for a later try."""
    with contextlib.suppress(OSError):
        os.replace(taken.path, taken.path.with_suffix("") if taken.path.suffix == CLAIMED else to_waiting(taken.path))


def to_waiting(live: Path) -> Path:
    """Return the name under which a file waits that was its process's own so far."""
    return live.with_suffix(SUFFIX)


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed or the process ends. False where another holds it, or nothing can lock."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _recover(path: Path) -> None:
    """Let a file wait whose process was killed: nobody holds its lock, or nobody showed for long that it lives."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR)
        try:
            if lock(descriptor) or _stale(path):
                os.rename(path, to_waiting(path))
        finally:
            os.close(descriptor)


def _stale(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > STALE_S
    except OSError:
        return False


def _request(line: bytes) -> Request:
    try:
        found = json.loads(line)
        method, path, body = found["method"], found["path"], found["body"]
        ours = method in METHODS and isinstance(body, dict) and PATH.fullmatch(path) is not None
        ours = ours and isinstance(body.get("records", []), list)
    except (ValueError, KeyError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise SpoolError("a file in the spool holds what is no request of ours")
    return Request(method, path, body)
