"""`make bench`: run every benchmark, or those named: `python -m tests.bench ingest delivery`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.bench import client, delivery, detection, ingest, schedules

BENCHES: dict[str, Callable[[], None]] = {
    "schedules": schedules.main,
    "detection": detection.main,
    "ingest": ingest.main,
    "delivery": delivery.main,
    "client": client.main,
}

if __name__ == "__main__":
    names = sys.argv[1:] or list(BENCHES)
    for name in names:
        if name not in BENCHES:
            sys.exit(f"no benchmark {name!r}; there are {', '.join(BENCHES)}")
        print(f"\n== {name}")
        BENCHES[name]()
