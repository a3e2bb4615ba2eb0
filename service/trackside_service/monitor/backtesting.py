"""One rule, with other parameters, over the stored records of a run: where it would have fired. Nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from uuid import UUID

import sqlalchemy as sa

from trackside_service import alerting, detection
from trackside_service.detection import RuleFault
from trackside_service.domain.alerts import Alert
from trackside_service.domain.findings import Outcome
from trackside_service.domain.runs import RuleSetting, Run
from trackside_service.monitor.restoring import readings
from trackside_service.replay import NO_TIME


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a rule would have raised on a run. `records` is what it was shown; it is not `whole` where there were more
    than wanted; `faults` say that it could not judge.
    """

    alerts: tuple[Alert, ...]
    records: int
    faults: tuple[RuleFault, ...]
    whole: bool = True


def backtest(connection: sa.Connection, run: Run, code: str, setting: RuleSetting, *, most: int) -> Backtest:
    """Show a run's stored records, of the lives under its present declaration, to one rule under `setting`: about the
    first `most` of them.

    The rule is on, whatever the setting, its project or the run say. Raises `InvalidInputError` where the setting
    cannot be used.
    """
    spec = replace(run.spec, rules={code: replace(setting, enabled=True)})
    whole = detection.configure(spec)
    context = replace(whole, rules={code: whole.rules[code]})
    faults: list[RuleFault] = []
    outcomes: list[Outcome] = [*detection.plan(context, faults)]
    state = detection.begin(context, faults)
    seen, is_whole = 0, True
    for some in readings(connection, run.id, 0):
        if seen >= most:
            is_whole = False
            break
        inspection = detection.inspect(context, state, some)
        state, seen = inspection.state, seen + len(some)
        outcomes += inspection.outcomes
        faults += inspection.faults
    if run.status != "running" and is_whole:
        inspection = detection.conclude(context, state)
        outcomes += inspection.outcomes
        faults += inspection.faults
    numbers = count(1)
    changes = alerting.reconcile(run.id, (), outcomes, now=NO_TIME, new_id=lambda: UUID(int=next(numbers)), past={})
    found = {change.alert.id: change.alert for change in changes}
    return Backtest(tuple(found.values()), seen, tuple(faults), is_whole)
