"""Plain text as training loops print it: `Epoch [2] LR: 0.002000 loss 1.23 accuracy 0.00%`, and its many relatives.

A line is read where it names an epoch or a step, or where it follows such a line and holds a metric that is known. The
words train and val (valid, eval, test, dev) before a metric, or leading its line, say what was measured.
"""

from __future__ import annotations

import re
from typing import Final

from trackside_service.errors import InvalidInputError
from trackside_service.logfiles import names, objects, places
from trackside_service.logfiles.read import LogFile, Row, as_number, moment, row_of, whole

_MAX_LINE: Final = 20_000
_NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)\b"
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TIME: Final = re.compile(r"\d{4}[-/]\d{2}[-/]\d{2}[ T]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,6})?")
_OBJECT: Final = re.compile(r"\{.*\}\s*$")
_CONFIGURED: Final = re.compile(
    r"Namespace\(|\s--[a-z]|\b(?:config|configuration|args|arguments|hyper-?param\w*|options)\b\s*[:=({]", re.IGNORECASE
)
_EPOCH: Final = re.compile(
    r"(?<!\w)ep(?:och)?s?['\"]?\s*[:=#]?\s*[\[(]?\s*(\d+(?:\.\d+)?)\s*(?:(?:/|of)\s*\d+)?", re.IGNORECASE
)
_STEP: Final = re.compile(
    r"(?<!\w)(global[_ ]?step|step|iteration|iter|batch|update)s?['\"]?\s*[:=#]?\s*[\[(]?"
    r"\s*(\d+)(?![\d.]*\d)\s*(?:(?:/|of)\s*(\d+))?",
    re.IGNORECASE,
)
_BRACKETED: Final = re.compile(r"[\[|(]\s*(\d+)\s*/\s*(\d+)\s*[\])|]")
_WORD: Final = r"(?!(?:nan|inf|infinity)\b)[A-Za-z][\w@./-]*"
_PAIR: Final = re.compile(
    rf"(?P<name>{_WORD}(?:[ ]{_WORD}){{0,3}})['\"]?(?:\s*[:=]\s*|\s+)\(?"
    rf"(?P<value>{_NUMBER})(?P<percent>\s?%)?(?![\w.%/:])",
    re.IGNORECASE,
)
_SCOPE: Final = re.compile(r"\b(train(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation)?|test(?:ing)?|dev)\b", re.IGNORECASE)
_MARKED: Final = re.compile(r"\b(?:best|lowest|highest|previous|saving|saved|loading|improved)\b", re.IGNORECASE)


def read(text: str, steps_per_epoch: int | None = None) -> LogFile:
    """Return what the lines report as records. Raises `InvalidInputError`."""
    rows: list[Row] = []
    units: dict[str, str] = {}
    for raw in text.split("\n"):  # a carriage return overwrites the line, as progress bars do
        line = _ANSI.sub("", raw.rstrip("\r").rsplit("\r", 1)[-1]).strip()
        if not line or len(line) > _MAX_LINE:
            continue
        row = _row(line, units, begun=bool(rows))
        if row is not None:
            _add(rows, row)
    found = places.placed(rows, steps_per_epoch=steps_per_epoch)
    if not found.bodies:
        raise InvalidInputError(
            "no line names an epoch or a step with a metric beside it, such as: Epoch 3 lr: 0.01 loss: 1.2 acc: 71%"
        )
    return LogFile("text", found.bodies, units=units, steps_per_epoch=found.steps_per_epoch, notes=found.notes)


def _row(line: str, units: dict[str, str], *, begun: bool) -> Row | None:
    """Return what a line reports; None if it is no report."""
    inner = _OBJECT.search(line)
    if inner is not None:
        try:
            body = objects.parsed(inner.group())
        except ValueError:
            body = None
        if isinstance(body, dict):
            row = row_of(body.items())
            return row if row.is_placed or (begun and row.metrics) else None
    if _CONFIGURED.search(line):
        return None
    rest, row = _placed(line)
    if not row.is_placed and not begun:
        return None
    _fill(row, rest, units)
    if row.is_placed:
        return row
    return row if any(names.is_known(name) for name in row.metrics) else None


def _placed(line: str) -> tuple[str, Row]:
    """Take time, epoch and step out of a line."""
    row = Row()
    stamp = _TIME.search(line)
    if stamp is not None:
        row.time = moment(stamp.group())
        line = line[: stamp.start()] + "|" + line[stamp.end() :]
    epoch = _EPOCH.search(line)
    if epoch is not None:
        row.epoch = as_number(epoch.group(1))
        line = line[: epoch.start()] + "|" + line[epoch.end() :].lstrip(" ])")
    step = _STEP.search(line)
    if step is not None:
        count, of = whole(step.group(2)), whole(step.group(3))
        if row.epoch is not None and not step.group(1).lower().startswith("global"):
            # With an epoch beside it a batch counts inside; a step does where the log says of how many.
            if of is not None or step.group(1).lower() == "batch":
                row.inner, row.of = count, of
            else:
                row.step = count
        elif step.group(1).lower() != "batch":
            row.step = count
        line = line[: step.start()] + "|" + line[step.end() :].lstrip(" ])")
    elif row.epoch is not None:
        inner = _BRACKETED.search(line)
        if inner is not None:
            row.inner, row.of = whole(inner.group(1)), whole(inner.group(2))
            line = line[: inner.start()] + "|" + line[inner.end() :]
    return line, row


def _fill(row: Row, line: str, units: dict[str, str]) -> None:
    """Read the metrics of a line into its row."""
    scope = _SCOPE.search(line)
    validates = scope is not None and not scope.group(1).lower().startswith("train")
    for pair in _PAIR.finditer(line):
        if _MARKED.search(pair["name"]):
            continue
        name = _name(pair["name"])
        if names.place_of(name) is not None or not names.is_metric(name):
            continue
        if validates and name not in ("lr", "grad_norm"):
            name = names.clean(names.of_validation(name))
        value = as_number(pair["value"])
        if value is not None and name not in row.metrics:
            row.metrics[name] = value
            if pair["percent"]:
                units[name] = "percent"
    if row.inner is not None and validates:
        row.inner = row.of = None  # a validation's batches are no place in the training


def _name(words: str) -> str:
    """Return the metric's name: of several words the longest ending that is known, else all of them."""
    parts = words.split(" ")
    for first in range(len(parts)):
        name = names.clean(" ".join(parts[first:]))
        if names.is_known(name):
            return name
    if len(parts) > 1 and _SCOPE.fullmatch(parts[0]) is None:
        return names.clean(parts[-1])
    return names.clean(" ".join(parts))


def _add(rows: list[Row], row: Row) -> None:
    """Add a row, or fold it into the last one where it goes on about the same place."""
    last = rows[-1] if rows else None
    if last is not None and not row.metrics.keys() & last.metrics.keys():
        same = (row.epoch, row.step, row.inner) == (last.epoch, last.step, last.inner)
        if not row.is_placed or same:
            last.metrics.update(row.metrics)
            last.time = last.time or row.time
            return
    rows.append(row)
