"""The command `trackside`: one file a subcommand, each with `add(parsers)` and `run(arguments) -> int`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from sqlalchemy.exc import DBAPIError

from trackside_service.cli import check, deliver, demo, keys, migrate, rule, serve
from trackside_service.errors import TracksideError
from trackside_service.settings import SettingsError
from trackside_service.storage.engine import unavailable_detail

_COMMANDS: Final = (serve, migrate, deliver, check, rule, demo, keys)
REFUSED: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit status: 2 where it is refused (a setting, a file), with the reason on
    stderr.
    """
    parser = argparse.ArgumentParser(
        prog="trackside",
        description="Watches training runs: the learning rate against its schedule, the cause, and the alert.",
    )
    parser.add_argument("--version", action="version", version=version("trackside-service"))
    parsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(parsers)
    arguments, rest = parser.parse_known_args(argv)
    if arguments.run is demo.run:
        arguments.rest = rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return int(arguments.run(arguments))
    except (SettingsError, TracksideError) as error:
        sys.stderr.write(f"trackside: {error}\n")
        for fault in getattr(error, "faults", ()):
            sys.stderr.write(f"  {fault.pointer or '(the whole)'}: {fault.message}\n")
        return REFUSED
    except DBAPIError as error:
        sys.stderr.write(f"trackside: {unavailable_detail(error)}\n")
        return REFUSED
    except KeyboardInterrupt:
        return 130
