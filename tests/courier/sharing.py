"""Several couriers on one database, and nothing that fails: `python -m tests.courier.sharing --alerts 2000`.

Each is a process of its own, with the settings of `trackside deliver`. Every delivery has to come in exactly once, and
every courier has to have had its share.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import databases
from tests.support.outbox import add_channel, make_alert, tell
from tests.support.receiver import Receiver, receiving

from trackside_service.storage import migrate
from trackside_service.storage.engine import open_engine

ROOT = Path(__file__).parents[2]
_AT_ONCE = 10


@dataclass(frozen=True)
class Shares:
    """How often the `expected` messages came in, and how many each courier sent."""

    expected: int
    received: int
    twice: int
    of_each: list[int]
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.expected} messages, {self.received} came in, {self.twice} of them a second time; the couriers sent "
            f"{' and '.join(map(str, self.of_each))}; {self.seconds:.1f} s"
        )


def run(database_url: str, *, alerts: int, couriers: int = 2, channels: int = 2, patience_s: float) -> Shares:
    """Let `couriers` deliver `alerts` to each of the channels, on a migrated database."""
    engine = open_engine(database_url)
    command = [sys.executable, "-m", "tests.support.counting_courier", database_url]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(couriers)]
    try:
        for each in running:
            assert each.stdout is not None
            assert each.stdout.readline() == "delivering\n"
        with receiving() as receiver:
            for number in range(channels):
                add_channel(engine, receiver.url(f"/{number}"))
            began = time.monotonic()
            for _ in range(0, alerts, _AT_ONCE):
                tell(engine, *(make_alert() for _ in range(_AT_ONCE)))
            _wait(receiver, alerts * channels, patience_s)
            seconds = time.monotonic() - began
            for each in running:
                each.send_signal(signal.SIGTERM)
            sent = [int(each.communicate(timeout=60)[0].split()[0]) for each in running]
            ids = Counter(each.id for each in receiver.received)
        return Shares(alerts * channels, ids.total(), ids.total() - len(ids), sent, seconds)
    finally:
        for each in running:
            each.kill()
            each.wait()
        engine.dispose()


def _wait(receiver: Receiver, count: int, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while len(receiver.received) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(receiver.received)} of {count} messages came in")
        receiver.wait_for_more(1, 1.0)


def main() -> int:
    """Run it on both databases and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=2000)
    parser.add_argument("--couriers", type=int, default=2)
    given = parser.parse_args()
    good = True
    with databases() as urls:
        for name, url in urls.items():
            migrate.upgrade(open_engine(url))
            found = run(url, alerts=given.alerts, couriers=given.couriers, patience_s=600)
            print(f"{name}: {found}", flush=True)
            good = good and found.received == found.expected
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
