"""A finished log through placing, detection and alerting, storing nothing: what a live run would have been told. Pure.

It knows no clock: ids and times of its alerts are stand-ins, and rules about time read the records' own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Final
from uuid import UUID

from trackside_service import alerting, detection
from trackside_service.conformance import Explanation
from trackside_service.domain import lives
from trackside_service.domain.alerts import Alert, AlertChange, under_causes
from trackside_service.domain.declarations import ProcessSpec, with_canonical_names
from trackside_service.domain.findings import Outcome
from trackside_service.domain.place_memory import PlaceMemory
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RunSpec
from trackside_service.rules import Reading

NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_RUN: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Report:
    """What a log comes to: its alerts, in the order in which they opened, and the verdict on its LR (None: no
    schedule or no LR). `symptoms` are the alerts that are listed under others, by the id of those.

    `accepted` and `duplicates` count the records; `faults` are rules that raised.
    """

    alerts: tuple[Alert, ...]
    lr: Explanation | None
    symptoms: Mapping[UUID, Sequence[Alert]] = field(default_factory=dict)
    accepted: int = 0
    duplicates: int = 0
    faults: tuple[detection.RuleFault, ...] = ()

    @property
    def every(self) -> tuple[Alert, ...]:
        """Every alert, each followed by its symptoms."""
        return tuple(each for alert in self.alerts for each in (alert, *self.symptoms.get(alert.id, ())))


def check(spec: RunSpec, records: Sequence[Record], *, process: ProcessSpec | None = None) -> Report:
    """Replay `records` (names as reported, in the order of the log) of a run declared by `spec`.

    `process` is the one that reported them, where sequence numbers shall tell repetitions or the log is of a resume.
    Raises `InvalidInputError` or `ScheduleError` where the declaration cannot be watched.
    """
    context = detection.configure(spec)
    readings, duplicates = _placed(spec, records, process)
    faults: list[detection.RuleFault] = []
    inspection = detection.inspect(context, detection.begin(context, faults), readings)
    ending = detection.conclude(context, inspection.state)
    outcomes: list[Outcome] = [*detection.plan(context, faults), *inspection.outcomes, *ending.outcomes]
    numbers = count(1)
    changes = alerting.reconcile(_NO_RUN, (), outcomes, now=NO_TIME, new_id=lambda: UUID(int=next(numbers)), past={})
    listed, symptoms = under_causes(_as_they_stand(changes))
    return Report(
        alerts=tuple(listed),
        symptoms=symptoms,
        lr=detection.explanation(context, inspection.state),
        accepted=len(readings),
        duplicates=duplicates,
        faults=(*faults, *inspection.faults, *ending.faults),
    )


def _as_they_stand(changes: Sequence[AlertChange]) -> list[Alert]:
    """Return every alert as it is after the log, in the order in which they opened. What a run's end would freeze is
    open: a log may go on.
    """
    latest = {change.alert.id: change.alert for change in changes}
    for change in alerting.end([alert for alert in latest.values() if alert.state == "open"], now=NO_TIME):
        frozen = change.alert.state == "ended"
        latest[change.alert.id] = replace(change.alert, state="open") if frozen else change.alert
    return list(latest.values())


def _placed(spec: RunSpec, records: Sequence[Record], process: ProcessSpec | None) -> tuple[list[Reading], int]:
    """Place the records as a live run does, and return what the rules see, and how many were repetitions."""
    progress, memory = lives.first_life(), PlaceMemory()
    if process is not None:
        resumed = lives.resumption(process.resumed_from_step, (), spec.epoch_length)
        progress = lives.first_life(process.id, resumed=resumed)
    readings: list[Reading] = []
    duplicates = 0
    for reported in records:
        record = with_canonical_names(reported, spec.metric_names)
        placed = lives.place(progress, record, memory, steps_per_epoch=spec.steps_per_epoch)
        progress = placed.progress
        if placed.is_duplicate:
            duplicates += 1
            continue
        memory.add(record.position, placed)
        readings.append(detection.reading_of(record, placed, len(readings)))
    return readings, duplicates
