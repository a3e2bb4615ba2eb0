"""What a log says about the LR: one point, as it was reported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LrPoint:
    """One observed LR: `text` is how the log printed it, where that is known; the place is as the log counts it."""

    lr: float
    step: int | None = None
    epoch: float | None = None
    text: str | None = None
