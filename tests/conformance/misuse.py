"""Training loops that misuse their scheduler, simulated: what they declare, what they log, and what is wrong with them.

The declared and the misused curves are compiled schedules; what chained schedulers do after a disturbed resume is
stepped through here by the recursions of torch.optim.lr_scheduler, one tick after another, on its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from trackside_service.conformance import LrPoint
from trackside_service.schedules import CompiledSchedule, compile_schedule

Declaration = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """A loop: its schedule as a function of what may be got wrong, and its lengths in ticks and updates."""

    make: Callable[..., Declaration]
    args: Mapping[str, Any]
    unit: str
    per_epoch: int
    epochs: int
    has: frozenset[str]

    @property
    def updates(self) -> int:
        return self.per_epoch * self.epochs

    def schedule(self, **changes: Any) -> CompiledSchedule:
        beside = {
            "unit": self.unit,
            "steps_per_epoch": self.per_epoch,
            "reporting": {"when": "in_use", "step_base": 0, "epoch_base": 0},
        }
        return compile_schedule({**self.make(**{**self.args, **changes}), **beside})


@dataclass(frozen=True)
class Case:
    """One log: the points, what is wrong, where the true format first shows it, and what it cannot be told from."""

    cause: str
    setting: Setting
    points: tuple[LrPoint, ...]
    visible_from: int | None
    own_digits_from: int | None
    inseparable: frozenset[str]
    families: frozenset[str]
    shows: bool
    info: str = ""
    steps: tuple[int, ...] = field(default=())


def torch_form(name: str, base: float, **params: Any) -> Declaration:
    return {"framework": "torch", "class": name, "params": params, "base_lr": base}


def cosine(base: float, total: int, eta: float, **_: Any) -> Declaration:
    return torch_form("CosineAnnealingLR", base, T_max=total, eta_min=eta)


def polynomial(base: float, total: int, power: float, **_: Any) -> Declaration:
    return torch_form("PolynomialLR", base, total_iters=total, power=power)


def sequence(base: float, total: int, warmup: int, eta: float, **_: Any) -> Declaration:
    main = {"class": "CosineAnnealingLR", "params": {"T_max": total - warmup, "eta_min": eta}}
    if not warmup:
        return {"framework": "torch", **main, "base_lr": base}
    first = {"class": "LinearLR", "params": {"start_factor": 0.01, "total_iters": warmup}}
    return torch_form("SequentialLR", base, schedulers=[first, main], milestones=[warmup])


def one_cycle(base: float, total: int, share: float, **_: Any) -> Declaration:
    return torch_form("OneCycleLR", base, max_lr=base, total_steps=total, pct_start=share, div_factor=25.0)


def step(base: float, every: int, gamma: float, **_: Any) -> Declaration:
    return torch_form("StepLR", base, step_size=every, gamma=gamma)


def multi_step(base: float, marks: list[int], gamma: float, **_: Any) -> Declaration:
    return torch_form("MultiStepLR", base, milestones=marks, gamma=gamma)


def exponential(base: float, gamma: float, **_: Any) -> Declaration:
    return torch_form("ExponentialLR", base, gamma=gamma)


def restarts(base: float, cycle: int, eta: float, **_: Any) -> Declaration:
    return torch_form("CosineAnnealingWarmRestarts", base, T_0=cycle, eta_min=eta)


def cyclic(base: float, cycle: int, **_: Any) -> Declaration:
    return torch_form("CyclicLR", base, base_lr=base, max_lr=5 * base, step_size_up=cycle)


def transformers(base: float, total: int, warmup: int, name: str, **more: Any) -> Declaration:
    extra = {key: more[key] for key in ("power", "lr_end", "num_decay_steps") if key in more}
    params = {"name": name, "num_warmup_steps": warmup, "num_training_steps": total, "scheduler_specific_kwargs": extra}
    return {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": base}


def paddle_cosine(base: float, total: int, eta: float, **_: Any) -> Declaration:
    params = {"learning_rate": base, "T_max": total, "eta_min": eta}
    return {"framework": "paddle", "class": "CosineAnnealingDecay", "params": params, "base_lr": base}


def paddle_warmup(base: float, total: int, warmup: int, eta: float, **_: Any) -> Declaration:
    main = {"class": "CosineAnnealingDecay", "params": {"learning_rate": base, "T_max": total - warmup, "eta_min": eta}}
    if not warmup:
        return {"framework": "paddle", **main, "base_lr": base}
    params = {"learning_rate": main, "warmup_steps": warmup, "start_lr": base / 100, "end_lr": base}
    return {"framework": "paddle", "class": "LinearWarmup", "params": params, "base_lr": base}


def paddle_step(base: float, every: int, gamma: float, **_: Any) -> Declaration:
    params = {"learning_rate": base, "step_size": every, "gamma": gamma}
    return {"framework": "paddle", "class": "StepDecay", "params": params, "base_lr": base}


def timm_cosine(base: float, total: int, warmup: int, eta: float, **_: Any) -> Declaration:
    params = {"t_initial": total, "lr_min": eta, "warmup_t": warmup, "warmup_lr_init": eta, "t_in_epochs": True}
    return {"framework": "timm", "class": "CosineLRScheduler", "params": params, "base_lr": base}


def draw_setting(rng: Random) -> Setting:
    """Return a usual loop: some schedule, stepped per batch or per epoch."""
    per_epoch, epochs = rng.choice([5, 8, 10, 20]), rng.choice([6, 10, 12, 20, 30])
    base = rng.choice([0.1, 0.05, 0.02, 0.01, 0.005, 0.001, 5e-4, 3e-4, 1e-4, 2e-5])
    name = rng.choice(
        [
            "cosine",
            "cosine",
            "polynomial",
            "sequence",
            "sequence",
            "one_cycle",
            "step",
            "multi_step",
            "exponential",
            "restarts",
            "cyclic",
            "hf",
            "hf",
            "hf",
            "hf",
            "paddle_cosine",
            "paddle_warmup",
            "paddle_step",
            "timm",
        ]
    )
    per_batch = name in ("hf", "one_cycle", "cyclic") or (
        name not in ("timm", "step", "multi_step") and rng.random() < 0.5
    )
    ticks = per_epoch * epochs if per_batch else epochs
    warmup = max(1, ticks // rng.choice([5, 10, 20]))
    eta = base * rng.choice([0.0, 0.0, 0.01, 0.1])
    args: dict[str, Any] = {"base": base, "total": ticks, "warmup": warmup, "eta": eta}
    args |= {"gamma": rng.choice([0.1, 0.5, 0.9]), "power": rng.choice([0.5, 0.9, 1.0, 2.0])}
    args |= {"every": rng.choice([2, 4, 6]), "cycle": rng.choice([3, 4, 6, 8]), "share": rng.choice([0.1, 0.2, 0.3])}
    args["marks"] = sorted({max(1, ticks // 2), max(2, ticks * 3 // 4)})
    table: dict[str, tuple[Callable[..., Declaration], str]] = {
        "cosine": (cosine, "total chained eta"),
        "polynomial": (polynomial, "total chained power"),
        "sequence": (sequence, "total warmup eta"),
        "one_cycle": (one_cycle, "total share"),
        "step": (step, "chained gamma"),
        "multi_step": (multi_step, "chained gamma"),
        "exponential": (exponential, "chained gamma"),
        "restarts": (restarts, "cycle"),
        "cyclic": (cyclic, "cycle"),
        "hf": (transformers, "total warmup closed"),
        "paddle_cosine": (paddle_cosine, "total eta"),
        "paddle_warmup": (paddle_warmup, "total warmup"),
        "paddle_step": (paddle_step, "gamma"),
        "timm": (timm_cosine, "total warmup"),
    }
    make, traits = table[name]
    has = set(traits.split())
    if name == "exponential":
        args["gamma"] = rng.choice([0.9, 0.95, 0.97])
    if name == "hf":
        args["name"] = rng.choice(
            ["linear", "cosine", "cosine", "polynomial", "constant_with_warmup", "warmup_stable_decay"]
        )
        if args["name"] in ("linear", "cosine") and rng.random() < 0.4:
            args["warmup"] = 0
            has -= {"warmup"}
            has |= {"no warmup"}
        if args["name"] == "polynomial":
            args["lr_end"] = base / 100
        else:
            args.pop("power")
        if args["name"] == "warmup_stable_decay":
            args["num_decay_steps"] = ticks // 4
        if args["name"] == "constant_with_warmup":
            has -= {"total", "closed"}
    return Setting(make, args, "step" if per_batch else "epoch", per_epoch, epochs, frozenset(has))


def recursion(
    declaration: Declaration, count: int, events: Mapping[int, tuple[float | None, int | None]]
) -> list[float]:
    """Return the LRs at ticks 0 to count - 1 of a chained torch scheduler, stepped through tick by tick.

    `events`: at a tick, the LR and the position that are set instead of what was reached.
    """
    name, params, base = declaration["class"], declaration["params"], declaration["base_lr"]
    lr, position, lrs = base, 0, []
    for tick in range(count):
        if tick:
            position += 1
            if tick not in events:
                lr = _next(name, params, base, lr, position)
        if tick in events:
            level, place = events[tick]
            lr = (_next(name, params, base, lr, position) if tick else lr) if level is None else level
            position = position if place is None else place
        lrs.append(lr)
    return lrs


def _next(name: str, params: Mapping[str, Any], base: float, lr: float, t: int) -> float:
    if name == "StepLR":
        return lr * params["gamma"] if t % params["step_size"] == 0 else lr
    if name == "MultiStepLR":
        return lr * params["gamma"] if t in params["milestones"] else lr
    if name == "ExponentialLR":
        return lr * params["gamma"]
    if name == "PolynomialLR":
        n, p = params["total_iters"], params["power"]
        return lr if t > n else lr * ((1.0 - t / n) / (1.0 - (t - 1) / n)) ** p
    assert name == "CosineAnnealingLR"
    n, eta = params["T_max"], params["eta_min"]
    if (t - 1 - n) % (2 * n) == 0:
        return lr + (base - eta) * (1 - math.cos(math.pi / n)) / 2
    return (1 + math.cos(math.pi * t / n)) / (1 + math.cos(math.pi * (t - 1) / n)) * (lr - eta) + eta


def ticks_of(setting: Setting, updates: np.ndarray) -> np.ndarray:
    return updates if setting.unit == "step" else updates // setting.per_epoch
