"""Scripts that run as a user would run them, with the client on their path."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trackside
from tests.client.environment import PATIENCE_S, clean
from tests.support.ports import free_port

__all__ = ["CLIENT", "SMALL_FILES", "Process", "free_port", "spooled_records"]

CLIENT = Path(trackside.__file__).parents[1]

# Logs a thousand records where a file may not become longer than it is told.
SMALL_FILES = """
    import resource, sys, trackside
    run = trackside.Run(sys.argv[1], name="n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    for step in range(1000):
        run.log(step=step, train_loss=1.0)
    print(run.id)
"""


class Process:
    """Runs a script in a folder of its own, and waits for its end."""

    def __init__(self, tmp_path: Path) -> None:
        self._folder = tmp_path
        self.spool = tmp_path / "spool"
        self.shelter = tmp_path / "shelter"

    def __call__(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.python(str(self.write(script)), *arguments, **variables)

    def write(self, script: str) -> Path:
        path = self._folder / "train.py"
        path.write_text(textwrap.dedent(script))
        return path

    def environment(self, **variables: str) -> dict[str, str]:
        return {**clean(self.spool), "PYTHONPATH": str(CLIENT), "PYTHONWARNINGS": "error", **variables}

    def python(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_S,
            check=False,
        )

    @contextmanager
    def started(self, script: str, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """A script that runs beside the test; what is left of it at the end is killed."""
        child = subprocess.Popen(
            [sys.executable, "-u", str(self.write(script)), *arguments],
            env=self.environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield child
        finally:
            child.kill()
            child.communicate()


def spooled_records(file: Path) -> int:
    _, *requests = map(json.loads, file.read_text().splitlines())
    return sum(len(request["body"].get("records", [])) for request in requests)
