"""A declaration and another that ran in its place: what the explanation says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trackside_service.conformance import Cause, LrPoint, explain
from trackside_service.schedules import compile_schedule

REPORTING = {"when": "in_use", "step_base": 0, "epoch_base": 0}
Declaration = dict[str, Any]


def torch(name: str, unit: str = "epoch", base: Any = 0.1, **params: Any) -> Declaration:
    return {"framework": "torch", "class": name, "params": params, "base_lr": base, "unit": unit}


def member(name: str, **params: Any) -> Declaration:
    return {"class": name, "params": params}


def get_scheduler(name: str, warmup: int, total: int, base: float = 1e-3, **extra: Any) -> Declaration:
    params = {"name": name, "num_warmup_steps": warmup, "num_training_steps": total}
    params |= {"scheduler_specific_kwargs": extra} if extra else {}
    return {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": base, "unit": "step"}


def named(
    declared: Declaration,
    ran: Declaration | Sequence[float],
    ticks: Sequence[int],
    *,
    form: str = "%.6f",
    per_epoch: int = 10,
    run: int | None = None,
) -> dict[str, Cause]:
    """Return the causes by name, in their order: `ran` was logged at `ticks`."""
    beside = {"steps_per_epoch": per_epoch, "reporting": REPORTING}
    at = np.array(ticks, dtype=np.float64)
    lrs = compile_schedule({**ran, **beside}).lrs(at) if isinstance(ran, Mapping) else ran
    by_step = declared["unit"] == "step"
    points = [
        LrPoint(
            float(form % lr),
            int(tick) if by_step else int(tick) * per_epoch,
            int(tick) // per_epoch if by_step else int(tick),
            form % lr,
        )
        for lr, tick in zip(lrs, ticks, strict=True)
    ]
    answer = explain(compile_schedule({**declared, **beside}), points, run_updates=run)
    assert answer.verdict == "off_schedule"
    assert len(answer.causes) <= 6
    return {cause.cause: cause for cause in answer.causes}
