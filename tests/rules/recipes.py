"""Recipes as people train with them: a schedule and the run that it was made for. None of them is a finding."""

from __future__ import annotations

from typing import Any

Recipe = tuple[str, dict[str, Any], int, int | None]  # name, the wire's S, total_epochs, steps_per_epoch


def torch(name: str, base_lr: float, unit: str = "epoch", /, **params: Any) -> dict[str, Any]:
    """One of PyTorch's schedulers."""
    return {"framework": "torch", "class": name, "params": params, "base_lr": base_lr, "unit": unit}


def inner(name: str, **params: Any) -> dict[str, Any]:
    """A nested scheduler."""
    return {"class": name, "params": params}


def sequential(base_lr: float, milestones: list[int], *schedulers: dict[str, Any], unit: str = "epoch") -> Any:
    """PyTorch's SequentialLR."""
    return torch("SequentialLR", base_lr, unit, schedulers=list(schedulers), milestones=milestones)


def paddle(name: str, unit: str = "epoch", **params: Any) -> dict[str, Any]:
    """One of Paddle's schedulers."""
    return {"framework": "paddle", "class": name, "params": params, "unit": unit}


def hugging_face(name: str, base_lr: float = 5e-5, unit: str = "step", **params: Any) -> dict[str, Any]:
    """transformers' get_scheduler."""
    specific = params.pop("specific", None)
    arguments = {"name": name, **params} | ({"scheduler_specific_kwargs": specific} if specific else {})
    return {
        "framework": "transformers",
        "class": "get_scheduler",
        "params": arguments,
        "base_lr": base_lr,
        "unit": unit,
    }


def timm(name: str, base_lr: float, unit: str = "epoch", **params: Any) -> dict[str, Any]:
    """One of timm's schedulers."""
    return {"framework": "timm", "class": name, "params": params, "base_lr": base_lr, "unit": unit}


def keras(name: str, unit: str = "step", **params: Any) -> dict[str, Any]:
    """One of Keras' schedules."""
    return {"framework": "keras", "class": name, "params": params, "unit": unit}


