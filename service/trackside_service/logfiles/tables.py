"""CSV and its kin: a header, then a row a line; comma, semicolon, tab or spaces between."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from trackside_service.errors import InvalidInputError
from trackside_service.logfiles import names, places
from trackside_service.logfiles.read import LogFile, as_number, row_of

_SEPARATORS: Final = (",", "\t", ";")
_LOOKED_AT: Final = 5


def looks_like(text: str) -> bool:
    """Whether the text begins with a header of names over rows of as many cells, most of them numbers."""
    head = [line for line in text[:65536].splitlines() if line.strip()][: _LOOKED_AT + 1]
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


def read(text: str, steps_per_epoch: int | None = None) -> LogFile:
    """Return the rows as records. Raises `InvalidInputError`."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = _separator(first)
    if separator is None:
        raise InvalidInputError("the first line is no header: names with commas, semicolons or tabs between are wanted")
    lines = csv.reader(io.StringIO(text.lstrip("\n\r"), newline=""), delimiter=separator, skipinitialspace=True)
    try:
        header = [cell.strip() for cell in next(lines)]
        body = list(_without_repeats(lines, header))
    except csv.Error as error:
        raise InvalidInputError(f"line {lines.line_num} is not CSV: {error}") from None
    rows = [row_of(zip(header, cells, strict=True)) for cells in body if len(cells) == len(header)]
    columns = [names.clean(column) for column in header]
    by_place = not any(names.place_of(name) in ("epoch", "step") for name in columns)
    found = places.placed(rows, by_place=by_place, steps_per_epoch=steps_per_epoch)
    if not found.bodies:
        raise InvalidInputError(
            f"no row holds a metric at a place: the header names {', '.join(columns[:20])}; "
            "a column epoch or step, and columns such as lr, train_loss, val_acc are wanted"
        )
    odd = len(body) - len(rows)
    notes = (f"{odd} lines were left out: they have not as many cells as the header",) if odd else ()
    return LogFile("csv", found.bodies, steps_per_epoch=found.steps_per_epoch, notes=(*notes, *found.notes))


def _without_repeats(lines: Iterator[list[str]], header: list[str]) -> Iterator[list[str]]:
    """Rows, without empty lines and without the header where a resumed training wrote it again."""
    for cells in lines:
        if any(cell.strip() for cell in cells) and [cell.strip() for cell in cells] != header:
            yield cells


def _separator(line: str) -> str | None:
    found = max(_SEPARATORS, key=line.count)
    return found if line.count(found) else None


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]
    except csv.Error:
        return []
