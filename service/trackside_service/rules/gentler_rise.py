"""Which change of a declaration makes a rise gentler: a longer warm-up, or a start nearer to the peak. Each is tried
on the declaration itself, so that what is advised does what it is advised for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trackside_service.errors import ScheduleError
from trackside_service.rules.plan_sources import Node, Path, nodes
from trackside_service.schedules import CompiledSchedule, compile_schedule

# By framework and class: what says how long the rise is, and where it begins. A name with a default of the class's own
# is also meant where it is left out.
_LENGTHS: Final[Mapping[tuple[str, str], tuple[str, float | None]]] = {
    ("torch", "LinearLR"): ("total_iters", 5),
    ("torch", "CyclicLR"): ("step_size_up", 2000),
    ("paddle", "LinearWarmup"): ("warmup_steps", None),
    ("paddle", "LinearLR"): ("total_steps", None),
    ("paddle", "CyclicLR"): ("step_size_up", None),
    ("paddle", "NoamDecay"): ("warmup_steps", None),
    ("transformers", "get_scheduler"): ("num_warmup_steps", None),
    ("keras", "CosineDecay"): ("warmup_steps", None),
    ("kind", "ramp"): ("over", None),
    ("kind", "cyclic"): ("up", None),
}
_SHARES: Final[Mapping[tuple[str, str], tuple[str, float]]] = {
    ("torch", "OneCycleLR"): ("pct_start", 0.3),
    ("paddle", "OneCycleLR"): ("phase_pct", 0.3),
}
_STARTS: Final[Mapping[tuple[str, str], tuple[str, float | None]]] = {
    ("torch", "LinearLR"): ("start_factor", 1 / 3),
    ("torch", "ConstantLR"): ("factor", 1 / 3),
    ("torch", "CyclicLR"): ("base_lr", None),
    ("paddle", "LinearWarmup"): ("start_lr", None),
    ("paddle", "LinearLR"): ("start_factor", 1 / 3),
    ("paddle", "CyclicLR"): ("base_learning_rate", None),
    ("keras", "CosineDecay"): ("initial_learning_rate", None),
    ("kind", "ramp"): ("from", None),
    ("kind", "cyclic"): ("min", None),
    ("kind", "constant"): ("lr", None),
}
_DIVISORS: Final[Mapping[tuple[str, str], tuple[str, float]]] = {
    ("torch", "OneCycleLR"): ("div_factor", 25.0),
    ("paddle", "OneCycleLR"): ("divide_factor", 25.0),
}
_TICKS: Final = (5, 10, 20, 50, 100, 500)
_PCT: Final = (0.3, 0.4, 0.5)
_MOST_TRIED: Final = 8  # each is compiled and looked at, tick by tick
_TO: Final = (1 / 5, 1 / 2)  # of the LR that the jump lands on


@dataclass(frozen=True, slots=True)
class Change:
    """Parameters to change together, by their paths in the declaration, and the words for it."""

    edits: Mapping[Path, float]
    words: str


def longer(source: Mapping[str, Any], clears: Callable[[CompiledSchedule], bool]) -> Change | None:
    """Return the least lengthening of the rise with which the schedule `clears`; None where none is known."""
    return _first(source, clears, (_lengthened(node) for node in nodes(source)))


def nearer(
    source: Mapping[str, Any], before: float, after: float, clears: Callable[[CompiledSchedule], bool]
) -> Change | None:
    """Return the raise of the LR that a jump from `before` to `after` starts from, with which the schedule `clears`."""
    return _first(source, clears, (_raised(node, before, after) for node in nodes(source)))


def pointer(path: Path) -> str:
    """Return a path as a JSON pointer."""
    return "".join(f"/{part}" for part in path)


def _first(
    source: Mapping[str, Any], clears: Callable[[CompiledSchedule], bool], tried: Iterator[Iterator[Change]]
) -> Change | None:
    for change in itertools.islice(itertools.chain.from_iterable(tried), _MOST_TRIED):
        try:
            if clears(compile_schedule(_edited(source, change.edits))):
                return change
        except ScheduleError:
            continue
    return None


def _lengthened(node: Node) -> Iterator[Change]:
    framework = node.key[0]
    name, default = ("warmup_t", None) if framework == "timm" else _LENGTHS.get(node.key, ("", None))
    value = node.value(name, default)
    if value is not None and name:
        for ticks in _TICKS:
            if ticks <= value:
                continue
            edits, words = {(*node.path, name): ticks}, node.setting(name, value, ticks)
            if node.milestone is not None and node.milestone[1] < ticks:
                where, mark = node.milestone
                edits[where] = ticks
                words += f" and the milestone {mark:.6g} after it to {ticks}"
            yield Change(edits, words)
    share_name, share_default = _SHARES.get(node.key, ("", 0.0))
    share = node.value(share_name, share_default)
    if share is not None and share_name:
        for pct in _PCT:
            if pct > share:
                yield Change({(*node.path, share_name): pct}, node.setting(share_name, share, pct))


def _raised(node: Node, before: float, after: float) -> Iterator[Change]:
    name, default = ("warmup_lr_init", 0.0) if node.key[0] == "timm" else _STARTS.get(node.key, ("", None))
    value = node.value(name, default)
    if value is not None and name:
        for part in _TO:
            # What multiplies the LR is raised with it; from 0 only an LR can be.
            to = value * part * after / before if value > 0 and before > 0 else part * after
            if to > value:
                rounded = _rounded(to)
                yield Change({(*node.path, name): rounded}, node.setting(name, value, rounded))
    name, start = _DIVISORS.get(node.key, ("", 0.0))
    value = node.value(name, start)
    if value is not None and name and before > 0:
        for part in _TO:
            to = _rounded(value * before / (part * after))
            if to < value:
                yield Change({(*node.path, name): to}, node.setting(name, value, to))


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")


def _edited(source: Any, edits: Mapping[Path, float]) -> Any:
    """Return the declaration with other values at some paths; what is not touched is shared."""
    if () in edits:
        return edits[()]
    inside: dict[str | int, dict[Path, float]] = {}
    for path, value in edits.items():
        inside.setdefault(path[0], {})[path[1:]] = value
    if isinstance(source, Mapping):
        return {**source, **{key: _edited(source.get(str(key)), own) for key, own in inside.items()}}
    return [_edited(each, inside[place]) if place in inside else each for place, each in enumerate(source)]