def _torch() -> list[Recipe]:
    linear = inner("LinearLR", start_factor=0.01, total_iters=5)
    return [
        ("torchvision classification", torch("StepLR", 0.1, step_size=30, gamma=0.1), 90, 2502),
        (
            "torchvision's new recipe",
            sequential(0.5, [5], linear, inner("CosineAnnealingLR", T_max=595, eta_min=0.0)),
            600,
            1252,
        ),
        (
            "torchvision ViT, constant warm-up factor 0.033 over 30 epochs",
            sequential(
                0.003,
                [30],
                inner("LinearLR", start_factor=0.033, total_iters=30),
                inner("CosineAnnealingLR", T_max=270),
            ),
            300,
            313,
        ),
        (
            "torchvision segmentation",
            torch("PolynomialLR", 0.02, "step", total_iters=30 * 1654, power=0.9),
            30,
            1654,
        ),
        (
            "torchvision detection: a warm-up of 1000 updates in front of milestones in epochs, as updates",
            torch(
                "ChainedScheduler",
                0.02,
                "step",
                schedulers=[
                    inner("LinearLR", start_factor=0.001, total_iters=1000),
                    inner("MultiStepLR", milestones=[16 * 7329, 22 * 7329]),
                ],
            ),
            26,
            7329,
        ),
        ("mobilenet: exponential", torch("StepLR", 0.045, step_size=1, gamma=0.98), 300, 10009),
        ("mobilenet v3: 0.973 every two epochs", torch("StepLR", 0.064, step_size=2, gamma=0.973), 600, 1252),
        ("CIFAR ResNet", torch("MultiStepLR", 0.1, milestones=[82, 123]), 164, 391),
        ("CIFAR WideResNet", torch("MultiStepLR", 0.1, milestones=[60, 120, 160], gamma=0.2), 200, 391),
        ("three falls by ten", torch("MultiStepLR", 0.1, milestones=[150, 225, 275]), 300, 391),
        ("transfer learning tutorial", torch("StepLR", 0.001, step_size=7, gamma=0.1), 25, 61),
        ("MNIST example", torch("StepLR", 1.0, step_size=1, gamma=0.7), 14, 938),
        ("cosine to 0", torch("CosineAnnealingLR", 0.1, T_max=200), 200, 391),
        (
            "cosine to a floor, per update",
            torch("CosineAnnealingLR", 3e-4, "step", T_max=30000, eta_min=3e-6),
            30,
            1000,
        ),
        ("cosine one epoch short", torch("CosineAnnealingLR", 0.1, T_max=199), 200, None),
        ("cosine that forgot its warm-up", sequential(0.1, [5], linear, inner("CosineAnnealingLR", T_max=90)), 90, 100),
        ("one cycle", torch("OneCycleLR", 0.1, "step", max_lr=0.1, total_steps=11730), 30, 391),
        ("one cycle by epochs", torch("OneCycleLR", 0.1, "step", max_lr=0.1, epochs=30, steps_per_epoch=391), 30, None),
        (
            "one cycle, three phases, linear",
            torch("OneCycleLR", 0.1, max_lr=0.1, total_steps=30, three_phase=True),
            30,
            9,
        ),
        ("one cycle of ten epochs, stepped per epoch", torch("OneCycleLR", 1e-3, max_lr=1e-3, total_steps=10), 10, 100),
        ("one cycle stepped per epoch", torch("OneCycleLR", 0.1, max_lr=0.1, total_steps=24, pct_start=0.2), 24, 391),
        ("warm restarts", torch("CosineAnnealingWarmRestarts", 0.05, T_0=10, T_mult=2), 70, 391),
        ("warm restarts by update", torch("CosineAnnealingWarmRestarts", 0.05, "step", T_0=3910), 100, 391),
        ("warm restarts, cut within a cycle", torch("CosineAnnealingWarmRestarts", 0.05, T_0=50, T_mult=2), 100, 391),
        (
            "cyclic",
            torch("CyclicLR", 0.001, "step", base_lr=0.001, max_lr=0.006, step_size_up=2000, mode="triangular2"),
            60,
            500,
        ),
        ("exponential", torch("ExponentialLR", 0.001, gamma=0.97), 100, 500),
        ("a few epochs of a slow exponential", torch("ExponentialLR", 0.001, gamma=0.99), 6, 8),
        (
            "a cycle in less than an epoch",
            torch("CosineAnnealingWarmRestarts", 0.02, "step", T_0=8, eta_min=0.002),
            5,
            20,
        ),
        ("exponential, per update", torch("ExponentialLR", 0.001, "step", gamma=0.9999), 30, 1000),
        ("plateau", torch("ReduceLROnPlateau", 0.1, patience=5), 100, 391),
        ("constant at first", torch("ConstantLR", 0.1, factor=0.5, total_iters=4), 90, 100),
        ("a warm-up alone", torch("LinearLR", 0.1, "step", start_factor=0.001, total_iters=500), 12, 7330),
        (
            "ten million updates",
            torch("CosineAnnealingLR", 1e-3, "step", T_max=10_000_000),
            100,
            100_000,
        ),
        (
            "warm-up and exponential on top of each other",
            torch("ChainedScheduler", 0.1, schedulers=[linear, inner("ExponentialLR", gamma=0.95)]),
            60,
            100,
        ),
        (
            "weights averaged at a constant rate at the end (SWA)",
            sequential(
                0.1,
                [5, 75],
                linear,
                inner("CosineAnnealingLR", T_max=70, eta_min=0.001),
                inner("ConstantLR", factor=0.05, total_iters=1000),
            ),
            100,
            391,
        ),
        (
            "the same as canonical phases, per update",
            {
                "kind": "phases",
                "phases": [
                    {
                        "until": 8000,
                        "schedule": {"kind": "ramp", "from": 0.1, "to": 0.0, "over": 8000, "shape": "cosine"},
                    },
                    {"schedule": {"kind": "constant", "lr": 0.004}},
                ],
                "unit": "step",
            },
            10,
            1000,
        ),
        (
            "warm-up, plateau, decay",
            sequential(
                1e-3,
                [1000, 8000],
                inner("LinearLR", start_factor=0.01, total_iters=1000),
                inner("ConstantLR", factor=1.0, total_iters=7000),
                inner("LinearLR", start_factor=1.0, end_factor=0.01, total_iters=2000),
                unit="step",
            ),
            10,
            1000,
        ),
    ]


def _transformers() -> list[Recipe]:
    total: dict[str, Any] = {"num_warmup_steps": 500, "num_training_steps": 10000}
    return [
        ("GLUE: linear without warm-up", hugging_face("linear", num_warmup_steps=0, num_training_steps=3681), 3, 1227),
        (
            "linear, 6 % warm-up from 0",
            hugging_face("linear", num_warmup_steps=600, num_training_steps=10000),
            10,
            1000,
        ),
        ("cosine", hugging_face("cosine", **total), 10, 1000),
        (
            "a short run, one update of warm-up",
            hugging_face("linear", num_warmup_steps=1, num_training_steps=60),
            3,
            20,
        ),
        ("a short run, warmup_ratio 0.03", hugging_face("cosine", num_warmup_steps=2, num_training_steps=60), 3, 20),
        ("cosine, half a step of rounding", hugging_face("cosine", **total), 3, 3340),
        ("cosine with restarts", hugging_face("cosine_with_restarts", specific={"num_cycles": 3}, **total), 10, 1000),
        ("polynomial", hugging_face("polynomial", specific={"power": 2.0, "lr_end": 1e-7}, **total), 10, 1000),
        ("cosine with a floor", hugging_face("cosine_with_min_lr", specific={"min_lr_rate": 0.1}, **total), 10, 1000),
        (
            "cosine with a floor and a warm-up of its own",
            hugging_face("cosine_warmup_with_min_lr", specific={"min_lr_rate": 0.1, "warmup_lr_rate": 0.1}, **total),
            10,
            1000,
        ),
        ("constant", hugging_face("constant"), 3, 1000),
        ("constant with warm-up", hugging_face("constant_with_warmup", num_warmup_steps=100), 3, 1000),
        ("inverse square root", hugging_face("inverse_sqrt", num_warmup_steps=4000), 30, 3000),
        (
            "warm-up, stable, decay",
            hugging_face("warmup_stable_decay", specific={"num_decay_steps": 2000, "num_stable_steps": 7500}, **total),
            10,
            1000,
        ),
        ("plateau", hugging_face("reduce_lr_on_plateau"), 10, 1000),
    ]


