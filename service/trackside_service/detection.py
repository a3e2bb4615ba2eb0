"""Records and state to findings and new state: every rule of the table, each on its own. Pure.

A rule that raises is caught, logged with its code and returned as a fault; its state stays what it was, and the other
rules run. That holds for all that a rule does: one that cannot begin, or whose state cannot be written, stands aside
until its state version rises; one whose state cannot be read again is rebuilt. What has no result of its own to carry
faults takes a list that collects them.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Final, TypeVar

from trackside_service import conformance
from trackside_service.conformance import Explanation, TrackerState
from trackside_service.domain.cadence import Cadence
from trackside_service.domain.findings import Finding, Outcome
from trackside_service.domain.lives import Placement
from trackside_service.domain.metrics import canonical
from trackside_service.domain.reading import nearest, pointer_to
from trackside_service.domain.records import Record
from trackside_service.domain.runs import RuleSetting, RunSpec
from trackside_service.errors import Fault, InvalidInputError, ScheduleError
from trackside_service.rules import RULES, Ending, Reading, Rule, RuleConfig, RunContext, Silence, off_schedule, silent
from trackside_service.schedules import compile_schedule

_T = TypeVar("_T", bound=Outcome)
_log = logging.getLogger(__name__)
_VERSION: Final = 1
_NONE: Final[Mapping[str, RuleSetting]] = {}
# So many times its default is the most that a parameter may be, and this itself for those whose default is below 1.
_MOST_TIMES: Final = 1_000


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A rule that raised: its code, and the error's type and text."""

    code: str
    error: str


@dataclass(frozen=True, slots=True)
class DetectorState:
    """The state of every rule that runs on this run, by code; a rule without one stands aside."""

    rules: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What some readings brought: the state after them, the outcomes in their order, and the rules that raised."""

    state: DetectorState
    outcomes: tuple[Outcome, ...] = ()
    faults: tuple[RuleFault, ...] = ()


def configure(spec: RunSpec, project: Mapping[str, RuleSetting] = _NONE) -> RunContext:
    """Compile the declared schedule and resolve how each rule runs: the run's settings over those of its `project`.

    The project's were checked when they were set (`check_settings`); one that a later version does not know any more
    is left out, so that no run is refused for it. Raises `ScheduleError` (pointers under /schedule) and
    `InvalidInputError` (unknown rules or parameters, under /rules).
    """
    schedule = None
    if spec.schedule is not None:
        try:
            schedule = compile_schedule(spec.schedule, steps_per_epoch=spec.steps_per_epoch)
            if schedule.metric is not None:
                schedule = replace(schedule, metric=canonical(schedule.metric, spec.metric_names))
        except ScheduleError as error:
            faults = [Fault(f"/schedule{fault.pointer}", fault.message) for fault in error.faults]
            raise ScheduleError(error.detail, faults=faults or [Fault("/schedule", error.detail)]) from error
    _refuse_unused(spec)
    usable = {code: setting for code, setting in project.items() if not _faults_of({code: setting})}
    effective = {code: setting.over(usable.get(code)) for code, setting in spec.rules.items()}
    return RunContext(spec=spec, schedule=schedule, rules=check_settings({**usable, **effective}))


def _refuse_unused(spec: RunSpec) -> None:
    """Raise `InvalidInputError` where a run sets what its own heartbeat_s replaces."""
    setting = spec.rules.get(silent.CODE)
    if setting is None or spec.heartbeat_s is None:
        return
    unused = [name for name in ("factor", "floor_s") if name in setting.params]
    if unused:
        words = "heartbeat_s of the run is its limit, and this would not be used; give one of the two"
        faults = [Fault(f"/rules/{silent.CODE}/params/{name}", words) for name in unused]
        raise InvalidInputError(f"The rules cannot be set so: {faults[0].pointer}: {words}", faults=faults)


def check_settings(settings: Mapping[str, RuleSetting]) -> dict[str, RuleConfig]:
    """Return how every rule runs under `settings`. Raises `InvalidInputError` where one names no rule, or a parameter
    that its rule does not have or cannot take (pointers under /rules).
    """
    faults = _faults_of(settings)
    if faults:
        raise InvalidInputError(f"The rules cannot be set so: {faults[0].pointer}: {faults[0].message}", faults=faults)
    return {rule.code: _config(rule, settings.get(rule.code), faults) for rule in RULES}


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
    for rule, config in _running(context):
        try:
            states[rule.code] = rule.start(context, config.parameters)
        except Exception as error:
            _note(faults, rule, error)
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
    for rule, config in _running(context):
        try:
            found = judge(rule, config)
        except Exception as error:
            _note(faults, rule, error)
        else:
            findings += [_with_severity(one, config) for one in found]
    return tuple(findings)


def inspect(context: RunContext, state: DetectorState, readings: Sequence[Reading]) -> Inspection:
    """Show `readings` to the rules in their order. A reading that is behind reaches only the rules that see those, and
    one that is superseded none.
    """
    states = dict(state.rules)
    found: list[tuple[int, int, Outcome]] = []
    faults: list[RuleFault] = []
    everything = [one for one in enumerate(readings) if not one[1].superseded]
    ahead = [one for one in everything if not one[1].behind]
    for order, (rule, config) in enumerate(_running(context)):
        if rule.code in states and rule.sees_records:
            shown = everything if rule.sees_behind else ahead
            states[rule.code], outcomes, fault = _watch(context, rule, config, states[rule.code], shown)
            if outcomes:
                found += [(place, order, _with_severity(outcome, config)) for place, outcome in outcomes]
            if fault is not None:
                faults.append(fault)
    # In the order in which records came; at one record, in that of the table.
    found.sort(key=lambda one: one[:2])
    return Inspection(DetectorState(states), tuple(outcome for _, _, outcome in found), tuple(faults))


def conclude(context: RunContext, state: DetectorState) -> Inspection:
    """Say what the run's end reveals. The state after it is what a resume goes on from."""
    states = dict(state.rules)
    outcomes: list[Outcome] = []
    faults: list[RuleFault] = []
    for rule, config in _running(context):
        if rule.conclude is not None and rule.code in states:
            try:
                states[rule.code], found = rule.conclude(context, config.parameters, states[rule.code])
            except Exception as error:
                faults.append(_fault(rule, error))
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


