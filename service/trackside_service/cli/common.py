"""What several subcommands share: the arguments that are settings, and reading them."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from typing import Any, Protocol

from trackside_service import settings
from trackside_service.cli import logs
from trackside_service.settings import Settings


class Parsers(Protocol):
    """Where a subcommand adds its parser."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        """Add a parser."""
        ...


def add_settings(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add arguments that are settings, with the words of `Settings`; left out, `TRACKSIDE_*` or the default decides."""
    known = {each.name: each for each in fields(Settings)}
    for name in names:
        each = known[name]
        words = f"{each.metadata['doc']} [{settings.PREFIX}{name.upper()}]"
        flag = "--" + name.replace("_", "-")
        if isinstance(each.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=words)
        else:
            parser.add_argument(flag, default=None, metavar=name.upper(), help=words)


def read_settings(arguments: argparse.Namespace) -> Settings:
    """Return the settings of this call, and start logging. Raises `SettingsError`."""
    read = settings.read(os.environ, vars(arguments))
    logs.start(read.log_level)
    for remark in settings.unknown(os.environ):
        sys.stderr.write(f"trackside: {remark}\n")
    return read


def say(severity: str, title: str, detail: str, advice: str) -> None:
    """Print an alert or a finding for a person."""
    sys.stdout.write(f"{severity.upper():<8} {title}\n         {detail}\n         -> {advice}\n")
