"""Declarations of learning-rate schedules: read off a live scheduler, or written by hand.

A declaration is a plain dict in the framework's own words, for `Run(schedule=...)`. Nothing here imports a framework.

`unit` says what one `scheduler.step()` is: an epoch or an optimizer update. No scheduler knows that about itself, and
the same constructor means another schedule in the other unit, so it has to be said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trackside import _plateaus, _tables, _wire
from trackside._tables import UnreadableScheduleError

__all__ = ["UnreadableScheduleError", "constant", "declare", "paddle", "read", "table", "torch"]

FRAMEWORKS = ("torch", "paddle", "transformers", "timm", "keras")
# Attributes that keep a constructor's value under its own name.
_TORCH_KEPT = {
    "CosineAnnealingLR": ("T_max", "eta_min"),
    "CosineAnnealingWarmRestarts": ("T_0", "T_mult", "eta_min"),
    "StepLR": ("step_size", "gamma"),
    "LinearLR": ("start_factor", "end_factor", "total_iters"),
}
_PADDLE_KEPT = {
    "CosineAnnealingDecay": ("T_max", "eta_min"),
    "StepDecay": ("step_size", "gamma"),
}


def declare(
    framework: str,
    class_: str,
    /,
    *,
    unit: str,
    base_lr: Any = None,
    steps_per_epoch: int | None = None,
    reporting: Mapping[str, Any] | None = None,
    metric: str | None = None,
    **params: Any,
) -> dict[str, Any]:
    """Declare a framework's scheduler by its class and its constructor's arguments.

    `declare("torch", "OneCycleLR", base_lr=0.1, unit="step", max_lr=0.1, total_steps=7820)`. `base_lr` is the
    optimizer's LR, one number or one a param group. A nested scheduler is a dict among the arguments:
    `learning_rate={"class": "CosineAnnealingDecay", "params": {...}}`. `metric` is the reported metric that a
    scheduler follows which lowers the rate on a plateau. Raises `ValueError` or `TypeError` on arguments
    that cannot be a declaration; the values themselves are checked by the service.
    """
    if framework not in FRAMEWORKS:
        raise ValueError(f"framework must be one of {', '.join(FRAMEWORKS)}, not {framework!r}")
    if not class_.strip():
        raise ValueError("the scheduler's class must be given by its name, such as 'OneCycleLR'")
    found: dict[str, Any] = {"framework": framework, "class": class_, "params": _wire.jsonable(params)}
    if base_lr is not None:
        found["base_lr"] = [_lr(value) for value in base_lr] if isinstance(base_lr, (list, tuple)) else _lr(base_lr)
    return _following(_placed(found, unit, steps_per_epoch, reporting), metric)


def constant(lr: float) -> dict[str, Any]:
    """Declare a rate that never changes."""
    return {"kind": "constant", "lr": _lr(lr)}


def table(
    values: Sequence[float],
    *,
    unit: str,
    steps_per_epoch: int | None = None,
    reporting: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Declare a schedule by its values, one a tick from tick 0 on; at most 100,000. Raises `ValueError`."""
    rates = [_lr(value) for value in values]
    if not 1 <= len(rates) <= _tables.MAX_VALUES:
        raise ValueError(f"a table holds 1 to {_tables.MAX_VALUES} values, not {len(rates)}")
    return _placed({"kind": "table", "values": rates}, unit, steps_per_epoch, reporting)


def torch(
    scheduler: Any,
    *,
    unit: str,
    steps_per_epoch: int | None = None,
    length: int | None = None,
    reporting: Mapping[str, Any] | None = None,
    metric: str | None = None,
) -> dict[str, Any]:
    """Read a declaration off a live `torch.optim.lr_scheduler` object, which is left as it is.

    OneCycleLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, StepLR and LinearLR are read by their constructors'
    values; any other as a table of the first group's values over `length` ticks, made by stepping a copy over a
    stand-in optimizer. ReduceLROnPlateau and transformers' GreedyLR are read by their constructors' values, too;
    `metric` names the reported metric that they are stepped with, such as "val_loss". Raises `UnreadableScheduleError`
    (a `ValueError`) where neither is possible, where `metric` is given for a scheduler that follows none, and where an
    SWALR waits to take the scheduler's place.
    """
    _tables.refuse_successor(scheduler)
    plateau = _plateaus.torch_plateau(scheduler)
    if plateau is not None:
        return _following(_placed(plateau, unit, steps_per_epoch, reporting), metric)
    _refuse_metric(scheduler, metric)
    found = _torch_form(scheduler)
    if found is None:
        rates = _tables.torch_values(scheduler, length)
        return table(rates, unit=unit, steps_per_epoch=steps_per_epoch, reporting=reporting)
    return _placed(found, unit, steps_per_epoch, reporting)


