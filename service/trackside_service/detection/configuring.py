"""How each rule runs on a run: what the run and its project set, checked, and the declared schedule, compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from typing import Any, Final

from trackside_service.detection import states as table
from trackside_service.domain.metrics import canonical
from trackside_service.domain.reading import nearest, pointer_to
from trackside_service.domain.runs import RuleSetting, RunSpec
from trackside_service.errors import Fault, InvalidInputError, ScheduleError
from trackside_service.rules import Rule, RuleConfig, RunContext, silent
from trackside_service.schedules import compile_schedule

_NONE: Final[Mapping[str, RuleSetting]] = {}
# So many times its default is the most that a parameter may be, and this itself for those whose default is below 1.
_MOST_TIMES: Final = 1_000


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
    return {rule.code: _config(rule, settings.get(rule.code), faults) for rule in table.RULES}


def _faults_of(settings: Mapping[str, RuleSetting]) -> list[Fault]:
    faults: list[Fault] = []
    known = {rule.code: rule for rule in table.RULES}
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
