"""`trackside check FILE`: replay a finished log through the rules, storing nothing and without a service.

FILE (or - for standard input) is the JSON body of POST /v1/check; or JSON lines, of which the first may be the run's
declaration, or {"run": ...}, and each further one a record or a flat row; or a CSV with a header, a tracker's export
among them; or plain text such as `Epoch [2] LR: 0.002000 loss 1.93 accuracy 10.00%`. What was read is said on stderr.
A log does not know the schedule that was configured: --run names the declaration (the body of PUT /v1/runs/{id}). With
--plan FILE is the declaration alone, judged before any training.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trackside_service import logfiles, replay
from trackside_service.api.declarations import split_declaration
from trackside_service.cli import plan
from trackside_service.cli.common import Parsers, say
from trackside_service.conformance import as_wire
from trackside_service.domain.declarations import parse_records
from trackside_service.domain.findings import Severity, rank
from trackside_service.domain.numbers import wire_safe
from trackside_service.domain.runs import MAX_NAME
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
    parser.add_argument(
        "--run", dest="run_file", metavar="FILE", help="the run's declaration, where the log holds none"
    )
    parser.add_argument("--format", choices=logfiles.FORMS, help="the log's form (told by its content if not given)")
    parser.add_argument("--plan", action="store_true", help="judge a declaration alone, before training")
    parser.add_argument("--json", action="store_true", help="print what POST /v1/check answers (a plan: its findings)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 1 if an alert (or a finding on the plan) is as bad as `--fail-on`."""
    run_body, records = _read(arguments)
    spec, process = split_declaration(run_body)
    if arguments.plan:
        if records:
            raise InvalidInputError("with --plan the file is the run's declaration alone, without records")
        return _status(arguments, plan.show(spec, as_json=arguments.json))
    report = replay.check(spec, parse_records(records), process=process)
    lr = None if report.lr is None else as_wire(report.lr)
    alerts = [replayed_alert_to_wire(alert, report.symptoms.get(alert.id, ())) for alert in report.alerts]
    if arguments.json:
        sys.stdout.write(json.dumps(wire_safe({"alerts": alerts, "lr": lr}), allow_nan=False) + "\n")
    else:
        for alert in alerts:
            _print(alert)
        count = "1 alert" if len(alerts) == 1 else f"{len(alerts)} alerts"
        sys.stdout.write(f"{count}; learning rate: {lr['verdict'] if lr else 'not compared'}\n")
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
    lines = [words, *(f"with it: {each['severity']} {each['code']} {each['title']}" for each in alert["symptoms"])]
    say(alert["severity"], f"{alert['code']} {alert['title']}{state}", "\n         ".join(lines), alert["advice"])


def _read(arguments: argparse.Namespace) -> tuple[Any, list[Any]]:
    """Return the run's declaration and the records: the one from --run, or from the log, or one without a schedule."""
    declared = None if arguments.run_file is None else _declared(arguments.run_file)
    length = None if declared is None else _steps_per_epoch(declared)
    log = logfiles.read(_bytes(arguments.file), arguments.format, steps_per_epoch=length, name=arguments.file)
    for note in (*log.notes, logfiles.described(log)) if log.records else log.notes:
        sys.stderr.write(f"trackside: {note}\n")
    if log.run is not None:
        if declared is not None:
            raise InvalidInputError("the log holds a declaration of its own: leave out --run, or that declaration")
        return log.run, log.records
    found: dict[str, Any] = {"metric_units": dict(log.units)} if log.units else {}
    if length is None and log.steps_per_epoch is not None:
        found["steps_per_epoch"] = log.steps_per_epoch
    return found | (declared or {"project": "check", "name": _name(arguments.file)}), log.records


def _declared(file: str) -> dict[str, Any]:
    try:
        declared = json.loads(_bytes(file))
    except ValueError as error:
        raise InvalidInputError(f"--run: the declaration is not JSON: {error}") from None
    if not isinstance(declared, dict):
        raise InvalidInputError("--run: the declaration is no JSON object; see the body of PUT /v1/runs/{id}")
    return declared


def _steps_per_epoch(declared: dict[str, Any]) -> int | None:
    """Return the declared length of an epoch, of the run or of its schedule; what is no count is refused later."""
    schedule = declared.get("schedule")
    inner = schedule.get("steps_per_epoch") if isinstance(schedule, dict) else None
    length = declared.get("steps_per_epoch", inner)
    return length if type(length) is int and length > 0 else None


def _name(file: str) -> str:
    printable = "".join(letter if letter.isprintable() else "?" for letter in Path(file).name)
    return "standard input" if file == "-" else printable[:MAX_NAME]


def _bytes(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {name}: {error.strerror}") from None
