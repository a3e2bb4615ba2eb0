"""What could not be sent waits on disk and is replayed when a run starts again, or by `python -m trackside sync`.

One file is one process life of one run, in lines of JSON: first what it is, then the requests that are still to be
made, in order, one a line, so that it is written and read without holding all of it. It is written beside its name and
renamed: a reader sees all of it or nothing. It holds no key. A reader claims a file by renaming it, so that two
processes do not replay the same one; since every request is idempotent, a doubled replay would do no harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = 2
SUFFIX = ".jsonl"
CLAIMED = ".claimed"
STALE_CLAIM_S = 900.0

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


@dataclass(frozen=True)
class Claim:
    """A spooled file that this process is replaying."""

    path: Path
    run_id: str

    def requests(self) -> Iterator[Request]:
        """Read the requests, one at a time. Raises `SpoolError` at one that is not as we write them."""
        try:
            with self.path.open("rb") as file:
                file.readline()
                for line in file:
                    yield _request(line)
        except OSError as error:
            raise SpoolError(f"the spool cannot be read ({error.strerror or type(error).__name__})") from None


def write(folder: Path, *, url: str, run_id: str, requests: Iterable[Request], limit_mb: float) -> Path:
    """Write `requests` as one file and return its path. Raises `SpoolError` when the disk or the limit refuses it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        room = limit_mb * 1e6 - size(folder)
        target = folder / f"{time.time_ns():020d}-{run_id}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        draft = target.with_suffix(".tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for item in _lines(url, run_id, requests):
                    line = json.dumps(item, separators=(",", ":")).encode() + b"\n"
                    room -= len(line)
                    if room < 0:
                        raise SpoolError(f"the spool is full ({limit_mb:g} MB)")
                    file.write(line)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, target)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
    except OSError as error:
        raise SpoolError(f"the spool cannot be written ({error.strerror or type(error).__name__})") from None
    return target


def size(folder: Path) -> int:
    """Return the bytes that the folder holds."""
    total = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                total += entry.stat().st_size
    return total


def waiting(folder: Path) -> list[Path]:
    """Return the files that wait, oldest first; claims whose process seems gone are put back."""
    with contextlib.suppress(OSError):
        for path in folder.glob("*" + CLAIMED):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE_CLAIM_S:
                    os.replace(path, path.with_suffix(SUFFIX))
        for path in folder.glob("*.tmp"):  # of a process that was killed while it wrote
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE_CLAIM_S:
                    path.unlink()
        return sorted(folder.glob("*" + SUFFIX))
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
            head = json.loads(file.readline())
        if head["version"] != VERSION or head["url"] != url or not isinstance(head["run_id"], str):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    claimed = path.with_suffix(CLAIMED)
    try:
        os.utime(path)
        os.rename(path, claimed)
    except OSError:
        return None
    return Claim(claimed, head["run_id"])


def touch(taken: Claim) -> None:
    """Show that the claim's process still lives."""
    with contextlib.suppress(OSError):
        os.utime(taken.path)


def done(taken: Claim) -> None:
    """Remove a file whose requests all were made."""
    with contextlib.suppress(OSError):
        taken.path.unlink()


def release(taken: Claim) -> None:
    """Put a file back for a later try."""
    with contextlib.suppress(OSError):
        os.replace(taken.path, taken.path.with_suffix(SUFFIX))


def _lines(url: str, run_id: str, requests: Iterable[Request]) -> Iterator[dict[str, Any]]:
    yield {"version": VERSION, "url": url, "run_id": run_id}
    for request in requests:
        yield {"method": request.method, "path": request.path, "body": request.body}


def _request(line: bytes) -> Request:
    try:
        found = json.loads(line)
        method, path, body = found["method"], found["path"], found["body"]
        ours = method in METHODS and isinstance(body, dict) and PATH.fullmatch(path) is not None
    except (ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise SpoolError("a file in the spool holds what is no request of ours")
    return Request(method, path, body)
