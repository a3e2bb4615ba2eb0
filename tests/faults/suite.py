"""Runs a case: the training, its recovery, and what the service then has."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from tests.client.environment import clean
from tests.client.processes import CLIENT, free_port
from tests.faults import disks, training
from tests.faults.cases import Case
from tests.faults.gate import Gate

WORK = 8_000  # additions a step: well under a millisecond
FULL_DISK = "24k"
FULL_FILE = 20_000


class Service:
    """The real service in a process of its own, that can be killed and started again at its port."""

    def __init__(self, database_url: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "trackside_service", "serve", "--port", str(self.port), "--migrate"]
        self._command += ["--database-url", database_url, "--log-level", "error"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRACKSIDE_")}
        environment = {**kept, "TRACKSIDE_SECRET_KEY": "a" * 43 + "="}
        self._process = subprocess.Popen(self._command, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError("the service did not start")

    def kill(self) -> None:
        """Kill it on the spot."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(30)


@contextmanager
def serving(database_url: str) -> Iterator[Service]:
    """A service until the block ends."""
    service = Service(database_url)
    try:
        service.start()
        yield service
    finally:
        service.kill()


@dataclass
class Outcome:
    """What a training made of a case.

    `calls_us`: the time of each `log`; `empty_us`: of each empty call beside it, in the same loop. `ratio`: a block of
    the loop with the client to the block without beside it, in the processor time of its thread, by the median of the
    pairs: wall time is the neighbours' on a busy machine, and so is the processor's speed, from one tenth of a second
    to the next. `share`: the processor time of the client's threads to that of the loop. What the loop waits for is in
    `calls_us` alone. `due`: how many points have to be on the service; `foreign`: those of a forked child.
    """

    run_id: str = ""
    code: int = 0
    logged: int = 0
    ratio: float = 0.0
    share: float = 0.0
    calls_us: list[float] = field(default_factory=list)
    empty_us: list[float] = field(default_factory=list)
    exit_s: float | None = None
    errors: str = ""
    due: int = 0
    stored: int = 0
    repeated: int = 0
    foreign: int = 0
    told_lost: int = 0
    status: str = ""

    @property
    def missing(self) -> int:
        """Points that were logged and are not on the service."""
        return self.logged - self.stored

    def quantile_us(self, share: float, *, empty: bool = False) -> float:
        """A quantile of the time that `log` took, or the empty call."""
        calls = sorted(self.empty_us if empty else self.calls_us)
        return calls[min(len(calls) - 1, int(share * len(calls)))]


def run_case(case: Case, service: Service, folder: Path, *, exit_timeout_s: float) -> Outcome:
    """Train under the case's fault, repair everything, replay what waits, and look at the service."""
    with ExitStack() as stack:
        spool = folder / "spool"
        want: dict[str, Any] = {"name": case.name, "steps": case.steps, "work": WORK, **case.want}
        if case.disk == "read-only":
            spool = stack.enter_context(disks.read_only(spool))
        elif case.disk != "good":
            full = stack.enter_context(disks.small(spool, FULL_DISK)) if case.disk == "full" else None
            want["file_limit"] = FULL_FILE if full is None else None
        gate = Gate(service.port)
        stack.callback(gate.stop)
        gate.mode = case.modes[0][1]
        want["url"] = service.url if case.restarts else gate.url
        variables = {"TRACKSIDE_EXIT_TIMEOUT": str(exit_timeout_s), "PYTHONPATH": str(CLIENT), **case.variables}
        environment = {**clean(folder / "spool"), "TRACKSIDE_SPOOL_DIR": str(spool), **variables}
        outcome = _train(case, want, environment, gate, service)
        gate.mode = "up"
        _replay(want["url"], environment, folder)
        _look(outcome, service)
        return outcome


def _train(case: Case, want: dict[str, Any], environment: dict[str, str], gate: Gate, service: Service) -> Outcome:
    outcome = Outcome()
    command = [sys.executable, "-W", "ignore::DeprecationWarning", training.__file__, json.dumps(want)]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines: queue.SimpleQueue[tuple[float, str] | None] = queue.SimpleQueue()
    readers = [
        threading.Thread(target=_read, args=(child.stdout, lines), daemon=True),
        threading.Thread(target=lambda: _keep(outcome, child.stderr.read() if child.stderr else ""), daemon=True),
    ]
    for reader in readers:
        reader.start()
    modes, restarts = list(case.modes[1:]), list(case.restarts)
    times: list[tuple[float, int]] = []
    ratios: list[float] = []
    restarting: list[threading.Thread] = []
    try:
        while (line := lines.get(timeout=120)) is not None:
            when, said = line[0], json.loads(line[1])
            outcome.run_id = said.get("run", outcome.run_id)
            outcome.exit_s = said.get("exit_s", outcome.exit_s)
            if "at" not in said:
                continue
            outcome.logged = said["at"]
            outcome.calls_us += [1e6 * seconds for seconds in said["calls"]]
            outcome.empty_us += [1e6 * seconds for seconds in said["empty"]]
            ratios.append(said["took"] / said["bare"])
            outcome.share = said["others_s"] / said["own_s"]
            times.append((when, said["at"]))
            share = said["at"] / case.steps
            while modes and share >= modes[0][0]:
                gate.mode = modes.pop(0)[1]
            while restarts and share >= restarts[0] and not any(each.is_alive() for each in restarting):
                restarts.pop(0)
                service.kill()
                restarting.append(threading.Thread(target=service.start))
                restarting[-1].start()
            if case.kill is not None and share >= case.kill:
                child.send_signal(signal.SIGKILL)
                break
        killed = time.monotonic()
        outcome.code = child.wait(30)
    finally:
        child.kill()
        child.wait()
        for each in (*readers, *restarting):
            each.join(60)
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                stream.close()
    outcome.ratio = median(ratios)
    outcome.due = outcome.logged
    if case.owed == "second":
        outcome.due = max((at for when, at in times if when < killed - 1.0), default=0)
    return outcome


def _read(stream: Any, lines: queue.SimpleQueue[tuple[float, str] | None]) -> None:
    for line in stream:
        lines.put((time.monotonic(), line))
    lines.put(None)


def _keep(outcome: Outcome, errors: str) -> None:
    outcome.errors = errors


def _replay(url: str, environment: dict[str, str], folder: Path) -> None:
    """Send what waits, as a person would: by the command, until nothing does."""
    said = ""
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-m", "trackside", "sync", "--url", url],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        said = done.stdout + done.stderr
        if done.returncode == 0:
            return
        time.sleep(0.5)
    raise AssertionError(f"something still waits: {said}")


def _look(outcome: Outcome, service: Service) -> None:
    address = f"{service.url}/v1/runs/{outcome.run_id}"
    with httpx.Client(timeout=60) as api:
        shown = api.get(address).raise_for_status().json()
        outcome.status = shown["status"]
        outcome.told_lost = sum(each["lost"] for each in shown["processes"])
        lines = (
            api.get(f"{address}/records", headers={"Accept": "application/x-ndjson"})
            .raise_for_status()
            .text.splitlines()
        )
    steps = Counter(json.loads(line)["step"] for line in lines)
    outcome.stored = sum(step in steps for step in range(outcome.logged))
    outcome.repeated = sum(count - 1 for count in steps.values())
    outcome.foreign = sum(step >= 10**6 for step in steps)
