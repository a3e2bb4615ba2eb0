"""How a constructor's parameters are declared and read: names, types, bounds, defaults, and faults with JSON pointers.

One declaration (`Param`) serves three ends: it reads and refuses what a user sent, it documents the parameter, and the
API's schema is derived from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any, Final, Literal, TypeAlias

from trackside_service.errors import Fault, ScheduleError

MAX_DEPTH: Final = 8
MAX_PHASES: Final = 32
MAX_SCHEDULERS: Final = 64
MAX_TABLE: Final = 100_000
MAX_GROUPS: Final = 1_000
MAX_TICKS: Final = 10**12
MAX_SIZE: Final = 1e30
"""Of any number in a declaration: far beyond every LR, and safe to compute with."""
_ALIKE: Final = 0.6
"""Of two names: 1 is the same. Below it the one is no misspelling of the other."""

ParamType: TypeAlias = Literal["number", "integer", "boolean", "choice", "table", "phases", "schedule", "any"]


class _Required:
    """The default of a parameter that has none."""

    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: `minimum` is inclusive unless `exclusive`; `per_group` admits a list, one value a group.

    `type` "number" takes integers too, "integer" takes 5.0, unless `strict` (to the real class the type matters).
    "schedule" is a nested declaration, and `or_number` admits a plain number in its place. `fixed` means that only the
    default is supported, and says why.
    """

    name: str
    type: ParamType
    doc: str
    default: Any = REQUIRED
    minimum: float | None = None
    maximum: float | None = None
    exclusive: bool = False
    choices: tuple[str, ...] = ()
    per_group: bool = False
    nullable: bool = False
    strict: bool = False
    or_number: bool = False
    fixed: str | None = None

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED


class Faults:
    """Gathers what is wrong, so that one answer names everything."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, pointer: str, message: str) -> None:
        """Note one fault at `pointer` (relative to the schedule)."""
        self.found.append(Fault(pointer, message))

    def settle(self) -> None:
        """Raise `ScheduleError` when anything was noted."""
        if self.found:
            first = self.found[0]
            where = f" (at {first.pointer})" if first.pointer else ""
            more = len(self.found) - 1
            rest = "" if not more else f"; and {more} more fault{'s' if more > 1 else ''}"
            raise ScheduleError(f"{first.message}{where}{rest}", faults=self.found)


def refuse(pointer: str, message: str) -> ScheduleError:
    """Return the error for one fault."""
    where = f" (at {pointer})" if pointer else ""
    return ScheduleError(f"{message}{where}", faults=[Fault(pointer, message)])


def escape(part: object) -> str:
    """Return one part of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def brief(value: object) -> str:
    """Name a value's JSON type (never its content, which may be long or secret)."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an object" if isinstance(value, Mapping) else "a list"


def like(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is most like, None where it is like none."""
    wanted = name.lower()
    ratios = {each: SequenceMatcher(None, wanted, each.lower()).ratio() for each in known}
    alike = {each: ratio for each, ratio in ratios.items() if ratio >= _ALIKE}
    # What begins alike comes first: CosineLR is rather CosineAnnealingLR than ConstantLR.
    begun = {each: _common_start(wanted, each.lower()) / len(wanted) for each in alike}
    return max(alike, key=lambda each: alike[each] + 0.5 * begun[each], default=None)


