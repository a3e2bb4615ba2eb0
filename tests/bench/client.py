"""What `run.log()` costs the training loop, with the service up, down and hanging, beside an empty call."""

from __future__ import annotations

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import trackside
from tests.bench.processes import databases, service
from tests.support.ports import free_port

CALLS = 2_000


def _empty(**_: float) -> None:
    """What any call costs, on this machine and in this loop."""


def _measure(log: Callable[..., object]) -> tuple[list[float], list[float]]:
    """Time `log` and an empty call, in turn the first; sorted microseconds of each."""
    costs: list[float] = []
    empty: list[float] = []
    for step in range(CALLS):
        for call, taken in ((log, costs), (_empty, empty))[:: 1 if step % 2 else -1]:
            started = time.perf_counter()
            call(step=step, lr=0.1, train_loss=1.0, train_acc=50.0, val_loss=1.0, val_acc=50.0)
            taken.append((time.perf_counter() - started) * 1e6)
        spin = time.perf_counter() + 0.0005  # a training step takes its time, and holds the interpreter
        while time.perf_counter() < spin:
            pass
    return sorted(costs), sorted(empty)


def _quantiles(costs: list[float]) -> str:
    return f"median {statistics.median(costs):5.1f} us, p99 {costs[int(0.99 * CALLS)]:6.1f} us"


def _row(name: str, url: str) -> None:
    started = time.perf_counter()
    run = trackside.Run(url, project="bench", name=name)
    opened = time.perf_counter() - started
    costs, empty = _measure(run.log)
    started = time.perf_counter()
    run.finish()
    ended = time.perf_counter() - started
    print(
        f"{name:>9}: log() {_quantiles(costs)} (an empty call: {_quantiles(empty)});"
        f" Run() {opened * 1000:6.1f} ms, finish() {ended:5.2f} s"
    )


def main() -> None:
    """Print a row a case, then the import time of the client."""
    with tempfile.TemporaryDirectory() as spool:
        os.environ["TRACKSIDE_SPOOL_DIR"] = spool
        with databases() as urls, service(urls["sqlite"]) as url:
            _row("up", url)
        _row("down", f"http://127.0.0.1:{free_port()}")
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(16)
            _row("hanging", f"http://127.0.0.1:{silent.getsockname()[1]}")

    def started(code: str) -> float:
        times = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - began)
        return min(times)

    imported = started("import trackside") - started("pass")
    own, needs = _installed()
    print(
        f"bounds of log(): median 10 us, p99 100 us; import trackside: {imported * 1000:.0f} ms;"
        f" installed: {own / 1024:.0f} KiB, with what it needs {(own + needs) / 1024:.0f} KiB"
    )


def _installed() -> tuple[int, int]:
    """Bytes of the client as a wheel installs it, and of httpx with all that it needs; without compiled files."""
    own = sum(path.stat().st_size for path in Path(trackside.__file__).parent.rglob("*") if path.suffix != ".pyc")
    wanted, seen = ["httpx"], set()
    total = 0
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # needed on other systems or interpreters only
            continue
        total += sum(
            Path(str(found.locate_file(file))).stat().st_size for file in found.files or () if file.suffix != ".pyc"
        )
        needs = [
            re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0] for each in found.requires or () if "extra" not in each
        ]
        wanted += needs
    return own, total