def _others() -> list[Recipe]:
    warm: dict[str, Any] = {"warmup_t": 5, "warmup_lr_init": 1e-6}
    cosine = {"class": "CosineAnnealingDecay", "params": {"learning_rate": 0.1, "T_max": 85}}
    return [
        ("DeiT", timm("CosineLRScheduler", 5e-4, t_initial=300, lr_min=1e-5, **warm), 300, 1251),
        (
            "timm, two epochs of warm-up",
            timm("CosineLRScheduler", 0.5, t_initial=300, warmup_t=2, warmup_lr_init=1e-5),
            300,
            1251,
        ),
        ("DeiT with timm's cool-down", timm("CosineLRScheduler", 5e-4, t_initial=300, lr_min=1e-5, **warm), 310, 1251),
        (
            "a cosine that warms up first",
            timm("CosineLRScheduler", 1e-3, t_initial=95, warmup_prefix=True, **warm),
            100,
            9,
        ),
        ("timm by update", timm("CosineLRScheduler", 1e-3, "step", t_initial=37530, warmup_t=6255), 30, 1251),
        ("timm cycles", timm("CosineLRScheduler", 1e-3, t_initial=100, cycle_limit=3, cycle_decay=0.5), 300, 100),
        ("EfficientNet", timm("StepLRScheduler", 0.048, decay_t=2.4, decay_rate=0.97, **warm), 450, 1251),
        ("timm multistep", timm("MultiStepLRScheduler", 0.1, decay_t=[30, 60, 80], decay_rate=0.1), 90, 100),
        ("timm tanh", timm("TanhLRScheduler", 0.1, t_initial=200, lr_min=1e-5, **warm), 200, 100),
        ("timm polynomial", timm("PolyLRScheduler", 0.1, t_initial=200, power=0.9, **warm), 200, 100),
        (
            "PaddleClas ResNet50",
            paddle("PiecewiseDecay", boundaries=[30, 60, 90], values=[0.1, 0.01, 1e-3, 1e-4]),
            120,
            9,
        ),
        (
            "PaddleDetection",
            paddle(
                "LinearWarmup",
                "step",
                learning_rate={
                    "class": "PiecewiseDecay",
                    "params": {"boundaries": [58640, 80630], "values": [0.01, 0.001, 0.0001]},
                },
                warmup_steps=1000,
                start_lr=0.001,
                end_lr=0.01,
            ),
            12,
            7330,
        ),
        (
            "PaddleClas cosine with warm-up",
            paddle("LinearWarmup", learning_rate=cosine, warmup_steps=5, start_lr=0.0, end_lr=0.1),
            90,
            100,
        ),
        (
            "Paddle's polynomial",
            paddle("PolynomialDecay", "step", learning_rate=0.01, decay_steps=80000, power=0.9),
            80,
            1000,
        ),
        (
            "a line to 0 in five epochs",
            paddle("LinearLR", learning_rate=0.1, total_steps=4, end_factor=0.0, start_factor=1.0),
            5,
            9,
        ),
        ("Noam", paddle("NoamDecay", "step", d_model=512, warmup_steps=4000, learning_rate=2.0), 30, 3500),
        ("Paddle's one cycle", paddle("OneCycleLR", "step", max_learning_rate=0.1, total_steps=9000), 9, 1000),
        ("Paddle's plateau", paddle("ReduceOnPlateau", learning_rate=0.1), 100, 100),
        ("Keras cosine", keras("CosineDecay", initial_learning_rate=1e-3, decay_steps=10000), 10, 1000),
        (
            "Keras cosine with warm-up",
            keras(
                "CosineDecay",
                initial_learning_rate=0.0,
                decay_steps=9000,
                warmup_target=1e-3,
                warmup_steps=1000,
                alpha=0.0,
            ),
            10,
            1000,
        ),
        (
            "Keras exponential",
            keras("ExponentialDecay", initial_learning_rate=0.1, decay_steps=10000, decay_rate=0.96, staircase=True),
            50,
            1500,
        ),
        ("Keras restarts", keras("CosineDecayRestarts", initial_learning_rate=0.1, first_decay_steps=1000), 15, 1000),
        (
            "inverse time",
            keras("InverseTimeDecay", initial_learning_rate=0.1, decay_steps=1000, decay_rate=0.5),
            30,
            1000,
        ),
        ("constant", {"kind": "constant", "lr": 0.01}, 30, 100),
        ("a table", {"kind": "table", "values": [0.0, 0.04, 0.1, 0.1, 0.01, 0.001], "unit": "epoch"}, 6, 100),
        ("a table that is not all", {"kind": "table", "values": [0.1, 0.08, 0.05], "unit": "epoch"}, 60, 100),
    ]


RECIPES: list[Recipe] = [*_torch(), *_transformers(), *_others()]
