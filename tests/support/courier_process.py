"""A courier as a process of its own, to be killed.

`python -m tests.support.courier_process DATABASE_URL SECONDS [WINDOW]`: its clock stands still, so many seconds after
the tests' time; with a window (seconds), messages are grouped.
"""

from __future__ import annotations

import sys
import threading

from tests.support.outbox import after, outbound, secrets
from trackside_service.courier import Courier
from trackside_service.storage.engine import open_engine


def main() -> None:
    """Deliver until killed."""
    now = after(float(sys.argv[2]))
    window = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    engine = open_engine(sys.argv[1])
    Courier(engine, secrets(), outbound(), clock=lambda: now, poll_s=0.05, group_window_s=window).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
