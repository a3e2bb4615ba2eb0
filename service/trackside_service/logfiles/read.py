"""What reading a log comes to, and how a row of names and values becomes a record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from trackside_service.domain.declarations import name_problem
from trackside_service.logfiles import names

Form = Literal["json", "csv", "text"]
_LARGEST: Final = 2**53
# Columns in which mmcv, pyslowfast and hand-made loops say which data a row is about.
_SCOPES: Final = ("mode", "_type", "phase", "split", "stage", "subset", "set")


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log as read: `run` is the declaration that the file holds (None: it holds none), `records` are bodies of
    records. `units` says which metrics were printed with a percent sign, `steps_per_epoch` what the log prints as the
    length of an epoch. `notes` are sentences about what was left out.
    """

    form: Form
    records: list[Any]
    run: Any | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    steps_per_epoch: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Row:
    """One line of a log: its place as printed, and its metrics. `inner` counts inside the epoch, of `of` (both may be
    unknown), or, where it has no epoch, `step` counts of `of`. `validates`: it is about validation data; `unsaid`: it
    stands in an evaluation, and does not say so itself.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    epoch: float | None = None
    step: int | None = None
    inner: int | None = None
    of: int | None = None
    time: datetime | None = None
    validates: bool = False
    unsaid: bool = False

    @property
    def is_placed(self) -> bool:
        """Whether anything tells where in the run it lies."""
        return self.epoch is not None or self.step is not None


def row_of(entries: Iterable[tuple[str, object]]) -> Row:
    """Return the row that (column, value) pairs make. What is no number is left out, as is what is no metric. Where a
    column says which data it is about ("mode": "val"), the metrics are named after it.
    """
    row = Row()
    for column, value in entries:
        name = names.clean(column)
        kind = names.place_of(name)
        if isinstance(value, str) and name.lower() in _SCOPES:
            row.validates = row.validates or names.validates(value) is True
            continue
        if kind == "time":
            row.time = row.time or moment(value)
        elif kind is not None:
            _place(row, kind, value)
        elif not names.is_bookkeeping(name) and name_problem(name) is None:
            number = as_number(value)
            if number is not None:
                row.metrics.setdefault(name, number)
    if row.validates:
        row.metrics = {name if _is_lr(name) else names.of_validation(name): one for name, one in row.metrics.items()}
    return row


def left_out(lines: Sequence[int], why: str) -> tuple[str, ...]:
    """Return the sentence about lines (their numbers, from 1) that were not read, if there are any."""
    if not lines:
        return ()
    if len(lines) == 1:
        return (f"line {lines[0]} was left out: {why}",)
    return (f"{len(lines)} lines were left out: {why} (the first is line {lines[0]})",)


def as_number(value: object) -> float | None:
    """Return the value as a float (NaN and infinities too), None if it is no number."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return math.copysign(math.inf, value)
    if isinstance(value, str):
        text = value.strip().rstrip("%").strip()
        if text and "_" not in text:
            try:
                return float(text)
            except ValueError:
                return None
    return None


def moment(value: object) -> datetime | None:
    """Return a time stamp as an aware time; one without a zone is taken for UTC, since only its distances are used.

    Seconds since 1970 count; a duration does not.
    """
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value.strip().replace("/", "-").replace(",", "."))
        except ValueError:
            found = None
        if found is not None:
            return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    number = as_number(value)
    if number is None or not 1e9 <= number <= 4e9:
        return None
    return datetime.fromtimestamp(number, UTC)


def whole(value: object) -> int | None:
    """Return the value as a count from 0 on, None if it is none."""
    number = as_number(value)
    if number is None or not number.is_integer() or not 0 <= number < _LARGEST:
        return None
    return int(number)


def body_of(row: Row) -> dict[str, Any]:
    """Return a placed row as the body of a record."""
    body: dict[str, Any] = {"metrics": row.metrics}
    if row.step is not None:
        body["step"] = row.step
    if row.epoch is not None:
        body["epoch"] = row.epoch
    if row.time is not None:
        body["time"] = row.time.isoformat()
    return body


def _is_lr(name: str) -> bool:
    return name == "lr" or name.startswith("lr/")


def _place(row: Row, kind: names.Place, value: object) -> None:
    if isinstance(value, str) and "/" in value:  # "3/200"
        value, _, total = value.partition("/")
        if kind == "inner":
            row.of = whole(total)
    if kind == "epoch":
        number = as_number(value)
        if number is not None and math.isfinite(number) and number >= 0:
            row.epoch = number
    elif kind == "step":
        row.step = whole(value)
    elif kind == "inner":
        row.inner = whole(value)
