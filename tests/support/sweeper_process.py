"""A sweeper as a process of its own, to be killed: `python -m tests.support.sweeper_process DATABASE_URL SECONDS`.

It sweeps without a rest. Its clock begins so many seconds after the tests' time, and is half a minute later whenever it
is read: it has listened for long at once.
"""

from __future__ import annotations

import sys
import threading
from itertools import count

from tests.support.outbox import after
from trackside_service.storage.engine import open_engine
from trackside_service.sweeper import Sweeper
from trackside_service.writer import Writer


def main() -> None:
    """Sweep until killed, and say so after each sweep that found a silent run."""
    engine = open_engine(sys.argv[1])
    # Small groups: a kill comes between two commits.
    writer = Writer(engine, group_limit=3)
    writer.start()
    seconds = (float(sys.argv[2]) + 30 * number for number in count())
    told = threading.Lock()

    def tell(result: object) -> None:
        if any(change.event == "opened" for change in getattr(result, "changes", ())):
            with told:
                print("told", flush=True)

    Sweeper(engine, writer.submit, every_s=0.01, clock=lambda: after(next(seconds)), on_result=tell).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
