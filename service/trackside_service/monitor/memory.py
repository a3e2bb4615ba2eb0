"""What a process knows of a run between two posts, so that the second need not read it all again.

It is kept under the version of the run's row, which every write of the run draws anew. Under the run's lock the version
says whether what is kept still holds; another process's write makes it another one. What a transaction of our own
found is kept beside what it made of it, so that after a rollback it is there again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Final
from uuid import UUID
from weakref import ref

import sqlalchemy as sa

from trackside_service import detection
from trackside_service.detection import DetectorState, RuleFault
from trackside_service.domain.alerts import Alert, AlertChange, Past, past_of
from trackside_service.domain.findings import Outcome
from trackside_service.domain.lives import Progress
from trackside_service.domain.records import Position
from trackside_service.domain.runs import Run
from trackside_service.errors import RunNotFoundError
from trackside_service.monitor.restoring import restore
from trackside_service.rules.base import RunContext
from trackside_service.schedules import MAX_GROUPS
from trackside_service.storage import alerts, lives, metrics, runs
from trackside_service.storage.metrics import Metric

# Runs in turn beyond this limit would each be read anew at every post, which costs ten times the post itself. What is
# kept of a usual one takes some 90 kB, so that a service with fewer runs takes less; one with hundreds of metrics, or a
# schedule that is a long table, counts as many.
MAX_RUNS: Final = 2_048
_METRICS: Final = 80
_NUMBERS: Final = 2_000
MAX_LOOKED: Final = 64
# A run that was not heard of for so long beside the newest gives way: it ended, most likely.
KEPT_FOR: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything about a run that a post works with.

    `saved` is the ordinal up to which the stored state reaches; `state` itself holds every record. `alerts` are those
    that count towards the run's health: open, or frozen by an end of it; `past` is the latest episode of every
    fingerprint. `lives` holds the lives that were asked for so
    far, by process; `next_life` is the number that a new one gets, `resume` that of the latest life of a process with a
    name that has reported (-1: none). `faults` are the rules that failed while this was
    read; the result of the next post carries them. `overdue` is what brings the stored alerts in line with a state that
    was rebuilt; the next post judges it before its own.
    """

    run: Run
    context: RunContext
    state: DetectorState
    next_life: int
    resume: int = -1
    saved: int = 0
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    past: Mapping[tuple[str, str], Past] = field(default_factory=dict)
    lives: Mapping[str | None, Progress] = field(default_factory=dict)
    faults: tuple[RuleFault, ...] = ()
    overdue: tuple[Outcome, ...] = ()

    @property
    def place(self) -> Position | None:
        """Where the latest record lies; None before the first."""
        last = max(self.metrics.values(), key=lambda metric: metric.ordinal, default=None)
        return None if last is None else Position(last.step, last.epoch)

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.run.status != "running"

    def with_changes(self, changes: Sequence[AlertChange]) -> Known:
        """Return what is known after `changes`."""
        if not changes:
            return self
        counted = {alert.id: alert for alert in self.alerts}
        past = dict(self.past)
        for change in changes:
            counted[change.alert.id] = change.alert
            latest = past.get(change.alert.fingerprint)
            if latest is None or change.alert.episode >= latest.episode:
                past[change.alert.fingerprint] = past_of(change.alert)
        kept = tuple(alert for alert in counted.values() if alert.state != "resolved")
        return replace(self, alerts=kept, past=past)


def weight_of(known: Known) -> int:
    """Return as how many usual runs this one counts: about as many times their memory is what is kept of it."""
    return 1 + len(known.metrics) // _METRICS + _numbers(known.run.spec.schedule) // _NUMBERS


