"""`trackside deliver`: the courier alone, beside services that run with --no-deliver."""

from __future__ import annotations

import argparse
import logging
import signal
import threading

from trackside_service.cli.assemble import open_context, prepare_database
from trackside_service.cli.common import Parsers, add_settings, read_settings

_log = logging.getLogger("trackside.deliver")


def add(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("deliver", help="send what is due, and nothing else", description=__doc__)
    add_settings(parser, "database_url", "allow_targets", "retry_schedule", "log_level")
    parser.set_defaults(run=run, deliver=True)


def run(arguments: argparse.Namespace) -> int:
    """Deliver until SIGTERM or SIGINT; then finish what is being sent and return 0."""
    settings = read_settings(arguments)
    prepare_database(settings)
    context = open_context(settings)
    assert context.courier is not None
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    context.courier.start()
    _log.info("delivering")
    stop.wait()
    context.courier.stop()
    context.engine.dispose()
    _log.info("stopped")
    return 0
