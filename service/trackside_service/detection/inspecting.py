"""Records and state to findings and new state: every rule of the table, each on its own.

A rule that raises is caught, logged with its code and returned as a fault; its state stays what it was, and the other
rules run. That holds for all that a rule does: one that cannot begin, or whose state cannot be written, stands aside
until its state version rises; one whose state cannot be read again is rebuilt. What has no result of its own to carry
faults takes a list that collects them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from trackside_service import conformance
from trackside_service.conformance import Explanation, TrackerState
from trackside_service.detection import states as table
from trackside_service.detection.states import DetectorState, Inspection, RuleFault, fault_of, note, running
from trackside_service.domain.cadence import Cadence
from trackside_service.domain.findings import Finding, Outcome
from trackside_service.domain.lives import Placement
from trackside_service.domain.records import Record
from trackside_service.rules import Ending, Reading, Rule, RuleConfig, RunContext, Silence, off_schedule, silent

_T = TypeVar("_T", bound=Outcome)
_log: Final = logging.getLogger(__name__)
_ASIDE: Final = object()


def reading_of(record: Record, placement: Placement, index: int, *, superseded: bool = False) -> Reading:
    """Return a placed record as the rules see it: with the metrics that are new at its place. `index` is its ordinal
    in the run; `superseded` is what `Reading` says.
    """
    shown = record if placement.metrics is record.metrics else replace(record, metrics=placement.metrics)
    return Reading(
        record=shown,
        index=index,
        life=placement.progress.number,
        behind=placement.behind,
        starts_life=placement.starts_life and placement.progress.number > 0,
        named=placement.progress.process is not None,
        superseded=superseded,
        resumed=placement.progress.resumed,
    )


def begin(context: RunContext, faults: list[RuleFault] | None = None) -> DetectorState:
    """Return the state before the first record."""
    states: dict[str, Any] = {}
    for rule, config in running(context):
        try:
            states[rule.code] = rule.start(context, config.parameters)
        except Exception as error:
            note(faults, rule, error)
    return DetectorState(states)


def plan(context: RunContext, faults: list[RuleFault] | None = None) -> tuple[Finding, ...]:
    """Judge the declaration alone, before training."""
    return _judged(
        context, lambda rule, config: rule.plan(context, config.parameters) if rule.plan is not None else (), faults
    )


def end(context: RunContext, ending: Ending, faults: list[RuleFault] | None = None) -> tuple[Finding, ...]:
    """Judge how the run ended. What its records reveal at the end, `conclude` says."""
    return _judged(
        context,
        lambda rule, config: rule.on_end(context, config.parameters, ending) if rule.on_end is not None else (),
        faults,
    )


def silence(context: RunContext, silence: Silence, faults: list[RuleFault] | None = None) -> tuple[Finding, ...]:
    """Judge that the run is not heard of."""
    return _judged(
        context,
        lambda rule, config: (
            rule.on_silence(context, config.parameters, silence) if rule.on_silence is not None else ()
        ),
        faults,
    )


def silence_limit_s(context: RunContext, cadence: Cadence) -> float | None:
    """Return the seconds for which the run may be silent; None where nobody asks (the rule is off)."""
    config = context.rules.get(silent.CODE)
    if config is None or not config.enabled:
        return None
    return silent.limit_s(context, config.parameters, cadence)


def _judged(
    context: RunContext,
    judge: Callable[[Rule[Any, Any], RuleConfig], Sequence[Finding]],
    faults: list[RuleFault] | None,
) -> tuple[Finding, ...]:
    """Return what all rules say about something that is judged once."""
    findings: list[Finding] = []
    for rule, config in running(context):
        try:
            found = judge(rule, config)
        except Exception as error:
            note(faults, rule, error)
        else:
            findings += [_with_severity(one, config) for one in found]
    return tuple(findings)


def inspect(context: RunContext, state: DetectorState, readings: Sequence[Reading]) -> Inspection:
    """Show `readings` to the rules in their order. A reading that is behind reaches only the rules that see those, and
    one that is superseded none.
    """
    held_by = dict(state.rules)
    found: list[tuple[int, int, Outcome]] = []
    faults: list[RuleFault] = []
    everything = [one for one in enumerate(readings) if not one[1].superseded]
    ahead = [one for one in everything if not one[1].behind]
    configs = context.rules
    for order, rule in enumerate(table.RULES):
        code = rule.code
        held, config = held_by.get(code, _ASIDE), configs.get(code)
        if held is _ASIDE or config is None or not (config.enabled and rule.sees_records):
            continue
        shown = everything if rule.sees_behind else ahead
        if len(shown) == 1:  # a run that is logged live: most of what there is
            try:
                held_by[code], outcomes = rule.check(context, config.parameters, held, shown[0][1])
            except Exception as error:
                faults.append(fault_of(rule, error))
                continue
            if outcomes:
                found += [(shown[0][0], order, _with_severity(outcome, config)) for outcome in outcomes]
        elif shown:
            held_by[code], several, fault = _watch(context, rule, config, held, shown)
            found += [(place, order, _with_severity(outcome, config)) for place, outcome in several]
            if fault is not None:
                faults.append(fault)
    # In the order in which records came; at one record, in that of the table.
    found.sort(key=lambda one: one[:2])
    return Inspection(DetectorState(held_by), tuple(outcome for _, _, outcome in found), tuple(faults))


def conclude(context: RunContext, state: DetectorState) -> Inspection:
    """Say what the run's end reveals. The state after it is what a resume goes on from."""
    states = dict(state.rules)
    outcomes: list[Outcome] = []
    faults: list[RuleFault] = []
    for rule, config in running(context):
        if rule.conclude is not None and rule.code in states:
            try:
                states[rule.code], found = rule.conclude(context, config.parameters, states[rule.code])
            except Exception as error:
                faults.append(fault_of(rule, error))
            else:
                outcomes += [_with_severity(one, config) for one in found]
    return Inspection(DetectorState(states), tuple(outcomes), tuple(faults))


