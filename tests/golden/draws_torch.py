"""Draws of torch's schedulers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.golden.drawing import Draw, base, plateau, rate, some


def torch_simple(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """A scheduler that multiplies."""
    return rng.choice(
        [
            lambda: ("StepLR", {"step_size": rng.randint(1, 12), **some(rng, gamma=rng.uniform(0.01, 1.1))}),
            lambda: (
                "MultiStepLR",
                {
                    "milestones": [rng.randint(0, 60) for _ in range(rng.randint(0, 6))],
                    **some(rng, gamma=rng.uniform(0.05, 1)),
                },
            ),
            lambda: ("ConstantLR", some(rng, factor=rng.uniform(0, 1), total_iters=rng.randint(0, 30))),
            lambda: (
                "LinearLR",
                some(
                    rng,
                    start_factor=rng.uniform(0.001, 1),
                    end_factor=rng.choice([0.0, 1.0, rng.uniform(0, 1)]),
                    total_iters=rng.randint(0, 40),
                ),
            ),
            lambda: ("ExponentialLR", {"gamma": rng.uniform(0.5, 1.01)}),
            lambda: (
                "PolynomialLR",
                some(rng, total_iters=rng.randint(0, 60), power=rng.choice([0.5, 1.0, 2.0, rng.uniform(0.1, 4)])),
            ),
        ]
    )()


def torch_cosine(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """A cosine."""
    least = rng.choice([0.0, rate(rng) / 100])
    if rng.random() < 0.5:
        return "CosineAnnealingLR", {"T_max": rng.randint(1, 40), **some(rng, eta_min=least)}
    return "CosineAnnealingWarmRestarts", {
        "T_0": rng.randint(1, 20),
        **some(rng, T_mult=rng.randint(1, 3), eta_min=least),
    }


def torch_one_cycle(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """A one-cycle policy."""
    total = rng.randint(1, 60)
    share = rng.choice([0.0, 0.1, 0.25, 0.3, 0.5, 0.9, 1.0, rng.random()])
    if share * total == 1:
        share = 0.35
    params: dict[str, Any] = {
        "max_lr": rate(rng),
        "pct_start": share,
        **some(
            rng,
            anneal_strategy=rng.choice(["cos", "linear"]),
            div_factor=rng.uniform(1, 50),
            final_div_factor=10 ** rng.uniform(0, 5),
            three_phase=rng.random() < 0.5,
        ),
    }
    params |= {"total_steps": total} if rng.random() < 0.5 else {"epochs": total, "steps_per_epoch": 1}
    return "OneCycleLR", params


def torch_cyclic(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Triangles."""
    low = rate(rng)
    return "CyclicLR", {
        "base_lr": low,
        "max_lr": low * rng.uniform(1, 20),
        "step_size_up": rng.randint(1, 20),
        **some(
            rng,
            step_size_down=rng.randint(1, 20),
            mode=rng.choice(["triangular", "triangular2", "exp_range"]),
            gamma=rng.uniform(0.9, 1),
        ),
    }


def _member(rng: random.Random, depth: int) -> dict[str, Any]:
    draw = rng.choice(
        [torch_simple, torch_simple, torch_simple, torch_cosine, torch_cosine, torch_cyclic, torch_one_cycle]
    )
    if depth and rng.random() < 0.25:
        draw = rng.choice([torch_sequential, torch_chained])  # type: ignore[list-item]
        name, params = draw(rng, depth - 1)  # type: ignore[call-arg]
    else:
        name, params = draw(rng)
    return {"class": name, "params": params}


def torch_sequential(rng: random.Random, depth: int = 0) -> tuple[str, dict[str, Any]]:
    """Schedulers in turn."""
    members = [_member(rng, depth if index == 0 else 0) for index in range(rng.randint(1, 4))]
    marks = sorted(rng.randint(1, 50) for _ in members[1:])
    return "SequentialLR", {"schedulers": members, "milestones": marks}


def torch_chained(rng: random.Random, depth: int = 0) -> tuple[str, dict[str, Any]]:
    """Schedulers on top of each other."""
    return "ChainedScheduler", {"schedulers": [_member(rng, depth) for _ in range(rng.randint(1, 3))]}


def _share(rng: random.Random, most: int) -> float:
    """A number of ticks as a share of a run gives it: with a fraction, mostly."""
    return rng.choice([rng.randint(1, most), rng.randint(0, most) + rng.choice([0.25, 0.5, 0.9]), 0.1 * most])


def torch_fractional(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Numbers of ticks with a fraction, alone, in turn, and on top of each other."""
    members = [
        {"class": "StepLR", "params": {"step_size": _share(rng, 9) + 0.5, "gamma": rng.uniform(0.1, 1)}},
        {"class": "MultiStepLR", "params": {"milestones": [_share(rng, 50) for _ in range(3)], "gamma": 0.5}},
        {"class": "ConstantLR", "params": {"factor": rng.uniform(0, 1), "total_iters": _share(rng, 20)}},
        {"class": "LinearLR", "params": {"total_iters": _share(rng, 30), "start_factor": rng.uniform(0.01, 1)}},
        {"class": "LinearLR", "params": {"total_iters": _share(rng, 30), "end_factor": 0.0}},
        {"class": "PolynomialLR", "params": {"total_iters": _share(rng, 60), "power": rng.choice([0.5, 1.0, 2.0])}},
        {"class": "CosineAnnealingLR", "params": {"T_max": _share(rng, 40)}},
        {"class": "CyclicLR", "params": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": _share(rng, 12)}},
        {"class": "OneCycleLR", "params": {"max_lr": 0.1, "total_steps": rng.randint(20, 60)}},
        {"class": "ExponentialLR", "params": {"gamma": rng.uniform(0.8, 1)}},
        {"class": "ChainedScheduler", "params": {"schedulers": [{"class": "ExponentialLR", "params": {"gamma": 0.9}}]}},
    ]
    shape = rng.randrange(4)
    if shape == 0:
        one = rng.choice(members[:8])
        return one["class"], one["params"]
    if shape == 1:
        return "ChainedScheduler", {"schedulers": rng.sample(members[:8], 2)}
    taken = rng.sample(members, rng.randint(2, 3))
    return "SequentialLR", {"schedulers": taken, "milestones": sorted(_share(rng, 50) for _ in taken[1:])}


def torch_nested(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Nested ones."""
    return rng.choice([torch_sequential, torch_chained])(rng, 2)


def _of_torch(draw: Callable[[random.Random], tuple[str, dict[str, Any]]]) -> Draw:
    def declare(rng: random.Random) -> dict[str, Any]:
        name, params = draw(rng)
        return {"framework": "torch", "class": name, "params": params, "base_lr": base(rng), "unit": "step"}

    return declare


def torch_plateau(rng: random.Random) -> dict[str, Any]:
    """ReduceLROnPlateau."""
    return {
        "framework": "torch",
        "class": "ReduceLROnPlateau",
        "params": plateau(rng),
        "base_lr": base(rng),
        "unit": "epoch",
        "steps_per_epoch": 1,
    }


def _named(draw: Callable[[random.Random], tuple[str, dict[str, Any]]]) -> Draw:
    declare = _of_torch(draw)
    declare.__name__ = draw.__name__
    return declare


TORCH_DRAWS: tuple[Draw, ...] = tuple(
    _named(draw)
    for draw in (
        torch_simple,
        torch_cosine,
        torch_one_cycle,
        torch_cyclic,
        torch_sequential,
        torch_chained,
        torch_nested,
        torch_fractional,
    )
)
