"""Tables that are drawn into a plain text: with bars between the cells, a box a report, or dashes under the heading.

Model cards and notebooks have the first, stable-baselines3 prints the second, spaCy the third.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from trackside_service.logfiles import names
from trackside_service.logfiles.read import Row, as_number, row_of

_BARS: Final = re.compile(r"\|(?:[^|]*\|){2,}")
_RULE: Final = re.compile(r"\|?(?:\s*:?-{2,}:?\s*\|)+\s*:?-*:?\s*\|?")
_BOX: Final = re.compile(r"\|\s*(?P<name>[\w@.-]+/?)\s*\|\s*(?P<value>[^|\s]*)\s*\|")
_EDGE: Final = re.compile(r"-{10,}")
_DASHES: Final = re.compile(r"-+(?:\s+-+){2,}")
_STEPS: Final = "time/total_timesteps"
# spaCy's: epoch, step, and what it chooses the best model by.
_SHORT: Final = {"E": "epoch", "#": "step", "SCORE": "val_score"}
_LOSSES: Final = ("train_loss", "val_loss")


class Layouts:
    """What the lines before say of the next one: the columns of a table, or the box that is being read."""

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._before = ""
        self._spans: list[tuple[int, int]] = []
        self._box: list[tuple[str, str]] = []
        self._section = ""

    def read(self, raw: str) -> tuple[bool, Row | None]:
        """Return whether a line belongs to such a table, and the row that it completes."""
        line = raw.strip()
        before, self._before = self._before, raw
        if _EDGE.fullmatch(line):
            row, self._box = self._reported(), []
            return row is not None, row
        box = _BOX.fullmatch(line)
        if box is not None and not self._columns:
            self._fill(box["name"], box["value"])
            return True, None
        if _BARS.fullmatch(line):
            return self._barred(line)
        if _DASHES.fullmatch(line):
            self._spans = [found.span() for found in re.finditer(r"-+", raw.rstrip())]
            self._columns = [_SHORT.get(word, word) for word in _cut(before, self._spans)]
            if not _is_placed(self._columns):
                self._columns, self._spans = [], []
            return bool(self._columns), None
        if self._spans and line:
            cells = re.split(r"\s{2,}", line)
            if len(cells) == len(self._columns) and as_number(cells[0]) is not None:
                return True, told(self._columns, cells)
        self._columns, self._spans = [], []
        return False, None

    def _barred(self, line: str) -> tuple[bool, Row | None]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if _RULE.fullmatch(line):
            return bool(self._columns), None
        if self._columns and not self._spans and len(cells) == len(self._columns):
            if any(as_number(cell) is not None for cell in cells):
                return True, told(self._columns, cells)
        elif _is_placed(cells) and all(as_number(cell) is None for cell in cells):
            self._columns, self._spans = cells, []
            return True, None
        return False, None

    def _fill(self, name: str, value: str) -> None:
        if name.endswith("/") and not value:
            self._section = name
        else:
            self._box.append((f"{self._section}{name}", value))

    def _reported(self) -> Row | None:
        entries, self._section = self._box, ""
        step = next((value for name, value in entries if name == _STEPS), None)
        if step is None:
            return None
        row = row_of([("step", step), *((name, value) for name, value in entries if name != _STEPS)])
        return row if row.metrics else None


def told(columns: Sequence[str], cells: Iterable[str]) -> Row | None:
    """Return the row of a table. Where it has a loss of training and one of validation, an accuracy that does not say
    of which data it is was measured with the latter (fastai, transformers).
    """
    row = row_of(zip(columns, cells, strict=False))
    if both_losses(columns):
        row.metrics = {of_evaluation(name): value for name, value in row.metrics.items()}
    return row if row.metrics else None


def both_losses(columns: Iterable[str]) -> bool:
    """Say whether a table has a loss of training and one of validation."""
    return set(_LOSSES) <= {names.meant(column) for column in columns}


def of_evaluation(name: str) -> str:
    """Return the name of a metric that stands beside both losses: `accuracy` there is val_acc."""
    return names.of_validation(name) if names.meant(name) == "train_acc" else name


def _is_placed(columns: Sequence[str]) -> bool:
    return any(names.place_of(names.clean(one)) in ("epoch", "step") for one in columns)


def _cut(line: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """Cut a heading where the dashes under it have their gaps."""
    starts = [start for start, _ in spans]
    return [line[start:stop].strip() for start, stop in zip(starts, [*starts[1:], len(line)], strict=True)]
