"""From the wire's bodies to a run's declaration and to records: strict, and with a pointer to everything that is wrong.

One body, one pass, every fault at once. A message says what to change and never repeats a value. Metric names stay as
they were reported; what they are called from there on is the matter of `with_canonical_names`, the one place where
live runs and replays rename.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, cast

from trackside_service.domain import metrics
from trackside_service.domain.numbers import from_wire, wire_safe
from trackside_service.domain.reading import Reader, pointer_to
from trackside_service.domain.records import Record
from trackside_service.domain.runs import (
    MAX_NAME,
    Expectation,
    MaxAbove,
    MetricUnit,
    OptimizerSpec,
    RuleSetting,
    RunSpec,
)
from trackside_service.errors import Fault, InvalidInputError

MAX_METRICS: Final = 1_000  # in one record
MAX_EXPECTATIONS: Final = 100
MAX_TAGS: Final = 100
MAX_ENTRIES: Final = 1_000  # of a free mapping (params, metric_names, ...)
MAX_STEP: Final = 2**62
MAX_EPOCHS: Final = 10**9

_NO_RECORDS: Final = "The records cannot be accepted"
_RUN_FIELDS: Final = (
    "project",
    "name",
    "framework",
    "total_epochs",
    "steps_per_epoch",
    "num_classes",
    "optimizer",
    "schedule",
    "expectations",
    "rules",
    "metric_names",
    "metric_units",
    "params",
    "tags",
    "heartbeat_s",
)
_EXPECTATION_FIELDS: Final = ("metric", "epoch", "from_epoch", "until_epoch", "min", "max", "max_drop", "max_above")
_RECORD_FIELDS: Final = ("seq", "step", "epoch", "time", "metrics")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """The process that reports: its own id, and the step it went on from if it is a resume."""

    id: str
    resumed_from_step: int | None = None


def parse_run(body: object) -> RunSpec:
    """Return the declaration in `body` (of PUT /v1/runs/{run_id}, without `process`).

    Metric names in expectations and units become canonical. Raises `InvalidInputError` with every fault. Whether the
    schedule can be built and the rules know their parameters is seen by `detection.configure`.
    """
    faults: list[Fault] = []
    run = Reader.of(body, "", _RUN_FIELDS, faults)
    names = _metric_names(run)
    spec = RunSpec(
        project=run.text("project", required=True) or "",
        name=run.text("name", required=True) or "",
        framework=run.text("framework"),
        total_epochs=run.whole("total_epochs", low=1, high=MAX_EPOCHS),
        steps_per_epoch=run.whole("steps_per_epoch", low=1, high=MAX_STEP),
        num_classes=run.whole("num_classes", low=1, high=10**9),
        optimizer=_optimizer(run),
        schedule=run.mapping("schedule"),
        expectations=_expectations(run, names),
        rules=_rules(run),
        metric_names=names,
        metric_units=_metric_units(run, names),
        params=_free(run, "params"),
        tags=_tags(run),
        heartbeat_s=run.number("heartbeat_s", low=1e-3, high=1e9),
    )
    _never_judged(run, spec)
    _refuse(faults, "The run's declaration cannot be accepted")
    return spec


def parse_rules(body: object, *, pointer: str = "/rules") -> dict[str, RuleSetting]:
    """Return a project's settings of the rules, in the form that a run has them. Raises `InvalidInputError`."""
    faults: list[Fault] = []
    settings = _rules(Reader({"rules": body}, pointer.removesuffix("/rules"), faults))
    _refuse(faults, "The settings cannot be accepted")
    return settings


def parse_process(body: object, *, pointer: str = "/process") -> ProcessSpec:
    """Return the `process` of PUT's body. Raises `InvalidInputError`."""
    faults: list[Fault] = []
    process = Reader.of(body, pointer, ("id", "resumed_from_step"), faults)
    spec = ProcessSpec(
        id=process.text("id", required=True) or "",
        resumed_from_step=process.whole("resumed_from_step", low=0, high=MAX_STEP),
    )
    _refuse(faults, "The process cannot be accepted")
    return spec


def parse_record(body: object, *, pointer: str = "") -> Record:
    """Return one record, metric names as reported. Raises `InvalidInputError`; pointers begin with `pointer`."""
    faults: list[Fault] = []
    record = _record(body, pointer, faults)
    _refuse(faults, "The record cannot be accepted")
    return record


