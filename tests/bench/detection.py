"""The cost of one record through all rules, early and late in a run: it must not grow with the run."""

from __future__ import annotations

from functools import partial

from tests.bench.schedules import ONE_CYCLE, seconds
from trackside_service import detection
from trackside_service.domain.declarations import parse_run
from trackside_service.domain.records import Record
from trackside_service.rules.base import Reading

MARKS = (100, 1_000, 10_000, 50_000)
SOME = 200


def _reading(index: int, lr: float) -> Reading:
    noise = ((index * 2_654_435_761) % 1000) / 1000
    metrics = {
        "lr": lr,
        "train_loss": 2.0 / (1 + index / 5000) + 0.1 * noise,
        "train_acc": 60 + noise,
        "val_acc": 55 + noise,
    }
    return Reading(Record(metrics, step=index), index)


def main() -> None:
    """Print microseconds a record after so many records, and the size of the stored state."""
    spec = parse_run({"project": "bench", "name": "bench", "schedule": ONE_CYCLE})
    context = detection.configure(spec)
    assert context.schedule is not None
    lrs = context.schedule.lrs(range(MARKS[-1] + SOME + 1))
    state = detection.begin(context)
    for index in range(MARKS[-1] + 1):
        if index in MARKS:
            readings = [_reading(index + each, float(lrs[index + each])) for each in range(SOME)]
            held = state
            cost = seconds(partial(detection.inspect, context, held, readings)) / SOME
            size = len(detection.dump(held))
            print(f"after {index:>7,} records: {cost * 1e6:6.1f} us a record, state of {size:,} bytes")
        state = detection.inspect(context, state, [_reading(index, float(lrs[index]))]).state
