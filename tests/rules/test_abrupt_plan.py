"""PLAN001: what jumps, and what only looks as if."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.support import alerts_of, spec_of
from trackside_service.rules import RunContext, abrupt_plan
from trackside_service.schedules import CompiledSchedule
from trackside_service.schedules.compiled import Reporting
from trackside_service.schedules.curve import FloatArray
from trackside_service.schedules.kinds.ramp import Ramp

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


@pytest.mark.parametrize("base", [1e-3, 3e-4, 7e-4, 0.014])
def test_a_freeze_phase_at_exactly_a_tenth_is_told_whatever_the_floats_make_of_it(base: float) -> None:
    frozen = torch("ConstantLR", base, factor=0.1, total_iters=5)
    (alert,) = alerts_of([], CODE, schedule=frozen, total_epochs=30)
    assert alert.severity == "warning"
    assert alert.evidence["tick"] == 5
    assert alert.evidence["ratio"] == pytest.approx(10)
    phases: list[dict[str, Any]] = [{"until": 5, "schedule": {"kind": "constant", "lr": float(f"{base / 10:.6g}")}}]
    phases += [{"schedule": {"kind": "ramp", "from": base, "to": 0.0, "over": 25, "shape": "cosine"}}]
    assert len(alerts_of([], CODE, schedule={"kind": "phases", "phases": phases, "unit": "epoch"})) == 1
    # One tick at a rate between the two, and it is a warm-up.
    phases.insert(1, {"until": 6, "schedule": {"kind": "constant", "lr": base / 3}})
    assert not alerts_of([], CODE, schedule={"kind": "phases", "phases": phases, "unit": "epoch"})


class Counted(Ramp):
    """A curve that counts how often it is asked where it ends, and at how many ticks."""

    asked = 0
    looked = 0

    @property
    def horizon(self) -> float | None:
        Counted.asked += 1
        return super().horizon

    def lrs(self, ticks: FloatArray) -> FloatArray:
        Counted.looked += ticks.size
        return super().lrs(ticks)


def test_a_thousand_parameter_groups_are_judged_in_a_thousand_looks() -> None:
    groups = [Counted(0.1 * (1 + number / 1000), 0.0, 100_000.0) for number in range(1000)]
    schedule = CompiledSchedule("step", 1000, Reporting(), None, "counted", {}, tuple(groups), None)
    context = RunContext(spec_of(total_epochs=100, steps_per_epoch=1000), schedule)
    Counted.asked = Counted.looked = 0
    assert abrupt_plan.plan(context, abrupt_plan.Parameters()) == ()
    assert Counted.asked == 1000  # each once, not each for each
    assert Counted.looked <= 2 * abrupt_plan.MAX_TICKS + 10 * 1000


def test_no_schedule_no_finding() -> None:
    assert not alerts_of([], CODE)
