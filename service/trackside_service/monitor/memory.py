"""What a process knows of a run between two posts, so that the second need not read it all again.

It is kept under the version of the run's row, which every write of the run draws anew. Under the run's lock the version
says whether what is kept still holds; another process's write, or a rollback of our own, makes it another one.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from threading import Lock
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service import detection
from trackside_service.detection import DetectorState, RuleFault
from trackside_service.domain.alerts import Alert, AlertChange
from trackside_service.domain.lives import Progress
from trackside_service.domain.records import Record
from trackside_service.domain.runs import Run
from trackside_service.errors import RunNotFoundError
from trackside_service.rules.base import Reading, RunContext
from trackside_service.storage import alerts, detectors, lives, metrics, points, runs
from trackside_service.storage.metrics import Metric

log: Final = logging.getLogger(__name__)
MAX_RUNS: Final = 512
_AT_ONCE: Final = 1_000  # records that are shown to the rules again


@dataclass(frozen=True, slots=True)
class Known:
    """Everything about a run that a post works with.

    `saved` is the ordinal up to which the stored state reaches; `state` itself holds every record. `alerts` are those
    that count towards the run's health: open, or frozen by an end of it. `lives` holds the lives that were asked for so
    far, by process; `next_life` is the number that a new one gets. `faults` are the rules that failed while this was
    read; the result of the next post carries them.
    """

    run: Run
    context: RunContext
    state: DetectorState
    next_life: int
    saved: int = 0
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    episodes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    lives: Mapping[str | None, Progress] = field(default_factory=dict)
    faults: tuple[RuleFault, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.run.status != "running"

    def with_changes(self, changes: Sequence[AlertChange]) -> Known:
        """Return what is known after `changes`."""
        if not changes:
            return self
        counted = {alert.id: alert for alert in self.alerts}
        episodes = dict(self.episodes)
        for change in changes:
            counted[change.alert.id] = change.alert
            episodes[change.alert.fingerprint] = max(change.alert.episode, episodes.get(change.alert.fingerprint, 0))
        kept = tuple(alert for alert in counted.values() if alert.state != "resolved")
        return replace(self, alerts=kept, episodes=episodes)


class Memory:
    """The runs that were written last, each under its version. Safe to use from several threads."""

    def __init__(self, limit: int = MAX_RUNS) -> None:
        self._limit = limit
        self._kept: OrderedDict[UUID, tuple[int, Known]] = OrderedDict()
        self._lock = Lock()

    def recall(self, run_id: UUID, version: int) -> Known | None:
        """Return what is known of a run at this version."""
        with self._lock:
            found = self._kept.get(run_id)
            if found is None or found[0] != version:
                return None
            self._kept.move_to_end(run_id)
            return found[1]

    def keep(self, run_id: UUID, version: int, known: Known) -> None:
        """Keep what is known of a run, in place of what was."""
        with self._lock:
            self._kept[run_id] = version, known
            self._kept.move_to_end(run_id)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()


# A run's id and version say all there is to say, so one memory serves every database of the process.
MEMORY: Final = Memory()


def look(connection: sa.Connection, run_id: UUID) -> Known:
    """Return what there is to know of a run, for reading. Raises `RunNotFoundError`."""
    version = runs.version(connection, run_id)
    found = None if version is None else MEMORY.recall(run_id, version)
    return found or _read(connection, run_id)


def known_of(connection: sa.Connection, locked: runs.Locked) -> Known:
    """Return what there is to know of a run whose row is locked: kept from before, or read."""
    return MEMORY.recall(locked.run_id, locked.version) or _read(connection, locked.run_id)


def _read(connection: sa.Connection, run_id: UUID) -> Known:
    run = runs.get(connection, run_id)
    if run is None:
        raise RunNotFoundError(f"there is no run {run_id}")
    context = detection.configure(run.spec)
    stored = detectors.load(connection, run_id)
    state, saved, faults = None, 0, list[RuleFault]()
    if stored is not None:
        state, saved = detection.load(context, stored[0], faults), stored[1]
    if state is None:
        log.info("the rules' state of run %s is of another version: rebuilt from its points", run_id)
        state, saved = detection.begin(context, faults), 0
    return Known(
        run=run,
        context=context,
        state=_caught_up(connection, run_id, context, state, saved),
        saved=saved,
        next_life=lives.next_number(connection, run_id),
        metrics={metric.name: metric for metric in metrics.of_run(connection, run_id)},
        alerts=tuple(alerts.of_run(connection, run_id, states=("open", "ended"))),
        episodes=alerts.episodes(connection, run_id),
        faults=tuple(faults),
    )


def _caught_up(
    connection: sa.Connection, run_id: UUID, context: RunContext, state: DetectorState, start: int
) -> DetectorState:
    """Show the rules the stored records from `start` on, of the lives under the present declaration.

    Quietly: what the rules say on the way has been said.
    """
    readings = _readings(connection, run_id, start)
    while some := list(islice(readings, _AT_ONCE)):
        state = detection.inspect(context, state, some).state
    return state


def _readings(connection: sa.Connection, run_id: UUID, start: int) -> Iterator[Reading]:
    first = lives.first_of_declaration(connection, run_id)
    # A post in which a life begins stores the state, so behind a stored one no life begins.
    seen: set[int] = set() if start == 0 else {one.life.number for one in lives.of_run(connection, run_id)}
    for stored in points.records(connection, run_id, start=start, first_life=first):
        record = Record(stored.metrics, step=stored.step, epoch=stored.epoch, time=stored.time)
        starts_life = stored.life > 0 and stored.life not in seen
        seen.add(stored.life)
        yield Reading(record, stored.ordinal, life=stored.life, behind=stored.behind, starts_life=starts_life)
