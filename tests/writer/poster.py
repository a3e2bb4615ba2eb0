"""A program that posts to a database like a service does, for tests that start several or kill one.

`python -m tests.writer.poster URL RUN PROCESS THREADS COUNT`: every thread posts the records 0 to COUNT - 1 of the run,
one a post, and each is named on stdout once it has been acknowledged.
"""

from __future__ import annotations

import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

from trackside_service import monitor
from trackside_service.domain.records import Record
from trackside_service.storage.engine import open_engine
from trackside_service.writer import Writer

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def record_of(number: int) -> Record:
    """Return the record `number`: from the tenth on the loss is not a number."""
    return Record({"train_loss": 1.0 if number < 10 else math.nan, "lr": 0.1}, step=number, seq=number)


def main(url: str, run: str, process: str, threads: str, count: str) -> None:
    """Post."""
    run_id = UUID(run)
    engine = open_engine(url)
    writer = Writer(engine)
    writer.start()
    speaking = threading.Lock()

    def post(number: int) -> None:
        future = writer.submit(
            lambda connection: monitor.record(connection, run_id, process or None, [record_of(number)], now=NOW), run_id
        )
        future.result(60)
        with speaking:
            print(number, flush=True)

    def post_all(_: int) -> None:
        for number in range(int(count)):
            post(number)

    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(post_all, range(int(threads))))
    writer.stop()
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
