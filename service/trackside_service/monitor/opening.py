"""Opening: a run is declared, or declared again by a process that resumes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from trackside_service import alerting, detection
from trackside_service.detection import DetectorState, RuleFault
from trackside_service.domain.alerts import AlertChange, health_of
from trackside_service.domain.cadence import Cadence, seen_at
from trackside_service.domain.declared import declared, differing
from trackside_service.domain.findings import Cleared, Outcome
from trackside_service.domain.lives import first_life, resumption
from trackside_service.domain.runs import ProcessLife, Run, RunSpec
from trackside_service.errors import Fault, RunConflictError, RunNotFoundError
from trackside_service.monitor.memory import MEMORY, Known, known_of
from trackside_service.monitor.placing import new_number
from trackside_service.monitor.raising import folded, judge, tell
from trackside_service.monitor.results import OpenResult
from trackside_service.monitor.silence import answered, watch_begun
from trackside_service.rules import RunContext, rule
from trackside_service.storage import detectors, lives, project_rules, runs


def open_run(
    connection: sa.Connection,
    run_id: UUID,
    spec: RunSpec,
    *,
    process: tuple[str, int | None] | None,
    now: datetime,
) -> OpenResult:
    """Open a run, or find it open. `process` is (its id, the step it resumes from).

    What equals the stored declaration changes nothing. A process that is not known yet opens a new life: it may declare
    the run anew, and it reopens one that has ended. Raises `RunConflictError` where another declaration comes without a
    new process, and `InvalidInputError` where the declaration cannot be used or the run has too many lives.
    """
    settings = project_rules.get(connection, spec.project)
    context = detection.configure(spec, settings)
    if runs.insert(connection, run_id, spec, now=now, project_rules=settings):
        run = Run(run_id, spec, "running", created_at=now, last_seen_at=now, project_rules=settings)
        return _created(connection, run, context, process, now)
    locked = runs.lock(connection, run_id)
    if locked is None:
        raise RunNotFoundError(f"there is no run {run_id}")
    known = known_of(connection, locked)
    new = declared(spec)
    if process is None:
        _refuse_other(new, declared(known.run.spec))
        return OpenResult(known.run, created=False)
    stored = lives.of_process(connection, run_id, process[0])
    if stored is not None:
        others = () if stored.life.resumed_from_step == process[1] else ("process/resumed_from_step",)
        _refuse_other(new, stored.declaration or declared(known.run.spec), others)
        return OpenResult(known.run, created=False)
    # A run stays under the settings that its project had when it was opened.
    context = detection.configure(spec, known.run.project_rules)
    return _resumed(connection, known, context, process, locked, now=now)


def _created(
    connection: sa.Connection, run: Run, context: RunContext, process: tuple[str, int | None] | None, now: datetime
) -> OpenResult:
    faults: list[RuleFault] = []
    state = detection.begin(context, faults)
    detectors.insert(connection, run.id, detection.dump(state, faults))
    known = Known(run=run, context=context, state=state, next_life=0)
    if process is not None:
        known = _with_life(connection, known, process, now)
    found = detection.plan(context, faults)
    values = runs.watch_values(watch_begun(context, Cadence(), now))
    return _opened(connection, known, (), found, values=values, now=now, created=True, faults=faults)


def _resumed(
    connection: sa.Connection,
    known: Known,
    context: RunContext,
    process: tuple[str, int | None],
    locked: runs.Locked,
    *,
    now: datetime,
) -> OpenResult:
    old, new = declared(known.run.spec), declared(context.spec)
    if old["project"] != new["project"]:
        raise RunConflictError(
            "a run stays in its project", faults=[Fault("/project", "give the project that the run was opened in")]
        )
    changes = judge(known, known.overdue, now=now)
    known = replace(known.with_changes(changes), overdue=())
    after, outcomes = known, tuple[Outcome, ...]()
    faults = list(known.faults)
    if differing(old, new):
        lives.keep_declaration(connection, known.run.id, old)
        runs.declare(connection, known.run.id, context.spec)
        after, outcomes = _declared_anew(connection, known, context, locked.next_ordinal, faults)
    outcomes += answered(known, known.place)
    values = runs.watch_values(watch_begun(context, locked.watch.cadence, now))
    if known.ended:
        values |= {"status": "running", "reason": None, "ended_at": None}
        after = replace(after, run=replace(after.run, status="running", reason=None, ended_at=None))
        frozen = [alert for alert in known.alerts if alert.state == "ended"]
        changes = folded(changes, alerting.reopen(frozen, now=now))
        # How it ended is no trouble any more once it goes on.
        outcomes += tuple(Cleared(*alert.fingerprint) for alert in frozen if alert.code in alerting.ENDINGS)
    after = _with_life(connection, after, process, now)
    return _opened(connection, after, changes, outcomes, values=values, now=now, faults=faults)


def _declared_anew(
    connection: sa.Connection, known: Known, context: RunContext, next_ordinal: int, faults: list[RuleFault]
) -> tuple[Known, tuple[Outcome, ...]]:
    """Let the rules that the change concerns begin anew; what they had found about the old declaration is over."""
    state = detection.adopt(context, known.context, known.state, faults)
    detectors.save(connection, known.run.id, detection.dump(state, faults), next_ordinal)
    found = detection.plan(context, faults)
    still = {(finding.code, finding.subject) for finding in found}
    over = [
        Cleared(*alert.fingerprint)
        for alert in known.alerts
        if alert.fingerprint not in still and _is_over(alert.code, context, state, known.state)
    ]
    after = replace(known, context=context, state=state, saved=next_ordinal, run=replace(known.run, spec=context.spec))
    return after, (*over, *found)


def _is_over(code: str, context: RunContext, state: DetectorState, before: DetectorState) -> bool:
    """Whether what a rule had found is over with the old declaration: it judges declarations, it is off now, or it
    began anew. One that could not begin says nothing, and neither does what is no rule's.
    """
    config = context.rules.get(code)
    if config is None:
        return False
    if rule(code).plan is not None or not config.enabled:
        return True
    return code in state.rules and state.rules[code] is not before.rules.get(code)


def _with_life(connection: sa.Connection, known: Known, process: tuple[str, int | None], now: datetime) -> Known:
    name, resumed_from_step = process
    number = new_number(known.next_life)
    before = lives.of_run(connection, known.run.id) if resumed_from_step is not None else ()
    earlier = [one.progress for one in before]
    progress = first_life(name, number, resumption(resumed_from_step, earlier, known.run.spec.epoch_length))
    lives.insert(connection, known.run.id, ProcessLife(number, name, now, resumed_from_step), progress)
    return replace(known, next_life=number + 1, lives={**known.lives, name: progress})


def _opened(
    connection: sa.Connection,
    known: Known,
    changes: tuple[AlertChange, ...],
    outcomes: Sequence[Outcome],
    *,
    values: Mapping[str, Any],
    now: datetime,
    created: bool = False,
    faults: Sequence[RuleFault] = (),
) -> OpenResult:
    known = known.with_changes(changes)
    changes = folded(changes, judge(known, outcomes, now=now))
    known = known.with_changes(changes)
    health = health_of(known.alerts)
    seen, limit_s = seen_at(now, known.run.last_seen_at), values["silence_limit_s"]
    run = replace(known.run, health=health, last_seen_at=seen, silence_limit_s=limit_s)
    version = runs.new_version()
    runs.update(connection, run.id, {**values, "health": health, "last_seen_at": run.last_seen_at, "version": version})
    known = replace(known, run=run, faults=())
    changes = tell(connection, known, changes, now=now)
    known = known.with_changes(changes)
    MEMORY.keep(run.id, version, known)
    return OpenResult(run, created, changes, known.alerts, tuple(faults))


def _refuse_other(new: Mapping[str, Any], old: Mapping[str, Any], others: Sequence[str] = ()) -> None:
    fields = (*differing(old, new), *others)
    if fields:
        raise RunConflictError(
            f"the run was declared otherwise: {', '.join(fields)}; a resume says so with a process.id of its own",
            faults=[Fault(f"/{name}", "differs from what the run was opened with") for name in fields],
        )