def paddle(
    scheduler: Any,
    *,
    unit: str,
    steps_per_epoch: int | None = None,
    length: int | None = None,
    reporting: Mapping[str, Any] | None = None,
    metric: str | None = None,
) -> dict[str, Any]:
    """Read a declaration off a live `paddle.optimizer.lr` scheduler, which is left as it is.

    LinearWarmup (over a number or one of the others), CosineAnnealingDecay and StepDecay are read by their
    constructors' values, ReduceOnPlateau as `torch` reads its like; any other as a table over `length` ticks. Raises
    `UnreadableScheduleError` as `torch` does.
    """
    plateau = _plateaus.paddle_plateau(scheduler)
    if plateau is not None:
        return _following(_placed({"framework": "paddle", **plateau}, unit, steps_per_epoch, reporting), metric)
    _refuse_metric(scheduler, metric)
    node = _paddle_node(scheduler)
    if node is None:
        rates = _tables.paddle_values(scheduler, length)
        return table(rates, unit=unit, steps_per_epoch=steps_per_epoch, reporting=reporting)
    found: dict[str, Any] = {"framework": "paddle", **node, "base_lr": _paddle_base(scheduler)}
    return _placed(found, unit, steps_per_epoch, reporting)


def read(scheduler: Any, **options: Any) -> dict[str, Any]:
    """Read a live scheduler of torch or Paddle, whichever it is; options as for `torch`. Raises as they do."""
    if hasattr(scheduler, "optimizer"):
        return torch(scheduler, **options)
    if hasattr(scheduler, "last_lr") and hasattr(scheduler, "last_epoch"):
        return paddle(scheduler, **options)
    raise UnreadableScheduleError(f"a {type(scheduler).__name__} is no scheduler of torch or Paddle")


def base_lr(scheduler: Any) -> Any:
    """Return the rate that a torch scheduler began with, one number or one a param group. Raises as `torch` does."""
    plateau = _plateaus.torch_plateau(scheduler)
    return _one_or_all([_lr(rate) for rate in scheduler.base_lrs]) if plateau is None else plateau["base_lr"]


def ticks_built_for(scheduler: Any) -> int | None:
    """Return the ticks that a scheduler's constructor was told, where it keeps them: OneCycleLR's total_steps."""
    total = getattr(scheduler, "total_steps", None)
    return total if type(scheduler).__name__ == "OneCycleLR" and isinstance(total, int) else None


def _torch_form(scheduler: Any) -> dict[str, Any] | None:
    name = type(scheduler).__name__
    # A subclass may compute what it likes; a table of its values is the truth then.
    if type(scheduler).__module__ != "torch.optim.lr_scheduler":
        return None
    if name == "OneCycleLR":
        return _one_cycle(scheduler)
    kept = _TORCH_KEPT.get(name)
    if kept is None or not all(hasattr(scheduler, key) for key in (*kept, "base_lrs")):
        return None
    base_lrs = [_lr(value) for value in scheduler.base_lrs]
    params = {key: _wire.jsonable(getattr(scheduler, key)) for key in kept}
    return {"framework": "torch", "class": name, "params": params, "base_lr": _one_or_all(base_lrs)}


