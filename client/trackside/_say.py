"""One plain line on stderr, once per kind: all that a training script ever sees of a fault in here."""

from __future__ import annotations

import contextlib
import sys
import threading

MAX_LINE = 600


def line(text: str) -> None:
    """Write `trackside: text` on stderr as one line. A missing or closed stderr is no error."""
    flat = " ".join(text.split())
    if len(flat) > MAX_LINE:
        flat = flat[: MAX_LINE - 3] + "..."
    with contextlib.suppress(Exception):
        if sys.stderr is not None:
            sys.stderr.write(f"trackside: {flat}\n")
            sys.stderr.flush()


class Notices:
    """Remembers which kinds were told already. `counts` says how often each kind happened, told or not."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def tell(self, kind: str, text: str) -> None:
        """Write `text` the first time that `kind` happens; count it every time."""
        seen = self.counts.get(kind, 0)
        self.counts[kind] = seen + 1
        if not seen:
            line(text)


_process_lock = threading.RLock()  # a signal handler may come in between
_process_told: set[str] = set()


def once(kind: str, text: str) -> None:
    """Write `text` once in the life of this process, however many runs it starts."""
    with _process_lock:
        if kind in _process_told:
            return
        _process_told.add(kind)
    line(text)
