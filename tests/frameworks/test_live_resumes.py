"""Resumes that restore half of the state, with the real schedulers of PyTorch: the half is named, and its place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.golden.live import torch_scheduler
from trackside_service.conformance import LrPoint, explain
from trackside_service.schedules import compile_schedule

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

BASE, TICKS = 0.1, 20
WARMUP = {"class": "LinearLR", "params": {"start_factor": 0.01, "total_iters": 5}}
DECLARED: dict[str, dict[str, Any]] = {
    "warm-up and cosine": {
        "class": "SequentialLR",
        "params": {
            "schedulers": [WARMUP, {"class": "CosineAnnealingLR", "params": {"T_max": 15}}],
            "milestones": [5],
        },
    },
    "constant warm-up": {
        "class": "SequentialLR",
        "params": {
            "schedulers": [
                {"class": "ConstantLR", "params": {"factor": 0.1, "total_iters": 4}},
                {"class": "ExponentialLR", "params": {"gamma": 0.9}},
            ],
            "milestones": [4],
        },
    },
    "chained": {
        "class": "ChainedScheduler",
        "params": {"schedulers": [WARMUP, {"class": "ExponentialLR", "params": {"gamma": 0.9}}]},
    },
    "warm-up and warm restarts": {
        "class": "SequentialLR",
        "params": {
            "schedulers": [WARMUP, {"class": "CosineAnnealingWarmRestarts", "params": {"T_0": 11}}],
            "milestones": [5],
        },
    },
    "one cycle": {"class": "OneCycleLR", "params": {"max_lr": 0.1, "total_steps": TICKS}},
    "warm restarts": {"class": "CosineAnnealingWarmRestarts", "params": {"T_0": 7}},
    "linear": {"class": "LinearLR", "params": {"start_factor": 0.1, "total_iters": 15}},
    "cosine": {"class": "CosineAnnealingLR", "params": {"T_max": TICKS}},
}


def resumed(declared: dict[str, Any], place: int, restore: Callable[[Any, Any, Any, Any], None]) -> list[float]:
    """Return the LRs in use of a run that was stopped before tick `place` and built anew."""

    def build() -> tuple[Any, Any]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
        return optimizer, torch_scheduler(declared, optimizer)

    optimizer, scheduler = build()
    lrs = []
    for tick in range(TICKS):
        if tick == place:
            saved = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
            optimizer, scheduler = build()
            restore(optimizer, scheduler, *saved)
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return lrs


def optimizer_only(optimizer: Any, _scheduler: Any, saved: Any, _other: Any) -> None:
    optimizer.load_state_dict(saved)


def scheduler_only(_optimizer: Any, scheduler: Any, _other: Any, saved: Any) -> None:
    scheduler.load_state_dict(saved)


def nothing(*_all: Any) -> None:
    """Restore neither."""


@pytest.mark.parametrize("place", [9, 12, 15])
@pytest.mark.parametrize(
    ("restore", "cause"),
    [
        (optimizer_only, "resume_optimizer_only"),
        (scheduler_only, "resume_scheduler_only"),
        (nothing, "resume_no_state"),
    ],
)
@pytest.mark.parametrize("name", DECLARED)
def test_the_half_that_was_not_restored_is_named(name: str, restore: Any, cause: str, place: int) -> None:
    lrs = resumed(DECLARED[name], place, restore)
    schedule = compile_schedule({"framework": "torch", **DECLARED[name], "base_lr": BASE, "unit": "step"})
    points = [LrPoint(float(f"{lr:.6f}"), step=tick, text=f"{lr:.6f}") for tick, lr in enumerate(lrs)]
    answer = explain(schedule, points)
    assert answer.verdict == "off_schedule"
    assert answer.causes[0].cause == cause
    assert answer.causes[0].params["at_tick"]["value"] == place
    assert len(answer.causes) <= 3


@pytest.mark.parametrize("name", ["linear", "cosine", "polynomial"])
def test_more_epochs_on_resume_are_told_from_the_old_totals_last_lr(name: str) -> None:
    from transformers import get_scheduler

    def build(total: int) -> tuple[Any, Any]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
        return optimizer, get_scheduler(name, optimizer, num_warmup_steps=3, num_training_steps=total)

    (optimizer, scheduler), lrs = build(TICKS), []
    for tick in range(2 * TICKS):
        if tick == TICKS:
            saved, other = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
            optimizer, scheduler = build(2 * TICKS)
            optimizer.load_state_dict(saved)
            scheduler.load_state_dict(other)
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    params = {"name": name, "num_warmup_steps": 3, "num_training_steps": 2 * TICKS}
    own = {"framework": "transformers", "class": "get_scheduler", "params": params, "base_lr": BASE, "unit": "step"}
    reporting = {"when": "in_use", "step_base": 0, "exact": True}
    schedule = compile_schedule({**own, "reporting": reporting})
    for since in (0, TICKS):
        answer = explain(schedule, [LrPoint(lr, step=tick) for tick, lr in enumerate(lrs)][since:])
        (cause,) = answer.causes
        assert (cause.cause, cause.params["total"]["value"]) == ("total_changed_on_resume", TICKS)
        assert cause.params["at_tick"]["low"] == TICKS
