"""A courier to be killed: `python -m tests.support.impatient_courier DATABASE_URL`.

As `trackside deliver`, but what takes that one minutes takes this one less than two seconds.
"""

from __future__ import annotations

import logging
import sys
import threading

import sqlalchemy as sa

from tests.support.outbox import outbound, secrets
from trackside_service.courier import Courier
from trackside_service.storage.engine import open_engine

SENDING_S = 0.6
LEASE_S = 1.5
# One attempt in three or so fails in passing, so a hundred never all do.
SCHEDULE = (0.0, *[0.1] * 99)


def impatient(engine: sa.Engine) -> Courier:
    """Return such a courier."""
    door = outbound(connect_s=SENDING_S, read_s=SENDING_S / 2, total_s=SENDING_S)
    return Courier(engine, secrets(), door, schedule=SCHEDULE, lease_s=LEASE_S, poll_s=0.05, per_channel=8)


def main() -> None:
    """Deliver until killed."""
    logging.disable(logging.CRITICAL)
    impatient(open_engine(sys.argv[1], pool_size=20)).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
