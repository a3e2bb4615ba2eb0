"""How a loop counts and reads its LR: the candidates, and the tick that a point then has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

import numpy as np

from trackside_service.conformance.observations import LrPoint
from trackside_service.schedules.compiled import CompiledSchedule, Reporting
from trackside_service.schedules.curve import FloatArray


@dataclass(frozen=True, slots=True)
class Convention:
    """The LR is read `when`; an epoch's point lies `at` its start or end; steps and epochs are counted from
    their bases.
    """

    when: Literal["in_use", "after_step"]
    at: Literal["start", "end"]
    step_base: Literal[0, 1]
    epoch_base: Literal[0, 1]

    def as_wire(self) -> dict[str, str | int]:
        """Return the wire's form."""
        return {"when": self.when, "at": self.at, "step_base": self.step_base, "epoch_base": self.epoch_base}


def candidates(reporting: Reporting) -> tuple[Convention, ...]:
    """Return every convention that the declaration leaves open (at most 16)."""
    return tuple(
        Convention(when, at, step_base, epoch_base)
        for when, at, step_base, epoch_base in product(
            (reporting.when,) if reporting.when is not None else ("in_use", "after_step"),
            (reporting.at,) if reporting.at is not None else ("start", "end"),
            (reporting.step_base,) if reporting.step_base is not None else (0, 1),
            (reporting.epoch_base,) if reporting.epoch_base is not None else (0, 1),
        )
    )


def preference(convention: Convention, first_epoch: float | None) -> tuple[bool, bool, bool, bool]:
    """Return the sort key of ties: in use, at start, base 1 if the first printed epoch is 1, else 0."""
    epoch_base = 1 if first_epoch == 1 else 0
    return (
        convention.when != "in_use",
        convention.at != "start",
        convention.epoch_base != epoch_base,
        convention.step_base != 0,
    )


@dataclass(frozen=True, slots=True)
class Places:
    """Where points lie as their log counts them: float64 of shape (points,), NaN where the log does not say."""

    steps: FloatArray
    epochs: FloatArray


def places_of(points: Sequence[LrPoint]) -> Places:
    """Return the places of `points`."""
    nan = float("nan")
    steps = np.array([nan if p.step is None else p.step for p in points], dtype=np.float64)
    epochs = np.array([nan if p.epoch is None else p.epoch for p in points], dtype=np.float64)
    return Places(steps, epochs)


def by_step(schedule: CompiledSchedule, places: Places) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Say which points are placed by their step: those that have one, where it says the tick."""
    if schedule.unit == "epoch" and schedule.steps_per_epoch is None:
        return np.zeros(places.steps.shape, dtype=np.bool_)
    return ~np.isnan(places.steps)


Ticks: TypeAlias = FloatArray
"""Ticks at points: NaN where a point cannot be placed, negative where the convention is impossible there."""


def ticks_at(schedule: CompiledSchedule, convention: Convention, places: Places) -> Ticks:
    """Return the ticks taken when each point's LR was read, under `convention`."""
    if schedule.flat:
        return np.zeros(places.steps.shape)
    after = 1.0 if convention.when == "after_step" else 0.0
    per_epoch = schedule.steps_per_epoch
    epochs = places.epochs - convention.epoch_base
    updates = places.steps - convention.step_base
    if schedule.unit == "step":
        from_epochs = np.full(epochs.shape, np.nan)
        if per_epoch is not None:
            exact = epochs * per_epoch if convention.at == "start" else (epochs + 1.0) * per_epoch - 1.0
            # A fractional epoch is a rounded one: it says the update only where it meets one.
            whole = np.round(exact)
            from_epochs = (
                np.where(np.abs(exact - whole) <= 1e-6 * np.maximum(np.abs(exact), 1.0), whole, np.nan) + after
            )
        return np.where(np.isnan(updates), from_epochs, np.where(updates < 0, -1.0, updates + after))
    counted = np.floor(epochs + 1e-9) if convention.at == "start" else np.ceil(epochs - 1e-9)
    from_epochs = np.where(counted < 0, -1.0, counted + after)
    if per_epoch is None:
        return from_epochs
    return np.where(
        np.isnan(updates), from_epochs, np.where(updates < 0, -1.0, np.floor((updates + after) / per_epoch))
    )
