"""Reads live schedulers that follow a metric, by the values that their constructors kept."""

from __future__ import annotations

from typing import Any

from trackside import _wire
from trackside._tables import UnreadableScheduleError

_TORCH_KEPT = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "eps")
_GREEDY_KEPT = (
    "mode",
    "factor",
    "patience",
    "threshold",
    "threshold_mode",
    "cooldown",
    "warmup",
    "eps",
    "smooth",
    "window_size",
)
_PADDLE_KEPT = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "epsilon")


def torch_plateau(scheduler: Any) -> dict[str, Any] | None:
    """Return the declaration of torch's own ReduceLROnPlateau or transformers' GreedyLR without its place, None for any
    other scheduler.

    Raises `UnreadableScheduleError` where it has been stepped and the rates that it began with are not to be had.
    """
    if _is(scheduler, "GreedyLR", "transformers.optimization"):
        return _greedy(scheduler)
    if not _is(scheduler, "ReduceLROnPlateau", "torch.optim.lr_scheduler"):
        return None
    params = {name: _wire.jsonable(getattr(scheduler, name)) for name in _TORCH_KEPT}
    params["min_lr"] = _bounds(scheduler.min_lrs)
    base_lr = _one_or_all(_first_rates(scheduler))
    return {"framework": "torch", "class": "ReduceLROnPlateau", "params": params, "base_lr": base_lr}


def _greedy(scheduler: Any) -> dict[str, Any]:
    """It keeps the rates that it began with: under way as well, it starts over from them."""
    own = {name: _wire.jsonable(getattr(scheduler, name)) for name in _GREEDY_KEPT}
    own["reset_start"] = _wire.jsonable(scheduler.reset_start_original)
    own["min_lr"], own["max_lr"] = _bounds(scheduler.min_lrs), _bounds(scheduler.max_lrs)
    return {
        "framework": "transformers",
        "class": "get_scheduler",
        "params": {"name": "greedy", "scheduler_specific_kwargs": own},
        "base_lr": _one_or_all([_number(rate) for rate in scheduler._init_lrs]),
    }


def paddle_plateau(scheduler: Any) -> dict[str, Any] | None:
    """Return {"class", "params"} of Paddle's own ReduceOnPlateau, None for any other scheduler."""
    if not _is(scheduler, "ReduceOnPlateau", "paddle.optimizer.lr"):
        return None
    params = {name: _wire.jsonable(getattr(scheduler, name)) for name in _PADDLE_KEPT}
    return {"class": "ReduceOnPlateau", "params": {"learning_rate": _number(scheduler.base_lr), **params}}


def _is(scheduler: Any, name: str, module: str) -> bool:
    """A subclass may do what it likes, so the class itself is asked for."""
    return type(scheduler).__name__ == name and type(scheduler).__module__ == module


def _first_rates(scheduler: Any) -> list[float]:
    """The rate of each group before the first reduction. The scheduler does not keep them as others do.

    After a resume the groups hold the rates of the checkpoint; the optimizer's default is the script's own then.
    """
    groups = scheduler.optimizer.param_groups
    now = [_number(group["lr"]) for group in groups]
    if not scheduler.last_epoch:
        return now
    default = (getattr(scheduler.optimizer, "defaults", None) or {}).get("lr")
    if default is None or len(set(now)) > 1:
        raise UnreadableScheduleError(
            f"the ReduceLROnPlateau has already made {scheduler.last_epoch} steps and its groups had rates of their "
            "own; start the run before the first step, or declare the schedule by hand"
        )
    return [_number(default)] * len(groups)


def _bounds(values: Any) -> Any:
    """One number where all groups have the same."""
    found = [_number(value) for value in values]
    return found if len(set(found)) > 1 else found[0]


def _one_or_all(rates: list[float]) -> Any:
    return rates if len(rates) > 1 else rates[0]


def _number(value: Any) -> float:
    found = _wire.to_float(_wire.freeze(value))
    if found is None:
        raise UnreadableScheduleError("a learning rate of the scheduler is no number")
    return found
