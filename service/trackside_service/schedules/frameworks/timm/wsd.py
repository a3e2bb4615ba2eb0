"""The stable stretch and the decay of timm's WSDLRScheduler: both act on the same tick, so they are one curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from trackside_service.schedules.curve import FloatArray, Plain

DecayFunction: TypeAlias = Literal["linear", "1-sqrt", "cosine", "power", "exp"]


@dataclass(frozen=True, slots=True)
class Stable(Plain):
    """lr_min + (s(t) - lr_min) d((t - stable)/decay), s(t) = max(lr (1 + t/scale)^-power, lr_min); d is 1 before."""

    lr: float
    lr_min: float
    stable: float
    decay: float
    decay_fn: DecayFunction
    decay_power: float
    decay_ratio: float
    power: float
    scale: float

    @property
    def horizon(self) -> float | None:
        """The end of the decay."""
        return self.stable + self.decay

    def lrs(self, ticks: FloatArray) -> FloatArray:
        """Return the LRs after the warm-up."""
        clock = np.asarray(ticks, dtype=np.float64)
        level = self.lr if self.power == 0.0 else self.lr * np.power(1.0 + clock / self.scale, -self.power)
        level = np.maximum(level, self.lr_min)
        share = np.clip((clock - self.stable) / self.decay, 0.0, 1.0)
        return np.asarray(
            np.where(clock <= self.stable, level, self.lr_min + (level - self.lr_min) * self._left(share)),
            dtype=np.float64,
        )

    def _left(self, share: FloatArray) -> FloatArray:
        if self.decay_fn == "linear":
            return 1.0 - share
        if self.decay_fn == "1-sqrt":
            return np.asarray(1.0 - np.sqrt(share), dtype=np.float64)
        if self.decay_fn == "cosine":
            return np.asarray(0.5 * (1.0 + np.cos(math.pi * share)), dtype=np.float64)
        if self.decay_fn == "power":
            return np.asarray(1.0 - np.power(share, self.decay_power), dtype=np.float64)
        ratio = self.decay_ratio
        return np.asarray((np.power(ratio, share) - ratio) / (1.0 - ratio), dtype=np.float64)

    def landmarks(self) -> Sequence[float]:
        """Return both ends and the beginning of the decay."""
        return (0.0, self.stable, self.stable + self.decay)
