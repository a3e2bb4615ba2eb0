"""`trackside serve`: the HTTP service, with the writer, the courier and the sweeper inside."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from trackside_service import settings as known
from trackside_service.api.app import create_app
from trackside_service.cli import logs
from trackside_service.cli.assemble import open_context, prepare_database
from trackside_service.cli.common import Parsers, add_settings, read_settings
from trackside_service.settings import Settings, SettingsError

BACKLOG: Final = 2048
GRACE_S: Final = 20
_log = logging.getLogger("trackside.serve")


def add(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("serve", help="run the service", description=__doc__)
    add_settings(
        parser, "host", "port", "database_url", "migrate", "workers", "deliver", "allow_targets", "retry_schedule"
    )
    add_settings(parser, "sweep_s", "max_body_bytes", "log_level")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; then finish what was begun, commit it, and return 0."""
    settings = read_settings(arguments)
    known.check_serving(settings)
    prepare_database(settings)
    with listening(settings) as listener, _quiet_signals():
        address = "{}:{}".format(*listener.getsockname()[:2])
        _log.info("listening", extra={"fields": {"address": address, "workers": settings.workers, "pid": os.getpid()}})
        if settings.workers == 1:
            server = uvicorn.Server(configure(create_app(open_context(settings))))
            server.run(sockets=[listener])
            _log.info("stopped")
            return 0 if server.started else 1
        _pass_on(settings)
        config = configure("trackside_service.cli.serve:worker_app", factory=True, workers=settings.workers)
        Multiprocess(config, [listener]).run()
    return 0


def configure(app: FastAPI | str, **options: Any) -> uvicorn.Config:
    """Return how uvicorn serves: uvloop, httptools, our logs, no trust in forwarded headers."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        **options,
    )


def worker_app() -> FastAPI:
    """Return the application of one of several processes; the settings come through the environment."""
    settings = known.read(os.environ)
    logs.start(settings.log_level)
    return create_app(open_context(settings))


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises `SettingsError` where the address cannot be used."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it; without it an answer waits up to 40 ms for the caller's acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    listener.set_inheritable(True)
    return listener


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Listen where `settings` say. Raises `SettingsError` where that cannot be, or must not without a key."""
    listener = listen(settings.host, settings.port)
    try:
        known.check_bound(settings, listener.getsockname()[0])
        yield listener
    finally:
        listener.close()


@contextmanager
def _quiet_signals() -> Iterator[None]:
    # uvicorn drains on these and then raises them again, which would end the process with the signal instead of 0.
    earlier = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)


def _pass_on(settings: Settings) -> None:
    """Put what the arguments said into the environment that the workers read."""
    for name, text in known.as_environment(settings).items():
        os.environ[name] = text