def _numbers(value: object) -> int:
    """Return about how many values a declaration holds; a long list, which is one of numbers, is not walked through."""
    if isinstance(value, Mapping):
        return sum(_numbers(each) for each in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return len(value) if len(value) > MAX_GROUPS else sum(_numbers(each) for each in value)
    return 1


@dataclass(slots=True)
class _Kept:
    """A run at its latest version. `before`: what the latest transaction found, `during` whose connection it was."""

    version: int
    known: Known
    weight: int
    before: tuple[int, Known] | None = None
    during: ref[sa.Connection] | None = None

    def at(self, version: int) -> Known | None:
        if self.version == version:
            return self.known
        return self.before[1] if self.before is not None and self.before[0] == version else None


class Memory:
    """The runs that were written last, each under its version: up to `limit` by their weight, the latest in any case,
    and of those that were heard of no later than `kept_for` before the newest (None: of all). Safe to use from several
    threads.
    """

    def __init__(self, limit: int = MAX_RUNS, kept_for: timedelta | None = None) -> None:
        self._limit = limit
        self._kept_for = kept_for
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    def recall(self, run_id: UUID, version: int) -> Known | None:
        """Return what is known of a run at this version."""
        with self._lock:
            found = self._kept.get(run_id)
            known = None if found is None else found.at(version)
            if known is not None:
                self._kept.move_to_end(run_id)
            return known

    def begin(self, run_id: UUID, version: int, connection: sa.Connection) -> Known | None:
        """Return what is known of a run whose row `connection` has locked at this version. What its transaction finds
        first stays, beside what it keeps, until another transaction has begun: this one may yet be rolled back.
        """
        known = self.recall(run_id, version)
        with self._lock:
            found = self._kept.get(run_id)
            if known is not None and found is not None and (found.during is None or found.during() is not connection):
                found.before, found.during = (version, known), ref(connection)
        return known

    def keep(self, run_id: UUID, version: int, known: Known) -> None:
        """Keep what is known of a run, in place of what was."""
        with self._lock:
            was = self._kept.pop(run_id, None)
            if was is None:
                kept = _Kept(version, known, weight_of(known))
                self._weight += kept.weight
            else:
                same = was.known.context is known.context and len(was.known.metrics) == len(known.metrics)
                kept = _Kept(version, known, was.weight if same else weight_of(known), was.before, was.during)
                self._weight += kept.weight - was.weight
            self._kept[run_id] = kept
            while (self._weight > self._limit and len(self._kept) > 1) or self._is_old(known):
                _, gone = self._kept.popitem(last=False)
                self._weight -= gone.weight

    def _is_old(self, newest: Known) -> bool:
        """Whether what was kept or recalled longest ago is old beside the newest."""
        seen = next(iter(self._kept.values())).known.run.last_seen_at
        now = newest.run.last_seen_at
        return self._kept_for is not None and seen is not None and now is not None and now - seen > self._kept_for

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._weight = 0


# A run's id and version say all there is to say, so one memory serves every database of the process.
MEMORY: Final = Memory(kept_for=KEPT_FOR)
# What was read only to be shown. It stands apart, since a slow reader must not replace what a post has kept meanwhile.
LOOKED: Final = Memory(MAX_LOOKED)


def look(connection: sa.Connection, run_id: UUID) -> Known:
    """Return what there is to know of a run, for reading. Raises `RunNotFoundError`."""
    found = runs.version(connection, run_id)
    if found is None:
        raise RunNotFoundError(f"there is no run {run_id}")
    version, last_seen_at, limit_s = found
    known = MEMORY.recall(run_id, version) or LOOKED.recall(run_id, version)
    if known is None:
        known = _read(connection, run_id)
        LOOKED.keep(run_id, version, known)
    return _seen(known, last_seen_at, limit_s)


def known_of(connection: sa.Connection, locked: runs.Locked) -> Known:
    """Return what there is to know of a run whose row is locked: kept from before, or read.

    Before anything else, the caller lets `judge` see what is `overdue`.
    """
    known = MEMORY.begin(locked.run_id, locked.version, connection)
    if known is None:
        known = _read(connection, locked.run_id)
        MEMORY.keep(locked.run_id, locked.version, known)
        MEMORY.begin(locked.run_id, locked.version, connection)
    return _seen(known, locked.last_seen_at, locked.watch.limit_s)


def _seen(known: Known, last_seen_at: datetime, limit_s: float | None) -> Known:
    # A post without news changes these and not the version.
    if (known.run.last_seen_at, known.run.silence_limit_s) == (last_seen_at, limit_s):
        return known
    return replace(known, run=replace(known.run, last_seen_at=last_seen_at, silence_limit_s=limit_s))


def _read(connection: sa.Connection, run_id: UUID) -> Known:
    run = runs.get(connection, run_id)
    if run is None:
        raise RunNotFoundError(f"there is no run {run_id}")
    context = detection.configure(run.spec, run.project_rules)
    counted = tuple(alerts.of_run(connection, run_id, states=("open", "ended")))
    restored = restore(connection, run, context, counted)
    return Known(
        run=run,
        context=context,
        state=restored.state,
        saved=restored.saved,
        next_life=lives.next_number(connection, run_id),
        resume=lives.latest_resume(lives.of_run(connection, run_id)),
        metrics={metric.name: metric for metric in metrics.of_run(connection, run_id)},
        alerts=counted,
        past=alerts.past(connection, run_id),
        overdue=restored.overdue,
        faults=restored.faults,
    )
