"""Logs to identify: schedules drawn at random, their LRs by the project's own exact schedules, printed and thinned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from trackside_service.conformance import LrPoint
from trackside_service.schedules import compile_schedule

PRINTS: Final = ("%.2e", "%.3e", "%.5e", "%.6f")


@dataclass(frozen=True)
class Drawn:
    """A log, what it is of, and what the run knows of itself."""

    family: str
    warmup: bool
    declaration: dict[str, Any]
    points: list[LrPoint]
    total_epochs: int | None
    text: str


def _inner(name: str, total: int, base: float, rng: np.random.Generator) -> dict[str, Any]:
    """Return the torch class of a family that is to last `total` ticks."""
    gamma = float(rng.choice([0.1, 0.2, 0.5]))
    least = float(rng.choice([0.0, base * 0.01, base * 0.05]))
    match name:
        case "constant":
            return {"class": "ConstantLR", "params": {"factor": 1.0}}
        case "step":
            return {"class": "StepLR", "params": {"step_size": total // int(rng.integers(2, 5)), "gamma": gamma}}
        case "multi_step":
            shares = [(0.5, 0.75), (0.6, 0.9), (0.3, 0.8), (0.4, 0.7, 0.9)][rng.integers(4)]
            marks = [round(share * total) for share in shares]
            return {"class": "MultiStepLR", "params": {"milestones": marks, "gamma": gamma}}
        case "exponential":
            left = float(rng.choice([0.5, 0.1, 0.01]))
            return {"class": "ExponentialLR", "params": {"gamma": float(f"{left ** (1 / total):.6g}")}}
        case "linear":
            end = float(rng.choice([0.0, 0.01, 0.1]))
            over = total if end == 0.0 or rng.random() < 0.5 else int(total * 0.8)
            return {"class": "LinearLR", "params": {"start_factor": 1.0, "end_factor": end, "total_iters": over}}
        case "polynomial":
            return {
                "class": "PolynomialLR",
                "params": {"total_iters": total, "power": float(rng.choice([0.9, 2.0, 3.0]))},
            }
        case "cosine":
            over = int(total * rng.choice([1.0, 1.0, 1.0, 0.75]))
            return {"class": "CosineAnnealingLR", "params": {"T_max": over, "eta_min": least}}
        case "warm_restarts":
            times = int(rng.choice([1, 2]))
            first = total // 4 if times == 1 else total // 7
            params = {"T_0": max(first, 4), "T_mult": times, "eta_min": least}
            return {"class": "CosineAnnealingWarmRestarts", "params": params}
    raise AssertionError(name)


def _declared(family: str, warmup: bool, total: int, unit: str, rng: np.random.Generator) -> dict[str, Any]:
    base = float(rng.choice([0.1, 0.05, 0.01, 3e-3, 1e-3]))
    if family == "one_cycle":
        params = {
            "max_lr": base,
            "total_steps": total,
            "pct_start": float(rng.choice([0.3, 0.25, 0.2, 0.1])),
            "div_factor": float(rng.choice([25.0, 10.0])),
            "final_div_factor": float(rng.choice([1e4, 1e3])),
        }
        return {"framework": "torch", "class": "OneCycleLR", "params": params, "base_lr": base, "unit": unit}
    width = max(int(total * rng.choice([0.05, 0.1])), 3)
    if family == "inverse_sqrt":
        own = {"name": "inverse_sqrt", "num_warmup_steps": width}
        return {"framework": "transformers", "class": "get_scheduler", "params": own, "base_lr": base, "unit": unit}
    if not warmup:
        return {"framework": "torch", **_inner(family, total, base, rng), "base_lr": base, "unit": unit}
    start = float(rng.choice([0.1, 0.01, 0.001]))
    rise = {"class": "LinearLR", "params": {"start_factor": start, "total_iters": width}}
    nested: dict[str, Any] = {"schedulers": [rise, _inner(family, total - width, base, rng)], "milestones": [width]}
    return {"framework": "torch", "class": "SequentialLR", "params": nested, "base_lr": base, "unit": unit}


def draw(
    family: str, warmup: bool, rng: np.random.Generator, *, share: float = 1.0, knows: bool | None = None
) -> Drawn:
    """Return a log of the first `share` of a run: by epoch or by step, with points missing, printed at random."""
    unit = str(rng.choice(["epoch", "step"]))
    total = int(rng.choice([30, 60, 90, 100, 200])) if unit == "epoch" else int(rng.choice([1000, 5000, 20000]))
    declaration = _declared(family, warmup or family == "inverse_sqrt", total, unit, rng)
    every = 1 if unit == "epoch" else int(rng.choice([10, 50]))
    ticks = np.arange(0, max(int(total * share), 2), every)
    if rng.random() < 0.4:
        keep = rng.random(len(ticks)) < 0.8
        keep[[0, -1]] = True
        ticks = ticks[keep]
    printed: Callable[[float], str] = str(rng.choice(PRINTS)).__mod__
    base = int(rng.integers(0, 2))
    lrs = compile_schedule(declaration).lrs(ticks)
    points = []
    for tick, lr in zip(ticks, lrs, strict=True):
        text = printed(float(lr))
        place = {"epoch": float(tick + base)} if unit == "epoch" else {"step": int(tick + base)}
        points.append(LrPoint(float(text), text=text, **place))
    known = rng.random() < 0.5 if knows is None else knows
    said = f"{declaration} every {every}, {len(points)} points like {points[0].text}, counted from {base}"
    return Drawn(family, warmup, declaration, points, total if known and unit == "epoch" else None, said)
