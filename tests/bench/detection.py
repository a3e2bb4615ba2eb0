"""The cost of one record through all rules, early and late in a run: it must not grow with the run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import process_time

from tests.bench.schedules import ONE_CYCLE, seconds
from trackside_service import detection
from trackside_service.domain.declarations import parse_run
from trackside_service.domain.records import Record
from trackside_service.rules.base import Reading, RunContext

MARKS = (100, 10_000, 100_000, 1_000_000)
SOME = 200
AT_ONCE = 1_000  # records that are shown together on the way, to get to a million in minutes


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
    """Print microseconds of CPU a record after so many records, and what the stored state costs and takes."""
    spec = parse_run({"project": "bench", "name": "bench", "schedule": ONE_CYCLE})
    context = detection.configure(spec)
    assert context.schedule is not None
    lrs = context.schedule.lrs(range(MARKS[-1] + SOME + 1))
    state = detection.begin(context)
    done = 0
    for mark in MARKS:
        while done < mark:
            some = range(done, min(done + AT_ONCE, mark))
            state = detection.inspect(context, state, [_reading(at, float(lrs[at])) for at in some]).state
            done = some.stop
        readings = [_reading(mark + each, float(lrs[mark + each])) for each in range(SOME)]
        alone = seconds(partial(_one_by_one, context, state, readings), clock=process_time) / SOME
        together = seconds(partial(detection.inspect, context, state, readings), clock=process_time) / SOME
        kept = seconds(partial(detection.dump, state), clock=process_time)
        size = len(detection.dump(state))
        print(
            f"after {mark:>9,} records: {alone * 1e6:6.1f} us a record alone, {together * 1e6:6.1f} us among {SOME}; "
            f"{kept * 1e6:6.0f} us to write the state, {size:,} bytes"
        )


def _one_by_one(context: RunContext, state: detection.DetectorState, readings: Sequence[Reading]) -> None:
    for reading in readings:
        state = detection.inspect(context, state, [reading]).state
