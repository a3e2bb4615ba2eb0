"""The service as a process of its own, started and stopped by the demo, and plain HTTP to it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_service(folder: Path) -> Iterator[str]:
    """Run `trackside serve` on SQLite in `folder`; yield its address. Its log goes to `folder/service.log`."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "trackside_service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--database-url", f"sqlite:///{folder / 'trackside.db'}"]
    # Settings of the person's own shell must not reach the demo's service; its receiver listens on loopback.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACKSIDE_")}
    environment["TRACKSIDE_ALLOW_TARGETS"] = "127.0.0.0/8"
    # It shows each message, and nobody waits for the end of a window.
    environment["TRACKSIDE_GROUP_WINDOW_S"] = "0"
    log = folder / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        try:
            _wait_until_ready(process, url, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoError(f"the service did not start:\n{log.read_text(errors='replace')}")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2.0):  # noqa: S310
                return
        except OSError:
            time.sleep(0.1)
    raise DemoError(f"the service was not ready after {_START_TIMEOUT_S:g} s:\n{log.read_text(errors='replace')}")


def call(method: str, url: str, body: object = None, *, accept: str = "application/json") -> Any:
    """Speak to the service; return parsed JSON, or text if `accept` asks for text.

    Raises `DemoError` on any other status than 2xx.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"Accept": accept, "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30.0) as answer:  # noqa: S310
            raw = answer.read().decode()
    except urllib.error.HTTPError as error:
        raise DemoError(f"{method} {url} answered {error.code}: {error.read().decode(errors='replace')}") from error
    return json.loads(raw) if accept == "application/json" and raw else raw
