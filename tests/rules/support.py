"""Runs in short: a log through the rules as a replay sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trackside_service import detection, replay
from trackside_service.domain import lives
from trackside_service.domain.alerts import Alert
from trackside_service.domain.declarations import parse_records, parse_run, with_canonical_names
from trackside_service.domain.place_memory import PlaceMemory
from trackside_service.rules import Reading, rule


def spec_of(**declared: Any) -> Any:
    """A run's declaration with these fields."""
    return parse_run({"project": "tests", "name": "run", **declared})


def epochs(first: int = 1, **series: Any) -> list[dict[str, Any]]:
    """Records of one epoch each; a None in a series leaves the metric out."""
    length = max(map(len, series.values()))
    records = []
    for index in range(length):
        metrics = {name: values[index] for name, values in series.items() if index < len(values)}
        metrics = {name: value for name, value in metrics.items() if value is not None}
        records.append({"epoch": first + index, "metrics": metrics})
    return records


def steps(every: int = 1, **series: Sequence[Any]) -> list[dict[str, Any]]:
    """The same with a step each, from 0."""
    records = epochs(0, **series)
    return [{"step": record["epoch"] * every, "metrics": record["metrics"]} for record in records]


def report_of(records: Sequence[Mapping[str, Any]], **declared: Any) -> replay.Report:
    """What the replay of a log says; no rule may raise."""
    report = replay.check(spec_of(**declared), parse_records(list(records)))
    assert not report.faults
    return report


def alerts_of(records: Sequence[Mapping[str, Any]], code: str, **declared: Any) -> list[Alert]:
    """The alerts of one rule."""
    return [alert for alert in report_of(records, **declared).every if alert.code == code]


def reloaded(code: str, records: Sequence[Mapping[str, Any]], **declared: Any) -> list[tuple[str, str]]:
    """What a rule says record by record where its state goes through JSON between any two, as (kind, subject)."""
    one, context = rule(code), detection.configure(spec_of(**declared))
    parameters = context.rules[code].parameters
    state, told = one.start(context, parameters), []
    for reading in readings_of(records, **declared):
        state = one.load(json.loads(json.dumps(one.dump(state), allow_nan=False)))
        state, outcomes = one.check(context, parameters, state, reading)
        told += [(type(outcome).__name__, outcome.subject) for outcome in outcomes]
    return told


def readings_of(records: Sequence[Mapping[str, Any]], **declared: Any) -> list[Reading]:
    """The records as the rules see them, placed as a replay places them; those that are behind are left out."""
    spec = spec_of(**declared)
    progress, memory, readings = lives.first_life(None), PlaceMemory(), list[Reading]()
    for reported in parse_records(list(records)):
        record = with_canonical_names(reported, spec.metric_names)
        placed = lives.place(progress, record, memory, steps_per_epoch=spec.steps_per_epoch)
        progress = placed.progress
        memory.add(record.position, placed)
        reading = detection.reading_of(record, placed, len(readings))
        readings += [] if placed.is_duplicate or reading.behind else [reading]
    return readings
