"""What a client's test must not take over from the machine that it runs on."""

from __future__ import annotations

import os
from pathlib import Path

# What a test waits at most for what comes by itself: a busy machine takes its time.
PATIENCE_S = 60.0

NAMES = ("RANK", "LOCAL_RANK", "PADDLE_TRAINER_ID", "SLURM_PROCID")


def clean(spool: Path) -> dict[str, str]:
    """Return this process's environment without ranks and settings, with a spool of the test's own.

    A run's end waits with patience where the test sets no time, or asks for the default by an empty variable.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TRACKSIDE_") and key not in NAMES}
    return {
        **kept,
        "TRACKSIDE_SPOOL_DIR": str(spool),
        "TMPDIR": str(spool.with_name("shelter")),
        "TRACKSIDE_EXIT_TIMEOUT": str(PATIENCE_S),
    }
