"""`trackside check FILE`: replay a finished log through the rules, storing nothing and without a service.

FILE (or - for standard input) is the JSON body of POST /v1/check, or JSON lines: the first line is the run's
declaration, or {"run": ...}, and each further line a record. With --plan it is the run's declaration alone (the body of
PUT /v1/runs/{id}), which is judged before any training.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from trackside_service import replay
from trackside_service.api.declarations import split_declaration
from trackside_service.cli import plan
from trackside_service.cli.common import Parsers, say
from trackside_service.conformance import as_wire
from trackside_service.domain.declarations import parse_records
from trackside_service.domain.findings import Severity, rank
from trackside_service.domain.numbers import wire_safe
from trackside_service.domain.wire import replayed_alert_to_wire
from trackside_service.errors import InvalidInputError

UNHEALTHY = 1


def add(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("check", help="replay a finished log through the rules", description=__doc__)
    parser.add_argument("file", metavar="FILE", help="the log, or - for standard input")
    parser.add_argument(
        "--fail-on", choices=("info", "warning", "critical"), help="exit with 1 if an alert is that bad"
    )
    parser.add_argument("--plan", action="store_true", help="judge a declaration alone, before training")
    parser.add_argument("--json", action="store_true", help="print what POST /v1/check answers (a plan: its findings)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 1 if an alert (or a finding on the plan) is as bad as `--fail-on`."""
    run_body, records = _read(arguments.file)
    spec, process = split_declaration(run_body)
    if arguments.plan:
        if records:
            raise InvalidInputError("with --plan the file is the run's declaration alone, without records")
        return _status(arguments, plan.show(spec, as_json=arguments.json))
    report = replay.check(spec, parse_records(records), process=None if process is None else process.id)
    lr = None if report.lr is None else as_wire(report.lr)
    alerts = [replayed_alert_to_wire(alert) for alert in report.alerts]
    if arguments.json:
        sys.stdout.write(json.dumps(wire_safe({"alerts": alerts, "lr": lr}), allow_nan=False) + "\n")
    else:
        for alert in alerts:
            _print(alert)
        sys.stdout.write(f"{len(alerts)} alerts; learning rate: {lr['verdict'] if lr else 'not compared'}\n")
    return _status(arguments, [alert["severity"] for alert in alerts])


def _status(arguments: argparse.Namespace, severities: Sequence[Severity]) -> int:
    if arguments.fail_on is None:
        return 0
    return UNHEALTHY if any(rank(severity) >= rank(arguments.fail_on) for severity in severities) else 0


def _print(alert: dict[str, Any]) -> None:
    place = alert["opened"]
    where = ", ".join(f"{name} {place[name]:g}" for name in ("epoch", "step") if place[name] is not None)
    state = "" if alert["state"] == "open" else f" ({alert['state']})"
    words = f"{where or 'before training'}: {alert['detail']}"
    say(alert["severity"], f"{alert['code']} {alert['title']}{state}", words, alert["advice"])


def _read(name: str) -> tuple[Any, list[Any]]:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read the file: {error.strerror}") from None
    try:
        whole = from_json(raw, allow_inf_nan=True)
    except ValueError:
        whole = None
    if isinstance(whole, dict):
        if "records" in whole:
            return whole.get("run"), whole["records"]
        return whole.get("run", whole), []
    lines: list[Any] = []
    for number, line in enumerate(raw.splitlines(), start=1):
        if line.strip():
            try:
                lines.append(from_json(line, allow_inf_nan=True))
            except ValueError as error:
                raise InvalidInputError(f"line {number} is not JSON: {error}") from None
    if not lines:
        raise InvalidInputError("the file is empty")
    first = lines[0]
    return (first["run"] if isinstance(first, dict) and "run" in first else first), lines[1:]