def dump(state: DetectorState, faults: list[RuleFault] | None = None) -> bytes:
    """Return the state as versioned bytes, a few kilobytes. A rule that stands aside has its version and no more.

    Several rules hold windows of the same metrics, each on its own so that each can be rebuilt by itself: compressed,
    they are stored about once, at a fifteenth of what writing the text costs.
    """
    rules: dict[str, str] = {}
    for rule in RULES:
        held = [rule.state_version]
        if rule.code in state.rules:
            try:
                rules[rule.code] = _json([*held, rule.dump(state.rules[rule.code])])
                continue
            except Exception as error:
                _note(faults, rule, error)
        rules[rule.code] = _json(held)
    body = ",".join(f"{_json(code)}:{text}" for code, text in rules.items())
    return zlib.compress(f'{{"version":{_VERSION},"rules":{{{body}}}}}'.encode(), level=1)


def load(context: RunContext, data: bytes, faults: list[RuleFault] | None = None) -> DetectorState | None:
    """Undo `dump`. None where another version wrote it, or for another set of rules, or where a rule cannot read what
    it wrote: rebuild it from the stored points.
    """
    state, missing = load_some(context, data, faults)
    return None if missing else state


def load_some(
    context: RunContext, data: bytes, faults: list[RuleFault] | None = None
) -> tuple[DetectorState, frozenset[str]]:
    """Undo `dump` for the rules whose state can be read, and name the others that run: theirs is to be rebuilt."""
    try:
        body = json.loads(zlib.decompress(data))
        stored: Mapping[str, Any] = body["rules"] if body["version"] == _VERSION else {}
    except (ValueError, LookupError, TypeError, zlib.error):
        stored = {}
    states: dict[str, Any] = {}
    missing: set[str] = set()
    for rule, _ in _running(context):
        try:
            version, *held = stored[rule.code]
        except (ValueError, LookupError, TypeError):
            version, held = None, []
        if version != rule.state_version:
            missing.add(rule.code)
        elif held:
            try:
                states[rule.code] = rule.load(held[0])
            except Exception as error:
                _note(faults, rule, error)
                missing.add(rule.code)
    return DetectorState(states), frozenset(missing)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _running(context: RunContext) -> list[tuple[Rule[Any, Any], RuleConfig]]:
    return [(rule, config) for rule in RULES if (config := context.rules.get(rule.code)) is not None and config.enabled]


