"""`trackside keys`: fresh keys, and how to set them."""

from __future__ import annotations

import argparse
import base64
import secrets
import sys

from trackside_service.cli.common import Parsers


def add(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("keys", help="make an admin key and a secret key", description=__doc__)
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace) -> int:
    """Print shell lines that set both keys."""
    admin = "ts_" + secrets.token_urlsafe(32)
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    sys.stdout.write(
        "# Every request must carry this key: 'Authorization: Bearer <key>'. The client reads TRACKSIDE_API_KEY.\n"
        f"export TRACKSIDE_ADMIN_KEY={admin}\n"
        "# Encrypts the channels' addresses at rest: keep it with the database's backups, apart from them.\n"
        f"export TRACKSIDE_SECRET_KEY={secret}\n"
    )
    return 0
