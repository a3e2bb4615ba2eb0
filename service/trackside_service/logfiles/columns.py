"""What the columns of a table mean beyond their names: the exports of trackers, which put a metric's name into a cell,
into the name of the file, or behind the name of the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from trackside_service.errors import InvalidInputError
from trackside_service.logfiles import names

_KEYS: Final = ("tag", "key", "metric", "metric_name", "name", "tags")
_VALUES: Final = ("value", "metric_value", "scalar", "scalars")
_RUNS: Final = ("run_id", "run", "run_name", "run_uuid")
# TensorBoard's download: run-train-tag-epoch_loss.csv
_DOWNLOADED: Final = re.compile(r"run-(?P<run>.*)-tag-(?P<tag>.+)")
# A Weights & Biases chart: "sunny-sea-1 - train/loss", with __MIN and __MAX beside it.
_CHARTED: Final = re.compile(r"(?P<run>.+) - (?P<metric>.+)")
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Table:
    """The names of the columns, and each row as (column, cell) pairs."""

    header: Sequence[str]
    rows: Iterable[Iterable[tuple[str, str]]]


def understood(header: Sequence[str], rows: Sequence[Sequence[str]], file: str | None) -> Table:
    """Return the table with a metric a column; `file` is its name. Raises `InvalidInputError`."""
    clean = [names.clean(column).lower() for column in header]
    value = next((place for place, name in enumerate(clean) if name in _VALUES), None)
    if value is not None:
        key = next((place for place, name in enumerate(clean) if name in _KEYS), None)
        if key is not None:
            _refuse_several({row[place] for place, name in enumerate(clean) if name in _RUNS for row in rows})
            return _told(header, clean, rows, key, value)
        if all(place == value or names.place_of(name) is not None for place, name in enumerate(clean)):
            named = [*header]
            named[value] = _named_by(file)
            return _plain(named, rows)
    return _charted(header, rows)


def _plain(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    return Table(header, (zip(header, row, strict=True) for row in rows))


def _told(header: Sequence[str], clean: Sequence[str], rows: Sequence[Sequence[str]], key: int, value: int) -> Table:
    """A metric and its value in each row: MLflow's and pandas' long form."""
    places = [(place, header[place]) for place, name in enumerate(clean) if names.place_of(name) is not None]
    metrics = dict.fromkeys(row[key] for row in rows)
    told = ([*((name, row[place]) for place, name in places), (row[key], row[value])] for row in rows)
    return Table([*(name for _, name in places), *metrics], told)


def _named_by(file: str | None) -> str:
    """Return the metric that a file of one scalar is named after: train_loss.csv, run-.-tag-train_loss.csv."""
    stem = PurePath(file or "").stem
    found = _DOWNLOADED.fullmatch(stem)
    if found is not None:
        name = names.clean(found["tag"])
        return names.of_validation(name) if names.validates(found["run"].replace("-", "_")) else name
    name = names.clean(stem)
    if names.is_metric(name):
        return name
    raise InvalidInputError(
        "the table holds one value a row and does not say of what: name the file after the metric "
        "(train_loss.csv), or rename the column Value to it"
    )


def _charted(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A chart's columns without the name of their run."""
    runs: set[str] = set()
    kept: list[tuple[int, str]] = []
    for place, column in enumerate(header):
        found = _CHARTED.fullmatch(column.strip())
        if found is None and names.place_of(names.clean(column)) is None:
            return _plain(header, rows)
        if found is not None:
            runs.add(found["run"])
        if not column.strip().endswith(("__MIN", "__MAX")):
            kept.append((place, column if found is None else found["metric"]))
    _refuse_several(runs)
    return Table([name for _, name in kept], ([(name, row[place]) for place, name in kept] for row in rows))


def _refuse_several(runs: set[str]) -> None:
    if len(runs) > 1:
        shown = ", ".join(sorted(runs)[:_SHOWN]) + (", ..." if len(runs) > _SHOWN else "")
        raise InvalidInputError(f"the table holds {len(runs)} runs ({shown}): keep the rows or columns of one")
