"""What stands where among the records that are not stored: those of a replay, and of a post that is under way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from trackside_service.domain.lives import Placement, Seen
from trackside_service.domain.records import Position


class PlaceMemory:
    """`lives.Places` in memory.

    What a look-up costs does not depend on how much stands at the place.
    """

    def __init__(self) -> None:
        self._added: list[tuple[Position, Placement]] = []
        # By whose they are (a life, or None for those without a name), and where: the values of each metric.
        self._known: dict[tuple[int | None, int | None, float | None], dict[str, set[float | None]]] = {}

    def add(self, position: Position, placement: Placement) -> None:
        """Remember what `placement` stores at `position`."""
        if placement.by_place and placement.metrics:
            self._added.append((position, placement))

    def seen(self, position: Position, life: int | None, metrics: Mapping[str, float]) -> Seen:
        """See `Places`."""
        if self._added:  # a run that only moves forward is never asked, and pays for no index
            self._index()
        places = [self._known.get((life, position.step, position.epoch))]
        if position.step is not None:
            other = None if position.epoch is not None else _ANY
            places.append(self._known.get((life, position.step, other)))
        found = [place for place in places if place]
        names = {name for name in metrics if any(name in place for place in found)}
        same = {name for name in names if any(_value_key(metrics[name]) in place.get(name, ()) for place in found)}
        return Seen(same, names, bool(found))

    def _index(self) -> None:
        for position, placement in self._added:
            whose = None if placement.progress.process is None else placement.progress.number
            epochs = [position.epoch]
            if position.step is not None and position.epoch is not None:
                epochs.append(_ANY)  # who asks for the step alone means this too
            for epoch in epochs:
                values = self._known.setdefault((whose, position.step, epoch), {})
                for name, value in placement.metrics.items():
                    values.setdefault(name, set()).add(_value_key(value))
        self._added.clear()


_ANY: Final = math.inf  # stands for every epoch of a step


def _value_key(value: float) -> float | None:
    return None if math.isnan(value) else value  # NaN is the same report as NaN