def parse_records(
    bodies: object,
    *,
    pointer: str = "/records",
    limit: int | None = None,
    beyond: str = "a post; send the rest in another",
) -> tuple[Record, ...]:
    """Return the records of a post, with the faults of all of them at once; `beyond` says what to do with more than
    `limit`. Raises `InvalidInputError`.
    """
    faults: list[Fault] = []
    if not isinstance(bodies, Sequence) or isinstance(bodies, (str, bytes)):
        _refuse([Fault(pointer, "a list of records is wanted")], _NO_RECORDS)
        return ()
    if limit is not None and len(bodies) > limit:
        _refuse([Fault(pointer, f"at most {limit} records {beyond}")], _NO_RECORDS)
    records = tuple(_record(body, f"{pointer}/{index}", faults) for index, body in enumerate(bodies))
    _refuse(faults, _NO_RECORDS)
    return records


def with_canonical_names(record: Record, own: Mapping[str, str]) -> Record:
    """Return `record` with every metric under its canonical name (`own` is the run's `metric_names`).

    Where two reported names mean one metric, the name that is canonical itself keeps it, else the first; the other
    stays under its own name, so that no value is lost.
    """
    renamed: dict[str, float] = {}
    for name, value in record.metrics.items():
        known = metrics.canonical(name, own)
        taken = known in renamed or (
            known != name and known in record.metrics and metrics.canonical(known, own) == known
        )
        renamed[name if taken else known] = value
    if renamed.keys() == record.metrics.keys():
        return record
    return replace(record, metrics=renamed)


def _refuse(faults: Sequence[Fault], what: str) -> None:
    if faults:
        first = faults[0]
        raise InvalidInputError(f"{what}: {first.pointer or 'the body'}: {first.message}", faults=faults)


def _record(body: object, pointer: str, faults: list[Fault]) -> Record:
    record = Reader.of(body, pointer, _RECORD_FIELDS, faults)
    seq = record.whole("seq", low=0, high=MAX_STEP)
    step = record.whole("step", low=0, high=MAX_STEP)
    epoch = record.number("epoch", low=0.0, high=float(MAX_EPOCHS))
    values = _values(record)
    time = _time(record)
    if not record.broken and not any(record.has(name) for name in ("step", "epoch", "seq")):
        record.fault(
            "", "give step or epoch (or process and seq): nothing tells this record's place, nor its repetition"
        )
    return Record(values, step=step, epoch=epoch, time=time, seq=seq)


def _values(record: Reader) -> dict[str, float]:
    given = record.mapping("metrics", required=True)
    if given is None:
        return {}
    if not given:
        record.fault("metrics", "at least one metric is wanted; leave out a record that has none")
        return {}
    if len(given) > MAX_METRICS:
        record.fault("metrics", f"at most {MAX_METRICS} metrics a record; send the rest in another at the same place")
        return {}
    values: dict[str, float] = {}
    for name, value in given.items():
        where = f"metrics/{pointer_to(name)}"
        problem = name_problem(name)
        if problem:
            record.fault(where, problem)
        elif isinstance(value, bool) or not isinstance(value, (int, float, str)):
            record.fault(
                where, 'a number, "NaN", "Infinity" or "-Infinity" is wanted; leave the metric out if there is none'
            )
        else:
            try:
                values[name] = from_wire(value)
            except ValueError as error:
                record.fault(where, str(error))
            except OverflowError:
                record.fault(where, 'beyond what a double holds; send "Infinity" or "-Infinity" if that is meant')
    return values


def name_problem(name: str) -> str | None:
    """Say what is wrong with a name of a metric, run, project or tag, if anything."""
    if not name:
        return "a name must not be empty"
    if len(name) > MAX_NAME:
        return f"a name has at most {MAX_NAME} characters"
    if not name.isprintable():
        return "a name holds printable characters only (no line breaks, tabs or control characters)"
    return None


def _time(record: Reader) -> datetime | None:
    text = record.get("time")
    if text is None:
        return None
    if isinstance(text, str) and len(text) <= 64:
        try:
            time = datetime.fromisoformat(text)
            if time.tzinfo is not None:
                return time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    record.fault("time", "an RFC 3339 time with its zone is wanted, such as 2026-01-31T12:00:00Z")
    return None


def _optimizer(run: Reader) -> OptimizerSpec | None:
    optimizer = run.inner("optimizer", ("class", "params"))
    if optimizer is None:
        return None
    return OptimizerSpec(name=optimizer.text("class", required=True) or "", params=_free(optimizer, "params"))


