"""`trackside demo`: two real trainings, watched from start to end."""

from __future__ import annotations

import argparse

from trackside_service.cli.common import Parsers


def add(parsers: Parsers) -> None:
    """Add the subcommand; its arguments are the demo's own."""
    parser = parsers.add_parser(
        "demo", help="watch two real trainings from start to end", description=__doc__, add_help=False
    )
    parser.set_defaults(run=run, rest=[])


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 if the alerts arrived and the repaired run is clean."""
    # Needs packages that a service does not: imported only here.
    from trackside_service import demo  # noqa: PLC0415

    return demo.main(arguments.rest)
