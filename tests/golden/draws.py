"""Declarations with drawn parameters, for the golden values and for the tests against the live libraries."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

Draw = Callable[[random.Random], dict[str, Any]]


def rate(rng: random.Random) -> float:
    """An LR."""
    return 10 ** rng.uniform(-6, 0)


def some(rng: random.Random, **choices: Any) -> dict[str, Any]:
    """Some of the parameters, so that defaults are met as well."""
    return {name: value for name, value in choices.items() if rng.random() < 0.6}


def _base(rng: random.Random) -> float | list[float]:
    return rng.choice([rate(rng), [rate(rng) for _ in range(rng.randint(1, 3))]])


def _milestones(rng: random.Random) -> list[int]:
    return sorted(rng.sample(range(1, 90), rng.randint(1, 5)))


# torch


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


def torch_nested(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Nested ones."""
    return rng.choice([torch_sequential, torch_chained])(rng, 2)


def _of_torch(draw: Callable[[random.Random], tuple[str, dict[str, Any]]]) -> Draw:
    def declare(rng: random.Random) -> dict[str, Any]:
        name, params = draw(rng)
        return {"framework": "torch", "class": name, "params": params, "base_lr": _base(rng), "unit": "step"}

    return declare


def _plateau(rng: random.Random, eps: str = "eps") -> dict[str, Any]:
    mode = rng.choice(["rel", "abs"])
    return some(
        rng,
        mode=rng.choice(["min", "max"]),
        factor=rng.uniform(0.1, 0.95),
        patience=rng.randint(0, 5),
        threshold=10 ** rng.uniform(-4, -1),
        threshold_mode=mode,
        cooldown=rng.randint(0, 4),
        min_lr=rng.choice([0.0, 1e-4]),
        **{eps: rng.choice([1e-8, 1e-3])},
    )


def torch_plateau(rng: random.Random) -> dict[str, Any]:
    """ReduceLROnPlateau."""
    return {
        "framework": "torch",
        "class": "ReduceLROnPlateau",
        "params": _plateau(rng),
        "base_lr": _base(rng),
        "unit": "epoch",
        "steps_per_epoch": 1,
    }


def metric(rng: random.Random, ticks: int) -> list[float]:
    """A loss that falls and stands still, now and then not a number."""
    return [
        math.nan if rng.random() < 0.02 else round(math.exp(-tick / 20) + rng.gauss(0, 0.05), rng.choice([1, 3]))
        for tick in range(ticks)
    ]


# paddle


def paddle_scheduler(rng: random.Random, depth: int = 0) -> tuple[str, dict[str, Any]]:
    """Any scheduler, warm-ups over others included."""
    first = {"learning_rate": rate(rng)}
    below = rng.uniform(0.05, 0.99)
    names: dict[str, Callable[[], dict[str, Any]]] = {
        "NoamDecay": lambda: {
            "d_model": rng.choice([64, 512]),
            "warmup_steps": rng.randint(1, 40),
            **some(rng, learning_rate=rate(rng)),
        },
        "PiecewiseDecay": lambda: {
            "boundaries": (marks := _milestones(rng)),
            "values": [rate(rng) for _ in range(len(marks) + 1)],
        },
        "NaturalExpDecay": lambda: {**first, "gamma": rng.uniform(0.001, 1)},
        "InverseTimeDecay": lambda: {**first, "gamma": rng.uniform(0, 1)},
        "PolynomialDecay": lambda: {
            **first,
            "decay_steps": rng.randint(1, 50),
            **some(rng, end_lr=rate(rng) / 10, power=rng.choice([0.5, 1.0, 2.0]), cycle=rng.random() < 0.5),
        },
        "ExponentialDecay": lambda: {**first, "gamma": below},
        "MultiStepDecay": lambda: {**first, "milestones": _milestones(rng), **some(rng, gamma=below)},
        "StepDecay": lambda: {**first, "step_size": rng.randint(1, 12), **some(rng, gamma=below)},
        "LinearLR": lambda: {
            **first,
            "total_steps": rng.randint(1, 40),
            **some(rng, start_factor=rng.uniform(0.01, 1), end_factor=rng.choice([0.0, rng.random()])),
        },
        "CosineAnnealingDecay": lambda: {**first, "T_max": rng.randint(1, 30), **some(rng, eta_min=rate(rng) / 100)},
        "CosineAnnealingWarmRestarts": lambda: {
            **first,
            "T_0": rng.randint(1, 12),
            **some(rng, T_mult=rng.randint(1, 4), eta_min=rate(rng) / 100),
        },
        "OneCycleLR": lambda: {
            "max_learning_rate": rate(rng),
            "total_steps": rng.randint(5, 60),
            "phase_pct": rng.choice([0.0, 0.12, 0.3, 0.45, 0.97]),
            **some(
                rng,
                divide_factor=rng.uniform(1, 40),
                end_learning_rate=rate(rng) / 10,
                anneal_strategy=rng.choice(["cos", "linear"]),
                three_phase=rng.random() < 0.5,
            ),
        },
        "CyclicLR": lambda: {
            "base_learning_rate": rate(rng),
            "max_learning_rate": rate(rng),
            "step_size_up": rng.randint(1, 20),
            **some(
                rng,
                step_size_down=rng.randint(1, 20),
                mode=rng.choice(["triangular", "triangular2", "exp_range"]),
                exp_gamma=rng.uniform(0.9, 1),
            ),
        },
        "LinearWarmup": lambda: _paddle_warmup(rng, depth),
    }
    name = rng.choice([*names, "LinearWarmup", "LinearWarmup"] if depth < 3 else ["StepDecay"])
    return name, names[name]()


