"""PLAN001: what jumps, and what only looks as if."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of

CODE = "PLAN001"


def torch(name: str, base_lr: float, unit: str = "epoch", **params: Any) -> dict[str, Any]:
    return {"framework": "torch", "class": name, "params": params, "base_lr": base_lr, "unit": unit}


def linear_warmup(warmup: int, start: float, end: float) -> dict[str, Any]:
    inner = {"class": "CosineAnnealingDecay", "params": {"learning_rate": end, "T_max": 50}}
    params = {"learning_rate": inner, "warmup_steps": warmup, "start_lr": start, "end_lr": end}
    return {"framework": "paddle", "class": "LinearWarmup", "params": params, "unit": "epoch"}


def table(values: list[float]) -> dict[str, Any]:
    return {"kind": "table", "values": values, "unit": "epoch"}


def test_a_warm_up_of_one_tick_jumps() -> None:
    (alert,) = alerts_of([], CODE, schedule=linear_warmup(1, 1e-5, 0.004))
    assert alert.severity == "warning"
    assert alert.opened is None
    assert alert.evidence["ratio"] == pytest.approx(400)
    assert alert.evidence["tick"] == 1
    assert "warmup_steps 1 to 5" in alert.advice
    assert "end_lr 0.004 to 0.002" in alert.advice


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(linear_warmup(5, 0.0, 0.1), id="five ticks from 0"),
        pytest.param(torch("LinearLR", 0.5, start_factor=0.01, total_iters=5), id="torchvision's warm-up"),
        pytest.param(linear_warmup(5, 1e-6, 5e-4), id="DeiT's warm-up"),
        pytest.param(torch("OneCycleLR", 0.1, max_lr=0.1, total_steps=30), id="one cycle"),
        pytest.param(torch("OneCycleLR", 0.1, "step", max_lr=0.1, total_steps=5000), id="one cycle by step"),
        pytest.param(torch("CosineAnnealingWarmRestarts", 0.1, T_0=7, T_mult=2), id="warm restarts"),
        pytest.param(torch("StepLR", 0.1, step_size=2, gamma=0.01), id="falls are no rises"),
        pytest.param({"kind": "constant", "lr": 0.1}, id="constant"),
        pytest.param(table([0.1, 0.05, 0.001, 0.1, 0.05]), id="a restart that only a table knows"),
    ],
)
def test_customary_plans_are_silent(schedule: dict[str, Any]) -> None:
    assert not alerts_of([], CODE, schedule=schedule, total_epochs=60)


@pytest.mark.parametrize(("landing", "found"), [(0.5, 1), (0.49, 0)])
def test_a_rise_from_0_counts_where_it_lands_at_half_the_peak(landing: float, found: int) -> None:
    assert len(alerts_of([], CODE, schedule=table([0.0, landing, 1.0, 1.0]))) == found


@pytest.mark.parametrize(("before", "found"), [(0.1, 1), (0.11, 0)])
def test_a_rise_counts_from_ten_times_on(before: float, found: int) -> None:
    assert len(alerts_of([], CODE, schedule=table([before, 1.0, 1.0]))) == found


def test_no_schedule_no_finding() -> None:
    assert not alerts_of([], CODE)
