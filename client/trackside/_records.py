"""From what `log` put on the queue to the wire's record, in the sender's thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from trackside import _wire
from trackside._say import Notices


class Logged(NamedTuple):
    """One call of `log`: POSIX time, position as given, and values already frozen."""

    time: float
    step: Any
    epoch: Any
    metrics: dict[Any, Any]


class Ending(NamedTuple):
    """The run's end: finished, failed or killed, and why."""

    status: str
    reason: str | None


def build(logged: Logged, notices: Notices) -> dict[str, Any] | None:
    """Return the wire's record without its `seq`, or None when nothing in it can be reported. Tells what it refuses."""
    metrics: dict[str, _wire.WireNumber] = {}
    for name, value in logged.metrics.items():
        try:
            found = _wire.to_float(value)
            if found is None:
                continue
            if len(metrics) >= _wire.MAX_METRICS:
                raise _wire.RefusedError(f"more than {_wire.MAX_METRICS} values in one call of log")
            metrics[_wire.check_name(name)] = _wire.number(found)
        except Exception as error:
            refuse(name, error, notices)
    if not metrics:
        return None
    record: dict[str, Any] = {"time": _wire.time_text(logged.time), "metrics": metrics}
    try:
        step = _wire.step_of(logged.step)
        if step is not None:
            record["step"] = step
    except Exception as error:
        notices.tell("step", f"a step is not reported: {error}. Its values are, without their place.")
    try:
        epoch = _wire.epoch_of(logged.epoch)
        if epoch is not None:
            record["epoch"] = epoch
    except Exception as error:
        notices.tell("epoch", f"an epoch is not reported: {error}. Its values are, without their place.")
    return record


def refuse(name: object, error: Exception, notices: Notices) -> None:
    """Tell, once for the run, that a value is not reported and why."""
    shown = name[:60] if isinstance(name, str) else type(name).__name__
    notices.tell("value", f"{shown!r} is not reported: {error}. Like values are left out without another word.")


def on_device(logged: Logged) -> list[_wire.OnDevice]:
    """Return the values that were not read off their device yet, step and epoch among them."""
    found = [logged.step, logged.epoch, *logged.metrics.values()]
    return [value for value in found if isinstance(value, _wire.OnDevice) and not value.read]


def without_unread(logged: Logged) -> Logged:
    """Return the record without values that were not read off their device; itself when there is none."""
    unread = {id(value) for value in on_device(logged)}
    if not unread:
        return logged
    return Logged(
        logged.time,
        None if id(logged.step) in unread else logged.step,
        None if id(logged.epoch) in unread else logged.epoch,
        {name: value for name, value in logged.metrics.items() if id(value) not in unread},
    )


def batches(records: Iterable[dict[str, Any]], most: int, most_values: int) -> Iterator[list[dict[str, Any]]]:
    """Cut records into lists of at most `most`, and of at most `most_values` values where a list holds several."""
    batch: list[dict[str, Any]] = []
    values = 0
    for record in records:
        values += len(record["metrics"])
        if batch and (len(batch) >= most or values > most_values):
            yield batch
            batch, values = [], len(record["metrics"])
        batch.append(record)
    if batch:
        yield batch