def _one_cycle(scheduler: Any) -> dict[str, Any] | None:
    """OneCycleLR keeps no pct_start and no factors: they follow from its phases and what it wrote into the groups."""
    groups = scheduler.optimizer.param_groups
    phases = getattr(scheduler, "_schedule_phases", None)
    strategy = getattr(scheduler, "_anneal_func_type", None)
    if not phases or strategy not in ("cos", "linear"):
        return None
    highest = [_lr(group["max_lr"]) for group in groups]
    first = [_lr(group["initial_lr"]) for group in groups]
    last = [_lr(group["min_lr"]) for group in groups]
    div_factors = {_tidy(high / low) for high, low in zip(highest, first) if low > 0}
    final_factors = {_tidy(start / end) for start, end in zip(first, last) if end > 0}
    if len(div_factors) != 1 or len(final_factors) != 1:
        return None
    params: dict[str, Any] = {
        "max_lr": _one_or_all(highest),
        "total_steps": int(scheduler.total_steps),
        "pct_start": _tidy((float(phases[0]["end_step"]) + 1.0) / scheduler.total_steps),
        "anneal_strategy": strategy,
        "div_factor": div_factors.pop(),
        "final_div_factor": final_factors.pop(),
    }
    if len(phases) == 3:
        params["three_phase"] = True
    # The constructor overwrote the groups' own rates; the optimizer's default is what is left of them.
    default = (getattr(scheduler.optimizer, "defaults", None) or {}).get("lr")
    base_lrs = [_lr(default)] * len(groups) if default is not None else first
    return {"framework": "torch", "class": "OneCycleLR", "params": params, "base_lr": _one_or_all(base_lrs)}


def _paddle_node(scheduler: Any) -> dict[str, Any] | None:
    """Return {"class", "params"} of a Paddle scheduler that is read by its constructor's values, else None."""
    name = type(scheduler).__name__
    if type(scheduler).__module__ != "paddle.optimizer.lr":
        return None
    if name == "LinearWarmup":
        inner = scheduler.learning_rate
        rate = _lr(inner) if isinstance(inner, (int, float)) else _paddle_node(inner)
        if rate is None:
            return None
        params = {
            "learning_rate": rate,
            "warmup_steps": int(scheduler.warmup_steps),
            "start_lr": _lr(scheduler.start_lr),
            "end_lr": _lr(scheduler.end_lr),
        }
        return {"class": name, "params": params}
    kept = _PADDLE_KEPT.get(name)
    if kept is None:
        return _plateaus.paddle_plateau(scheduler)
    values = {key: _wire.jsonable(getattr(scheduler, key)) for key in kept}
    return {"class": name, "params": {"learning_rate": _lr(scheduler.base_lr), **values}}


def _paddle_base(scheduler: Any) -> float:
    inner = getattr(scheduler, "learning_rate", None)
    if type(scheduler).__name__ == "LinearWarmup" and inner is not None:
        return _lr(inner) if isinstance(inner, (int, float)) else _paddle_base(inner)
    return _lr(scheduler.base_lr)


def _placed(
    found: dict[str, Any], unit: str, steps_per_epoch: int | None, reporting: Mapping[str, Any] | None
) -> dict[str, Any]:
    if unit not in ("epoch", "step"):
        raise ValueError(f"unit must be 'epoch' or 'step': what one scheduler.step() is; not {unit!r}")
    found["unit"] = unit
    if steps_per_epoch is not None:
        if type(steps_per_epoch) is not int or steps_per_epoch < 1:
            raise ValueError("steps_per_epoch must be a whole number of at least 1")
        found["steps_per_epoch"] = steps_per_epoch
    if reporting is not None:
        found["reporting"] = dict(reporting)
    return found


def _following(found: dict[str, Any], metric: str | None) -> dict[str, Any]:
    if metric is not None:
        if not metric.strip():
            raise ValueError("metric is the name of a reported metric, such as 'val_loss'")
        found["metric"] = metric
    return found


def _refuse_metric(scheduler: Any, metric: str | None) -> None:
    if metric is not None:
        raise UnreadableScheduleError(f"no metric drives a {type(scheduler).__name__}: leave the metric out")


def _lr(value: Any) -> float:
    rate = _wire.to_float(_wire.freeze(value))
    if rate is None or not math.isfinite(rate):
        raise ValueError(f"a learning rate must be a finite number, not {value!r}")
    return rate


def _one_or_all(values: Sequence[float]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def _tidy(value: float) -> float:
    """Undo the rounding of a division: the short decimal, where it is the same number to 13 digits."""
    short = float(f"{value:.10g}")
    return short if math.isclose(short, value, rel_tol=1e-13) else value
