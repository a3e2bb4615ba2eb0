"""`trackside migrate`: bring the database to the revision that this version works with."""

from __future__ import annotations

import argparse
import sys

from trackside_service.cli.common import Parsers, add_settings, read_settings
from trackside_service.storage import migrate
from trackside_service.storage.engine import open_engine


def add(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("migrate", help="bring the database to this version's revision", description=__doc__)
    add_settings(parser, "database_url", "log_level")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Migrate. Doing so twice, or from several processes at once, does it once."""
    engine = open_engine(read_settings(arguments).database_url)
    try:
        migrate.upgrade(engine)
    finally:
        engine.dispose()
    sys.stdout.write(f"the database is at revision {migrate.head()}\n")
    return 0
