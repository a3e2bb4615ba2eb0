"""What is left of records that no disk would take: an empty file whose name says of which run, how many, and its end.

A full disk often still takes a name. Where the spool's folder takes none either, the system's folder for temporary
files may. The service is told when it is back, by whoever replays the spool.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

SUFFIX = ".lost"
OPEN = "open"
MOST = 1000  # in one folder; the oldest give way, and what they say was told on stderr
MAX_BYTES = 240  # of a name; most file systems take 255, and a claim makes it longer
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = re.compile(rf"\d{{20}}-({_UUID})-({_UUID})-(\d+)-([a-z]+)-([0-9a-f]{{8}})-([^-/]+)-([^-/]+)\.lost")


@dataclass(frozen=True)
class Mark:
    """How many records a process lost in all, how it ended ("open": it did not say), and what a service must know that
    never heard of the run.
    """

    run_id: str
    process: str
    lost: int
    status: str
    service: str
    project: str
    name: str

    def is_for(self, url: str) -> bool:
        """Tell whether the run reported to this address."""
        return self.service == _digest(url)

    def requests(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Return the requests that tell the service. One that knows the run keeps it as it is."""
        path = f"/v1/runs/{self.run_id}"
        yield "PUT", path, {"project": self.project, "name": self.name, "process": {"id": self.process}}
        yield "POST", f"{path}/records", {"process": self.process, "records": [], "lost": self.lost}
        if self.status != OPEN:
            yield "PATCH", path, {"status": self.status}


def leave(folder: Path, *, url: str, run_id: str, body: dict[str, Any], lost: int, status: str = OPEN) -> bool:
    """Leave a mark in the spool's folder, else among the temporary files. False where neither takes it.

    `body` is the run's declaration.
    """
    project, process = _quoted(body["project"]), body["process"]["id"]
    head = f"{time.time_ns():020d}-{run_id}-{process}-{lost}-{status}-{_digest(url)}-{project}-"
    room = MAX_BYTES - len(head) - len(SUFFIX)
    name = str(body["name"])
    while name and len(_quoted(name)) > room:
        name = name[:-1]
    if not name or _NAME.fullmatch(head + _quoted(name) + SUFFIX) is None:
        return False
    for place in (folder, shelter()):
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not _is_ours(place):
                continue
            _make_room(place)
            os.close(os.open(place / (head + _quoted(name) + SUFFIX), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            return True
    return False


def _make_room(folder: Path) -> None:
    marks = sorted(folder.glob("*" + SUFFIX))  # their names begin with the time
    for each in marks[: max(0, len(marks) - MOST + 1)]:
        with contextlib.suppress(OSError):
            each.unlink()


def parse(name: str) -> Mark | None:
    """Return the mark that a file's name is, or None."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    run_id, process, lost, status, service, project, called = found.groups()
    return Mark(run_id, process, int(lost), status, service, unquote(project), unquote(called))


def shelter() -> Path:
    """Return the folder for marks among the temporary files, one a user."""
    user = os.getuid() if hasattr(os, "getuid") else "own"
    try:
        place = os.environ.get("TMPDIR") or tempfile.gettempdir()
    except OSError:  # none can be written, as in a container that is read-only
        place = os.path.join(os.sep, "tmp")
    return Path(place) / f"trackside-{user}"


def _is_ours(folder: Path) -> bool:
    """Tell whether a folder is one, and nobody else's: everybody may make things among the temporary files."""
    found = folder.lstat() if folder == shelter() else folder.stat()
    return stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid())


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:8]


def _quoted(text: str) -> str:
    return quote(text, safe="").replace("-", "%2D")
