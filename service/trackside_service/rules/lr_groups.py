"""Several parameter groups off the schedule: which of them are one alert."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trackside_service.conformance import Explanation, FirstOff
from trackside_service.domain.findings import Finding
from trackside_service.domain.metrics import LRS
from trackside_service.domain.numbers import to_wire


@dataclass(frozen=True, slots=True)
class Told:
    """What was found about one group: the first point off, the causes left, and the factor (low, high) of a `scale`.

    `figures` are the point's LRs as evidence shows them.
    """

    step: int | None
    epoch: float | None
    causes: tuple[str, ...]
    factor: tuple[float, float] | None
    figures: Mapping[str, Any]

    def as_json(self) -> list[Any]:
        """Return it as JSON values."""
        factor = None if self.factor is None else list(self.factor)
        return [self.step, self.epoch, list(self.causes), factor, dict(self.figures)]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Told:
        """Undo `as_json`."""
        step, epoch, causes, factor, shown = data
        return cls(step, epoch, tuple(causes), None if factor is None else (factor[0], factor[1]), shown)


def figures(off: FirstOff) -> dict[str, Any]:
    """Return a point's expected and observed LR and their ratio (None where there is none), as JSON values."""
    ratio = off.observed / off.expected if off.expected and math.isfinite(off.observed) else None
    return {
        "lr_expected": off.expected,
        "lr_observed": to_wire(off.observed),
        "ratio": None if ratio is None else to_wire(ratio),
    }


def told_of(explanation: Explanation, off: FirstOff) -> Told:
    """Return what is to be compared with other groups."""
    causes = explanation.causes
    factor = causes[0].params.get("factor") if causes and causes[0].family == "scale" else None
    bounds = (float(factor["low"]), float(factor["high"])) if isinstance(factor, Mapping) else None
    return Told(off.step, off.epoch, tuple(cause.cause for cause in causes), bounds, figures(off))


def alike(one: Told, other: Told) -> bool:
    """Say whether one mechanism may be behind both: off from the same point, and the simplest cause of either is among
    the other's, or the log names none for both. A factor is one factor.
    """
    if (one.step, one.epoch) != (other.step, other.epoch):
        return False
    if not one.causes or not other.causes:
        return not one.causes and not other.causes
    if one.factor is not None and other.factor is not None:
        low, high = max(one.factor[0], other.factor[0]), min(one.factor[1], other.factor[1])
        return low <= high * (1 + 1e-6)
    return one.causes[0] in other.causes and other.causes[0] in one.causes


def leaders(told: Mapping[int, Told | None], own: Collection[int]) -> dict[int, int | None]:
    """Return for each group that is off the one whose alert tells it along, None where it is told by itself.

    `own` are the groups that have an alert already: they keep it, and lead.
    """
    found: dict[int, int | None] = {}
    for group in sorted(told, key=lambda each: (each not in own, each)):
        here = told[group]
        found[group] = None
        if group not in own and here is not None:
            heads = [each for each, leader in found.items() if leader is None and each != group]
            found[group] = next((each for each in heads if (other := told[each]) and alike(other, here)), None)
    return found


def joined(finding: Finding, along: Sequence[tuple[int, Told | None]]) -> Finding:
    """Return the finding with the groups that it tells along: named in its words, their figures in its evidence."""
    if not along:
        return finding
    names = ", ".join(f"`{LRS[group]}`" for group, _ in along)
    shown = [{"metric": LRS[group], **(told.figures if told is not None else {})} for group, told in along]
    return replace(
        finding,
        detail=f"{finding.detail} The same holds for {names}, from the same point on.",
        evidence={**finding.evidence, "groups": shown},
    )
