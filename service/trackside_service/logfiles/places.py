"""Where the rows of a log lie in the run: rows inside an epoch between its number and the next, its summary after
them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from trackside_service.logfiles.read import Row, body_of

# Where the length of an epoch is not printed, a row inside it lies between its number and the next in proportion to
# the largest count seen, and the summary that comes after lies just before the next.
_SUMMARY: Final = 0.9995
_LAST_INSIDE: Final = 0.999
_STRETCH: Final = 1.01


@dataclass(frozen=True, slots=True)
class Placed:
    """The bodies of the rows that hold metrics, in their order; the printed length of an epoch in updates, if it is one
    throughout; sentences about what was left out.
    """

    bodies: list[dict[str, Any]]
    steps_per_epoch: int | None
    notes: tuple[str, ...]


def placed(rows: Sequence[Row], *, by_place: bool = False, steps_per_epoch: int | None = None) -> Placed:
    """Give every row its place in the run.

    `by_place`: nothing in the log counts; a row is an epoch, from 0. A row without a place of its own lies where the
    last one did. `steps_per_epoch` is what the run declares: where the log counts batches, and an epoch has more of
    them than updates (gradient accumulation), they are counted as updates.
    """
    _tell_inner_steps(rows)
    _tell_epochs(rows)
    batches = _length(rows)
    length = None if batches is None else steps_per_epoch or batches
    # A loop that prints "532/532" counts its batches from 1.
    first = int(any(row.inner is not None and row.inner == row.of for row in rows))
    longest = max((row.inner for row in rows if row.inner is not None), default=0)
    base = next((1.0 if row.epoch >= 1 else 0.0 for row in rows if row.epoch is not None), 0.0)
    bodies: list[dict[str, Any]] = []
    last: Row | None = None
    inside: tuple[float, int | None] | None = None
    lost = 0
    for number, row in enumerate(rows):
        if by_place:
            row.epoch = float(number)
        elif not row.is_placed and last is not None:
            row.epoch, row.step = last.epoch, last.step
        elif row.inner is not None and row.epoch is not None and row.step is None:
            printed = row.epoch
            if batches is not None and length is not None:
                row.step = max(0, int(printed - base)) * length + (row.inner - first) * length // batches
            else:
                row.epoch += min(_LAST_INSIDE, row.inner / (max(longest, 1) * _STRETCH))
            inside = (printed, row.step)
        elif inside is not None and row.step is None and row.epoch == inside[0]:
            row.step = inside[1]
            row.epoch += 0.0 if length is not None else _SUMMARY
        if not row.is_placed:
            lost += bool(row.metrics)
            continue
        last = row
        if row.metrics:
            bodies.append(body_of(row))
    notes: list[str] = [f"{lost} rows before the first epoch or step were left out"] if lost else []
    if batches is not None and steps_per_epoch is None:
        notes.append(
            f"an epoch is taken to have {batches} updates, as the log counts batches; "
            "if gradients are accumulated, declare steps_per_epoch"
        )
    return Placed(bodies, length, tuple(notes))


def _length(rows: Sequence[Row]) -> int | None:
    """The updates of an epoch as most rows print them ("50/532"); rows that count something else, such as a
    validation's batches, count no more.
    """
    counted = Counter(row.of for row in rows if row.of and row.inner is not None and row.epoch is not None)
    if not counted:
        return None
    length = counted.most_common(1)[0][0]
    for row in rows:
        if row.inner is not None and (row.of != length or row.inner > row.of):
            row.inner = None
    return length


def _tell_inner_steps(rows: Sequence[Row]) -> None:
    """Where `step` starts anew as the epoch goes on, it counts inside the epoch and not through the run. A validation's
    is its own.
    """
    last: Row | None = None
    restarts = goes_on = 0
    for row in rows:
        if row.step is None or row.epoch is None or row.validates:
            continue
        if last is not None and last.step is not None and last.epoch is not None and row.epoch > last.epoch:
            restarts += row.step <= last.step
            goes_on += row.step > last.step
        last = row
    if restarts > goes_on:
        for row in rows:
            if row.step is not None and row.epoch is not None:
                row.inner, row.step = None if row.validates else row.step, None


def _tell_epochs(rows: Sequence[Row]) -> None:
    """mmengine gives the evaluation after an epoch that epoch's number as its step: it lies where the epoch ended."""
    last: Row | None = None
    for row in rows:
        if row.epoch is not None and row.step is not None:
            last = row
        elif last is not None and row.epoch is None and row.step == last.epoch and (row.step or 0) < (last.step or 0):
            row.epoch, row.step = last.epoch, last.step
