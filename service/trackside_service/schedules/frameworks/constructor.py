"""What every framework's table is made of: a class, its parameters, and how they become canonical kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from trackside_service.schedules.curve import Curve
from trackside_service.schedules.params import Param, refuse


@dataclass(frozen=True, slots=True)
class Built:
    """What a constructor makes: one curve a group, and what it says about the run.

    `total`: ticks configured; `refused_after`: the last tick that the real class takes (`refusal` says what it
    raises then); `steps_per_epoch`: where the constructor itself names it; `part`: what a library's nesting classes
    need to know about a member beyond its curves (its own files say).
    """

    groups: tuple[Curve, ...]
    total: float | None = None
    refused_after: int | None = None
    refusal: str = ""
    steps_per_epoch: int | None = None
    part: object | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """Where a constructor is called: `pointer` to its declaration, the optimizer's base LRs (None: not given),
    and `nest` for schedulers inside it.
    """

    pointer: str
    base_lrs: tuple[float, ...] | None
    nest: Callable[[Any, str], Built]

    @property
    def bases(self) -> tuple[float, ...]:
        """The base LRs of a class whose spec says `needs_base_lr`."""
        if self.base_lrs is None:
            raise ValueError("this class needs base_lr")
        return self.base_lrs


Values: TypeAlias = Mapping[str, Any]

LAST_EPOCH: Final = Param(
    "last_epoch",
    "integer",
    "the last tick of a resumed run; -1 for a new one",
    default=-1,
    fixed="declare the schedule as it was at the run's beginning and report later records under their own step",
)
FUNCTION: Final = (
    "a function cannot travel: the client sends such a schedule as a table, read off the live scheduler "
    '({"kind": "table", "values": [the LR at each tick]})'
)


def of_function(values: Values, site: Site) -> Built:  # noqa: ARG001
    """Refuse a class whose LRs are a function of the user's: the sentence says what to send instead."""
    raise refuse(f"{site.pointer}/class", FUNCTION)


@dataclass(frozen=True, slots=True)
class ClassSpec:
    """A scheduler class: its parameters under their own names, its formula, what happens past the end, what people
    get wrong, and how it differs from classes of the same name or purpose elsewhere.

    `elsewhere`: names that people give it as parameters, and where they belong. `restated`: for a function that is
    another class's call under its own name, the class and params of that call, from the function's params.
    """

    name: str
    description: str
    formula: str
    params: tuple[Param, ...]
    build: Callable[[Values, Site], Built]
    past_the_end: str
    pitfall: str = ""
    namesakes: str = ""
    needs_base_lr: bool = False
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    restated: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class FrameworkSpec:
    """A library: the version that was verified, and its classes."""

    framework: Literal["torch", "paddle", "transformers", "timm", "keras"]
    title: str
    version: str
    classes: tuple[ClassSpec, ...]
    base_lr: str
    """What the optimizer's base LR means to this library's schedulers."""
    named: tuple[ClassSpec, ...] = ()
    """Where one function makes them all by name (transformers): each name, with its own further parameters."""
