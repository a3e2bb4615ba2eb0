"""Declarations to compiled schedules: the wire's S, in a framework's own words or as a canonical kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

from trackside_service.schedules.compiled import CompiledSchedule, Reporting
from trackside_service.schedules.curve import Curve
from trackside_service.schedules.frameworks import FRAMEWORKS
from trackside_service.schedules.frameworks.constructor import Built, ClassSpec, FrameworkSpec, Site
from trackside_service.schedules.frameworks.strangers import OF_TRANSFORMERS, STRANGERS, TABLE
from trackside_service.schedules.kinds import KINDS
from trackside_service.schedules.params import (
    MAX_DEPTH,
    MAX_GROUPS,
    MAX_SCHEDULERS,
    MAX_TABLE,
    Faults,
    Param,
    brief,
    escape,
    hint,
    like,
    number,
    read,
    refuse,
)

_BESIDE = ("unit", "steps_per_epoch", "reporting", "metric")
_MOST_NAME = 200
_FORM = ("framework", "class", "params", "base_lr", *_BESIDE)
_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(_FORM, "it stands beside params, not in it"),
    **dict.fromkeys(("lr", "initial_lr", "base_lrs"), "the optimizer's lr is base_lr, beside params"),
    "optimizer": "the optimizer is not declared, only its lr (base_lr, beside params): leave it out",
    "verbose": "it only prints, and today's class has none: leave it out",
}
_BASE_LR = Param("base_lr", "number", "the optimizer's LR", minimum=0.0)
_REPORTING = (
    Param("when", "choice", "", default=None, choices=("in_use", "after_step"), nullable=True),
    Param("at", "choice", "", default=None, choices=("start", "end"), nullable=True),
    Param("step_base", "integer", "", default=None, minimum=0, maximum=1, nullable=True),
    Param("epoch_base", "integer", "", default=None, minimum=0, maximum=1, nullable=True),
    Param("exact", "boolean", "", default=None, nullable=True),
)
_STEPS_PER_EPOCH = Param("steps_per_epoch", "integer", "", default=None, minimum=1, nullable=True)


_PLAIN: Final = frozenset({float, int, str, bool, type(None)})


def compile_schedule(declaration: Mapping[str, Any], *, steps_per_epoch: int | None = None) -> CompiledSchedule:
    """Return the schedule that `declaration` (the wire's S) describes.

    `steps_per_epoch` is the run's own; where both name it, they agree. Raises `ScheduleError`, whose faults carry JSON
    pointers relative to the declaration, for everything that the real constructor refuses or that is not known here.
    """
    compiled = _compile(declaration, steps_per_epoch)
    if compiled.metric is not None and not compiled.metric_driven:
        raise refuse("/metric", "no metric drives this schedule: leave metric out")
    return compiled


def schedulers(declaration: Any, depth: int = 0) -> int:
    """Count the schedulers (or kinds) that a declaration is made of, nested ones and itself."""
    if depth > 4 * MAX_DEPTH:  # deeper than any that is accepted
        return 0
    if isinstance(declaration, Mapping):
        # Most values are numbers and words, and to ask them for Mapping is what costs here.
        inner = [
            value for value in declaration.values() if type(value) not in _PLAIN and isinstance(value, (Mapping, list))
        ]
        return sum(schedulers(value, depth + 1) for value in inner) + ("class" in declaration or "kind" in declaration)
    if isinstance(declaration, list) and len(declaration) <= MAX_TABLE:
        return sum(
            schedulers(item, depth + 1)
            for item in declaration
            if type(item) not in _PLAIN and isinstance(item, (Mapping, list))
        )
    return 0


def _compile(declaration: Mapping[str, Any], steps_per_epoch: int | None) -> CompiledSchedule:
    if not isinstance(declaration, Mapping):
        raise refuse("", f"a schedule is an object, not {brief(declaration)}")
    if schedulers(declaration) > MAX_SCHEDULERS:
        where = "/params" if "class" in declaration else ""
        raise refuse(where, f"at most {MAX_SCHEDULERS} schedulers in one schedule")
    beside = {name: declaration[name] for name in _BESIDE if name in declaration}
    reporting = _reporting(beside.get("reporting"))
    per_epoch = _steps_per_epoch(beside, steps_per_epoch)
    if "kind" in declaration:
        if "framework" in declaration or "class" in declaration:
            raise refuse("/kind", "a schedule is declared by framework and class, or by kind: not by both")
        body = {name: value for name, value in declaration.items() if name not in _BESIDE}
        curve = _kind(body, "", 1)
        spec = next(kind for kind in KINDS if kind.kind == declaration["kind"])
        return CompiledSchedule(
            unit=_unit(beside, needed=spec.needs_unit),
            steps_per_epoch=per_epoch,
            reporting=reporting,
            framework=None,
            name=spec.kind,
            source=declaration,
            groups=(curve,),
            base_lrs=None,
            metric=_metric(beside.get("metric")),
        )
    framework = _framework(declaration)
    for name in declaration:
        if name not in _FORM:
            raise refuse(
                f"/{escape(name)}",
                f"a schedule has no such field; {hint(str(name), _FORM)}",
            )
    base_lrs = _base_lrs(declaration.get("base_lr"))
    built, called = _construct(framework, declaration, "", base_lrs, 1)
    source = declaration
    if called.restated is not None:
        source = {**declaration, **called.restated(declaration.get("params", {}))}
    unit = _unit(beside, needed=True)
    if per_epoch is None and unit == "step":
        per_epoch = built.steps_per_epoch
    return CompiledSchedule(
        unit=unit,
        steps_per_epoch=per_epoch,
        reporting=reporting,
        framework=framework.framework,
        name=source["class"],
        source=source,
        groups=built.groups,
        base_lrs=base_lrs,
        total=built.total,
        refused_after=built.refused_after,
        refusal=built.refusal,
        metric=_metric(beside.get("metric")),
    )


def _kind(declaration: Any, pointer: str, depth: int) -> Curve:
    if depth > MAX_DEPTH:
        raise refuse(pointer, f"schedules are nested at most {MAX_DEPTH} deep")
    if not isinstance(declaration, Mapping):
        raise refuse(pointer, f"a schedule is an object, not {brief(declaration)}")
    name = declaration.get("kind")
    spec = next((kind for kind in KINDS if kind.kind == name), None)
    if spec is None:
        known = ", ".join(kind.kind for kind in KINDS)
        raise refuse(f"{pointer}/kind", f"this kind is not known; known are {known}")
    params = {key: value for key, value in declaration.items() if key != "kind"}
    values = read(params, spec.params, owner=f"kind {spec.kind!r}", pointer=pointer)
    return spec.build(values, pointer, lambda inner, place: _kind(inner, place, depth + 1))


def _construct(
    framework: FrameworkSpec,
    declaration: Mapping[str, Any],
    pointer: str,
    base_lrs: tuple[float, ...] | None,
    depth: int,
) -> tuple[Built, ClassSpec]:
    if depth > MAX_DEPTH:
        raise refuse(pointer, f"schedulers are nested at most {MAX_DEPTH} deep")
    spec = _class(framework, declaration.get("class"), pointer)
    params = declaration.get("params", {})
    if not isinstance(params, Mapping):
        raise refuse(f"{pointer}/params", f"params is an object, not {brief(params)}")
    values = read(
        params, spec.params, owner=spec.name, pointer=f"{pointer}/params", elsewhere={**_ELSEWHERE, **spec.elsewhere}
    )
    if spec.needs_base_lr and base_lrs is None:
        raise refuse(
            "/base_lr",
            f"base_lr is missing: {spec.name} multiplies the optimizer's lr, one number or one a parameter group",
        )

    def nest(inner: Any, place: str) -> Built:
        if not isinstance(inner, Mapping):
            raise refuse(place, f"a scheduler is an object with class and params, not {brief(inner)}")
        for name in inner:
            if name not in ("framework", "class", "params"):
                raise refuse(f"{place}/{escape(name)}", "a nested scheduler has class and params, no other field")
        if inner.get("framework", framework.framework) != framework.framework:
            raise refuse(
                f"{place}/framework", f"a scheduler inside {framework.framework}'s is {framework.framework}'s too"
            )
        return _construct(framework, inner, place, base_lrs, depth + 1)[0]

    return spec.build(values, Site(pointer, base_lrs, nest)), spec


def _framework(declaration: Mapping[str, Any]) -> FrameworkSpec:
    name = declaration.get("framework")
    known = ", ".join(spec.framework for spec in FRAMEWORKS)
    if name is None:
        kinds = ", ".join(kind.kind for kind in KINDS)
        raise refuse("/framework", f"a schedule names its framework ({known}) and class, or is of a kind ({kinds})")
    for spec in FRAMEWORKS:
        if spec.framework == name:
            return spec
    raise refuse("/framework", f"this framework is not known; known are {known}")


def _class(framework: FrameworkSpec, name: Any, pointer: str) -> ClassSpec:
    names = [spec.name for spec in framework.classes]
    for spec in framework.classes:
        if spec.name == name:
            return spec
    known = ", ".join(names)
    if not isinstance(name, str):
        raise refuse(f"{pointer}/class", f"class names one of {framework.framework}'s schedulers: {known}")
    known_as = STRANGERS.get(name) or (OF_TRANSFORMERS.get(name) if framework.framework == "transformers" else None)
    if known_as is not None:
        raise refuse(f"{pointer}/class", f"this class is not {framework.framework}'s; {known_as}")
    for other in FRAMEWORKS:
        if other is not framework and any(spec.name == name for spec in other.classes):
            raise refuse(f"{pointer}/class", f"{name} is {other.framework}'s; {framework.framework} has {known}")
    close = like(name, names)
    likely = "" if close is None else f"the nearest is {close!r}; "
    raise refuse(
        f"{pointer}/class",
        f"this class is not known for {framework.framework}; {likely}known are {known}; {TABLE}",
    )


def _unit(beside: Mapping[str, Any], *, needed: bool) -> Literal["step", "epoch"]:
    unit = beside.get("unit")
    if unit is None and not needed:
        return "step"
    if unit not in ("step", "epoch"):
        raise refuse("/unit", 'unit says what one scheduler.step() is: "step" (an optimizer update) or "epoch"')
    return cast('Literal["step", "epoch"]', unit)


def _metric(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= _MOST_NAME or not value.isprintable():
        raise refuse("/metric", "metric names what the scheduler is given, such as val_loss: 1 to 200 characters")
    return value


def _reporting(value: Any) -> Reporting:
    if value is None:
        return Reporting()
    if not isinstance(value, Mapping):
        raise refuse("/reporting", f"reporting is an object, not {brief(value)}")
    return Reporting(**read(value, _REPORTING, owner="reporting", pointer="/reporting"))


def _steps_per_epoch(beside: Mapping[str, Any], of_run: int | None) -> int | None:
    given = {"steps_per_epoch": beside["steps_per_epoch"]} if "steps_per_epoch" in beside else {}
    own = read(given, (_STEPS_PER_EPOCH,), owner="a schedule", pointer="")["steps_per_epoch"]
    if own is not None and of_run is not None and own != of_run:
        raise refuse(
            "/steps_per_epoch", f"the schedule says {own} steps an epoch, the run says {of_run}: they must agree"
        )
    return cast("int | None", own if own is not None else of_run)


def _base_lrs(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    listed = value if isinstance(value, (list, tuple)) else [value]
    if not 1 <= len(listed) <= MAX_GROUPS:
        raise refuse("/base_lr", f"base_lr has one value a parameter group: 1 to {MAX_GROUPS}")
    faults = Faults()
    rates = [
        number(item, _BASE_LR, f"/base_lr/{index}" if listed is value else "/base_lr", faults)
        for index, item in enumerate(listed)
    ]
    faults.settle()
    return tuple(rate for rate in rates if rate is not None)
