"""Finishing: the run's end says what is left to say, resolves what was about silence and freezes the other alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from trackside_service import alerting, detection
from trackside_service.domain.alerts import health_of
from trackside_service.domain.cadence import seen_at
from trackside_service.domain.runs import EndStatus
from trackside_service.errors import RunEndedError, RunNotFoundError
from trackside_service.monitor.memory import MEMORY, known_of
from trackside_service.monitor.raising import folded, judge, tell
from trackside_service.monitor.results import FinishResult
from trackside_service.monitor.silence import answered
from trackside_service.rules import Ending
from trackside_service.storage import detectors, runs


def finish(
    connection: sa.Connection, run_id: UUID, status: EndStatus, reason: str | None, *, now: datetime
) -> FinishResult:
    """End a run. The same end a second time changes nothing.

    Raises `RunNotFoundError`, and `RunEndedError` where the run has ended otherwise.
    """
    locked = runs.lock(connection, run_id)
    if locked is None:
        raise RunNotFoundError(f"there is no run {run_id}")
    known = known_of(connection, locked)
    if known.ended:
        if known.run.status != status:
            raise RunEndedError(
                f"the run is {known.run.status} already and stays so; a PUT with a new process.id reopens it"
            )
        return FinishResult(known.run, ended=False)

    faults = list(known.faults)
    inspection = detection.conclude(known.context, known.state)
    faults += inspection.faults
    ending = detection.end(known.context, Ending(status, reason, known.place), faults)
    # The end answers a silence, so that is over before how it ended could be taken for its cause.
    heard = answered(known, known.place)
    found = judge(known, (*known.overdue, *heard, *inspection.outcomes, *ending), now=now)
    standing = [alert for alert in known.with_changes(found).alerts if alert.state == "open"]
    changes = folded(found, alerting.end(standing, now=now))
    after = known.with_changes(changes)
    health = health_of(after.alerts)
    seen = seen_at(now, locked.last_seen_at)
    run = replace(known.run, status=status, reason=reason, ended_at=now, last_seen_at=seen, health=health)
    run = replace(run, silence_limit_s=None)
    version = runs.new_version()
    values = {"status": status, "reason": reason, "ended_at": now, "last_seen_at": seen}
    nobody_waits = runs.watch_values(locked.watch.unwatched())
    runs.update(connection, run_id, {**values, **nobody_waits, "health": health, "version": version})
    detectors.save(connection, run_id, detection.dump(inspection.state, faults), locked.next_ordinal)
    after = replace(after, state=inspection.state, saved=locked.next_ordinal, run=run, faults=(), overdue=())
    changes = tell(connection, after, changes, now=now, compared=(known.context, inspection.state))
    after = after.with_changes(changes)
    MEMORY.keep(run_id, version, after)
    return FinishResult(run, True, changes, after.alerts, tuple(faults))
