"""JSON: the body of POST /v1/check, JSON lines (records as the wire has them, or flat rows as trainers write them),
transformers' trainer_state.json, and Keras' history. What Python prints of a dictionary is read as well.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from trackside_service.errors import InvalidInputError
from trackside_service.logfiles import places
from trackside_service.logfiles.read import LogFile, left_out, row_of

_DECLARATION: Final = ("run", "project", "schedule", "expectations")
_BEGINS: Final = re.compile(r"[\[{]\s*(?:[\"'{]|$)")
_PLACED: Final = ("step", "epoch", "metrics", "global_step", "iteration", "iter", "current_steps")
# Numbers that Python prints bare, and neither JSON nor a Python literal has.
_BARE: Final = re.compile(r"(?<![\w'\".])(-?(?:nan|inf))(?![\w'\"])")
_DECODER: Final = json.JSONDecoder()


def parsed(text: str) -> Any:
    """Return the JSON value, or the Python literal. Raises `ValueError`, as `json.loads` does, also where it is nested
    without end.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        if "'" not in text:
            raise
        try:
            return ast.literal_eval(_BARE.sub(r"'\1'", text.strip()))
        except (SyntaxError, TypeError, MemoryError, RecursionError, ValueError):
            pass
        raise


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
        return _of_lines(*_lines(text), steps_per_epoch)
    if isinstance(whole, list):
        return _of_lines(whole, (), steps_per_epoch)
    if not isinstance(whole, dict):
        raise InvalidInputError("a JSON object is wanted, or one on each line")
    if isinstance(whole.get("log_history"), list):
        return _of_lines(whole["log_history"], (), steps_per_epoch)
    if "records" in whole:
        return LogFile("json", whole["records"], run=whole.get("run"))
    history = _columns(whole)
    if history is not None:
        return _of_lines(history, (), steps_per_epoch)
    if any(name in whole for name in _PLACED):
        return _of_lines([whole], (), steps_per_epoch)
    return LogFile("json", [], run=whole.get("run", whole))


def without_summary(row: Any) -> Any:
    """transformers ends with the mean loss of the whole run under the name of an epoch's loss."""
    if isinstance(row, dict) and ("total_flos" in row or "train_runtime" in row):
        return {name: value for name, value in row.items() if name != "train_loss"}
    return row


def _lines(text: str) -> tuple[list[Any], tuple[str, ...]]:
    """Return the objects of the lines, several on one among them, and what to say of the others. A line that is none is
    left out: the last one of a job that was killed is cut off, and loses only itself. Raises `InvalidInputError` where
    most are none, or nothing is left beside a declaration.
    """
    found: list[Any] = []
    odd: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                found.append(parsed(line))
            except ValueError as error:
                several = _several(line)
                if several is None:
                    odd.append((number, str(error)))
                else:
                    found += several
    records = sum(not _heads(one) for one in found)
    if odd and (records == 0 or len(odd) > records):
        number, why = odd[0]
        raise InvalidInputError(f"line {number} is not JSON: {why}")
    return found, left_out([number for number, _ in odd], "not JSON")


def _heads(value: Any) -> bool:
    """Whether it is the run's declaration, or whatever else is no record."""
    return not isinstance(value, dict) or not any(name in value for name in _PLACED)


def _several(line: str) -> list[Any] | None:
    """Return the objects that stand on one line without a break between them; None where they do not."""
    found, at = [], 0
    try:
        while at < len(line):
            value, at = _DECODER.raw_decode(line, at)
            if not isinstance(value, dict):
                return None
            found.append(value)
            at += len(line[at:]) - len(line[at:].lstrip(" ,\t\r"))
    except (ValueError, RecursionError):
        return None
    return found


def _of_lines(lines: list[Any], notes: tuple[str, ...], steps_per_epoch: int | None) -> LogFile:
    run, rest = None, lines
    first = lines[0] if lines else None
    if isinstance(first, dict) and not any(name in first for name in _PLACED):
        if any(name in first for name in _DECLARATION):
            run, rest = first.get("run", first), lines[1:]
        elif not row_of(first.items()).metrics:
            rest = lines[1:]  # a heading of the tool's own, such as its environment
            notes = (*notes, "the first line was left out: it is neither a record nor the run's declaration")
    if any(isinstance(line, dict) and "metrics" in line for line in rest) or not all(
        isinstance(line, dict) for line in rest
    ):
        return LogFile("json", rest, run=run, notes=notes)  # the wire's own form, judged as the wire judges it
    rows = [row_of(without_summary(line).items()) for line in rest]
    by_place = not any(row.is_placed for row in rows)
    found = places.placed(rows, by_place=by_place, steps_per_epoch=steps_per_epoch)
    if rest and not found.bodies:
        raise InvalidInputError("no line holds a metric at a place: epoch or step, and numbers beside it, are wanted")
    return LogFile("json", found.bodies, run=run, steps_per_epoch=found.steps_per_epoch, notes=(*notes, *found.notes))


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
