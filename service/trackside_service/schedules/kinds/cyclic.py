"""cyclic: up and down a triangle, again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from trackside_service.schedules.curve import FloatArray, KindSpec, Nest, Plain
from trackside_service.schedules.params import MAX_TICKS, Param

_MAX_LISTED: Final = 500_000


@dataclass(frozen=True, slots=True)
class Cyclic(Plain):
    """From `minimum` to `maximum` in `up` ticks and back in `down`, the height scaled by the cycle or the tick."""

    minimum: float
    maximum: float
    up: float
    down: float
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: float = 1.0

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return minimum + (maximum - minimum) triangle(t) scale."""
        clock = np.asarray(ticks, dtype=np.float64)
        length = self.up + self.down
        cycle = np.floor(1.0 + clock / length)
        place = 1.0 + clock / length - cycle
        share = self.up / length
        rising = place / share
        height = rising if share >= 1.0 else np.where(place <= share, rising, (place - 1.0) / (share - 1.0))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if self.mode == "triangular2":
                height = height / np.power(2.0, cycle - 1.0)
            elif self.mode == "exp_range":
                height = height * np.power(self.gamma, clock)
            return np.asarray(self.minimum + (self.maximum - self.minimum) * height, dtype=np.float64)

    def landmarks(self) -> Sequence[float]:
        """Return the first cycle's ends and its peak."""
        return (0.0, self.up, self.up + self.down)

    def restarts(self, up_to: float) -> FloatArray:
        """Return the cycles' starts and peaks, at most a million."""
        length = self.up + self.down
        count = min(int(max(up_to, 0.0) // length) + 1, _MAX_LISTED)
        starts = length * np.arange(count + 1, dtype=np.float64)
        marks = np.sort(np.concatenate([starts, starts + self.up]))
        return marks[(marks > 0.0) & (marks <= up_to)]


def build(values: Mapping[str, Any], pointer: str, nest: Nest) -> Cyclic:  # noqa: ARG001
    """Build from read parameters."""
    down = values["up"] if values["down"] is None else values["down"]
    return Cyclic(values["min"], values["max"], values["up"], down, values["mode"], values["gamma"])


CYCLIC = KindSpec(
    kind="cyclic",
    description="Triangles: up from the minimum to the maximum and down again, without end.",
    formula="lr(t) = min + (max - min) * triangle(t) * (1, 1/2^cycle, or gamma^t by mode)",
    params=(
        Param("min", "number", "the LR at the start of each cycle", minimum=0.0),
        Param("max", "number", "the LR at the peak", minimum=0.0),
        Param("up", "number", "ticks from the minimum to the maximum", minimum=1e-6, maximum=MAX_TICKS),
        Param(
            "down",
            "number",
            "ticks back; as many as up where left out",
            default=None,
            minimum=0.0,
            maximum=MAX_TICKS,
            nullable=True,
        ),
        Param(
            "mode",
            "choice",
            "every triangle as high, half as high as the one before, or falling with gamma^t",
            default="triangular",
            choices=("triangular", "triangular2", "exp_range"),
        ),
        Param("gamma", "number", "the factor of exp_range", default=1.0, minimum=0.0),
    ),
    build=build,
)
