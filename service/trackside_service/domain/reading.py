"""Reads fields out of a JSON object, strictly, and notes what is wrong with a JSON pointer (RFC 6901)."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from trackside_service.domain.runs import MAX_NAME
from trackside_service.errors import Fault

MAX_FAULTS: Final = 50  # a body that is wrong everywhere need not be answered in full
_MAX_POINTER_PART: Final = 100


def pointer_to(part: str) -> str:
    """Return one reference token of a JSON pointer, escaped, and cut if it is very long."""
    short = part if len(part) <= _MAX_POINTER_PART else part[:_MAX_POINTER_PART] + "..."
    return short.encode("ascii", "backslashreplace").decode().replace("~", "~0").replace("/", "~1")


def nearest(name: str, known: Sequence[str]) -> str:
    """Say which of the `known` names was probably meant, or which there are."""
    close = difflib.get_close_matches(name[:MAX_NAME], known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


@dataclass(slots=True)
class Reader:
    """One JSON object being read. Faults go into a list shared by all readers of a body; a missing or bad value reads
    as None.
    """

    body: Mapping[str, Any]
    pointer: str
    faults: list[Fault] = field(default_factory=list)
    broken: bool = False

    @classmethod
    def of(cls, body: object, pointer: str, known: Sequence[str], faults: list[Fault]) -> Reader:
        """Begin to read `body`, which may hold the `known` fields only."""
        if not isinstance(body, Mapping):
            faults.append(Fault(pointer, "an object is wanted"))
            return cls({}, pointer, faults, broken=True)
        reader = cls(body, pointer, faults)
        for name in body:
            if name not in known:
                reader.fault(pointer_to(str(name)), f"unknown field; {nearest(str(name), known)}")
        return reader

    def at(self, name: str) -> str:
        """Return the pointer to a field."""
        return f"{self.pointer}/{name}" if name else self.pointer

    def fault(self, name: str, message: str) -> None:
        """Note that the field `name` is wrong."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(self.at(name), message))

    def has(self, name: str) -> bool:
        """Say whether the field is given (null is not)."""
        return self.body.get(name) is not None

    def get(self, name: str, *, required: bool = False) -> Any:
        """Return the field's value as it is, None if it is not given."""
        value = self.body.get(name)
        if value is None and required and not self.broken:
            self.fault(name, "this field is required")
        return value

    def text(self, name: str, *, required: bool = False) -> str | None:
        """A printable text of 1 to 200 characters."""
        value = self.get(name, required=required)
        if value is None:
            return None
        if not isinstance(value, str):
            self.fault(name, "a text is wanted")
        elif not value or len(value) > MAX_NAME or not value.isprintable():
            self.fault(name, f"1 to {MAX_NAME} printable characters are wanted")
        else:
            return value
        return None

    def whole(self, name: str, *, low: int, high: int) -> int | None:
        """A whole number."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(name, "a whole number is wanted, written without a decimal point")
        elif not low <= value <= high:
            self.fault(name, f"a whole number from {low} on is wanted" if value < low else f"at most {high}")
        else:
            return value
        return None

    def number(
        self, name: str, *, required: bool = False, low: float = -math.inf, high: float = math.inf
    ) -> float | None:
        """A finite number."""
        value = self.get(name, required=required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
            self.fault(name, "a finite number is wanted")
        elif not low <= value <= high:
            self.fault(name, f"a number from {low:g} on is wanted" if value < low else f"at most {high:g}")
        else:
            return float(value)
        return None

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            self.fault(name, "true or false is wanted")
        return value if isinstance(value, bool) else default

    def choice(self, name: str, among: Sequence[str]) -> str | None:
        """One of a few texts."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or value not in among:
            self.fault(name, f"one of {', '.join(among)} is wanted")
            return None
        return value

    def mapping(self, name: str, *, required: bool = False) -> Mapping[str, Any] | None:
        """An object of any fields."""
        value = self.get(name, required=required)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.fault(name, "an object is wanted")
            return None
        return value

    def inner(self, name: str, known: Sequence[str]) -> Reader | None:
        """An object of `known` fields, to be read in its turn."""
        value = self.get(name)
        return None if value is None else Reader.of(value, self.at(name), known, self.faults)

    def items(self, name: str, *, limit: int) -> Sequence[Any]:
        """A list of at most `limit` items."""
        value = self.get(name)
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            self.fault(name, "a list is wanted")
        elif len(value) > limit:
            self.fault(name, f"at most {limit} items")
        else:
            return value
        return ()


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond what a double holds
        return False
