"""Runs that follow their schedule, as their loops may print them: every usual format, count and gap."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np

from trackside_service.conformance import LrPoint
from trackside_service.schedules import CompiledSchedule, compile_schedule


def _torch(name: str, base: float, **params: Any) -> dict[str, Any]:
    return {"framework": "torch", "class": name, "params": params, "base_lr": base}


def _recipe(rng: Random, total: int) -> dict[str, Any]:
    base = rng.choice([0.1, 0.05, 0.01, 0.003, 0.001, 3e-4, 5e-5, 1e-5])
    width = max(total // 10, 1)
    rise = {"class": "LinearLR", "params": {"start_factor": rng.choice([0.001, 0.1]), "total_iters": width}}
    fall = {"class": "CosineAnnealingLR", "params": {"T_max": total - width}}
    return rng.choice(
        [
            _torch("CosineAnnealingLR", base, T_max=total, eta_min=rng.choice([0.0, base / 100])),
            _torch("OneCycleLR", base, max_lr=base, total_steps=total + 2),
            _torch("StepLR", base, step_size=max(total // 3, 1), gamma=rng.choice([0.1, 0.5])),
            _torch("LinearLR", base, start_factor=1.0, end_factor=0.01, total_iters=total),
            _torch("PolynomialLR", base, total_iters=total, power=2.0),
            _torch("ExponentialLR", base, gamma=0.01 ** (1 / total)),
            _torch("CosineAnnealingWarmRestarts", base, T_0=max(total // 4, 1)),
            _torch("SequentialLR", base, schedulers=[rise, fall], milestones=[width]),
        ]
    )


def _float(bits: int) -> Callable[[float], str]:
    """Return what prints the nearest float of so many bits (no exponent is too small)."""

    def shown(lr: float) -> str:
        part, exponent = math.frexp(lr)
        return repr(math.ldexp(round(part * 2**bits), exponent - bits))

    return shown


FLOAT32: Final = ("%.8f", "%.10f", "%.8g", "%.7g", "%.7e")
PRINTS: Final[dict[str, Callable[[float], str]]] = {
    **{form: form.__mod__ for form in ("%.0e", "%.1e", "%.2e", "%.3e", "%.4e")},
    **{form: form.__mod__ for form in ("%.1g", "%.2g", "%.3g", "%.4g", "%.6g")},
    **{form: form.__mod__ for form in ("%.2f", "%.3f", "%.4f", "%.5f", "%.6f", "%.8f")},
    **{f"round {digits}": lambda lr, digits=digits: str(round(lr, digits)) for digits in range(2, 9)},  # type: ignore[misc]
    "float64": repr,
    "float32": lambda lr: repr(float(np.float32(lr))),
    "float32 itself": lambda lr: str(np.float32(lr)),
    **{f"float32 {form}": lambda lr, form=form: form % np.float32(lr) for form in FLOAT32},  # type: ignore[misc]
    "progress bar": lambda lr: f"{lr:.4f}" if abs(lr) > 1e-3 else f"{lr:.4e}",
    **{f"cut {digits}": lambda lr, digits=digits: str(math.floor(lr * 10**digits) / 10**digits) for digits in (6, 8)},  # type: ignore[misc]
    "float16": lambda lr: repr(float(np.float16(lr))),
    "bfloat16": _float(8),
}


@dataclass(frozen=True)
class RightRun:
    """A run that does what it declares; `text` says how it was made."""

    schedule: CompiledSchedule
    points: list[LrPoint]
    text: str


def draw(rng: Random) -> RightRun:
    """Return a right run: a schedule per epoch or per step, counted and printed at random, with gaps."""
    unit = rng.choice(["epoch", "step"])
    per_epoch = rng.choice([1, 3, 4, 7, 25, 100, 391])
    epochs = rng.choice([3, 10, 30]) if per_epoch <= 25 else rng.choice([2, 4])
    updates = per_epoch * epochs
    declaration = _recipe(rng, updates if unit == "step" else epochs)
    schedule = compile_schedule({**declaration, "unit": unit, "steps_per_epoch": per_epoch})
    after = rng.choice([0, 1])
    place = rng.choice(["step", "epoch", "epoch", "whole", "cut"])
    every = rng.choice([1, 2, 5, 10, 50])
    if place == "whole":
        at = rng.choice([0, per_epoch - 1])
        done = np.arange(at, updates, per_epoch)
    else:
        done = np.arange(rng.choice([0, every - 1]), updates, every)
    if unit == "epoch" and place in ("epoch", "cut"):
        after = 0
    if place == "whole":
        ticks = (done + after) if unit == "step" else done // per_epoch + after
    else:
        ticks = (done + after) if unit == "step" else (done + after) // per_epoch
    name = rng.choice(sorted(PRINTS))
    if name.startswith("cut") and not np.all(schedule.lrs(ticks[:1]) * 10.0 ** int(name[4:]) >= 1000):
        name = "float64"  # that a print was cut off is seen once the log has shown three digits
    base, texted = rng.choice([0, 1]), rng.random() < 0.5
    late = rng.choice([0, 1]) if after or not base else 0
    # An epoch-unit schedule's whole epochs are its own count, unless many points lie in each: nobody rounds them.
    coarse = unit == "step" or every * 8 <= per_epoch
    decimals = rng.choice([0, 1, 2, 3, 4, 15] if coarse else [1, 2, 3, 4, 15])
    if unit == "epoch" and place == "cut":
        late = 0
    points = []
    for update, lr in zip(done.tolist(), schedule.lrs(ticks).tolist(), strict=True):
        if math.isnan(lr):
            break
        shown = PRINTS[name](lr)
        if place == "step":
            where: dict[str, Any] = {"step": update + base}
        elif place == "cut":
            where = {"epoch": (update + late) // per_epoch + base}
        elif place == "whole":
            where = {"epoch": update // per_epoch + base}
        else:
            where = {"epoch": round((update + late) / per_epoch + base, decimals)}
        points.append(LrPoint(float(shown), text=shown if texted else None, **where))
    if rng.random() < 0.4:
        points = [point for point in points if rng.random() < 0.7] or points[:1]
    said = (
        f"{declaration} per {unit}, {per_epoch} an epoch, {name} {texted=} {place} {after=} {base=} {late=} {decimals=}"
    )
    return RightRun(schedule, points[:200], said)
