"""Writes the golden trajectories beside this file, read off the real libraries:

    PYTHONPATH=. .venv-frameworks/bin/python tests/golden/generate.py torch paddle

and `transformers timm keras` likewise, in an environment that has them (timm without torchvision: its scheduler package
alone is imported). Without names, all five are written.

One JSON line a case: the declaration as it would be sent, the library's version, the LRs of every group at ticks
0, 1, ... and the tick at which the real class raises (null: it does not); for the schedulers that a metric drives the
metric, one value a tick (null: not a number). Trajectories go past the end on purpose. To the chosen cases come drawn
ones (draws.py), from a fixed seed.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.golden.draws import DRAWS, DRIVEN, metric
from tests.golden.live import trajectory, version

Cases = Iterator[tuple[dict[str, Any], int]]


def torch_cases() -> Cases:
    """Declarations and how many ticks to read."""

    def case(name: str, base: float | list[float], ticks: int, **params: Any) -> tuple[dict[str, Any], int]:
        return {"framework": "torch", "class": name, "params": params, "base_lr": base, "unit": "step"}, ticks

    yield case("StepLR", 0.1, 40, step_size=9)
    yield case("StepLR", [0.1, 0.01], 40, step_size=4, gamma=0.5)
    yield case("StepLR", 0.001, 12, step_size=1, gamma=1.25)
    yield case("LinearLR", 0.001, 12)
    yield case("LinearLR", [0.2, 0.02], 30, start_factor=0.01, end_factor=0.0, total_iters=17)
    yield case("LinearLR", 0.3, 8, start_factor=0.25, total_iters=0)
    yield case("LinearLR", 0.3, 8, start_factor=1.0, end_factor=0.1, total_iters=1)
    yield case("CosineAnnealingLR", 0.1, 70, T_max=13)
    yield case("CosineAnnealingLR", [0.05, 0.0005], 60, T_max=20, eta_min=1e-4)
    yield case("CosineAnnealingLR", 0.01, 9, T_max=1, eta_min=0.001)
    yield case("CosineAnnealingLR", 0.01, 30, T_max=2)
    yield case("CosineAnnealingLR", 1e-5, 40, T_max=10, eta_min=1e-4)
    yield case("CosineAnnealingLR", 0.01, 50, T_max=7.5)
    yield case("CosineAnnealingWarmRestarts", 3e-4, 50, T_0=15)
    yield case("CosineAnnealingWarmRestarts", [0.1, 0.3], 90, T_0=5, T_mult=2, eta_min=0.01)
    yield case("CosineAnnealingWarmRestarts", 0.1, 60, T_0=1, T_mult=3)
    yield case("CosineAnnealingWarmRestarts", 0.1, 10, T_0=1)
    yield case("OneCycleLR", 0.0251, 103, max_lr=0.0251, total_steps=100, pct_start=0.1)
    yield case("OneCycleLR", 0.01, 103, max_lr=0.01, total_steps=100, div_factor=10, final_div_factor=1000)
    yield case("OneCycleLR", 0.01, 80, max_lr=0.3, epochs=7, steps_per_epoch=11, pct_start=0.25)
    yield case("OneCycleLR", 0.01, 60, max_lr=0.3, total_steps=50, anneal_strategy="linear")
    yield case("OneCycleLR", 0.01, 60, max_lr=0.3, total_steps=50, three_phase=True)
    yield case("OneCycleLR", 0.01, 60, max_lr=0.3, total_steps=50, three_phase=True, anneal_strategy="linear")
    yield case("OneCycleLR", 0.01, 30, max_lr=0.3, total_steps=21, three_phase=True, pct_start=0.52)
    yield case(
        "OneCycleLR", 0.01, 30, max_lr=0.3, total_steps=21, three_phase=True, pct_start=0.52, anneal_strategy="linear"
    )
    yield case("OneCycleLR", 0.01, 30, max_lr=0.3, total_steps=20, three_phase=True, pct_start=0.9)
    yield case("OneCycleLR", 0.01, 30, max_lr=0.3, total_steps=21, pct_start=0.0)
    yield case("OneCycleLR", 0.01, 30, max_lr=0.3, total_steps=21, pct_start=0.01, three_phase=True)
    yield case("OneCycleLR", 0.01, 30, max_lr=0.3, total_steps=21, pct_start=1.0)
    yield case("OneCycleLR", 0.01, 5, max_lr=0.3, total_steps=1)
    yield case("OneCycleLR", 0.01, 5, max_lr=0.3, total_steps=2)
    yield case("OneCycleLR", [0.1, 0.01], 25, max_lr=[0.3, 0.03], total_steps=20, cycle_momentum=False)
    yield case("OneCycleLR", [0.1, 0.01], 25, max_lr=0.3, total_steps=20)
    yield case("StepLR", 0.1, 20, step_size=2.5, gamma=0.5)
    yield case("MultiStepLR", 0.1, 40, milestones=[12.0, 22.5])
    yield case("ConstantLR", 0.1, 10, total_iters=4.5)
    yield case("LinearLR", 0.1, 20, start_factor=0.1, total_iters=12.5)
    yield case("PolynomialLR", 0.1, 110, total_iters=100.5)


def paddle_cases() -> Cases:
    """Declarations and how many ticks to read."""

    def case(name: str, ticks: int, **params: Any) -> tuple[dict[str, Any], int]:
        return {"framework": "paddle", "class": name, "params": params, "unit": "step"}, ticks

    def cosine(**params: Any) -> dict[str, Any]:
        return {"class": "CosineAnnealingDecay", "params": params}

    yield case("StepDecay", 40, learning_rate=0.002, step_size=10, gamma=0.9)
    yield case("StepDecay", 20, learning_rate=0.5, step_size=3)
    yield case("CosineAnnealingDecay", 80, learning_rate=0.1, T_max=17)
    yield case("CosineAnnealingDecay", 50, learning_rate=0.01, T_max=10, eta_min=0.001)
    yield case("CosineAnnealingDecay", 7, learning_rate=0.01, T_max=1)
    yield case("LinearWarmup", 40, learning_rate=0.1, warmup_steps=10, start_lr=0.0, end_lr=0.05)
    yield case("LinearWarmup", 9, learning_rate=1, warmup_steps=3, start_lr=0, end_lr=1)
    yield case(
        "LinearWarmup",
        70,
        learning_rate=cosine(learning_rate=0.002, T_max=30),
        warmup_steps=1,
        start_lr=2e-5,
        end_lr=0.002,
    )
    yield case(
        "LinearWarmup",
        60,
        learning_rate={"class": "StepDecay", "params": {"learning_rate": 0.2, "step_size": 7}},
        warmup_steps=12,
        start_lr=0.001,
        end_lr=0.1,
    )
    inner = {"learning_rate": cosine(learning_rate=0.1, T_max=8), "warmup_steps": 5, "start_lr": 0.01, "end_lr": 0.1}
    yield case(
        "LinearWarmup",
        50,
        learning_rate={"class": "LinearWarmup", "params": inner},
        warmup_steps=4,
        start_lr=0.0,
        end_lr=0.01,
    )


def _member(name: str, **params: Any) -> dict[str, Any]:
    return {"class": name, "params": params}


def torch_nested_cases() -> Cases:
    """Schedulers in turn and on top of each other, and what they do to one another."""

    def case(name: str, members: list[dict[str, Any]], **params: Any) -> tuple[dict[str, Any], int]:
        declaration = {"framework": "torch", "class": name, "params": {"schedulers": members, **params}}
        return {**declaration, "base_lr": [0.1, 0.02], "unit": "step"}, 60

    warm = _member("LinearLR", start_factor=0.01, total_iters=5)
    cosine = _member("CosineAnnealingLR", T_max=20, eta_min=1e-3)
    cycle = _member("OneCycleLR", max_lr=0.3, total_steps=30)
    wave = _member("CyclicLR", base_lr=0.01, max_lr=0.1, step_size_up=6)
    falling = _member("ExponentialLR", gamma=0.9)
    yield case("SequentialLR", [warm, cosine], milestones=[5])
    yield case("SequentialLR", [warm, cosine], milestones=[3])
    yield case("SequentialLR", [warm, cosine, falling], milestones=[5, 5])
    yield case("SequentialLR", [warm, cosine], milestones=[0])
    yield case("SequentialLR", [warm, cycle], milestones=[5])
    yield case("SequentialLR", [warm, wave], milestones=[5])
    yield case("SequentialLR", [wave, falling], milestones=[20])
    yield case("SequentialLR", [falling, _member("ConstantLR", total_iters=0)], milestones=[9])
    yield case("SequentialLR", [falling, _member("LinearLR", total_iters=0)], milestones=[9])
    yield case("SequentialLR", [falling, _member("PolynomialLR", total_iters=0)], milestones=[9])
    yield case("SequentialLR", [warm, _member("ChainedScheduler", schedulers=[falling])], milestones=[9])
    yield case("SequentialLR", [_member("ChainedScheduler", schedulers=[falling, cosine]), falling], milestones=[9])
    inner = _member("SequentialLR", schedulers=[warm, cosine], milestones=[5])
    yield case("SequentialLR", [inner, falling], milestones=[30])
    yield case("ChainedScheduler", [inner, falling])
    yield case("ChainedScheduler", [warm, cosine])
    yield case("ChainedScheduler", [warm, falling, _member("StepLR", step_size=9)])
    yield case("ChainedScheduler", [falling, cycle])
    yield case("ChainedScheduler", [_member("CosineAnnealingWarmRestarts", T_0=7), falling])
    yield case("ChainedScheduler", [_member("ConstantLR", factor=0.0, total_iters=7)])
    longer = _member("LinearLR", total_iters=12.5)
    yield case("SequentialLR", [longer, _member("CosineAnnealingLR", T_max=37.5)], milestones=[12.5])
    yield case("SequentialLR", [longer, _member("ChainedScheduler", schedulers=[falling])], milestones=[12.5])


def paddle_set_cases() -> Cases:
    """Schedulers that LinearWarmup sets by number, which is not always what their own steps do."""

    def case(name: str, ticks: int, **params: Any) -> tuple[dict[str, Any], int]:
        warmup = {"learning_rate": _member(name, **params), "warmup_steps": 3, "start_lr": 0.0, "end_lr": 0.1}
        return {"framework": "paddle", "class": "LinearWarmup", "params": warmup, "unit": "step"}, ticks

    for factor in (1, 2, 3, 5):
        yield case("CosineAnnealingWarmRestarts", 400, learning_rate=0.1, T_0=1, T_mult=factor)
    yield case("ReduceOnPlateau", 60, learning_rate=0.1, factor=0.5, patience=4, cooldown=2)
    yield case("ReduceOnPlateau", 60, learning_rate=0.1, factor=0.5, patience=1, mode="max", threshold=0.5)
    yield case("OneCycleLR", 60, max_learning_rate=1e-5, total_steps=30)
    yield case("MultiStepDecay", 30, learning_rate=0.1, milestones=[0, 7, 9])
    yield case("LinearLR", 12, learning_rate=0.1, total_steps=4.5)
    plain = {"framework": "paddle", "params": {"learning_rate": 0.1, "total_steps": 4.5}, "unit": "step"}
    yield {**plain, "class": "LinearLR"}, 12


def transformers_cases() -> Cases:
    """The functions by their own names, and powers and scales at which the formulas break."""

    def case(name: str, /, **params: Any) -> tuple[dict[str, Any], int]:
        shared = {"framework": "transformers", "class": name, "params": params}
        return {**shared, "base_lr": [0.1, 0.02], "unit": "step"}, 50

    def named(name: str, warm: float, total: float, **own: Any) -> tuple[dict[str, Any], int]:
        params = {"num_warmup_steps": warm, "num_training_steps": total, "scheduler_specific_kwargs": own}
        return case("get_scheduler", name=name, **params)

    yield named("polynomial", 10, 41, power=0)
    yield named("polynomial", 2.5, 41.5, power=0, lr_end=1e-3)
    yield named("polynomial", 12.5, 12.5)
    yield named("inverse_sqrt", 12, 40, timescale=0)
    warm: dict[str, Any] = {"num_warmup_steps": 10, "num_training_steps": 40}
    yield case("get_constant_schedule")
    yield case("get_constant_schedule_with_warmup", num_warmup_steps=10)
    yield case("get_linear_schedule_with_warmup", **warm)
    yield case("get_cosine_schedule_with_warmup", **warm, num_cycles=1.5)
    yield case("get_cosine_with_hard_restarts_schedule_with_warmup", **warm, num_cycles=3)
    yield case("get_polynomial_decay_schedule_with_warmup", **warm, power=2.0, lr_end=1e-4)
    yield case("get_inverse_sqrt_schedule", num_warmup_steps=10, timescale=5)
    yield case("get_cosine_with_min_lr_schedule_with_warmup", **warm, min_lr=1e-3)
    yield case("get_cosine_with_min_lr_schedule_with_warmup_lr_rate", **warm, min_lr_rate=0.1, warmup_lr_rate=0.05)
    yield case("get_wsd_schedule", num_warmup_steps=10, num_stable_steps=20, num_decay_steps=10)
    yield case("get_wsd_schedule", **warm, num_decay_steps=10, decay_type="1-sqrt")


def transformers_driven() -> Cases:
    """The functions that make what a metric drives."""

    def case(name: str, /, **params: Any) -> tuple[dict[str, Any], int]:
        shared = {"framework": "transformers", "class": name, "params": params}
        return {**shared, "base_lr": [0.1, 0.02], "unit": "epoch", "steps_per_epoch": 1}, 60

    yield case("get_reduce_on_plateau_schedule", patience=2.5, cooldown=1.5, factor=0.5)
    yield case("get_greedy_schedule", patience=1, factor=0.5)
    yield case("get_greedy_schedule", patience=0, factor=0.8, min_lr=[0.05, 0.01], max_lr=[0.2, 0.04], reset_start=2)
    yield case("get_greedy_schedule", patience=1, factor=0.7, min_lr=0.02, cooldown=2, warmup=1, mode="max")
    yield case("get_greedy_schedule", patience=1.5, factor=0.9, threshold=0.05, threshold_mode="rel", reset_start=1)
    yield case("get_greedy_schedule", patience=0, factor=0.95, min_lr=1e-3, eps=1e-3, warmup=2.5, cooldown=0.5)


def timm_cases() -> Cases:
    """The first tick, which is not asked for, and cycles whose number a logarithm gets wrong."""

    def case(name: str, ticks: int, **params: Any) -> tuple[dict[str, Any], int]:
        return {"framework": "timm", "class": name, "params": params, "base_lr": [0.1, 0.02], "unit": "step"}, ticks

    yield case("MultiStepLRScheduler", 20, decay_t=[1, 9], decay_rate=0.5)
    yield case("TanhLRScheduler", 20, t_initial=15)
    yield case("StepLRScheduler", 60, decay_t=8.4, decay_rate=0.5)
    yield case("CosineLRScheduler", 400, t_initial=1, cycle_mul=3, cycle_limit=9)
    yield case("CosineLRScheduler", 800, t_initial=1, cycle_mul=5, cycle_limit=9, cycle_decay=0.9)
    yield case("CosineLRScheduler", 60, t_initial=20, cycle_mul=0.5, cycle_limit=9)
    yield case("CosineLRScheduler", 60, t_initial=20, warmup_t=5, warmup_lr_init=1e-4)
    yield case("CosineLRScheduler", 60, t_initial=20, warmup_t=5, warmup_lr_init=1e-4, warmup_prefix=True)


def timm_driven() -> Cases:
    """Counts with a fraction: the warm-up stops short, and the plateau goes on from there."""
    params = {"warmup_lr_init": 1e-4, "patience_t": 2.5, "cooldown_t": 1.25, "mode": "min"}
    for warm in (2.5, 0.5):
        whole = {"framework": "timm", "class": "PlateauLRScheduler", "params": {**params, "warmup_t": warm}}
        yield {**whole, "base_lr": [0.1, 0.02], "unit": "epoch", "steps_per_epoch": 1}, 60


def keras_cases() -> Cases:
    """The defaults, and restarts on whose tick float32 decides."""

    def case(name: str, ticks: int, **params: Any) -> tuple[dict[str, Any], int]:
        return {"framework": "keras", "class": name, "params": params, "unit": "step"}, ticks

    yield case("CosineDecay", 40, initial_learning_rate=0.1, decay_steps=20, warmup_steps=9)
    yield case("CosineDecay", 40, initial_learning_rate=0.0, decay_steps=20, warmup_steps=9, warmup_target=0.1)
    yield case("PiecewiseConstantDecay", 12, boundaries=[3, 3, 7], values=[0.1, 0.05, 0.02, 0.01])
    yield case("PolynomialDecay", 50, initial_learning_rate=5e-5, decay_steps=20)
    yield case("CosineDecayRestarts", 300, initial_learning_rate=0.1, first_decay_steps=4)
    yield case("CosineDecayRestarts", 300, initial_learning_rate=0.1, first_decay_steps=2, t_mul=1.5, m_mul=0.9)
    yield case("CosineDecayRestarts", 300, initial_learning_rate=0.1, first_decay_steps=1, t_mul=3.0, alpha=0.1)


CHOSEN: dict[str, tuple[Callable[[], Cases], ...]] = {
    "torch": (torch_cases, torch_nested_cases),
    "paddle": (paddle_cases, paddle_set_cases),
    "transformers": (transformers_cases,),
    "timm": (timm_cases,),
    "keras": (keras_cases,),
}
METERED: dict[str, tuple[tuple[dict[str, Any], int], ...]] = {
    "transformers": tuple(transformers_driven()),
    "timm": tuple(timm_driven()),
}
"""What a metric drives."""
DRAWN = {"torch": 8, "paddle": 60, "transformers": 60, "timm": 50, "keras": 40}
"""Drawn cases of each draw."""


def drawn_cases(framework: str) -> Cases:
    """Cases with drawn parameters."""
    for draw in DRAWS[framework]:
        rng = random.Random(f"golden {framework} {draw.__name__}")
        for _ in range(DRAWN[framework]):
            yield draw(rng), 70


def _line(declaration: dict[str, Any], ticks: int, made_by: str, values: list[float] | None = None) -> str:
    lrs, raises_at = trajectory(declaration, ticks, values)
    case: dict[str, Any] = {"declaration": declaration, "version": made_by, "lrs": lrs, "raises_at": raises_at}
    if values is not None:
        case["metric"] = [None if math.isnan(value) else value for value in values]
    return json.dumps(case) + "\n"


def main(names: list[str]) -> None:
    """Write one file a framework."""
    here = Path(__file__).parent
    for name in names or list(CHOSEN):
        made_by = version(name)
        lines = [_line(*case, made_by) for cases in CHOSEN[name] for case in cases()]
        lines += [_line(*case, made_by) for case in drawn_cases(name)]
        for draw in DRIVEN.get(name, ()):
            rng = random.Random(f"golden {name} plateau")
            lines += [_line(draw(rng), 60, made_by, metric(rng, 60)) for _ in range(12)]
        lines += [_line(*case, made_by, metric(rng, case[1])) for case in METERED.get(name, ())]
        (here / f"{name}.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
