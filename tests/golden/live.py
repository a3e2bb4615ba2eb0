"""Runs the real schedulers. Imported only where torch and Paddle are installed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any


def trajectory(declaration: Mapping[str, Any], ticks: int) -> tuple[list[list[float]], int | None]:
    """Return the LRs at ticks 0, 1, ... of every group, and the tick at which the real class raised (None: it did not).

    At most `ticks` of them. A constructor that refuses raises its own error.
    """
    return {"torch": _torch, "paddle": _paddle}[declaration["framework"]](declaration, ticks)


def _torch(declaration: Mapping[str, Any], ticks: int) -> tuple[list[list[float]], int | None]:
    import torch

    base = declaration.get("base_lr", 0.1)
    rates = base if isinstance(base, list) else [base]
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    scheduler = getattr(torch.optim.lr_scheduler, declaration["class"])(optimizer, **declaration["params"])
    lrs: list[list[float]] = [[] for _ in rates]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tick in range(ticks):
            for values, group in zip(lrs, optimizer.param_groups, strict=True):
                values.append(float(group["lr"]))
            try:
                scheduler.step()
            except (ValueError, ZeroDivisionError):
                return lrs, tick + 1
    return lrs, None


def _paddle(declaration: Mapping[str, Any], ticks: int) -> tuple[list[list[float]], int | None]:
    scheduler = _paddle_scheduler(declaration)
    lrs: list[float] = []
    for tick in range(ticks):
        lrs.append(float(scheduler()))
        try:
            scheduler.step()
        except ValueError:
            return [lrs], tick + 1
    return [lrs], None


def _paddle_scheduler(declaration: Mapping[str, Any]) -> Any:
    import paddle

    params = {
        name: _paddle_scheduler(value) if isinstance(value, Mapping) else value
        for name, value in declaration["params"].items()
    }
    return getattr(paddle.optimizer.lr, declaration["class"])(**params)
