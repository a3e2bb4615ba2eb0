"""Runs the real schedulers. Each library is imported only when one of its schedulers is asked for."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

_RAISED = (ValueError, ZeroDivisionError, NotImplementedError, OverflowError, TypeError)
"""What a step() that the real class refuses raises."""


def trajectory(
    declaration: Mapping[str, Any], ticks: int, metric: Sequence[float] | None = None
) -> tuple[list[list[float]], int | None]:
    """Return the LRs at ticks 0, 1, ... of every group, and the tick at which the real class raised (None: it did not).

    At most `ticks` of them; `metric` has one value a tick. A constructor that refuses raises its own error.
    """
    run = {"torch": _torch, "paddle": _paddle, "transformers": _transformers, "timm": _timm, "keras": _keras}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run[declaration["framework"]](declaration, ticks, metric)


def version(framework: str) -> str:
    """Return the library's version."""
    if framework == "timm":
        return str(importlib.import_module("importlib.metadata").version("timm"))
    if framework == "keras":
        os.environ.setdefault("KERAS_BACKEND", "torch")
    return str(importlib.import_module(framework).__version__).split("+")[0]


def _optimizer(declaration: Mapping[str, Any]) -> Any:
    import torch

    base = declaration.get("base_lr", 0.1)
    rates = base if isinstance(base, list) else [base]
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=rates[0], momentum=0.9)


def _follow(optimizer: Any, step: Any, ticks: int) -> tuple[list[list[float]], int | None]:
    lrs: list[list[float]] = [[] for _ in optimizer.param_groups]
    for tick in range(ticks):
        for values, group in zip(lrs, optimizer.param_groups, strict=True):
            values.append(float(group["lr"]))
        try:
            step(tick)
        except _RAISED:
            return lrs, tick + 1
    return lrs, None


def _torch(
    declaration: Mapping[str, Any], ticks: int, metric: Sequence[float] | None
) -> tuple[list[list[float]], int | None]:
    optimizer = _optimizer(declaration)
    scheduler = torch_scheduler(declaration, optimizer)
    if metric is not None:
        return _follow(optimizer, lambda tick: scheduler.step(metric[tick]), ticks)
    return _follow(optimizer, lambda _: scheduler.step(), ticks)


def torch_scheduler(declaration: Mapping[str, Any], optimizer: Any) -> Any:
    import torch

    params = dict(declaration["params"])
    if "schedulers" in params:
        params["schedulers"] = [torch_scheduler(inner, optimizer) for inner in params["schedulers"]]
    kind = getattr(torch.optim.lr_scheduler, declaration["class"])
    if declaration["class"] == "ChainedScheduler":
        return kind(params["schedulers"], optimizer)
    return kind(optimizer, **params)


def _paddle(
    declaration: Mapping[str, Any], ticks: int, metric: Sequence[float] | None
) -> tuple[list[list[float]], int | None]:
    scheduler = _paddle_scheduler(declaration)
    lrs: list[float] = []
    for tick in range(ticks):
        lrs.append(float(scheduler()))
        try:
            scheduler.step(*([] if metric is None else [metric[tick]]))
        except _RAISED:
            return [lrs], tick + 1
    return [lrs], None


def _paddle_scheduler(declaration: Mapping[str, Any]) -> Any:
    import paddle

    params = {
        name: _paddle_scheduler(value) if isinstance(value, Mapping) else value
        for name, value in declaration["params"].items()
    }
    return getattr(paddle.optimizer.lr, declaration["class"])(**params)


def _transformers(
    declaration: Mapping[str, Any], ticks: int, metric: Sequence[float] | None
) -> tuple[list[list[float]], int | None]:
    from transformers import optimization

    optimizer = _optimizer(declaration)
    params = dict(declaration["params"])
    first = (params.pop("name"),) if declaration["class"] == "get_scheduler" else ()
    scheduler = getattr(optimization, declaration["class"])(*first, optimizer, **params)
    if metric is not None:
        return _follow(optimizer, lambda tick: scheduler.step(metric[tick]), ticks)
    return _follow(optimizer, lambda _: scheduler.step(), ticks)


def _timm(
    declaration: Mapping[str, Any], ticks: int, metric: Sequence[float] | None
) -> tuple[list[list[float]], int | None]:
    if "timm" not in sys.modules:  # timm's own __init__ imports torchvision
        spec = importlib.util.find_spec("timm")
        if spec is None:
            raise ModuleNotFoundError("timm")
        package = types.ModuleType("timm")
        package.__path__ = list(spec.submodule_search_locations or [])
        sys.modules["timm"] = package
    schedulers = importlib.import_module("timm.scheduler")
    kind = getattr(schedulers, declaration["class"], None)
    if kind is None:
        kind = importlib.import_module("timm.scheduler.wsd_lr").WSDLRScheduler
    optimizer = _optimizer(declaration)
    scheduler = kind(optimizer, **declaration["params"])
    if metric is not None:
        return _follow(optimizer, lambda tick: scheduler.step(tick + 1, metric[tick]), ticks)
    step = scheduler.step if declaration["params"].get("t_in_epochs", True) else scheduler.step_update
    return _follow(optimizer, lambda tick: step(tick + 1), ticks)


def _keras(
    declaration: Mapping[str, Any], ticks: int, metric: Sequence[float] | None
) -> tuple[list[list[float]], int | None]:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    schedule = getattr(keras.optimizers.schedules, declaration["class"])(**declaration["params"])
    return [[float(schedule(step)) for step in range(ticks)]], None