def _watch(
    context: RunContext, rule: Rule[Any, Any], config: RuleConfig, state: Any, shown: Sequence[tuple[int, Reading]]
) -> tuple[Any, list[tuple[int, Outcome]], RuleFault | None]:
    """Show readings to one rule. Where it raises at one of them, it goes on with the next from the state before."""
    if rule.check_many is not None and len(shown) > 1:
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
            fault = fault or _fault(rule, error)
            continue
        if found:
            outcomes += [(place, outcome) for outcome in found]
    return state, outcomes, fault


def _with_severity(outcome: _T, config: RuleConfig) -> _T:
    if config.severity is not None and isinstance(outcome, Finding):
        return replace(outcome, severity=config.severity)
    return outcome


def _fault(rule: Rule[Any, Any], error: Exception) -> RuleFault:
    _log.exception("rule %s raised; the other rules go on", rule.code)
    return RuleFault(rule.code, f"{type(error).__name__}: {error}")


def _note(faults: list[RuleFault] | None, rule: Rule[Any, Any], error: Exception) -> None:
    fault = _fault(rule, error)
    if faults is not None:
        faults.append(fault)


def _faults_of(settings: Mapping[str, RuleSetting]) -> list[Fault]:
    faults: list[Fault] = []
    known = {rule.code: rule for rule in RULES}
    for code, setting in settings.items():
        if code in known:
            _config(known[code], setting, faults)
        else:
            faults.append(Fault(f"/rules/{pointer_to(code)}", f"no such rule; {nearest(code.upper(), tuple(known))}"))
    return faults


def _config(rule: Rule[Any, Any], setting: RuleSetting | None, faults: list[Fault]) -> RuleConfig:
    if setting is None:
        return RuleConfig(rule.parameters())
    return RuleConfig(_parameters(rule, setting, faults), enabled=setting.enabled, severity=setting.severity)


def _parameters(rule: Rule[Any, Any], setting: RuleSetting, faults: list[Fault]) -> Any:
    pointer = f"/rules/{rule.code}/params"
    defaults = {one.name: one.default for one in fields(rule.parameters) if one.default is not MISSING}
    values: dict[str, Any] = {}
    before = len(faults)
    for name, value in setting.params.items():
        where = f"{pointer}/{pointer_to(name)}"
        if name not in defaults:
            hint = nearest(name, tuple(defaults)) if defaults else "the rule has none"
            faults.append(Fault(where, f"no such parameter; {hint}"))
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            faults.append(Fault(where, "a number is wanted"))
        elif isinstance(defaults[name], int) and not isinstance(value, int):
            faults.append(Fault(where, "a whole number is wanted"))
        elif value > _most(defaults[name]):
            words = (
                f"at most {_most(defaults[name]):g}: beyond it the rule could not speak; set enabled to false for that"
            )
            faults.append(Fault(where, words))
        else:
            values[name] = value
    if len(faults) == before:
        try:
            return rule.parameters(**values)
        except ValueError as error:
            faults.append(Fault(pointer, str(error)))
    return rule.parameters()


def _most(default: float) -> float:
    """The most that a parameter may be: a patience of a million, or a factor of a billion, is a rule that is off and
    looks as if it watched.
    """
    return max(_MOST_TIMES, _MOST_TIMES * default)


def _fingerprints(context: RunContext) -> dict[str, Any]:
    """What each rule's state depends on: its configuration, and the parts of the declaration that change what it has
    learned.
    """
    spec = context.spec
    depends: Mapping[str, Any] = {
        off_schedule.CODE: (spec.schedule, spec.steps_per_epoch),
        "EXP001": spec.expectations,
    }
    return {rule.code: (config, depends.get(rule.code)) for rule, config in _running(context)}
