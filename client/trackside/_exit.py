"""How runs end: the exception that left a `with`, and the interpreter's own end."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trackside.run import Run

_live: list[Run] = []
_registered = False


def register(run: Run) -> None:
    """Remember a run that the interpreter's exit should end, with what was logged and not sent."""
    global _registered  # noqa: PLW0603 - once a process
    _live.append(run)
    if not _registered:
        _registered = True
        atexit.register(_at_exit)


def forget(run: Run) -> None:
    """Drop a run that has ended."""
    with contextlib.suppress(ValueError):
        _live.remove(run)


def outcome(error: BaseException | None) -> tuple[str, str | None]:
    """Return (status, reason) for what left the training loop: nothing, an exception, Ctrl-C, or `sys.exit`."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "finished", None
    if isinstance(error, KeyboardInterrupt):
        return "killed", "KeyboardInterrupt"
    return "failed", describe(error)


def describe(error: BaseException) -> str:
    """Return "Type: last line" of an exception's text."""
    try:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:  # an exception's own __str__ may fail
        lines = []
    name = type(error).__name__
    return f"{name}: {lines[-1][:500]}" if lines else name


def _at_exit() -> None:
    """End the runs that nobody ended, all within one time limit."""
    runs = [run for run in _live if run._pid == os.getpid()]
    # set by the interpreter when an exception reached the top; an interactive session keeps that of an old cell
    error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
    status, reason = outcome(error)
    started = time.monotonic()
    begun = [
        run for run in runs if run._begin_end(status, reason, max(0.0, run._timeout() - (time.monotonic() - started)))
    ]
    interruption: BaseException | None = None
    for run in begun:
        try:
            run._wait_end(patient=interruption is None)
        except BaseException as error:  # noqa: PERF203 - Ctrl-C: no more waiting, but every run's records are kept
            interruption = interruption or error
    if interruption is not None:
        raise interruption
