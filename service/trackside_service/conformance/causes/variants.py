"""The declared schedule with one thing changed: other rates, another value of a parameter.

Everything is rebuilt from the declaration, so that a changed schedule is exactly what the real constructor makes of
the changed parameters. What it refuses is no variant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trackside_service.errors import ScheduleError
from trackside_service.schedules.compiled import CompiledSchedule
from trackside_service.schedules.compiler import compile_schedule

Path = tuple[str | int, ...]

_RATES: Final = frozenset(
    [
        "base_lr",
        "learning_rate",
        "max_lr",
        "base_learning_rate",
        "max_learning_rate",
        "end_lr",
        "initial_learning_rate",
        "warmup_target",
        "values",
        "lr",
    ]
)
"""Parameters that are the rate itself; eta_min, start_lr, lr_min, end_learning_rate and their like are floors."""
_STARTS: Final = frozenset({"start_lr", "warmup_lr_init", "warmup_lr"})
"""Where warm-ups start."""
_LISTED: Final = 16
"""Entries of a list that are parameters by themselves."""
_LONG: Final = 64
"""Entries of a list that are looked at one by one."""
_FLOORS_IN: Final = frozenset({("paddle", "PolynomialDecay", "end_lr")})


def read(node: Any, path: Path) -> Any:
    """Return what lies at `path`."""
    for part in path:
        node = node[part]
    return node


def edited(source: Any, changes: Mapping[Path, Any]) -> Any:
    """Return a copy of the declaration with the values at those paths replaced."""
    if () in changes:
        return changes[()]
    here: dict[str | int, dict[Path, Any]] = {}
    for path, value in changes.items():
        here.setdefault(path[0], {})[path[1:]] = value
    if isinstance(source, Mapping):
        copy: Any = dict(source)
    else:
        copy = list(source)
    for part, inner in here.items():
        old = copy.get(part) if isinstance(copy, dict) else copy[part]
        copy[part] = edited(old if old is not None else {}, inner)
    return copy


def rebuilt(schedule: CompiledSchedule, declaration: Mapping[str, Any] | None) -> CompiledSchedule | None:
    """Return the schedule of a changed declaration, None where the real constructor refuses it."""
    if declaration is None:
        return None
    if "steps_per_epoch" not in declaration and schedule.steps_per_epoch is not None:
        declaration = {**declaration, "steps_per_epoch": schedule.steps_per_epoch}
    try:
        return compile_schedule(declaration).of_group(schedule.first)
    except (ScheduleError, ArithmeticError, IndexError):
        return None


def class_of(schedule: CompiledSchedule, path: Path = ()) -> tuple[str, str]:
    """Return framework and class of the scheduler declared at `path`; "" where it is a canonical kind."""
    node = read(schedule.source, path)
    return schedule.framework or "", str(node.get("class", "")) if isinstance(node, Mapping) else ""


def rate_paths(schedule: CompiledSchedule, names: frozenset[str] = _RATES) -> dict[Path, Any]:
    """Return the paths of what is a rate (and no floor) in the declaration, with their values."""
    found: dict[Path, Any] = {}

    def walk(node: Any, path: Path, owner: str) -> None:
        if isinstance(node, Mapping):
            inner = str(node["class"]) if isinstance(node.get("class"), str) else owner
            for key, value in node.items():
                walk(value, (*path, key), inner)
        elif isinstance(node, Sequence) and not isinstance(node, str):
            if len(node) > _LONG:  # a table's values: one rate
                if path[-1] in names:
                    found[path] = node
                return
            for place, value in enumerate(node):
                walk(value, (*path, place), owner)
        elif isinstance(node, (int, float)) and not isinstance(node, bool):
            name = next(str(part) for part in reversed(path) if isinstance(part, str))
            if name in names and (schedule.framework, owner, name) not in _FLOORS_IN:
                found[path] = node

    walk(schedule.source, (), "")
    return found


def scaled(schedule: CompiledSchedule, factor: float, *, starts: bool = False) -> CompiledSchedule | None:
    """Return the schedule with every rate times `factor`, a warm-up's start too where asked, and floors as declared."""
    rates = rate_paths(schedule, _RATES | _STARTS if starts else _RATES)
    changes = {
        path: [each * factor for each in rate] if isinstance(rate, Sequence) else rate * factor
        for path, rate in rates.items()
    }
    return rebuilt(schedule, edited(schedule.source, changes))


