"""JSON: the body of POST /v1/check, JSON lines (records as the wire has them, or flat rows as trainers write them),
transformers' trainer_state.json, and Keras' history.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from trackside_service.errors import InvalidInputError
from trackside_service.logfiles import places
from trackside_service.logfiles.read import LogFile, row_of

_DECLARATION: Final = ("run", "project", "schedule", "expectations")
_BEGINS: Final = re.compile(r"[\[{]\s*(?:[\"{]|$)")
_PLACED: Final = ("step", "epoch", "metrics", "global_step", "iteration", "iter")


def parsed(text: str) -> Any:
    """Return the JSON value. Raises `ValueError`, as `json.loads` does, also where it is nested without end."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def looks_like(text: str) -> bool:
    """Whether the text is JSON as a whole, or its first line is."""
    for part in (text.split("\n", 1)[0], text):
        try:
            return isinstance(parsed(part), (dict, list))
        except ValueError:
            continue
    # A broken first object is JSON all the same: its error is worth more than a plain text without records.
    return _BEGINS.match(text) is not None


def read(text: str, steps_per_epoch: int | None = None) -> LogFile:
    """Return the declaration and the records. Raises `InvalidInputError`."""
    try:
        whole = parsed(text)
    except ValueError:
        return _of_lines(_lines(text), steps_per_epoch)
    if isinstance(whole, list):
        return _of_lines(whole, steps_per_epoch)
    if not isinstance(whole, dict):
        raise InvalidInputError("a JSON object is wanted, or one on each line")
    if isinstance(whole.get("log_history"), list):
        return _of_lines([_without_summary(row) for row in whole["log_history"]], steps_per_epoch)
    if "records" in whole:
        return LogFile("json", whole["records"], run=whole.get("run"))
    history = _columns(whole)
    if history is not None:
        return _of_lines(history, steps_per_epoch)
    if any(name in whole for name in _PLACED):
        return _of_lines([whole], steps_per_epoch)
    return LogFile("json", [], run=whole.get("run", whole))


def _lines(text: str) -> list[Any]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                found.append(parsed(line))
            except ValueError as error:
                raise InvalidInputError(f"line {number} is not JSON: {error}") from None
    return found


def _of_lines(lines: list[Any], steps_per_epoch: int | None) -> LogFile:
    run, rest = None, lines
    first = lines[0] if lines else None
    if isinstance(first, dict) and _declares(first):
        run, rest = first.get("run", first), lines[1:]
    if any(isinstance(line, dict) and "metrics" in line for line in rest) or not all(
        isinstance(line, dict) for line in rest
    ):
        return LogFile("json", rest, run=run)  # the wire's own form, judged as the wire judges it
    rows = [row_of(line.items()) for line in rest]
    by_place = not any(row.is_placed for row in rows)
    found = places.placed(rows, by_place=by_place, steps_per_epoch=steps_per_epoch)
    if rest and not found.bodies:
        raise InvalidInputError("no line holds a metric at a place: epoch or step, and numbers beside it, are wanted")
    return LogFile("json", found.bodies, run=run, steps_per_epoch=found.steps_per_epoch, notes=found.notes)


def _declares(first: Mapping[str, Any]) -> bool:
    if any(name in first for name in _PLACED):
        return False
    return any(name in first for name in _DECLARATION) or not row_of(first.items()).metrics


def _without_summary(row: Any) -> Any:
    """transformers ends with the mean loss of the whole run under the name of an epoch's loss."""
    if isinstance(row, dict) and "total_flos" in row:
        return {name: value for name, value in row.items() if name != "train_loss"}
    return row


def _columns(whole: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of an object of equally long lists, such as Keras' `history.history`; None if it is none."""
    inner = whole.get("history") if isinstance(whole.get("history"), dict) else whole
    lists = {name: value for name, value in inner.items() if isinstance(value, list)} if inner else {}
    if not lists or any(isinstance(item, (dict, list)) for value in lists.values() for item in value[:1]):
        return None
    if len(lists) != len(inner or {}):
        return None
    length = max(map(len, lists.values()))
    own = {} if "epoch" in lists else {"epoch": list(range(length))}
    return [
        {name: value[place] for name, value in {**own, **lists}.items() if place < len(value)}
        for place in range(length)
    ]
