"""The command `trackside` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 60


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without settings of the person's own shell, and with `more`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TRACKSIDE_")}
    return {**own, **(more or {})}


def trackside(
    *arguments: str, folder: Path, environ: Mapping[str, str] | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "trackside_service", *arguments],
        cwd=folder,
        env=environment(environ),
        input=text,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@dataclass
class Running:
    """A running `trackside`: its log so far, line by line."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]]

    def wait_for(self, event: str) -> dict[str, Any]:
        """Return the log line of `event`, waiting for it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            assert line.startswith("{"), line
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"ended with {self.process.wait()} before {event!r}: {self.lines}")

    @property
    def url(self) -> str:
        """The address that it said it listens on."""
        return f"http://{next(line['address'] for line in self.lines if line['event'] == 'listening')}"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status; the rest of the log is in `lines`."""
        assert self.process.stderr is not None
        self.process.send_signal(how)
        self.lines += [json.loads(line) for line in self.process.stderr]
        return self.process.wait(TIMEOUT_S)


@contextmanager
def running(*arguments: str, folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Start the command; kill it at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trackside_service", *arguments],
        cwd=folder,
        env=environment(environ),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Running(process, [])
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()
