"""`trackside rule CODE`: a rule's page; without a code, the list."""

from __future__ import annotations

import argparse
import sys

from trackside_service.cli.common import Parsers
from trackside_service.rules import RULES, rule


def add(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("rule", help="say what a rule detects and what to do", description=__doc__)
    parser.add_argument("code", nargs="?", metavar="CODE", help="such as LR001; left out, all rules are listed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the page, or the list."""
    if arguments.code is None:
        for each in RULES:
            sys.stdout.write(f"{each.code}  {each.severity:<8}  {each.summary}\n")
    else:
        sys.stdout.write(rule(arguments.code.upper()).page.strip() + "\n")
    return 0
