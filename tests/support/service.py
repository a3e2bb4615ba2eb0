"""A real service on loopback: the application under uvicorn in a thread, over a database that the test brings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from trackside_service.api.app import create_app
from trackside_service.api.context import Context
from trackside_service.cli.assemble import open_context
from trackside_service.cli.serve import configure, listen
from trackside_service.settings import Settings


@contextmanager
def service(database_url: str, **settings: Any) -> Iterator[str]:
    """Run the service on a migrated database; yield its address. `settings` are fields of `Settings`."""
    context = open_context(Settings(database_url=database_url, **settings))
    try:
        with running(context) as url:
            yield url
    finally:
        context.engine.dispose()


@contextmanager
def running(context: Context) -> Iterator[str]:
    """Run the service over `context`; yield its address. At the end it drains."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(configure(create_app(context)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="service")
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        # The socket listens already, so this waits exactly until the service answers.
        httpx.get(f"{url}/healthz", timeout=30).raise_for_status()
        yield url
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
