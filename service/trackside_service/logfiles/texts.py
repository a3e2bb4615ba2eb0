"""Plain text as training loops print it: `Epoch [2] LR: 0.002000 loss 1.23 accuracy 0.00%`, and its many relatives.

A line is read where it names an epoch or a step, or where it follows such a line and holds a metric that is known. The
words train and val (valid, eval, test, dev) before a metric, leading its line, or alone on a line before it, say what
was measured. A heading of columns (`Epoch  GPU_mem  box_loss`) names what stands under it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from trackside_service.domain.metrics import canonical
from trackside_service.errors import InvalidInputError
from trackside_service.logfiles import layouts, lines, names, objects, places
from trackside_service.logfiles.read import LogFile, Row, row_of

_MAX_LINE: Final = 20_000
_CONFIGURED: Final = re.compile(
    r"Namespace\(|\s--[a-z]|\b(?:config|configuration|args|arguments|hyper-?param\w*|options)\b\s*[:=({]", re.IGNORECASE
)
# What begins an evaluation whose lines do not say so: "Eval begin...", "Cross validation...", "*** Running Evaluation".
_EVALUATES: Final = re.compile(
    r"\b(?:eval\w*|validat\w+|testing)\b"
    r"(?!.*\b(?:loaded|load|images|samples|dataset|set|split|data|end|done|took|finished)\b)",
    re.IGNORECASE,
)
# transformers ends with the mean loss of the whole run under the name of an epoch's loss.
_SUMMARY: Final = re.compile(r"\*+ train metrics \*+")
_OF_SUMMARY: Final = re.compile(r"\w+\s+=\s")
# LightGBM ends with its best round once more.
_REPEATS: Final = re.compile(r"\bbest iteration is:$", re.IGNORECASE)
_HEADING: Final = re.compile(r"(?:epoch|class)(?:\s+[a-z][\w()@.:/-]*){3,}", re.IGNORECASE)
_YOLOV5: Final = {"box": "box_loss", "obj": "obj_loss", "cls": "cls_loss"}
_COUNT: Final = re.compile(r"\d+(?:/\d+)?")


def read(text: str, steps_per_epoch: int | None = None) -> LogFile:
    """Return what the lines report as records. Raises `InvalidInputError`."""
    reader = _Reader()
    # A log without a single line break is one of bars alone, each of which overwrote the one before.
    for raw in text.split("\n" if "\n" in text else "\r"):
        reader.add(raw)
    rows = _finished(reader.rows)
    reported = {name for row in rows for name in row.metrics}
    units = {name: unit for name, unit in reader.units.items() if name in reported}
    units |= {under: unit for name, unit in reader.units.items() if (under := names.of_validation(name)) in reported}
    found = places.placed(rows, steps_per_epoch=steps_per_epoch)
    if not found.bodies:
        raise InvalidInputError(
            "no line names an epoch or a step with a metric beside it, such as: Epoch 3 lr: 0.01 loss: 1.2 acc: 71%"
        )
    return LogFile("text", found.bodies, units=units, steps_per_epoch=found.steps_per_epoch, notes=found.notes)


class _Reader:
    """The rows so far, and what the lines before say of the next one."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.units: dict[str, str] = {}
        self._columns: list[str] = []
        self._layouts = layouts.Layouts()
        self._evaluates = False
        self._sums_up = False
        self._repeats = False

    def add(self, raw: str) -> None:
        """Read one line."""
        line = lines.cleaned(raw)
        if not line or len(line) > _MAX_LINE:
            return
        if (self._sums_up and _OF_SUMMARY.match(line)) or self._repeats:
            self._repeats = False
            return
        self._repeats = _REPEATS.search(line) is not None
        self._sums_up = _SUMMARY.search(line) is not None
        drawn, row = self._layouts.read(raw)
        if drawn:
            self.rows += [] if row is None or not row.is_placed else [row]
            return
        heading, _, bar = line.partition(": ")
        if _HEADING.fullmatch(heading) and (not bar or "%|" in bar):
            words = [word if "(" in word else word.rstrip(")") for word in heading.split()]
            self._columns = [_YOLOV5.get(word, word) for word in words]
            return
        row = self._of_table(line) or self._of_object(line) or self._of_words(line)
        if row is not None and (row.is_placed or self.rows):
            self._add(row)

    def _of_table(self, line: str) -> Row | None:
        """A row under a heading of columns: 1/3  2.1G  1.175 ..., or what ultralytics prints of an evaluation."""
        cells = line.split()
        if not self._columns or len(cells) < len(self._columns):
            return None
        evaluation = self._columns[0].lower() == "class"
        if not (cells[0] == "all" if evaluation else _COUNT.fullmatch(cells[0])):
            return None
        row = row_of(zip(self._columns, cells, strict=False))
        row.validates = evaluation
        row.metrics = {
            names.of_validation(name) if evaluation else name: value
            for name, value in row.metrics.items()
            if names.is_metric(name)
        }
        if not evaluation and layouts.both_losses(self._columns):
            row.metrics = {layouts.of_evaluation(name): value for name, value in row.metrics.items()}
        return row if row.metrics else None

    def _of_object(self, line: str) -> Row | None:
        """What is printed as a dictionary: transformers' rows, pyslowfast's and fairseq's JSON behind a few words."""
        if not line.endswith("}") or "{" not in line:
            return None
        try:
            body = objects.without_summary(objects.parsed(line[line.index("{") :]))
        except ValueError:
            return None
        if not isinstance(body, dict):
            return None
        row = row_of(body.items())
        if not row.is_placed:  # epoch 3: {'accuracy': 0.71}
            before, _ = lines.read(line[: line.index("{")], {})
            row.epoch, row.step = before.epoch, before.step
        return row if row.is_placed or row.metrics else None

    def _of_words(self, line: str) -> Row | None:
        if _CONFIGURED.search(line):
            return None
        row, says = lines.read(line, self.units)
        if row.epoch is not None or says == "train" or (row.step is not None and row.of is None):
            self._evaluates = False
        elif not row.is_placed and not row.metrics and _EVALUATES.search(line):
            self._evaluates = bool(self.rows)
        row.unsaid = self._evaluates and says is None and (row.step is None or row.of is not None)
        if row.is_placed or any(names.is_known(name) for name in row.metrics):
            return row
        # A line that sums up the evaluation before it in the same metrics, and not a word more: * Acc@1 71.2 Acc@5 89.9
        last = self.rows[-1].metrics if self.rows else {}
        return row if row.metrics and {names.of_validation(name) for name in row.metrics} <= last.keys() else None

    def _add(self, row: Row) -> None:
        """Add a row, or fold it into the last one where it goes on about the same place."""
        last = self.rows[-1] if self.rows else None
        if last is not None and last.validates and not row.is_placed and not row.validates:
            under = {names.of_validation(name): value for name, value in row.metrics.items()}
            if under.keys() <= last.metrics.keys():
                row.validates, row.metrics = True, under
        if last is None or row.unsaid or last.unsaid or _known(row) & _known(last):
            self.rows.append(row)
            return
        batch = any(one.validates and one.of is not None for one in (row, last))
        same = (row.epoch, row.step, row.inner) == (last.epoch, last.step, last.inner)
        if not (batch and row.is_placed) and (same or not (row.is_placed or row.inner is not None)):
            last.metrics.update(row.metrics)
            last.time = last.time or row.time
        else:
            self.rows.append(row)


