"""What could not be sent waits on disk and is replayed when a run starts again, or by `python -m trackside sync`.

One file is one process life of one run: the requests that are still to be made, in order. It is written beside its
name and renamed, so that a reader sees all of it or nothing; it holds no key. A reader claims a file by renaming it, so
that two processes do not replay the same one; since every request is idempotent, a doubled replay would do no harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = 1
SUFFIX = ".json"
CLAIMED = ".claimed"
STALE_CLAIM_S = 900.0


class SpoolError(Exception):
    """The spool cannot take more; the text says why."""


@dataclass(frozen=True)
class Request:
    """One request still to be made. `path` begins with /v1."""

    method: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """A spooled file that this process is replaying."""

    path: Path
    run_id: str
    requests: tuple[Request, ...]


def write(folder: Path, *, url: str, run_id: str, requests: Sequence[Request], limit_mb: float) -> Path:
    """Write `requests` as one file and return its path. Raises `SpoolError` when the disk or the limit refuses it."""
    content = json.dumps(
        {
            "version": VERSION,
            "url": url,
            "run_id": run_id,
            "requests": [{"method": r.method, "path": r.path, "body": r.body} for r in requests],
        },
        separators=(",", ":"),
    ).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if size(folder) + len(content) > limit_mb * 1e6:
            raise SpoolError(f"the spool is full ({limit_mb:g} MB)")
        target = folder / f"{time.time_ns():020d}-{run_id}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        draft = target.with_suffix(".tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
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


def claim(path: Path, *, url: str) -> Claim | None:
    """Take one waiting file, or return None when another process has it, it is not for `url`, or cannot be read.

    Never for another address: the key that this process holds is not for it. A file of a later version is left alone.
    """
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != VERSION or content["url"] != url:
            return None
        requests = tuple(Request(r["method"], r["path"], r["body"]) for r in content["requests"])
        found_run = str(content["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    claimed = path.with_suffix(CLAIMED)
    try:
        os.utime(path)
        os.rename(path, claimed)
    except OSError:
        return None
    return Claim(claimed, found_run, requests)


def done(taken: Claim) -> None:
    """Remove a file whose requests all were made."""
    with contextlib.suppress(OSError):
        taken.path.unlink()


def release(taken: Claim) -> None:
    """Put a file back for a later try."""
    with contextlib.suppress(OSError):
        os.replace(taken.path, taken.path.with_suffix(SUFFIX))


def address(path: Path) -> str | None:
    """Return the service's address that a waiting file is for."""
    try:
        found = json.loads(path.read_bytes())["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
