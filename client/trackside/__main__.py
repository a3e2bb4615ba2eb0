"""`python -m trackside sync` sends what earlier runs could not; `discard` removes what waits for a service now gone."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from trackside import _config
from trackside._sync import discard, elsewhere, sync
from trackside._version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when nothing is left waiting, 1 when something is, 2 on wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m trackside", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    sends = commands.add_parser("sync", help="send what waits on disk to the service")
    sends.add_argument("--url", help="the service's address (default: TRACKSIDE_URL); the key is TRACKSIDE_API_KEY")
    removes = commands.add_parser("discard", help="remove what waits on disk for a service, unsent")
    removes.add_argument("--url", required=True, help="the address of the service that is gone")
    options = parser.parse_args(arguments)
    if options.url is None and not os.environ.get("TRACKSIDE_URL", "").strip():
        parser.error("pass --url or set TRACKSIDE_URL")
    try:
        settings = _config.load(options.url, None)
    except ValueError as error:
        parser.error(str(error))
    if settings is None:  # and the reason was told
        return 2
    if options.command == "discard":
        sys.stdout.write(f"{discard(settings)} removed from {settings.spool_dir}\n")
        return 0
    sent, left = sync(settings)
    sys.stdout.write(f"{sent} sent, {left} waiting in {settings.spool_dir}\n")
    for url, count in elsewhere(settings).items():
        sys.stdout.write(f"{count} of them for {url} (python -m trackside discard --url {url} removes them unsent)\n")
    return 0 if left == 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