def _common_start(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def hint(name: str, known: Sequence[str]) -> str:
    """Return what to say of an unknown name: the known one that it is like, or all where it is like none."""
    close = like(name, known)
    if close is not None:
        return f"the nearest that it has is {close!r}"
    return f"it has {', '.join(map(repr, known))}" if known else "it takes none"


def read(
    params: Mapping[str, Any],
    known: Sequence[Param],
    *,
    owner: str,
    pointer: str,
    elsewhere: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return every known parameter with the value given or its default, numbers checked and converted.

    "schedule" and "phases" values are returned as they came: their builder reads them. `elsewhere` says of names that
    are none of these where they belong. Raises `ScheduleError` naming every fault.
    """
    faults = Faults()
    names = [param.name for param in known]
    for name in params:
        if name not in names:
            words = (elsewhere or {}).get(str(name)) or hint(str(name), names)
            faults.add(f"{pointer}/{escape(name)}", f"{owner} has no such parameter; {words}")
    values: dict[str, Any] = {}
    for param in known:
        place = f"{pointer}/{param.name}"
        if param.name not in params:
            if param.required:
                faults.add(place, f"{owner} needs the parameter {param.name!r}: {param.doc}")
            else:
                values[param.name] = param.default
            continue
        values[param.name] = _value(params[param.name], param, place, faults)
    faults.settle()
    return values


def _value(value: Any, param: Param, place: str, faults: Faults) -> Any:
    if value is None and (param.nullable or param.default is None):
        return None
    if param.per_group and isinstance(value, (list, tuple)):
        if not 1 <= len(value) <= MAX_GROUPS:
            faults.add(place, f"{param.name} as a list has one value a parameter group: 1 to {MAX_GROUPS}")
            return None
        return [_scalar(item, param, f"{place}/{index}", faults) for index, item in enumerate(value)]
    return _scalar(value, param, place, faults)


def _scalar(value: Any, param: Param, place: str, faults: Faults) -> Any:
    result: Any = value
    match param.type:
        case "number":
            result = number(value, param, place, faults)
        case "integer":
            result = _integer(value, param, place, faults)
        case "boolean":
            if not isinstance(value, bool):
                faults.add(place, f"{param.name} is true or false, not {brief(value)}")
        case "choice":
            if value not in param.choices:
                wanted = " or ".join(repr(choice) for choice in param.choices)
                faults.add(place, f"{param.name} is {wanted}")
        case "schedule":
            if param.or_number and not isinstance(value, Mapping):
                result = number(value, param, place, faults)
            elif not isinstance(value, Mapping):
                faults.add(place, f"{param.name} is a schedule (an object), not {brief(value)}")
        case "table" | "phases":
            if not isinstance(value, (list, tuple)):
                faults.add(place, f"{param.name} is a list, not {brief(value)}")
        case "any":
            pass
    if param.fixed is not None and result != param.default and not faults.found:
        faults.add(place, f"{param.name} other than {param.default!r} is not supported: {param.fixed}")
    return result


def number(value: Any, param: Param, place: str, faults: Faults) -> float | None:
    """Return a finite float within the parameter's bounds, else note the fault and return None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        faults.add(place, f"{param.name} is a number, not {brief(value)}")
        return None
    if param.strict and not isinstance(value, float):
        why = "the real class refuses an integer, or goes on in integers"
        faults.add(place, f"{param.name} is a float: {why}; write {value}.0")
        return None
    try:
        real = float(value)
    except OverflowError:
        real = math.inf
    if abs(real) > MAX_SIZE and math.isfinite(real):
        faults.add(place, f"{param.name} is beyond {MAX_SIZE:.0e}")
        return None
    if not math.isfinite(real):
        faults.add(place, f"{param.name} must be finite")
        return None
    return real if _bounded(real, param, place, faults) else None


def read_list(values: Sequence[Any], item: Param, place: str, *, least: int = 0, most: int = MAX_TABLE) -> list[float]:
    """Return the numbers of a list parameter, each read as `item`. Raises `ScheduleError` on a wrong length or content.

    At most ten faults are named.
    """
    if not least <= len(values) <= most:
        raise refuse(place, f"{item.name} has {least} to {most} numbers")
    faults = Faults()
    read: list[float] = []
    for index, value in enumerate(values):
        reader = _integer if item.type == "integer" else number
        real = reader(value, item, f"{place}/{index}", faults)
        read.append(0.0 if real is None else real)
        if len(faults.found) >= 10:
            break
    faults.settle()
    return read


def _integer(value: Any, param: Param, place: str, faults: Faults) -> int | None:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer() and not param.strict)
    if isinstance(value, bool) or not whole:
        kind = "a number with a fraction or of type float" if isinstance(value, float) else brief(value)
        faults.add(place, f"{param.name} is an integer, not {kind}")
        return None
    if abs(value) > MAX_TICKS:
        faults.add(place, f"{param.name} is beyond {MAX_TICKS:.0e}")
        return None
    return int(value) if _bounded(float(value), param, place, faults) else None


def _bounded(real: float, param: Param, place: str, faults: Faults) -> bool:
    low, high = param.minimum, param.maximum
    if low is not None and (real < low or (param.exclusive and real == low)):
        faults.add(place, f"{param.name} must be {'above' if param.exclusive else 'at least'} {low:g}")
        return False
    if high is not None and real > high:
        faults.add(place, f"{param.name} must be at most {high:g}")
        return False
    return True
