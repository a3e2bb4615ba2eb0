"""Declarations with drawn parameters, for the golden values and for the tests against the live libraries."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.golden.drawing import Draw, base, metric, milestones, plateau, rate, some
from tests.golden.draws_torch import TORCH_DRAWS, torch_plateau

__all__ = ["DRAWS", "PLATEAUS", "Draw", "metric"]

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
            "boundaries": (marks := milestones(rng)),
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
        "MultiStepDecay": lambda: {**first, "milestones": milestones(rng), **some(rng, gamma=below)},
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
            name, params = "ReduceOnPlateau", {"learning_rate": inner, **plateau(rng, "epsilon")}
        inner = {"class": name, "params": params}
    return {"learning_rate": inner, "warmup_steps": rng.randint(1, 12), "start_lr": low, "end_lr": low + rate(rng)}


def paddle_any(rng: random.Random) -> dict[str, Any]:
    """Any of Paddle's."""
    name, params = paddle_scheduler(rng)
    return {"framework": "paddle", "class": name, "params": params, "unit": "step"}


def paddle_plateau(rng: random.Random) -> dict[str, Any]:
    """ReduceOnPlateau."""
    params = {"learning_rate": rate(rng), **plateau(rng, "epsilon")}
    return {"framework": "paddle", "class": "ReduceOnPlateau", "params": params, "unit": "epoch", "steps_per_epoch": 1}


# transformers


def transformers_any(rng: random.Random) -> dict[str, Any]:
    """Any name of get_scheduler that needs no metric."""
    rates = base(rng)
    first = rates[0] if isinstance(rates, list) else rates
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
    return {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": rates, "unit": "step"}


def _driven(rng: random.Random, name: str, own: dict[str, Any]) -> dict[str, Any]:
    params = {"name": name, "scheduler_specific_kwargs": own}
    return {
        "framework": "transformers",
        "class": "get_scheduler",
        "params": params,
        "base_lr": base(rng),
        "unit": "step",
    }


def transformers_plateau(rng: random.Random) -> dict[str, Any]:
    """reduce_lr_on_plateau."""
    return _driven(rng, "reduce_lr_on_plateau", plateau(rng))


def transformers_greedy(rng: random.Random) -> dict[str, Any]:
    """greedy."""
    return _driven(rng, "greedy", greedy(rng))


def greedy(rng: random.Random) -> dict[str, Any]:
    """Parameters of GreedyLR, with which something happens in a short run."""
    return {
        "patience": rng.randint(0, 2),
        **some(
            rng,
            factor=rng.choice([0.5, 0.8, 0.95]),
            min_lr=rate(rng) / 10,
            max_lr=rng.choice([rate(rng) * 3, 1.0]),
            mode=rng.choice(["min", "max"]),
            threshold=rng.choice([0.0, 1e-3, 0.05]),
            threshold_mode=rng.choice(["rel", "abs"]),
            cooldown=rng.randint(0, 3),
            warmup=rng.randint(0, 3),
            smooth=True,
            window_size=rng.randint(1, 6),
            reset_start=rng.randint(1, 4),
            eps=rng.choice([0.0, 1e-8, 1e-4]),
        ),
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
        "MultiStepLRScheduler": {"decay_t": milestones(rng), "decay_rate": rng.uniform(0.1, 1), **warm, **prefix},
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
    return {"framework": "timm", "class": name, "params": params, "base_lr": base(rng), "unit": "step"}


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
        "base_lr": base(rng),
        "unit": "epoch",
        "steps_per_epoch": 1,
    }


# keras


def keras_any(rng: random.Random) -> dict[str, Any]:
    """Any of Keras'."""
    first = {"initial_learning_rate": rate(rng)}
    steps = {"decay_steps": rng.choice([rng.randint(1, 60), round(rng.uniform(1, 30), 1)])}
    marks = milestones(rng)
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


DRAWS: dict[str, tuple[Draw, ...]] = {
    "torch": TORCH_DRAWS,
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
DRIVEN: dict[str, tuple[Draw, ...]] = {
    name: (draw, transformers_greedy) if name == "transformers" else (draw,) for name, draw in PLATEAUS.items()
}
"""Those that a metric drives."""