def _paddle_warmup(rng: random.Random, depth: int) -> dict[str, Any]:
    low = rng.choice([0.0, rate(rng)])
    inner: Any = rate(rng)
    if rng.random() < 0.85:
        name, params = paddle_scheduler(rng, depth + 1)
        if rng.random() < 0.1:
            name, params = "ReduceOnPlateau", {"learning_rate": inner, **_plateau(rng, "epsilon")}
        inner = {"class": name, "params": params}
    return {"learning_rate": inner, "warmup_steps": rng.randint(1, 12), "start_lr": low, "end_lr": low + rate(rng)}


def paddle_any(rng: random.Random) -> dict[str, Any]:
    """Any of Paddle's."""
    name, params = paddle_scheduler(rng)
    return {"framework": "paddle", "class": name, "params": params, "unit": "step"}


def paddle_plateau(rng: random.Random) -> dict[str, Any]:
    """ReduceOnPlateau."""
    params = {"learning_rate": rate(rng), **_plateau(rng, "epsilon")}
    return {"framework": "paddle", "class": "ReduceOnPlateau", "params": params, "unit": "epoch", "steps_per_epoch": 1}


# transformers


def transformers_any(rng: random.Random) -> dict[str, Any]:
    """Any name of get_scheduler that needs no metric."""
    base = _base(rng)
    first = base[0] if isinstance(base, list) else base
    least = rng.choice([{"min_lr": first * rng.random()}, {"min_lr_rate": rng.random()}])
    cycles = some(rng, num_cycles=rng.choice([0.5, 1.0, 2.0, rng.uniform(0.1, 3)]))
    types = ["linear", "cosine", "1-sqrt"]
    names: dict[str, dict[str, Any]] = {
        "linear": {},
        "cosine": cycles,
        "cosine_with_restarts": some(rng, num_cycles=rng.choice([1, 2, 3, 7, 2.5])),
        "polynomial": {"lr_end": first * rng.uniform(0, 0.9), **some(rng, power=rng.choice([0.5, 1.0, 2.0]))},
        "constant": {},
        "constant_with_warmup": {},
        "inverse_sqrt": some(rng, timescale=rng.randint(1, 60)),
        "cosine_with_min_lr": {**cycles, **least},
        "cosine_warmup_with_min_lr": {**cycles, **least, **some(rng, warmup_lr_rate=rng.random())},
        "warmup_stable_decay": {
            "num_decay_steps": rng.randint(0, 40),
            **some(
                rng,
                warmup_type=rng.choice(types),
                decay_type=rng.choice(types),
                min_lr_ratio=rng.random(),
                num_stable_steps=rng.randint(0, 40),
                num_cycles=rng.choice([0.5, 1.5]),
            ),
        },
    }
    name = rng.choice(list(names))
    params = {
        "name": name,
        "num_warmup_steps": rng.choice([0, 1, rng.randint(2, 30), rng.uniform(1, 20)]),
        "num_training_steps": rng.choice([rng.randint(10, 100), rng.randint(1, 20)]),
        "scheduler_specific_kwargs": names[name],
    }
    return {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": base, "unit": "step"}


def transformers_plateau(rng: random.Random) -> dict[str, Any]:
    """reduce_lr_on_plateau."""
    params = {"name": "reduce_lr_on_plateau", "scheduler_specific_kwargs": _plateau(rng)}
    return {
        "framework": "transformers",
        "class": "get_scheduler",
        "params": params,
        "base_lr": _base(rng),
        "unit": "step",
    }


# timm


def timm_any(rng: random.Random) -> dict[str, Any]:
    """Any of timm's that needs no metric."""
    warm = rng.choice([{}, {"warmup_t": rng.randint(1, 12), "warmup_lr_init": rate(rng) / 10}])
    prefix = some(rng, warmup_prefix=rng.random() < 0.5)
    first = {"t_initial": rng.randint(1, 40), **some(rng, lr_min=rate(rng) / 100)}
    cycles = some(
        rng,
        cycle_mul=rng.choice([1.0, 1.5, 2.0, 3.0, 0.5, 5.0]),
        cycle_decay=rng.choice([1.0, 0.5, 0.1]),
        cycle_limit=rng.randint(1, 5),
    )
    k = some(rng, k_decay=rng.choice([0.7, 1.5, 1.0]))
    span = rng.randint(2, 60)
    stable = rng.choice(["constant", "rsqrt", "power"])
    names: dict[str, dict[str, Any]] = {
        "CosineLRScheduler": {**first, **cycles, **warm, **prefix, **k},
        "PolyLRScheduler": {**first, **cycles, **warm, **prefix, **k, **some(rng, power=rng.choice([0.5, 1.0, 2.0]))},
        "TanhLRScheduler": {
            **first,
            **cycles,
            **warm,
            **prefix,
            **some(rng, lb=rng.uniform(-9, -3), ub=rng.uniform(2, 5)),
        },
        "StepLRScheduler": {
            "decay_t": rng.choice([rng.randint(1, 20), round(rng.uniform(1, 12), 1)]),
            **some(rng, decay_rate=rng.uniform(0.1, 1)),
            **warm,
            **prefix,
        },
        "MultiStepLRScheduler": {"decay_t": _milestones(rng), "decay_rate": rng.uniform(0.1, 1), **warm, **prefix},
        "WSDLRScheduler": {
            "t_initial": span,
            "decay_t": rng.randint(1, span),
            **some(rng, lr_min=rate(rng) / 100, decay_power=rng.uniform(0.2, 3), decay_ratio=rng.uniform(0.01, 0.9)),
            **some(rng, decay_fn=rng.choice(["linear", "1-sqrt", "cosine", "power", "exp"])),
            "stable_fn": stable,
            "stable_timescale": rng.uniform(1, 30),
            **some(rng, stable_power=rng.uniform(0.2, 2)),
            **warm,
        },
    }
    name = rng.choice(list(names))
    params = {**names[name], "t_in_epochs": rng.random() < 0.5}
    return {"framework": "timm", "class": name, "params": params, "base_lr": _base(rng), "unit": "step"}


def timm_plateau(rng: random.Random) -> dict[str, Any]:
    """PlateauLRScheduler."""
    params = some(
        rng,
        decay_rate=rng.uniform(0.1, 0.95),
        patience_t=rng.randint(0, 5),
        threshold=10 ** rng.uniform(-4, -1),
        cooldown_t=rng.randint(0, 4),
        warmup_t=rng.randint(0, 9),
        warmup_lr_init=rate(rng) / 10,
        lr_min=rate(rng) / 100,
        mode=rng.choice(["min", "max"]),
    )
    return {
        "framework": "timm",
        "class": "PlateauLRScheduler",
        "params": params,
        "base_lr": _base(rng),
        "unit": "epoch",
        "steps_per_epoch": 1,
    }


# keras


def keras_any(rng: random.Random) -> dict[str, Any]:
    """Any of Keras'."""
    first = {"initial_learning_rate": rate(rng)}
    steps = {"decay_steps": rng.choice([rng.randint(1, 60), round(rng.uniform(1, 30), 1)])}
    marks = _milestones(rng)
    names: dict[str, dict[str, Any]] = {
        "ExponentialDecay": {
            **first,
            **steps,
            "decay_rate": rng.uniform(0.1, 1),
            **some(rng, staircase=rng.random() < 0.7),
        },
        "PiecewiseConstantDecay": {"boundaries": marks, "values": [rate(rng) for _ in range(len(marks) + 1)]},
        "PolynomialDecay": {
            **first,
            "decay_steps": rng.randint(1, 60),
            **some(rng, end_learning_rate=rate(rng) / 10, power=rng.choice([0.5, 1.0, 2.0]), cycle=rng.random() < 0.5),
        },
        "InverseTimeDecay": {
            **first,
            **steps,
            "decay_rate": rng.uniform(0, 2),
            **some(rng, staircase=rng.random() < 0.7),
        },
        "CosineDecay": {
            **first,
            **steps,
            **some(rng, alpha=rng.random(), warmup_target=rate(rng), warmup_steps=rng.randint(0, 30)),
        },
        "CosineDecayRestarts": {
            **first,
            "first_decay_steps": rng.choice([rng.randint(1, 40), round(rng.uniform(2, 30), 1)]),
            **some(rng, t_mul=rng.choice([1.0, 1.5, 2.0, 3.0]), m_mul=rng.uniform(0.3, 1), alpha=rng.random()),
        },
    }
    name = rng.choice(list(names))
    return {"framework": "keras", "class": name, "params": names[name], "unit": "step"}


def _named(draw: Callable[[random.Random], tuple[str, dict[str, Any]]]) -> Draw:
    declare = _of_torch(draw)
    declare.__name__ = draw.__name__
    return declare


DRAWS: dict[str, tuple[Draw, ...]] = {
    "torch": tuple(
        _named(draw)
        for draw in (
            torch_simple,
            torch_cosine,
            torch_one_cycle,
            torch_cyclic,
            torch_sequential,
            torch_chained,
            torch_nested,
        )
    ),
    "paddle": (paddle_any,),
    "transformers": (transformers_any,),
    "timm": (timm_any,),
    "keras": (keras_any,),
}
PLATEAUS: dict[str, Draw] = {
    "torch": torch_plateau,
    "paddle": paddle_plateau,
    "transformers": transformers_plateau,
    "timm": timm_plateau,
}
