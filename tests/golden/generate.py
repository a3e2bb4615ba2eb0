"""Writes the golden trajectories beside this file, read off the real libraries:

    PYTHONPATH=. .venv-frameworks/bin/python tests/golden/generate.py

One JSON line a case: the declaration as it would be sent, the library's version, the LRs of every group at ticks
0, 1, ... and the tick at which the real class raises (null: it does not). Trajectories go past the end on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.golden.live import trajectory


def torch_cases() -> Iterator[tuple[dict[str, Any], int]]:
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


def paddle_cases() -> Iterator[tuple[dict[str, Any], int]]:
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


def main() -> None:
    """Write one file a framework."""
    import paddle
    import torch

    here = Path(__file__).parent
    tables = (("torch", torch.__version__, torch_cases()), ("paddle", paddle.__version__, paddle_cases()))
    for name, version, cases in tables:
        lines = []
        for declaration, ticks in cases:
            lrs, raises_at = trajectory(declaration, ticks)
            case = {"declaration": declaration, "version": version.split("+")[0], "lrs": lrs, "raises_at": raises_at}
            lines.append(json.dumps(case) + "\n")
        (here / f"{name}.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    main()
