"""Floats that JSON and databases cannot hold, and the forms that stand for them.

SQLite stores NaN as NULL, Postgres keeps it and then `max()` is NaN, JSONB refuses it. So a value is stored as a
nullable number and a kind, and travels as a number or one of three strings.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

NumberKind: TypeAlias = Literal["finite", "nan", "+inf", "-inf"]
WireNumber: TypeAlias = float | Literal["NaN", "Infinity", "-Infinity"]

_WIRE: Final[dict[str, float]] = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def kind_of(value: float) -> NumberKind:
    """Name the kind of `value`."""
    if math.isfinite(value):
        return "finite"
    if math.isnan(value):
        return "nan"
    return "+inf" if value > 0 else "-inf"


def split(value: float) -> tuple[float | None, NumberKind]:
    """Return (number or None, kind), the pair that both databases store alike."""
    kind = kind_of(value)
    return (value if kind == "finite" else None), kind


def join(value: float | None, kind: str) -> float:
    """Undo `split`. Raises `ValueError` on a finite kind without a number or an unknown kind."""
    if kind == "finite":
        if value is None:
            raise ValueError("a finite value without a number")
        return value
    if kind == "nan":
        return math.nan
    if kind in ("+inf", "-inf"):
        return math.inf if kind == "+inf" else -math.inf
    raise ValueError(f"unknown kind of number {kind!r}")


def same_value(one: float, other: float) -> bool:
    """Say whether two values are the same report: equal, or both NaN."""
    return one == other or (math.isnan(one) and math.isnan(other))


def to_wire(value: float) -> WireNumber:
    """Return the JSON form of `value`: itself, or "NaN", "Infinity", "-Infinity"."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def said(value: float) -> str:
    """Return `value` for people: six digits, or NaN, Infinity, -Infinity as on the wire."""
    return f"{value:.6g}" if math.isfinite(value) else str(to_wire(value))


def from_wire(value: float | str) -> float:
    """Undo `to_wire`. Raises `ValueError` on any other text."""
    if isinstance(value, str):
        try:
            return _WIRE[value]
        except KeyError:
            raise ValueError('a number, "NaN", "Infinity" or "-Infinity" is wanted') from None
    return float(value)


def wire_safe(value: object) -> object:
    """Return `value` with every non-finite float inside it (dicts, lists, tuples) in its wire form."""
    if isinstance(value, float):
        return to_wire(value)
    if isinstance(value, dict):
        return {key: wire_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [wire_safe(item) for item in value]
    return value
