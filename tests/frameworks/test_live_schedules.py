"""Drawn parameters, run through the live schedulers and through ours: the same LRs, the same refusals."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.golden.live import trajectory
from trackside_service.errors import ScheduleError
from trackside_service.schedules import compile_schedule

pytestmark = [
    pytest.mark.filterwarnings("ignore:No ccache found"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
Draw = Callable[[random.Random], dict[str, Any]]


def _torch(name: str, base: Any, params: dict[str, Any]) -> dict[str, Any]:
    return {"framework": "torch", "class": name, "params": params, "base_lr": base, "unit": "step"}


def _rate(rng: random.Random) -> float:
    return 10 ** rng.uniform(-6, 0)


def _base(rng: random.Random) -> float | list[float]:
    return rng.choice([_rate(rng), [_rate(rng) for _ in range(rng.randint(1, 3))]])


def _step(rng: random.Random) -> dict[str, Any]:
    return _torch("StepLR", _base(rng), {"step_size": rng.randint(1, 12), "gamma": rng.uniform(0.01, 1.1)})


def _linear(rng: random.Random) -> dict[str, Any]:
    params = {"start_factor": rng.uniform(0.001, 1), "end_factor": rng.uniform(0, 1), "total_iters": rng.randint(0, 40)}
    return _torch("LinearLR", _base(rng), params)


def _cosine(rng: random.Random) -> dict[str, Any]:
    return _torch(
        "CosineAnnealingLR", _base(rng), {"T_max": rng.randint(1, 40), "eta_min": rng.choice([0.0, _rate(rng)])}
    )


def _restarts(rng: random.Random) -> dict[str, Any]:
    params = {"T_0": rng.randint(1, 20), "T_mult": rng.randint(1, 3), "eta_min": rng.choice([0.0, _rate(rng)])}
    return _torch("CosineAnnealingWarmRestarts", _base(rng), params)


def _one_cycle(rng: random.Random) -> dict[str, Any]:
    total = rng.randint(1, 60)
    share = rng.choice([0.0, 0.1, 0.25, 0.3, 0.5, 0.9, 1.0, rng.random()])
    if share * total == 1:
        share = 0.3
    params: dict[str, Any] = {
        "pct_start": share,
        "anneal_strategy": rng.choice(["cos", "linear"]),
        "div_factor": rng.uniform(1, 50),
        "final_div_factor": 10 ** rng.uniform(0, 5),
        "three_phase": rng.random() < 0.5,
    }
    base = _base(rng)
    rates = isinstance(base, list) and rng.random() < 0.5
    params["max_lr"] = [_rate(rng) for _ in base] if rates and isinstance(base, list) else _rate(rng)
    if rng.random() < 0.5:
        params["total_steps"] = total
    else:
        params |= {"epochs": total, "steps_per_epoch": 1}
    return _torch("OneCycleLR", base, params)


def _paddle(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    name = rng.choice(["StepDecay", "CosineAnnealingDecay", "LinearWarmup"] if depth < 3 else ["StepDecay"])
    params: dict[str, Any] = {"learning_rate": _rate(rng)}
    if name == "StepDecay":
        params |= {"step_size": rng.randint(1, 12), "gamma": rng.uniform(0, 0.99)}
    elif name == "CosineAnnealingDecay":
        params |= {"T_max": rng.randint(1, 30), "eta_min": rng.choice([0, _rate(rng)])}
    else:
        low = rng.choice([0.0, _rate(rng)])
        params |= {"warmup_steps": rng.randint(1, 12), "start_lr": low, "end_lr": low + _rate(rng)}
        if rng.random() < 0.7:
            inner = _paddle(rng, depth + 1)
            params["learning_rate"] = {"class": inner["class"], "params": inner["params"]}
    return {"framework": "paddle", "class": name, "params": params, "unit": "step"}


@pytest.mark.parametrize("draw", [_step, _linear, _cosine, _restarts, _one_cycle, _paddle])
def test_drawn_parameters_give_the_live_libraries_lrs(draw: Draw) -> None:
    rng = random.Random(draw.__name__)
    for _ in range(40):
        declaration = draw(rng)
        wanted, raises_at = trajectory(declaration, 100)
        schedule = compile_schedule(declaration)
        assert schedule.refused_after == (None if raises_at is None else raises_at - 1), declaration
        for group, lrs in enumerate(wanted):
            got = schedule.lrs(np.arange(len(lrs)), group)
            np.testing.assert_allclose(got, lrs, rtol=0, atol=1e-12 * max(map(abs, lrs)), err_msg=str(declaration))


def test_a_long_cosine_agrees_with_the_recursion_through_its_rebound() -> None:
    params = {"learning_rate": 0.1, "T_max": 50_000, "eta_min": 1e-6}
    declaration = {"framework": "paddle", "class": "CosineAnnealingDecay", "params": params, "unit": "step"}
    (wanted,), _ = trajectory(declaration, 170_000)
    got = compile_schedule(declaration).lrs(np.arange(len(wanted)))
    assert float(np.max(np.abs(got - wanted))) < 1e-12 * 0.1


REFUSED = [
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 0}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10.0}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "epochs": 3}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "pct_start": 0.1}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "pct_start": 1}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "pct_start": 1.5}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "div_factor": 0}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "anneal_strategy": "poly"}),
    _torch("OneCycleLR", [0.1, 0.2], {"max_lr": [0.1, 0.2, 0.3], "total_steps": 10}),
    _torch("OneCycleLR", 0.1, {"max_lr": 0.1, "total_steps": 10, "final_div": 4}),
    _torch("LinearLR", 0.1, {"start_factor": 0.0}),
    _torch("LinearLR", 0.1, {"start_factor": 1.1}),
    _torch("LinearLR", 0.1, {"end_factor": 1.1}),
    _torch("LinearLR", 0.1, {"end_factor": -0.1}),
    _torch("CosineAnnealingWarmRestarts", 0.1, {"T_0": 0}),
    _torch("CosineAnnealingWarmRestarts", 0.1, {"T_0": 1.0}),
    _torch("CosineAnnealingWarmRestarts", 0.1, {"T_0": 1, "T_mult": 0}),
    _torch("CosineAnnealingWarmRestarts", 0.1, {"T_0": 1, "T_mult": 1.5}),
    _torch("CosineAnnealingLR", 0.1, {}),
    _torch("StepLR", 0.1, {"gamma": 0.1}),
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": 0.1, "step_size": 3, "gamma": 1.0}},
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": 0.1, "step_size": 3.0}},
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": 0.1, "step_size": 0}},
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": -0.1, "step_size": 3}},
    {"framework": "paddle", "class": "StepDecay", "params": {"learning_rate": "0.1", "step_size": 3}},
    {"framework": "paddle", "class": "StepDecay", "params": {"step_size": 3}},
    {"framework": "paddle", "class": "CosineAnnealingDecay", "params": {"learning_rate": 0.1, "T_max": 0}},
    {"framework": "paddle", "class": "CosineAnnealingDecay", "params": {"learning_rate": 0.1, "T_max": 5.0}},
    {
        "framework": "paddle",
        "class": "LinearWarmup",
        "params": {"learning_rate": 0.1, "warmup_steps": 3, "start_lr": 0.1, "end_lr": 0.1},
    },
    {
        "framework": "paddle",
        "class": "LinearWarmup",
        "params": {"learning_rate": 0.1, "warmup_steps": 0, "start_lr": 0.0, "end_lr": 0.1},
    },
]


@pytest.mark.parametrize("declaration", REFUSED, ids=str)
def test_what_the_live_constructor_refuses_is_refused(declaration: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, AssertionError, ZeroDivisionError)):
        trajectory(declaration, 1)
    with pytest.raises(ScheduleError) as refusal:
        compile_schedule({"unit": "step", **declaration})
    assert refusal.value.faults