def has_starts(schedule: CompiledSchedule) -> bool:
    """Say whether the declaration names where a warm-up starts."""
    return bool(rate_paths(schedule, _STARTS))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A numeric parameter of the declaration."""

    path: Path
    name: str
    value: float
    integer: bool


_LENGTHS: Final = frozenset(
    [
        "T_max",
        "T_0",
        "T_mult",
        "step_size",
        "total_iters",
        "total_steps",
        "decay_steps",
        "step_size_up",
        "step_size_down",
        "num_warmup_steps",
        "num_training_steps",
        "warmup_steps",
        "warmup_t",
        "t_initial",
        "decay_t",
        "first_decay_steps",
        "num_decay_steps",
        "num_stable_steps",
        "timescale",
        "epochs",
        "patience",
        "d_model",
        "t0",
    ]
)
_IGNORED: Final = frozenset(
    [
        "base_momentum",
        "max_momentum",
        "last_epoch",
        "steps_per_epoch",
        "verbose",
        "step_base",
        "epoch_base",
        "exact",
        "noise_seed",
    ]
)
_DEFAULTS: Final[Mapping[tuple[str, str], Mapping[str, float]]] = {
    ("torch", "StepLR"): {"gamma": 0.1},
    ("torch", "MultiStepLR"): {"gamma": 0.1},
    ("torch", "PolynomialLR"): {"power": 1.0, "total_iters": 5},
    ("torch", "CosineAnnealingLR"): {"eta_min": 0.0},
    ("torch", "CosineAnnealingWarmRestarts"): {"T_mult": 1, "eta_min": 0.0},
    ("torch", "LinearLR"): {"start_factor": 1 / 3, "end_factor": 1.0, "total_iters": 5},
    ("torch", "OneCycleLR"): {"pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4},
    ("paddle", "StepDecay"): {"gamma": 0.1},
    ("paddle", "MultiStepDecay"): {"gamma": 0.1},
    ("paddle", "CosineAnnealingDecay"): {"eta_min": 0.0},
    ("paddle", "OneCycleLR"): {"phase_pct": 0.3, "divide_factor": 25.0, "end_learning_rate": 1e-4},
    ("paddle", "PolynomialDecay"): {"end_lr": 1e-4, "power": 1.0},
}


def parameters_of(schedule: CompiledSchedule) -> list[Parameter]:
    """Return the numeric parameters, those at their defaults too, without rates (`rate_paths`): but for the levels of a
    schedule of steps, of which one may be another.
    """
    found: list[Parameter] = []
    rates = {path for path in rate_paths(schedule) if path[-2:-1] != ("values",)}

    def walk(node: Any, path: Path) -> None:
        if isinstance(node, Mapping):
            defaults = _DEFAULTS.get((schedule.framework or "", str(node.get("class", ""))), {})
            for name, value in defaults.items():
                if name not in node.get("params", {}):
                    found.append(Parameter((*path, "params", name), name, float(value), name in _LENGTHS))
            for key, value in node.items():
                if key not in ("reporting", "unit", "steps_per_epoch"):
                    walk(value, (*path, key))
        elif isinstance(node, Sequence) and not isinstance(node, str):
            if len(node) <= _LISTED:
                for place, value in enumerate(node):
                    walk(value, (*path, place))
        elif isinstance(node, (int, float)) and not isinstance(node, bool) and path not in rates:
            name = next(str(part) for part in reversed(path) if isinstance(part, str))
            if name not in _IGNORED:
                whole = name in _LENGTHS or name in ("milestones", "boundaries")
                found.append(Parameter(path, name, float(node), whole))

    walk(schedule.source, ())
    return found


def with_parameter(schedule: CompiledSchedule, parameter: Parameter, value: float) -> CompiledSchedule | None:
    """Return the schedule with one parameter changed, None where it is refused."""
    given = round(value) if parameter.integer else float(value)
    return rebuilt(schedule, edited(schedule.source, {parameter.path: given}))
