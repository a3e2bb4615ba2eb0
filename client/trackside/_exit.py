"""How runs end: the exception that left a `with`, a signal, another run in their place, the interpreter's own end."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

from trackside import _signals

if TYPE_CHECKING:
    from trackside.run import Run

_live: list[Run] = []
_registered = False
_finalized_pid: int | None = None
# What a script exits with after its own handler, by the shells' custom: 128 and the signal's number.
_ENDING_SIGNALS = (signal.SIGINT, *_signals.SIGNALS)


def register(run: Run) -> None:
    """Remember a run that a signal or the interpreter's exit should end, with what was logged and not sent.

    An open run of the same id gives way to it: this is its next process life. In an interactive session so does one of
    the same project and name: its cell was run again.
    """
    global _registered  # noqa: PLW0603 - once a process
    for other in [other for other in _live if other._pid == os.getpid()]:
        if other.id == run.id:
            other._begin_end("", None, other._timeout())
        elif hasattr(sys, "ps1") and other._label == run._label:  # Python's and IPython's sign of a prompt
            other._begin_end("killed", "another run was started in its place", other._timeout())
    if not _own():
        _signals.received = None  # one that the script dealt with before is not how this run ends
    _live.append(run)
    if not _registered:
        _registered = True
        atexit.register(_at_exit)
    _register_with_multiprocessing()
    _signals.install(_at_signal)


def _register_with_multiprocessing() -> None:
    """Have the runs of a worker that multiprocessing forked end with it: it leaves by `os._exit`, without atexit."""
    global _finalized_pid  # noqa: PLW0603 - once a process
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is None or util is None or process.parent_process() is None or _finalized_pid == os.getpid():
        return
    _finalized_pid = os.getpid()
    util.Finalize(None, _at_worker_exit, exitpriority=0)
    if sys.version_info >= (3, 13):
        with contextlib.suppress(Exception):
            threading._register_atexit(_at_worker_shutdown)  # type: ignore[attr-defined]


def forget(run: Run) -> None:
    """Drop a run that has ended."""
    with contextlib.suppress(ValueError):
        _live.remove(run)
    if not _own():
        _signals.uninstall()


def outcome(error: BaseException | None) -> tuple[str, str | None]:
    """Return (status, reason) for what left the training loop: nothing, an exception, Ctrl-C, or `sys.exit`.

    After a signal that asked for the end, whatever ends is killed: workers and connections fall with it.
    """
    if _signals.received is not None:
        told = error is None or isinstance(error, (SystemExit, KeyboardInterrupt))
        return "killed", _signals.received if told else f"{_signals.received}, then {describe(error)}"
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code - 128 in _ENDING_SIGNALS:
        return "killed", signal.Signals(error.code - 128).name
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "finished", None
    if isinstance(error, KeyboardInterrupt):
        return "killed", "KeyboardInterrupt"
    return "failed", describe(error)


def describe(error: BaseException | None) -> str:
    """Return "Type: last line" of an exception's text."""
    try:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:  # an exception's own __str__ may fail
        lines = []
    name = type(error).__name__
    return f"{name}: {lines[-1][:500]}" if lines else name


def _at_exit() -> None:
    """End the runs that nobody ended, all within one time limit."""
    # set by the interpreter when an exception reached the top; an interactive session keeps that of an old cell
    error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
    _end_all(*outcome(error))


def _at_worker_exit() -> None:
    """End the runs that a worker left open. Up to Python 3.12 what ended its function is on its way up meanwhile."""
    _end_all(*outcome(sys.exc_info()[1]))


def _at_worker_shutdown() -> None:
    """End the runs that a worker left open, where its function raised: what it was is forgotten by now, and what is
    left is the exit code that `multiprocessing` made of it.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != "_bootstrap":
        frame = frame.f_back
    code = None if frame is None else frame.f_locals.get("exitcode")
    if isinstance(code, int) and code:
        status, reason = outcome(SystemExit(code))
        _end_all(status, f"the worker ended with exit code {code}" if status == "failed" else reason)


def _at_signal(reason: str) -> bool:
    runs = _own()
    if any(run._is_handing_over for run in runs):
        return False
    _end_all("killed", reason)
    return True


def _own() -> list[Run]:
    return [run for run in _live if run._pid == os.getpid()]


def _end_all(status: str, reason: str | None) -> None:
    started = time.monotonic()
    begun = [
        run for run in _own() if run._begin_end(status, reason, max(0.0, run._timeout() - (time.monotonic() - started)))
    ]
    interruption: BaseException | None = None
    for run in begun:
        try:
            run._wait_end(patient=interruption is None)
        except BaseException as error:  # noqa: PERF203 - Ctrl-C: no more waiting, but every run's records are kept
            interruption = interruption or error
    if interruption is not None:
        raise interruption