def _metric_names(run: Reader) -> dict[str, str]:
    names: dict[str, str] = {}
    for reported, canonical in _entries(run, "metric_names"):
        where = f"metric_names/{pointer_to(reported)}"
        problem = name_problem(reported) or (
            name_problem(canonical) if isinstance(canonical, str) else "a metric name is wanted"
        )
        if problem:
            run.fault(where, problem)
        else:
            names[reported] = cast("str", canonical)
    return names


def _metric_units(run: Reader, names: Mapping[str, str]) -> dict[str, MetricUnit]:
    units: dict[str, MetricUnit] = {}
    for metric, unit in _entries(run, "metric_units"):
        problem = name_problem(metric) or (
            None if unit in ("fraction", "percent") else 'either "fraction" or "percent"'
        )
        if problem:
            run.fault(f"metric_units/{pointer_to(metric)}", problem)
        else:
            units[metrics.canonical(metric, names)] = cast("MetricUnit", unit)
    return units


def _tags(run: Reader) -> tuple[str, ...]:
    tags = run.items("tags", limit=MAX_TAGS)
    for index, tag in enumerate(tags):
        problem = name_problem(tag) if isinstance(tag, str) else "a text is wanted"
        if problem:
            run.fault(f"tags/{index}", problem)
    return tuple(tag for tag in tags if isinstance(tag, str))


def _free(reader: Reader, name: str) -> dict[str, Any]:
    """A mapping that belongs to the user: any JSON, kept as it is (non-finite numbers in their wire form)."""
    given = reader.mapping(name)
    if given is None:
        return {}
    if len(given) > MAX_ENTRIES:
        reader.fault(name, f"at most {MAX_ENTRIES} entries")
        return {}
    if _depth(given) > 16:
        reader.fault(name, "nested too deeply: at most 16 levels")
        return {}
    return cast("dict[str, Any]", wire_safe(dict(given)))


def _depth(value: object, level: int = 0) -> int:
    if level > 16 or not isinstance(value, (dict, list)):
        return level
    items = value.values() if isinstance(value, dict) else value
    return max((_depth(item, level + 1) for item in items), default=level + 1)


def _entries(reader: Reader, name: str) -> list[tuple[str, object]]:
    given = reader.mapping(name)
    if given is not None and len(given) > MAX_ENTRIES:
        reader.fault(name, f"at most {MAX_ENTRIES} entries")
        return []
    return list(given.items()) if given is not None else []


def _rules(run: Reader) -> dict[str, RuleSetting]:
    settings: dict[str, RuleSetting] = {}
    for code, body in _entries(run, "rules"):
        setting = Reader.of(body, run.at(f"rules/{pointer_to(code)}"), ("enabled", "severity", "params"), run.faults)
        severity = setting.choice("severity", ("info", "warning", "critical"))
        enabled = setting.flag("enabled", default=True)
        settings[code] = RuleSetting(enabled=enabled, severity=cast("Any", severity), params=_free(setting, "params"))
    return settings


def _never_judged(run: Reader, spec: RunSpec) -> None:
    """Note the expectations of an epoch that the declared length does not reach."""
    if spec.total_epochs is None or run.faults:
        return
    for index, one in enumerate(spec.expectations):
        for name in ("epoch", "from_epoch"):
            if (getattr(one, name) or 0) > spec.total_epochs:
                run.fault(f"expectations/{index}/{name}", f"no such epoch: total_epochs is {spec.total_epochs}")


def _expectations(run: Reader, names: Mapping[str, str]) -> tuple[Expectation, ...]:
    expectations: list[Expectation] = []
    seen: dict[Expectation, int] = {}
    for index, body in enumerate(run.items("expectations", limit=MAX_EXPECTATIONS)):
        where = run.at(f"expectations/{index}")
        before = len(run.faults)
        given = Reader.of(body, where, _EXPECTATION_FIELDS, run.faults)
        above = given.inner("max_above", ("metric", "by"))
        values: dict[str, Any] = {name: given.number(name) for name in _EXPECTATION_FIELDS[1:7]}
        metric = given.text("metric", required=True)
        if above is not None:
            other, by = above.text("metric", required=True), above.number("by", required=True)
            if other is not None and by is not None:
                values["max_above"] = MaxAbove(metrics.canonical(other, names), by)
        if len(run.faults) > before or metric is None:
            continue
        try:
            expectation = Expectation(metrics.canonical(metric, names), **values)
        except ValueError as error:
            run.faults.append(Fault(where, str(error)))
            continue
        if expectation in seen:
            run.faults.append(Fault(where, f"the same as /expectations/{seen[expectation]}; each is given once"))
        else:
            seen[expectation] = index
            expectations.append(expectation)
    return tuple(expectations)
