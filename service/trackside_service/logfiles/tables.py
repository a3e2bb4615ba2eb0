"""CSV and its kin: a header, then a row a line; comma, semicolon, tab or spaces between."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Final

from trackside_service.errors import InvalidInputError
from trackside_service.logfiles import columns, layouts, names, places
from trackside_service.logfiles.read import LogFile, as_number, left_out, row_of

_SEPARATORS: Final = (",", "\t", ";")
_LOOKED_AT: Final = 5
_DECIMAL_COMMA: Final = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_SHOWN: Final = 20


def looks_like(text: str) -> bool:
    """Whether the text begins with a header of names over rows of as many cells, most of them numbers."""
    head = [line for line in text[:65536].splitlines() if line.strip() and not line.startswith("#")][: _LOOKED_AT + 1]
    if len(head) < 2:
        return False
    separator = _separator(head[0])
    if separator is None:
        return False
    header, *rows = [_cells(line, separator) for line in head]
    return (
        len(header) > 1
        and all(as_number(cell) is None for cell in header)
        and 2 * sum(len(row) == len(header) for row in rows) >= len(rows)
        and any(as_number(cell) is not None for row in rows for cell in row)
    )


def read(text: str, steps_per_epoch: int | None = None, name: str | None = None) -> LogFile:
    """Return the rows as records. `name` is the file's, which says what a table of one scalar holds. Raises
    `InvalidInputError`.
    """
    lines = list(_lines(text))
    if not lines:
        raise InvalidInputError("the file is empty but for comments")
    first, header = lines[0]
    body = [(number, cells) for number, cells in lines[1:] if cells != header]  # a resume may write the header again
    if len(header) < 2 or any(as_number(cell) is not None for cell in header):
        raise InvalidInputError(
            f"line {first} is no header: the first line names the columns, with commas, semicolons or tabs between, "
            "such as epoch,lr,train_loss,val_loss; write one above the numbers"
        )
    # A row that ends with the separator has an empty cell more than a header that does not.
    whole = [
        (number, cells[: len(header)])
        for number, cells in body
        if len(cells) == len(header) or (len(cells) > len(header) and not any(cells[len(header) :]))
    ]
    told = {number for number, _ in whole}
    odd = [number for number, _ in body if number not in told]
    if not whole:
        raise InvalidInputError(
            f"no row has as many cells as the header on line {first}, which names {len(header)} columns"
            if odd
            else f"the header on line {first} has no row under it"
        )
    table = columns.understood(header, [cells for _, cells in whole], name)
    rows = [row_of(entries) for entries in table.rows]
    found_names = [names.clean(column) for column in table.header]
    if {"valid_loss", "time"} <= {*found_names}:  # fastai's, whose metrics are those of the validation
        for row in rows:
            row.metrics = {layouts.of_evaluation(name): value for name, value in row.metrics.items()}
    by_place = not any(names.place_of(one) in ("epoch", "step") for one in found_names)
    found = places.placed(rows, by_place=by_place, steps_per_epoch=steps_per_epoch)
    if not found.bodies:
        raise InvalidInputError(_nothing(found_names, any(row.metrics for row in rows)))
    notes = left_out(odd, f"without the {len(header)} cells of the header")
    if by_place:
        notes = (*notes, "no column counts epochs or steps (epoch, step): each row is taken for an epoch, from 0")
    return LogFile("csv", found.bodies, steps_per_epoch=found.steps_per_epoch, notes=(*notes, *found.notes))


def _nothing(found: Sequence[str], has_metrics: bool) -> str:
    """Say why no record came of a table: its places, or its metrics, hold no number."""
    shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
    if has_metrics:
        counting = [one for one in found if names.place_of(one) in ("epoch", "step")]
        return f"no row says where it lies: the column {' and '.join(counting)} holds no number from 0 on"
    return (
        f"no column holds the numbers of a metric: the header names {shown}; "
        "columns such as lr, train_loss, val_loss, val_acc are wanted, with a point before the decimals"
    )


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number (from 1) and the cells of each line that has any; comments are none."""
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    separator = _separator(first)
    if separator is None:
        yield from (
            (number, line.split())
            for number, line in enumerate(text.splitlines(), start=1)
            if line.strip() and not line.startswith("#")
        )
        return
    # Strict: a quote that is never closed would take the rest of the file into one cell without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            trimmed = [cell.strip() for cell in cells]
            if any(trimmed) and not trimmed[0].startswith("#"):
                yield reader.line_num, [_decimal(cell) for cell in trimmed] if separator != "," else trimmed
    except csv.Error as error:
        raise InvalidInputError(f"line {reader.line_num} is not CSV: {error}") from None


def _decimal(cell: str) -> str:
    """0,05 is 0.05 where the comma separates no cells."""
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def _separator(line: str) -> str | None:
    found = max(_SEPARATORS, key=line.count)
    return found if line.count(found) else None


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]
    except csv.Error:
        return []
