"""Services in processes of their own, so that the load and what it measures do not share an interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import postgres
from tests.support.ports import free_port


@contextmanager
def process(command: list[str], port: int, path: str, environment: dict[str, str]) -> Iterator[str]:
    """Run `command` until the block ends; yield its address once `path` answers."""
    url = f"http://127.0.0.1:{port}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRACKSIDE_")}
    running = subprocess.Popen(
        command, env={**kept, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(url + path, timeout=2).close()
                break
            except OSError:
                if running.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command} did not start") from None
                time.sleep(0.05)
        yield url
    finally:
        running.terminate()
        running.wait(30)


@contextmanager
def trivial() -> Iterator[str]:
    """The yardstick of `trivial.py`."""
    port = free_port()
    with process([sys.executable, "-m", "tests.bench.trivial", str(port)], port, "/openapi.json", {}) as url:
        yield url


_ENVIRONMENT = {"TRACKSIDE_ALLOW_TARGETS": "127.0.0.0/8", "TRACKSIDE_SECRET_KEY": "a" * 43 + "="}


@contextmanager
def service(database_url: str, *arguments: str) -> Iterator[str]:
    """`trackside serve` on `database_url`, migrated; webhooks to loopback allowed."""
    port = free_port()
    command = [sys.executable, "-m", "trackside_service", "serve", "--port", str(port), "--migrate", *arguments]
    with process([*command, "--database-url", database_url], port, "/readyz", _ENVIRONMENT) as url:
        yield url


@contextmanager
def deliverer(database_url: str) -> Iterator[None]:
    """`trackside deliver` on a migrated database, once it delivers."""
    command = [sys.executable, "-m", "trackside_service", "deliver", "--database-url", database_url]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRACKSIDE_")}
    with subprocess.Popen(command, env={**kept, **_ENVIRONMENT}, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stderr is not None
            while "delivering" not in (line := running.stderr.readline()):
                if not line:
                    raise RuntimeError("trackside deliver did not start")
            yield
        finally:
            running.terminate()
            running.communicate(timeout=30)


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """A fresh SQLite file and a fresh Postgres, by name."""
    server = postgres.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield {"sqlite": f"sqlite:///{Path(folder) / 'bench.db'}", "postgres": server.url(server.create_database())}
    finally:
        server.stop()
