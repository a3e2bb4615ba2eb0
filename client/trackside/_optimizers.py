"""Reads an optimizer of torch or Paddle without importing either: its learning rates, its class and its settings."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from trackside import _wire

ReadLr = Callable[[], dict[str, Any]]


def framework_of(instance: object) -> str | None:
    """Return "torch" or "paddle" when a class of `instance` comes from there, else None."""
    for base in type(instance).__mro__:
        top = base.__module__.partition(".")[0]
        if top in ("torch", "paddle"):
            return top
    return None


def lr_reader(optimizer: Any) -> ReadLr:
    """Return a function that reads the LRs now: `lr` for the first group, `lr/1` ... for the others.

    torch has an LR a group. Paddle has one for all, `get_lr()`; a group's `learning_rate` is a multiplier there.
    Raises `TypeError` when `optimizer` is like neither.
    """
    groups = getattr(optimizer, "param_groups", None)
    if isinstance(groups, list) and all(isinstance(group, Mapping) and "lr" in group for group in groups):
        return partial(from_groups, optimizer)  # goes through pickle, where the optimizer does
    get_lr = getattr(optimizer, "get_lr", None)
    if callable(get_lr):
        return partial(_from_one, optimizer)
    raise TypeError(
        f"optimizer must be one of torch or Paddle (with param_groups or get_lr()), not {type(optimizer).__name__}"
    )


def from_groups(optimizer: Any) -> dict[str, Any]:
    """Read the LR of every param group of a torch optimizer."""
    found = {}
    for index, group in enumerate(optimizer.param_groups):
        lr = group["lr"]
        found["lr" if index == 0 else f"lr/{index}"] = lr if type(lr) is float else _wire.freeze(lr)
    return found


def _from_one(optimizer: Any) -> dict[str, Any]:
    return {"lr": _wire.freeze(optimizer.get_lr())}


def keeps_floats(optimizer: Any) -> bool:
    """Tell whether every LR is a Python float now: one in a tensor has 32 bits, and loses digits at every step."""
    try:
        groups = getattr(optimizer, "param_groups", None)
        rates = [optimizer.get_lr()] if groups is None else [group["lr"] for group in groups]
        return all(isinstance(rate, (float, int)) for rate in rates)
    except Exception:
        return False


def describe(optimizer: Any) -> dict[str, Any]:
    """Return {"class", "params"} as the wire wants an optimizer: its class and its settings as they are now."""
    defaults = getattr(optimizer, "defaults", None)
    if isinstance(defaults, Mapping):
        params = {str(key): _wire.jsonable(value) for key, value in defaults.items()}
    else:
        params = _paddle_settings(optimizer)
    return {"class": type(optimizer).__name__, "params": params}


def scheduler_within(optimizer: Any) -> Any | None:
    """Return the scheduler that a Paddle optimizer has as its learning rate, or None."""
    if framework_of(optimizer) != "paddle":
        return None
    inner = getattr(optimizer, "_learning_rate", None)
    return inner if hasattr(inner, "step") and hasattr(inner, "last_lr") else None


def _paddle_settings(optimizer: Any) -> dict[str, Any]:
    """Paddle keeps its settings as private attributes; the plain numbers among the known ones are read."""
    found: dict[str, Any] = {}
    for name in ("_beta1", "_beta2", "_epsilon", "_momentum", "_use_nesterov", "_rho", "_initial_accumulator_value"):
        value = getattr(optimizer, name, None)
        if isinstance(value, (numbers.Real, bool)):
            found[name.lstrip("_")] = _wire.jsonable(value)
    decay = getattr(optimizer, "_weight_decay", None)
    if decay is None:
        decay = getattr(optimizer, "_coeff", None)
    coefficient = getattr(decay, "_coeff", decay)
    if isinstance(coefficient, numbers.Real):
        found["weight_decay"] = _wire.jsonable(coefficient)
    return found
