"""The rules' state as it was stored, brought up to date; what another version wrote is rebuilt from the stored points.

A rebuilt rule may have more to say than the rule of before, which was another version or not there at all; and of what
that one has raised, it may know nothing. So the alerts that it would have raised are held against the stored ones.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from trackside_service import alerting, detection
from trackside_service.detection import DetectorState, RuleFault
from trackside_service.domain.alerts import Alert
from trackside_service.domain.findings import Cleared, Finding, Outcome, rank
from trackside_service.domain.records import Record
from trackside_service.domain.runs import Run
from trackside_service.rules.base import Reading, RunContext
from trackside_service.storage import detectors, lives, points

log: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 1_000  # records that are shown to the rules again


@dataclass(frozen=True, slots=True)
class Restored:
    """The state after every stored record. `saved` is the ordinal up to which the stored one reaches, 0 where it has to
    be stored anew; `overdue` brings the stored alerts in line with rules that were rebuilt.
    """

    state: DetectorState
    saved: int
    overdue: tuple[Outcome, ...] = ()
    faults: tuple[RuleFault, ...] = ()


def restore(connection: sa.Connection, run: Run, context: RunContext, counted: Sequence[Alert]) -> Restored:
    """Return the state of a run. `counted` are its alerts that are open, or frozen by its end."""
    faults: list[RuleFault] = []
    data, saved = detectors.load(connection, run.id) or (b"", 0)
    state, missing = detection.load_some(context, data, faults)
    # Quietly: what the rules say about these few records was judged when they came.
    for some in readings(connection, run.id, saved) if state.rules else ():
        state = detection.inspect(context, state, some).state
    if not missing:
        return Restored(state, saved, faults=tuple(faults))

    log.info("the state of %s on run %s is of another version: rebuilt from its points", sorted(missing), run.id)
    begun = detection.begin(context, faults)
    rebuilt = DetectorState({code: held for code, held in begun.rules.items() if code in missing})
    last: dict[tuple[str, str], Outcome] = {}
    _fold(last, (found for found in detection.plan(context, faults) if found.code in missing))
    for some in readings(connection, run.id, 0):
        inspection = detection.inspect(context, rebuilt, some)
        rebuilt = inspection.state
        _fold(last, inspection.outcomes)
    if run.status != "running":
        inspection = detection.conclude(context, rebuilt)
        rebuilt = inspection.state
        _fold(last, inspection.outcomes)
    return Restored(
        DetectorState({**state.rules, **rebuilt.rules}),
        0,
        _overdue(last, [alert for alert in counted if alert.code in rebuilt.rules]),
        tuple(faults),
    )


def _fold(last: dict[tuple[str, str], Outcome], outcomes: Iterable[Outcome]) -> None:
    """Keep what holds in the end of every fingerprint: that it is over, or one finding with the newest words, which
    opened where the first did and is as severe as the worst.
    """
    for outcome in outcomes:
        fingerprint = (outcome.code, outcome.subject)
        before = last.get(fingerprint)
        if isinstance(outcome, Finding) and isinstance(before, Finding):
            severity = max(before.severity, outcome.severity, key=rank)
            last[fingerprint] = replace(outcome, severity=severity, opened=before.opened, detected=before.detected)
        else:
            last[fingerprint] = outcome


def _overdue(last: dict[tuple[str, str], Outcome], stored: Sequence[Alert]) -> tuple[Outcome, ...]:
    """Say what opens and what clears, so that the `stored` alerts of the rebuilt rules are those that stand in the
    end. What stands in both is left as it is.
    """
    known = {alert.fingerprint for alert in stored}
    opens = [found for fingerprint, found in last.items() if isinstance(found, Finding) and fingerprint not in known]
    clears = []
    for alert in stored:
        found = last.get(alert.fingerprint)
        if not isinstance(found, Finding) and alert.code not in alerting.SILENCE | alerting.ENDINGS:
            clears.append(found or Cleared(*alert.fingerprint))
    return (*clears, *opens)


def readings(connection: sa.Connection, run_id: UUID, start: int) -> Iterator[list[Reading]]:
    """Yield the stored records from `start` on, of the lives under the present declaration, as the rules saw them."""
    shown = _one_by_one(connection, run_id, start)
    while some := list(islice(shown, _AT_ONCE)):
        yield some


def _one_by_one(connection: sa.Connection, run_id: UUID, start: int) -> Iterator[Reading]:
    first = lives.first_of_declaration(connection, run_id)
    # A post in which a life begins stores the state, so behind a stored one no life begins.
    known = lives.of_run(connection, run_id)
    named = {one.life.number for one in known if one.life.process is not None}
    resumed = {one.life.number: one.progress.resumed for one in known}
    seen: set[int] = set() if start == 0 else {one.life.number for one in known}
    resume = -1 if start == 0 else lives.latest_resume(known)
    for stored in points.records(connection, run_id, start=start, first_life=first):
        record = Record(stored.metrics, step=stored.step, epoch=stored.epoch, time=stored.time)
        starts_life = stored.life > 0 and stored.life not in seen
        seen.add(stored.life)
        superseded = stored.life in named and stored.life < resume
        if stored.life in named and not superseded:
            resume = stored.life
        yield Reading(
            record,
            stored.ordinal,
            life=stored.life,
            behind=stored.behind,
            starts_life=starts_life,
            named=stored.life in named,
            superseded=superseded,
            resumed=resumed.get(stored.life),
        )
