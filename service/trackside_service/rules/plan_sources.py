"""What a declaration is made of: its schedulers one by one, with their parameters in the user's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A scheduler in a declaration: where its parameters lie, and (framework or "kind", class).

    `milestone`: the path and the value of the milestone that ends it, where one does.
    """

    path: Path
    key: tuple[str, str]
    params: Mapping[str, Any]
    milestone: tuple[Path, float] | None = None

    def value(self, name: str, default: float | None) -> float | None:
        """Return a parameter that is a number, `default` where it is left out; None where it is none."""
        given = self.params.get(name, default)
        return float(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else None

    def setting(self, name: str, value: float, to: float) -> str:
        """Say a change: "LinearLR's total_iters 1 to 5"."""
        return f"{self.key[1]}'s {name} {value:.6g} to {to:.6g}"


def nodes(source: Mapping[str, Any]) -> Iterator[Node]:
    """Yield every scheduler of a declaration that was accepted, outer ones first, members in order."""
    if "kind" in source:
        yield from _of_kind(source, (), None)
    else:
        yield from _of_class(str(source.get("framework")), source, (), None)


def _of_class(
    framework: str, source: Mapping[str, Any], path: Path, milestone: tuple[Path, float] | None
) -> Iterator[Node]:
    params = source.get("params")
    if not isinstance(params, Mapping):
        return
    here = (*path, "params")
    yield Node(here, (framework, str(source.get("class"))), params, milestone)
    marks = params.get("milestones")
    for place, inner in enumerate(params.get("schedulers") or ()):
        cut = milestone
        if isinstance(marks, list) and place < len(marks):
            cut = ((*here, "milestones", place), float(marks[place]))
        yield from _of_class(framework, inner, (*here, "schedulers", place), cut)
    inner = params.get("learning_rate")
    if isinstance(inner, Mapping):
        yield from _of_class(framework, inner, (*here, "learning_rate"), None)


def _of_kind(source: Mapping[str, Any], path: Path, milestone: tuple[Path, float] | None) -> Iterator[Node]:
    yield Node(path, ("kind", str(source.get("kind"))), source, milestone)
    for place, phase in enumerate(source.get("phases") or ()):
        until = phase.get("until")
        here = (*path, "phases", place)
        cut = None if until is None else ((*here, "until"), float(until))
        yield from _of_kind(phase["schedule"], (*here, "schedule"), cut)
    for place, factor in enumerate(source.get("factors") or ()):
        yield from _of_kind(factor, (*path, "factors", place), None)
