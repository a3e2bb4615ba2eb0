"""How runs print their LRs: rounded, in digits or decimals, as short floats, cut off, or in one format after another.

A format is what a loop makes of a number: a text, as which it may be sent, or only as the number that the text is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np

from trackside_service.conformance import LrPoint
from trackside_service.schedules import CompiledSchedule, compile_schedule

Form = Callable[[float], str]


def _text_of(number: np.floating[Any]) -> str:
    return str(number)


def _short(lr: float, characters: int) -> str:
    """Return what `str(lr)[:characters]` shows, which a training script takes for a number."""
    text = repr(lr)
    return text if "e" in text else text[:characters]


def _cut(lr: float, decimals: int) -> float:
    """Return the LR without its further decimals, as who wrote it would: 0.3 is not cut to 0.2 for its float's sake."""
    return math.floor(lr * 10**decimals * (1 + 1e-15)) / 10**decimals


def _bar(lr: float) -> str:
    """Return what Keras' and Paddle's progress bars show."""
    return f"{lr:.4f}" if abs(lr) > 1e-3 else f"{lr:.4e}"


def _bfloat16(lr: float) -> str:
    part, exponent = math.frexp(lr)
    return repr(math.ldexp(round(part * 2**8), exponent - 8))


ROUNDED: Final[dict[str, Form]] = {
    **{form: form.__mod__ for form in (f"%.{digits}e" for digits in range(7))},
    **{form: form.__mod__ for form in (f"%.{digits}g" for digits in range(1, 9))},
    **{form: form.__mod__ for form in (f"%.{decimals}f" for decimals in range(2, 9))},
    **{f"round {digits}": lambda lr, digits=digits: repr(round(lr, digits)) for digits in range(3, 8)},  # type: ignore[misc]
    "repr": repr,
    "progress bar": _bar,
}
FLOATS: Final[dict[str, Form]] = {
    "float32": lambda lr: repr(float(np.float32(lr))),
    "numpy float32": lambda lr: _text_of(np.float32(lr)),
    "float16": lambda lr: repr(float(np.float16(lr))),
    "bfloat16": _bfloat16,
    "float32 %.6f": lambda lr: f"{np.float32(lr):.6f}",
}
CUT: Final[dict[str, Form]] = {
    **{f"first {n}": lambda lr, n=n: _short(lr, n) for n in (4, 5, 6, 8, 10)},  # type: ignore[misc]
    **{f"floor {n}": lambda lr, n=n: repr(_cut(lr, n)) for n in range(3, 9)},  # type: ignore[misc]
    **{f"floor %.{n}f": lambda lr, n=n: f"{_cut(lr, n):.{n}f}" for n in (3, 4, 6)},  # type: ignore[misc]
}
FORMS: Final = {**ROUNDED, **FLOATS, **CUT}


def torch(name: str, base: float, **params: Any) -> dict[str, Any]:
    return {"framework": "torch", "class": name, "params": params, "base_lr": base}


def hugging_face(name: str, base: float, warmup: int, total: int) -> dict[str, Any]:
    params = {"name": name, "num_warmup_steps": warmup, "num_training_steps": total}
    return {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": base}


def recipe(rng: Random, total: int) -> dict[str, Any]:
    """Return a usual declaration over so many ticks, without its unit."""
    base = rng.choice([1.0, 0.5, 0.1, 0.05, 0.02, 0.01, 0.003, 0.001, 3e-4, 1e-4, 5e-5, 1e-5])
    warmup = max(total // 10, 1)
    rise = {"class": "LinearLR", "params": {"start_factor": rng.choice([0.001, 0.1]), "total_iters": warmup}}
    fall = {"class": "CosineAnnealingLR", "params": {"T_max": total - warmup}}
    paddle = {"learning_rate": base, "T_max": total, "eta_min": base / 50}
    timm = {"t_initial": total, "lr_min": base / 100, "warmup_t": warmup, "warmup_lr_init": base / 1000}
    keras = {"initial_learning_rate": base, "decay_steps": total, "end_learning_rate": base / 100, "power": 0.9}
    return rng.choice(
        [
            torch("CosineAnnealingLR", base, T_max=total, eta_min=rng.choice([0.0, base / 100])),
            torch("OneCycleLR", base, max_lr=base, total_steps=total + 2),
            torch("StepLR", base, step_size=max(total // 3, 1), gamma=rng.choice([0.1, 0.5])),
            torch("MultiStepLR", base, milestones=[max(total // 2, 1), max(total * 3 // 4, 2)], gamma=0.2),
            torch("LinearLR", base, start_factor=1.0, end_factor=0.01, total_iters=total),
            torch("PolynomialLR", base, total_iters=total, power=rng.choice([0.9, 2.0])),
            torch("ExponentialLR", base, gamma=0.01 ** (1 / total)),
            torch("CosineAnnealingWarmRestarts", base, T_0=max(total // 4, 1)),
            torch("CyclicLR", base, base_lr=base / 10, max_lr=base, step_size_up=max(total // 6, 1)),
            torch("SequentialLR", base, schedulers=[rise, fall], milestones=[warmup]),
            hugging_face("linear", base, warmup, total),
            hugging_face("cosine", base, 0, total),
            hugging_face("constant", base, 0, total),
            {"framework": "paddle", "class": "CosineAnnealingDecay", "params": paddle, "base_lr": base},
            {"framework": "timm", "class": "CosineLRScheduler", "params": timm, "base_lr": base},
            {"framework": "keras", "class": "PolynomialDecay", "params": keras, "base_lr": base},
        ]
    )


@dataclass(frozen=True)
class Printed:
    """The log of a run: `forms` are the formats of its lives, the second of which begins at place `resumed`; `text`
    says how it was made.
    """

    schedule: CompiledSchedule
    points: list[LrPoint]
    forms: tuple[str, ...]
    texted: bool
    resumed: int | None
    text: str


def printed(
    lrs: Sequence[float], steps: Sequence[int], forms: Sequence[str], *, texted: bool, resumed: int
) -> list[LrPoint]:
    """Return the points of LRs that are printed in the first form, and from place `resumed` on in the last."""
    points = []
    for place, (lr, step) in enumerate(zip(lrs, steps, strict=True)):
        shown = FORMS[forms[0] if place < resumed else forms[-1]](lr)
        points.append(LrPoint(float(shown), step, text=shown if texted else None))
    return points


def draw(rng: Random, *, lives: int, names: Sequence[str] = tuple(FORMS)) -> Printed:
    """Return a right run of one or two lives, in a format each."""
    total = rng.choice([8, 20, 60, 200])
    declaration = {**recipe(rng, total), "unit": "step"}
    stated = rng.random() < 0.5
    reporting = {"reporting": {"when": "in_use", "step_base": 0, "epoch_base": 0}} if stated else {}
    schedule = compile_schedule({**declaration, **reporting})
    steps = list(range(0, total, rng.choice([1, 1, 2, 5])))
    lrs = schedule.lrs(np.array(steps)).tolist()
    forms = tuple(rng.sample(sorted(names), lives))
    texted = rng.random() < 0.5
    resumed = rng.randrange(1, len(steps)) if lives > 1 and len(steps) > 1 else len(steps)
    points = printed(lrs, steps, forms, texted=texted, resumed=resumed)
    text = f"{declaration} {forms} {texted=} {resumed=} {stated=} every {steps[1] if len(steps) > 1 else 0}"
    return Printed(schedule, points, forms, texted, resumed, text)
