"""The misuses themselves: from a setting to the LRs in use at every update of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from tests.conformance.misuse import Setting, cosine, paddle_cosine, paddle_warmup, recursion, sequence, ticks_of

TIME = frozenset({"double_step", "accelerate_num_processes", "grad_accum_micro_step"})
TOTALS = frozenset({"wrong_total", "grad_accum_total", "world_size_total"})
LONGER = {cosine: sequence, paddle_cosine: paddle_warmup}
"""What a schedule without a warm-up becomes with one."""
EARLY = frozenset({"step_before_optimizer", "logged_after_step"})


@dataclass(frozen=True)
class Run:
    """The LR at every update; `at`: the update from which on something is wrong; `same`: causes that look the same."""

    lrs: np.ndarray
    at: int = 0
    same: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    info: str = ""


def _at(setting: Setting, ticks: np.ndarray, **changes: Any) -> np.ndarray:
    return setting.schedule(**changes).lrs(ticks)


def _one_leg(setting: Setting) -> bool:
    name = setting.args.get("name") if setting.make.__name__ == "transformers" else setting.make.__name__
    bare = not (setting.args["warmup"] and {"warmup"} & setting.has)
    return name in ("cosine", "polynomial", "linear", "paddle_cosine") and bare


def mechanisms(setting: Setting, rng: Random) -> dict[str, Callable[[], Run]]:
    """Return what can go wrong in this setting, by cause."""
    updates = np.arange(setting.updates)
    ticks, per_epoch, has = ticks_of(setting, updates), setting.per_epoch, setting.has
    declared = _at(setting, ticks)
    total, warmup, last = setting.args["total"], setting.args["warmup"], int(ticks[-1])
    both = frozenset({"time_scale", "total"}) if _one_leg(setting) else frozenset()

    def faster(k: int, same: frozenset[str]) -> Run:
        return Run(_at(setting, ticks * k), 0, same, both, f"x{k}")

    def accelerated(k: int) -> Run:
        clock = np.minimum(ticks * k, total) if setting.make.__name__ == "one_cycle" else ticks * k
        return Run(_at(setting, clock), 0, TIME, both, f"x{k}")

    def totals(k: float) -> Run:
        return Run(
            _at(setting, ticks, total=round(total * k)), 0, TOTALS, both if k < 1 else frozenset(), f"total x{k}"
        )

    def lagged(n: int) -> Run:
        return Run(_at(setting, np.maximum(ticks - n, 0)), info=f"lag {n}")

    place = rng.randrange(max(1, setting.epochs // 5), max(2, setting.epochs * 4 // 5)) * per_epoch
    resumed = int(ticks[place])

    def no_state() -> Run:
        return Run(np.where(updates >= place, _at(setting, np.maximum(ticks - resumed, 0)), declared), place)

    def chained(level: float | None, position: int | None) -> Run:
        lrs = np.array(recursion(setting.make(**setting.args), last + 1, {resumed: (level, position)}))
        names = {"resume_no_state", "manual_override"} if level == setting.args["base"] else set()
        return Run(
            lrs[ticks], place, frozenset(names), frozenset({"restart", "level_change"}) if names else frozenset()
        )

    def unit_mistake() -> Run:
        position = place if setting.unit == "epoch" else place // per_epoch
        return chained(float(declared[place]), position)

    def overridden(factor: float) -> Run:
        lrs = np.array(recursion(setting.make(**setting.args), last + 1, {resumed: (declared[place] * factor, None)}))
        return Run(lrs[ticks], place, info=f"x{factor}")

    def new_total(k: float) -> Run:
        after = _at(setting, ticks, total=round(total * k))
        return Run(np.where(updates > place, after, declared), place, info=f"total x{k} at {place}")

    def warmed(length: int, same: frozenset[str] = frozenset()) -> Run:
        return Run(_at(setting, ticks, warmup=length), 0, same, info=f"warm-up {length} for {warmup}")

    def other_group() -> Run:
        ratio = rng.choice([0.1, 10.0])
        return Run(_at(setting, ticks, base=setting.args["base"] * ratio), 0, frozenset({"scale"}), info=f"x{ratio}")

    def parameter() -> Run:
        name = next(n for n in ("gamma", "power", "share", "eta") if n in has)
        old = setting.args[name]
        pool = {"gamma": [0.1, 0.5, 0.9, 0.7], "power": [0.5, 1.0, 1.5, 2.0], "share": [0.1, 0.25, 0.4]}
        value = rng.choice([v for v in pool.get(name, [setting.args["base"] * f for f in (0.05, 0.2)]) if v != old])
        return Run(_at(setting, ticks, **{name: value}), info=f"{name} {old} -> {value}")

    def clamped() -> Run:
        floor = round(float(np.quantile(declared, rng.choice([0.2, 0.3]))), 6)
        return Run(np.maximum(declared, floor), info=f"floor {floor}")

    def other_curve() -> Run:
        names = [n for n in ("linear", "cosine") if n != setting.args["name"]]
        return Run(_at(setting, ticks, name=rng.choice(names)))

    factor = rng.choice([0.1, 0.25, 0.5, 2.0, 4.0, 8.0])
    k = rng.choice([2, 4, 8])
    found: dict[str, Callable[[], Run]] = {
        "ok": lambda: Run(declared),
        "scale": lambda: Run(
            _at(setting, ticks, base=setting.args["base"] * factor), 0, frozenset({"other_group"}), info=f"x{factor}"
        ),
        "never_stepped": lambda: Run(_at(setting, np.zeros(len(ticks)))),
        "double_step": lambda: faster(2, TIME),
        "accelerate_num_processes": lambda: accelerated(k),
        "step_before_optimizer": lambda: Run(
            _at(setting, ticks + 1), 0, EARLY if setting.unit == "step" else frozenset()
        ),
        "lagged": lambda: lagged(rng.choice([1, 2, 3, 5, 10])),
        "resume_no_state": no_state,
    }
    if setting.make.__name__.startswith("paddle"):
        del found["accelerate_num_processes"]
    if setting.unit == "step":
        found["stepped_per_epoch"] = lambda: Run(_at(setting, updates // per_epoch))
        found["grad_accum_micro_step"] = lambda: faster(k, TIME)
        found["logged_after_step"] = lambda: Run(_at(setting, updates + 1), 0, EARLY)
    else:
        found["stepped_per_batch"] = lambda: Run(_at(setting, updates))
        found["logged_after_step"] = lambda: Run(_at(setting, (updates + 1) // per_epoch), 0, EARLY)
    if "total" in has:
        found["grad_accum_total"] = found["world_size_total"] = lambda: totals(k)
        found["wrong_total"] = lambda: totals(rng.choice([0.5, 0.6, 0.75, 1.25, 1.5, 2, 3]))
    if "closed" in has and "total" in has:
        found["total_changed_on_resume"] = lambda: new_total(rng.choice([0.75, 1.5, 3.0]))
    if "chained" in has:
        found["resume_optimizer_only"] = lambda: chained(float(declared[place]), 0)
        found["resume_scheduler_only"] = lambda: chained(setting.args["base"], None)
        found["last_epoch_misuse"] = unit_mistake
        found["manual_override"] = lambda: overridden(rng.choice([0.1, 0.5, 2.0]))
    if "warmup" in has:
        found["warmup_missing"] = lambda: warmed(0)
        if warmup >= per_epoch and setting.unit == "step":
            found["mixed_units"] = lambda: warmed(warmup // per_epoch, frozenset({"warmup_missing"}))
        elif setting.unit == "epoch":
            longer = min(warmup * per_epoch, total // 2)
            found["mixed_units"] = lambda: warmed(longer, frozenset({"warmup_extra"}))
    if "no warmup" in has:
        found["warmup_extra"] = lambda: warmed(max(2, total // 10))
    if setting.make in LONGER:
        ahead = Setting(LONGER[setting.make], setting.args, setting.unit, per_epoch, setting.epochs, has)
        found["warmup_extra"] = lambda: Run(_at(ahead, ticks, warmup=max(2, total // 10)))
    if "total" in has and "closed" in has and setting.args.get("name") in ("linear", "cosine"):
        found["different_schedule"] = other_curve
    if has & {"gamma", "power", "share", "eta"} and setting.make.__name__ != "one_cycle":
        found["param_mismatch"] = parameter
    if float(declared.max()) > float(declared.min()) and setting.make.__name__ in (
        "polynomial",
        "cosine",
        "transformers",
    ):
        found["clamped"] = clamped
    if setting.make.__name__ in ("cosine", "polynomial", "sequence", "step", "transformers"):
        found["other_group"] = other_group
    return found
