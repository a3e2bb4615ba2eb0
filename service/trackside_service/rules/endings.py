"""What the reason of a run's end tells: the exception and its last line, and what to do about the usual ones."""

from __future__ import annotations

from typing import Final

_MAX_LINE: Final = 160
# The first that fits wins: (any of these words, in lower case) -> advice.
_KNOWN: Final = (
    (
        ("out of memory", "outofmemory", "memoryerror", "cublas_status_alloc_failed", "resource_exhausted"),
        "Memory ran out: halve the batch size and double gradient accumulation, which keeps the effective batch; look "
        "for a longest sample that is far longer than the others, and for what is kept between steps (losses that are "
        "summed with their graph).",
    ),
    (
        ("no space left", "disk quota", "errno 28"),
        "The disk is full: remove old checkpoints or keep fewer of them, then restart from the last complete one (the "
        "newest may be cut off).",
    ),
    (
        ("nccl", "processgroup", "distbackenderror", "gloo", "watchdog caught collective"),
        "A collective operation failed, so another rank died or hung first: look for the rank whose log ends earliest.",
    ),
    (
        ("dataloader worker", "bus error", "shared memory"),
        "A data loader's worker died: memory of the host or of /dev/shm ran out, or a sample is broken; fewer workers "
        "or more shared memory tell which.",
    ),
    (
        ("nan", "not finite", "non-finite", "inf or nan"),
        "Something was not finite: look at the loss and the learning rate just before, and restart from a checkpoint "
        "of before it.",
    ),
    (
        ("device-side assert", "illegal memory access", "cuda error"),
        "The GPU refused an operation: a label out of the range of the classes is the usual reason; run once with "
        "CUDA_LAUNCH_BLOCKING=1 to see the line.",
    ),
    (
        ("filenotfounderror", "no such file", "permissionerror", "permission denied"),
        "A file is missing or must not be read: look whether the data and checkpoint paths are there on this node.",
    ),
)
_OTHERWISE: Final = (
    "Look at the job's log for the traceback, and restart from the last checkpoint once the cause is gone."
)


def last_line(reason: str | None) -> str | None:
    """Return the last line of a reason (of a traceback: the exception and its text), bounded; None if there is none."""
    lines = [line.strip() for line in (reason or "").splitlines() if line.strip()]
    if not lines:
        return None
    return lines[-1] if len(lines[-1]) <= _MAX_LINE else lines[-1][: _MAX_LINE - 3] + "..."


def exception(line: str | None) -> str | None:
    """Return the exception's type, where a line begins with one ("torch.cuda.OutOfMemoryError: ..."), else None."""
    name = (line or "").partition(":")[0].strip()
    last = name.rpartition(".")[2]
    return last if last.isidentifier() and last[:1].isupper() else None


def advice(reason: str | None) -> str:
    """Say what to do about a failure."""
    said = (reason or "").lower()
    return next((words for signs, words in _KNOWN if any(sign in said for sign in signs)), _OTHERWISE)
