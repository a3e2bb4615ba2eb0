"""Logs that no cause explains, of schedules of a million ticks: what a diagnosis costs at most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from trackside_service.conformance import LrPoint
from trackside_service.schedules import compile_schedule

UPDATES: Final = 1_000_000
_COSINE: Final[dict[str, Any]] = {"class": "CosineAnnealingLR", "params": {"T_max": UPDATES, "eta_min": 1e-5}}
_WARM: Final[dict[str, Any]] = {"class": "LinearLR", "params": {"start_factor": 0.01, "total_iters": 1000}}
_WARM_COSINE: Final[dict[str, Any]] = {"schedulers": [_WARM, _COSINE]}
_LEVEL: Final[dict[str, Any]] = {"class": "ConstantLR", "params": {"factor": 1.0, "total_iters": 1}}
_DOWN: Final[dict[str, Any]] = {
    "class": "LinearLR",
    "params": {"start_factor": 1.0, "end_factor": 0.01, "total_iters": UPDATES - 700_000},
}
_PHASES: Final[dict[str, Any]] = {"schedulers": [_WARM, _LEVEL, _DOWN]}

DECLARED: Final[dict[str, dict[str, Any]]] = {
    "one cycle": {"class": "OneCycleLR", "params": {"max_lr": 0.1, "total_steps": UPDATES}},
    "cosine": _COSINE,
    "groups": {**_COSINE, "base_lr": [0.1, 0.2, 0.3, 0.4, 0.5]},
    "sequence": {"class": "SequentialLR", "params": {**_WARM_COSINE, "milestones": [1000]}},
    "phases": {"class": "SequentialLR", "params": {**_PHASES, "milestones": [1000, 700_000]}},
    "chain": {"class": "ChainedScheduler", "params": _WARM_COSINE},
    "milestones": {
        "class": "MultiStepLR",
        "params": {"milestones": list(range(60_000, 1_000_000, 60_000)), "gamma": 0.7},
    },
    "polynomial": {"class": "PolynomialLR", "params": {"total_iters": UPDATES, "power": 0.9}},
    "restarts": {"class": "CosineAnnealingWarmRestarts", "params": {"T_0": 1000, "T_mult": 2}},
    "table": {"kind": "table", "values": (0.05 + 0.05 * np.cos(np.linspace(0.0, np.pi, 100_000))).tolist()},
}


def declared(name: str) -> dict[str, Any]:
    """Return one of `DECLARED` as the wire has it; how its LR is read is left open, which costs most."""
    own = DECLARED[name]
    framework = {} if "kind" in own else {"framework": "torch", "base_lr": 0.1}
    return {**framework, **own, "unit": "step"}


def logs(declaration: dict[str, Any], points: int) -> Iterator[tuple[str, list[LrPoint]]]:
    """Yield logs of so many points: noise, another schedule, a noisy end, a jump, twenty lives, a few points."""
    rng = np.random.default_rng(0)
    steps = np.linspace(0, UPDATES - 1, points).astype(np.int64)
    lrs = compile_schedule(declaration).lrs(steps)
    right = np.nan_to_num(lrs, nan=0.001)
    late, lives = np.cumsum(~np.isnan(lrs)) > np.sum(~np.isnan(lrs)) // 2, steps // (UPDATES // 20)
    wild = 1.0 + 0.1 * rng.standard_normal(points)
    again = compile_schedule(declaration).lrs(steps % (UPDATES // 20))
    for name, lrs in (
        ("noise", right * wild),
        ("another schedule", 0.1 * np.exp(-steps / 2e5)),
        ("a noisy end", np.where(late, right * wild, right)),
        ("a jump", np.where(late, 0.08 * np.exp(-steps / 3e5), right)),
        ("twenty lives", again * np.where(lives % 2, 0.7, 1.0)),
    ):
        yield name, [LrPoint(float(lr), int(step)) for lr, step in zip(lrs, steps, strict=True)]
    few = [0.1, 0.09, 0.033, 0.08, 0.07, 0.012]
    yield "a few points", [LrPoint(lr, int(step)) for lr, step in zip(few, steps[1:], strict=False)]
