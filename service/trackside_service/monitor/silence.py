"""Silence: how a run is waited for, what a post answers, and what is told of a run that is past its deadline.

Only arrivals count, by the service's own clock. A post leaves the deadline where it is unless it has to come earlier;
when it has come, the sweep looks what was heard since, and either sets the next one or raises the alert. So the posts
of a thousand healthy runs write no index, and a run costs one look in each of its limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from trackside_service import alerting, detection
from trackside_service.detection import RuleFault
from trackside_service.domain import cadence
from trackside_service.domain.alerts import health_of
from trackside_service.domain.cadence import Cadence, Watch
from trackside_service.domain.findings import Cleared
from trackside_service.domain.records import Position, Record
from trackside_service.monitor.memory import MEMORY, Known, known_of
from trackside_service.monitor.raising import judge, tell
from trackside_service.monitor.results import LookResult
from trackside_service.rules import RunContext, Silence
from trackside_service.storage import runs


def watch_begun(context: RunContext, before: Cadence, now: datetime) -> Watch:
    """Return how a run is waited for whose process has just begun; `before` is the cadence of those before it."""
    begun = Watch(cadence.restarted(before))
    return begun.until(now, detection.silence_limit_s(context, begun.cadence))


def watch_heard(
    known: Known, locked: runs.Locked, records: Sequence[Record], now: datetime, listening_since: datetime | None
) -> tuple[Watch, bool]:
    """Return how a run is waited for after a post, and whether the post shows that it lives: an old log that is sent in
    does not, nor does one that comes after the run's end. Time in which nobody listened is no pause of the run's.
    """
    watch = locked.watch
    if known.ended or cadence.is_old(records, now):
        return watch.unwatched(), False
    since = locked.last_seen_at if listening_since is None else max(locked.last_seen_at, listening_since)
    pause_s = max(0.0, (now - since).total_seconds())
    whole = since == locked.last_seen_at
    after = replace(watch, cadence=cadence.heard(watch.cadence, pause_s, limit_s=watch.limit_s, whole=whole))
    return after.until(now, detection.silence_limit_s(known.context, after.cadence)), True


def answered(known: Known, place: Position | None) -> tuple[Cleared, ...]:
    """Return what becomes of the alerts about silence when the run is heard of."""
    return tuple(
        Cleared(*alert.fingerprint, position=place)
        for alert in known.alerts
        if alert.code in alerting.SILENCE and alert.state == "open"
    )


def last_place(known: Known, records: Iterable[Record]) -> Position | None:
    """Return where the run was when it was heard of with these records."""
    return next((record.position for record in reversed(list(records))), known.place)


def look_for_silence(
    connection: sa.Connection, run_id: UUID, *, listening_since: datetime, now: datetime
) -> LookResult:
    """Look whether a run is silent, and tell it. Racing looks tell it once.

    `listening_since`: from when on whoever asks could have been reached: no run is silent before it has been so for its
    whole limit.
    """
    locked = runs.lock(connection, run_id)
    limit_s = None if locked is None else locked.watch.limit_s
    if locked is None or locked.status != "running" or limit_s is None or locked.watch.deadline_at is None:
        return LookResult()
    limit = timedelta(seconds=limit_s)
    if locked.last_seen_at + limit > now:
        # The version stays: nothing that is kept of the run has changed.
        values = {"deadline_at": locked.last_seen_at + limit, "version": locked.version}
        runs.update(connection, run_id, values)
        return LookResult()
    if listening_since + limit > now:
        return LookResult()

    known = known_of(connection, locked)
    faults: list[RuleFault] = list(known.faults)
    silence = Silence(
        since=locked.last_seen_at,
        limit_s=limit_s,
        reported=bool(known.metrics),
        place=known.place,
        longest_s=locked.watch.cadence.longest_s or None,
    )
    changes = judge(known, (*known.overdue, *detection.silence(known.context, silence, faults)), now=now)
    counted = known.with_changes(changes)
    health = health_of(counted.alerts)
    run = replace(known.run, health=health)
    version = runs.new_version()
    runs.update(connection, run_id, {"health": health, "deadline_at": None, "version": version})
    after = replace(counted, run=run, faults=(), overdue=())
    changes = tell(connection, after, changes, now=now, compared=(known.context, known.state))
    MEMORY.keep(run_id, version, after.with_changes(changes))
    return LookResult(changes, tuple(faults))
