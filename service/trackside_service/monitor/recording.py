"""Recording: the values of a post are stored and judged, and what follows from them is written, all in one
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service import detection
from trackside_service.detection import Inspection
from trackside_service.domain.alerts import health_of
from trackside_service.domain.cadence import seen_at
from trackside_service.domain.records import Record
from trackside_service.domain.runs import ProcessLife
from trackside_service.errors import Fault, InvalidInputError, RunNotFoundError
from trackside_service.monitor.memory import MEMORY, known_of
from trackside_service.monitor.placing import Placed, begun, place_all
from trackside_service.monitor.raising import judge, tell
from trackside_service.monitor.results import RecordResult
from trackside_service.monitor.silence import answered, last_place, watch_heard
from trackside_service.storage import detectors, lives, posts, runs
from trackside_service.storage.posts import RunRow

# Records after which the rules' state is stored: so many at most are shown to the rules again by another process.
SAVE_EVERY: Final = 50


def record(
    connection: sa.Connection,
    run_id: UUID,
    process: str | None,
    records: Sequence[Record],
    *,
    now: datetime,
    lost: int = 0,
    listening_since: datetime | None = None,
) -> RecordResult:
    """Store the records that `process` (None: it has no name) reports of a run, and judge them in their order.

    Metric names are taken as reported. A post without records says that the run is alive. `lost`: how many records the
    process could neither send nor keep, in all so far. `listening_since`: from when on the service could have been
    reached (None: always); a pause of its own is none of the run's.

    Raises `RunNotFoundError`, and `InvalidInputError` where the run would get too many metrics, or the process that
    lost records is not known.
    """
    result = _record(connection, run_id, process, records, now=now, listening_since=listening_since)
    if lost and (process is None or not lives.note_lost(connection, run_id, process, lost)):
        raise InvalidInputError(
            "the process that lost records is not known",
            faults=[Fault("/process", "name a process that the run was opened by, or that has reported")],
        )
    return result


def _record(
    connection: sa.Connection,
    run_id: UUID,
    process: str | None,
    records: Sequence[Record],
    *,
    now: datetime,
    listening_since: datetime | None,
) -> RecordResult:
    locked = runs.lock(connection, run_id)
    if locked is None:
        raise RunNotFoundError(f"there is no run {run_id}; open it with PUT first")
    known = known_of(connection, locked)
    seen = seen_at(now, locked.last_seen_at)
    watch, lives_on = watch_heard(known, locked, records, seen, listening_since)
    heard = answered(known, last_place(known, records)) if lives_on else ()
    placed = place_all(connection, known, process, records, next_ordinal=locked.next_ordinal)
    if not placed.readings and not known.overdue and not heard:
        values = {"last_seen_at": seen, "version": locked.version, **runs.watch_values(watch)}
        runs.update(connection, run_id, values)
        run = replace(known.run, last_seen_at=seen, silence_limit_s=watch.limit_s)
        MEMORY.keep(run_id, locked.version, replace(known, run=run))
        return RecordResult(0, placed.duplicates, locked.health)

    if placed.readings:
        inspection = detection.inspect(known.context, known.state, placed.readings)
    else:
        inspection = Inspection(known.state)
        placed = replace(begun(known, locked.next_ordinal), duplicates=placed.duplicates)
    faults = [*known.faults, *inspection.faults]
    changes = judge(known, (*known.overdue, *heard, *inspection.outcomes), now=now)
    _begin_lives(connection, run_id, placed, now)
    saved = known.saved
    if changes or placed.next_ordinal - saved >= SAVE_EVERY or any(one.starts_life for one in placed.readings):
        saved = placed.next_ordinal
        detectors.save(connection, run_id, detection.dump(inspection.state, faults), saved)
    counted = known.with_changes(changes)
    health = health_of(counted.alerts)
    run = replace(known.run, health=health, last_seen_at=seen, silence_limit_s=watch.limit_s)
    after = replace(
        counted,
        run=run,
        state=inspection.state,
        saved=saved,
        next_life=placed.next_life,
        resume=placed.resume,
        metrics=placed.metrics,
        lives=placed.lives,
        faults=(),
        overdue=(),
    )
    version = runs.new_version()
    posts.write(
        connection,
        run_id,
        RunRow(placed.next_ordinal, version, health, seen, watch),
        moved=[one for number, one in placed.moved.items() if number not in placed.opened],
        changed=list(placed.changed.values()),
        rows=placed.rows,
    )
    changes = tell(connection, after, changes, now=now, compared=(known.context, inspection.state))
    after = after.with_changes(changes)
    MEMORY.keep(run_id, version, after)
    return RecordResult(
        len(placed.readings),
        placed.duplicates,
        health,
        changes,
        after.alerts,
        tuple(faults),
        points=len(placed.rows),
    )


def _begin_lives(connection: sa.Connection, run_id: UUID, placed: Placed, now: datetime) -> None:
    for number, progress in placed.opened.items():
        last = placed.moved.get(number, progress)
        lives.insert(connection, run_id, ProcessLife(number, progress.process, now), last)
