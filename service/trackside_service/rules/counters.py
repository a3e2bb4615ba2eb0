"""The counter of a log: its steps, or its epochs where it counts no steps."""

from __future__ import annotations

from typing import Literal, TypeAlias

from trackside_service.rules.places import Place

Axis: TypeAlias = Literal["step", "epoch"]


def counter(place: Place) -> tuple[Axis, float] | None:
    """Return what a place counts, and how far; None where it counts nothing."""
    step, epoch = place
    if step is not None:
        return "step", float(step)
    return None if epoch is None else ("epoch", float(epoch))


def placed(axis: Axis, value: float) -> Place:
    """Undo `counter`."""
    return (round(value), None) if axis == "step" else (None, value)