def _finished(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with what only the whole log tells: which are of an evaluation, and what their counts mean."""
    counted = Counter(row.of for row in rows if row.of and not row.validates and not row.unsaid)
    training = counted.most_common(1)[0][0] if counted else None
    epoch: float | None = None
    # A bar that only shows the end of each epoch tells of the epoch, and of no batch.
    bars = [row for row in rows if row.of and not row.validates and not row.unsaid]
    ends = bool(bars) and all(row.inner == row.of for row in bars)
    restarts = _restarts(rows)
    _tell_evaluations(rows)
    found: list[Row] = []
    for row in rows:
        if row.unsaid and (row.of is None or row.of != training):
            row.validates = True
            row.metrics = {names.of_validation(name): value for name, value in row.metrics.items()}
        if row.validates:
            if row.epoch is not None or row.of != training:
                row.step = row.step if row.of is None else None
                row.inner = row.of = None  # a validation's batches are no place in the training
            last = found[-1] if found else None
            if last is not None and last.validates and row.step is None and row.epoch in (None, last.epoch):
                last.metrics.update(row.metrics)  # of an evaluation's lines the last is its result
                continue
        else:
            if row.epoch is None and epoch is not None and row.of is not None and (restarts or row.inner is not None):
                row.epoch, row.inner, row.step = epoch, row.step if row.inner is None else row.inner, None
            if row.epoch is None or ends:
                row.inner = row.of = None
        epoch = epoch if row.epoch is None else row.epoch
        found.append(row)
    return found


def _tell_evaluations(rows: Sequence[Row]) -> None:
    """Mark the rows of an evaluation that nothing announces: behind an epoch's own, with another number of batches."""
    first: int | None = None
    for row in rows:
        if row.epoch is not None:
            first = row.of
        elif row.of is not None and row.step is None and not row.validates:
            first = first or row.of
            row.unsaid = row.unsaid or row.of != first


def _restarts(rows: Sequence[Row]) -> bool:
    """Whether "step 10/20" counts inside epochs that are told on lines of their own: it starts anew after each."""
    last: Row | None = None
    after_epoch = False
    for row in rows:
        if row.epoch is not None:
            after_epoch = True
        elif row.step is not None and row.of is not None and not row.validates and not row.unsaid:
            if last is not None and after_epoch and (row.step or 0) <= (last.step or 0):
                return True
            last, after_epoch = row, False
    return False


def _known(row: Row) -> set[str]:
    return {canonical(name, {}) for name in row.metrics}