def lr_state(state: DetectorState, group: int = 0) -> TrackerState | None:
    """Return the comparison of a parameter group's LR so far; None without a schedule (or with its rule off), and for
    a further group that is not declared or was not reported.
    """
    held = state.rules.get(off_schedule.CODE)
    own = held.groups.get(group) if isinstance(held, off_schedule.State) else None
    return None if own is None else own.tracker


def explanation(context: RunContext, state: DetectorState, group: int = 0) -> Explanation | None:
    """Return the verdict on a parameter group's LR now, with causes. None: no schedule is declared (for it), or no such
    LR was reported.
    """
    tracker = lr_state(state, group)
    if context.schedule is None or tracker is None or tracker.points == 0:
        return None
    return conformance.conclude(context.schedule.of_group(group), tracker)


def adopt(
    context: RunContext, before: RunContext, state: DetectorState, faults: list[RuleFault] | None = None
) -> DetectorState:
    """Return `state` for a run whose declaration changed: where the change concerns a rule it begins anew, the others
    go on.
    """
    fresh = begin(context, faults)
    old, new = _fingerprints(before), _fingerprints(context)
    return DetectorState(
        {
            code: state.rules[code] if code in state.rules and old.get(code) == new[code] else held
            for code, held in fresh.rules.items()
        }
    )


def _watch(
    context: RunContext, rule: Rule[Any, Any], config: RuleConfig, state: Any, shown: Sequence[tuple[int, Reading]]
) -> tuple[Any, list[tuple[int, Outcome]], RuleFault | None]:
    """Show readings to one rule. Where it raises at one of them, it goes on with the next from the state before."""
    if rule.check_many is not None:
        try:
            state, several = rule.check_many(context, config.parameters, state, [reading for _, reading in shown])
            return state, [(shown[place][0], outcome) for place, outcome in several], None
        except Exception:
            _log.debug("rule %s raised on several records; now one by one", rule.code, exc_info=True)
    outcomes: list[tuple[int, Outcome]] = []
    fault: RuleFault | None = None
    for place, reading in shown:
        try:
            state, found = rule.check(context, config.parameters, state, reading)
        except Exception as error:
            fault = fault or fault_of(rule, error)
            continue
        if found:
            outcomes += [(place, outcome) for outcome in found]
    return state, outcomes, fault


def _with_severity(outcome: _T, config: RuleConfig) -> _T:
    if config.severity is not None and isinstance(outcome, Finding):
        return replace(outcome, severity=config.severity)
    return outcome


def _fingerprints(context: RunContext) -> dict[str, Any]:
    """What each rule's state depends on: its configuration, and the parts of the declaration that change what it has
    learned.
    """
    spec = context.spec
    depends: Mapping[str, Any] = {
        off_schedule.CODE: (spec.schedule, spec.steps_per_epoch),
        "EXP001": spec.expectations,
    }
    return {rule.code: (config, depends.get(rule.code)) for rule, config in running(context)}
