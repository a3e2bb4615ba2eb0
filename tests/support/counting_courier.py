"""A courier that says at its end how many messages it sent: `python -m tests.support.counting_courier DATABASE_URL`.

Its settings are those of `trackside deliver`.
"""

from __future__ import annotations

import signal
import sys
import threading

from tests.support.outbox import outbound, secrets
from trackside_service.courier import Courier
from trackside_service.storage.engine import open_engine


def main() -> None:
    """Deliver until SIGTERM."""
    outcomes: list[str] = []
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    courier = Courier(open_engine(sys.argv[1], pool_size=20), secrets(), outbound(), on_attempt=outcomes.append)
    courier.start()
    print("delivering", flush=True)
    stop.wait()
    courier.stop()
    print(outcomes.count("delivered"), len(outcomes), flush=True)


if __name__ == "__main__":
    main()
