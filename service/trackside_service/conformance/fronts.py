"""Fronts: of the points that some format would call off, the first for each format, under one index convention.

A point that is off from a coarser format on makes a later one that needs a finer one irrelevant, so a front has a few
entries however long the log is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.own_print import NEVER


@dataclass(frozen=True, slots=True)
class Suspect:
    """A point that a fine enough format calls off: `key` as `deviations` gives it."""

    key: tuple[int, int, int]
    index: int
    point: LrPoint
    level: int = 0
    """From how many decimals of the epochs on (`epochs.EpochStats.level`)."""
    ways: int = NEVER
    """In which ways its own print explains it all the same (`own_print.OwnPrint.ways`)."""


Front: TypeAlias = tuple[Suspect, ...]


def entered(before: Sequence[Front], after: Sequence[Front]) -> set[int]:
    """Return the indices of the points that entered a front."""
    return {suspect.index for old, new in zip(before, after, strict=True) for suspect in new[len(old) :]}


def extended(fronts: Sequence[Front], rows: Sequence[int], found: dict[int, list[Suspect]]) -> tuple[Front, ...]:
    """Return every convention's front with what was found for its row; equal ones are worked out once."""
    done: dict[tuple[int, int], Front] = {}
    result = []
    for front, row in zip(fronts, rows, strict=True):
        key = (row, id(front))
        if key not in done:
            done[key] = extended_one(front, found[row])
        result.append(done[key])
    return tuple(result)


def extended_one(front: Front, found: Sequence[Suspect]) -> Front:
    """Return the front with what was found, less what an earlier suspect makes irrelevant."""
    if not found:
        return front
    kept = list(front)
    for suspect in found:
        digits, decimals, full = suspect.key
        for earlier in kept:
            if earlier.level > suspect.level:
                continue
            if earlier.ways & ~suspect.ways:
                continue
            if earlier.key[0] <= digits and earlier.key[1] <= decimals and earlier.key[2] <= full:
                break
        else:
            kept.append(suspect)
    return tuple(kept) if len(kept) > len(front) else front
