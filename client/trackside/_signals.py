"""SIGTERM (preemption, scancel, a stopped container) and SIGHUP: the runs end as killed, the process as it would have.

A handler is installed where there is none of the script's, with the first run, in the main thread, and taken away with
the last. Where the script has its own, that is called, and decides: ours only notes the signal, so that an end that
follows is told as killed. After a fork the child is as if nothing had been installed. TRACKSIDE_SIGNALS=0 leaves the
signals alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

received: str | None = None  # the signal that asked this process to end, as a reason

_previous: dict[int, Any] = {}
_end_runs: Callable[[str], bool]
_waits: int | None = None  # the signal to die by once the runs that are ending have ended
_inside = False
_child_registered = False


def install(end_runs: Callable[[str], bool]) -> None:
    """Install the handler where the signal would end the process, or where a handler of the script's can be called.

    `end_runs` ends every run as killed for a reason, within the time limit; False where an end is under way in the very
    code that the signal interrupted.
    """
    global _end_runs, _child_registered  # noqa: PLW0603 - once a process
    _end_runs = end_runs
    if threading.current_thread() is not threading.main_thread() or not _wanted():
        return
    for number in SIGNALS:
        current = signal.getsignal(number)
        # None: a handler of C code's, that could not be called; ignored, as by nohup: so be it
        if current in (None, signal.SIG_IGN) or current == _handle:
            continue
        with contextlib.suppress(ValueError, OSError):
            signal.signal(number, _handle)
            _previous[number] = current
    if not _child_registered and hasattr(os, "register_at_fork"):
        _child_registered = True
        os.register_at_fork(after_in_child=_restore)


def uninstall() -> None:
    """Put back what was there, when no run is left: a handler that is kept keeps what it belongs to, as a trainer."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number, previous in list(_previous.items()):
        with contextlib.suppress(ValueError, OSError):
            if signal.getsignal(number) == _handle:  # else another handler has taken over, and may call ours
                signal.signal(number, previous)
                del _previous[number]


def settle() -> None:
    """Die by a signal that came while a run was ending, now that it has: the others end first, as killed."""
    global _waits  # noqa: PLW0603
    number = _waits
    if number is None:
        return
    if threading.current_thread() is not threading.main_thread():
        os.kill(os.getpid(), number)  # only the main thread's handler may change what the signal does
    elif _end_runs(received or _reason(number)):
        _waits = None
        _die(number)


def _handle(number: int, frame: FrameType | None) -> None:
    global received, _waits, _inside  # noqa: PLW0603 - of the process, like the signal
    received = _reason(number)
    previous = _previous.get(number, signal.SIG_DFL)
    if callable(previous):
        if not _inside:  # one that calls the handler before it, as ours does, may be that one itself
            _inside = True
            try:
                previous(number, frame)
            finally:
                _inside = False
        return
    if signal.getsignal(number) != _handle:
        return  # called by another handler, which has taken over and decides
    if _end_runs(received):
        _die(number)
    else:
        _waits = number


def _die(number: int) -> None:
    """End the process by the signal, as if it had had no handler: whoever waits for it sees the same status."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _restore() -> None:
    """In a forked child: a worker that is terminated has to end at once."""
    global received, _waits  # noqa: PLW0603
    received = _waits = None
    for number, previous in _previous.items():
        with contextlib.suppress(ValueError, OSError):
            if signal.getsignal(number) == _handle:
                signal.signal(number, previous)
    _previous.clear()


def _reason(number: int) -> str:
    name = signal.Signals(number).name
    job = os.environ.get("SLURM_JOB_ID", "")
    return f"{name} (SLURM job {job})" if job.isalnum() else name


def _wanted() -> bool:
    return os.environ.get("TRACKSIDE_SIGNALS", "").strip().lower() not in ("0", "false", "no", "off")
