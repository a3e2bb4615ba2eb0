"""PLAN001: what jumps, and what only looks as if."""

from __future__ import annotations

import copy
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
    assert "start_lr 1e-05 to 0.0008" in alert.advice
    assert "end_lr" not in alert.advice  # a lower peak rises as abruptly


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


def hugging_face(warmup: int, unit: str, total: int = 60, name: str = "cosine") -> dict[str, Any]:
    params = {"name": name, "num_warmup_steps": warmup, "num_training_steps": total}
    whole = {"framework": "transformers", "class": "get_scheduler", "base_lr": 2e-5}
    return {**whole, "params": params, "unit": unit}


def timm(warmup: int, **params: Any) -> dict[str, Any]:
    own = {"t_initial": 300, "warmup_t": warmup, "warmup_lr_init": 1e-5, **params}
    return {"framework": "timm", "class": "CosineLRScheduler", "params": own, "base_lr": 0.5, "unit": "epoch"}


def phases(until: int, over: int) -> dict[str, Any]:
    rise = {"kind": "ramp", "from": 1e-5, "to": 0.1, "over": over}
    listed = [{"until": until, "schedule": rise}, {"schedule": {"kind": "constant", "lr": 0.1}}]
    return {"kind": "phases", "phases": listed, "unit": "epoch"}


def short_cycle(total: int, unit: str = "epoch", **params: Any) -> dict[str, Any]:
    return torch("OneCycleLR", 1e-3, unit, max_lr=1e-3, total_steps=total, **params)


# What a recipe means, beside what looks like it and is told.
MEANT: list[tuple[str, dict[str, Any], int]] = [
    ("one update from 0", hugging_face(1, "step"), 0),
    ("two updates from 0", hugging_face(2, "step"), 0),
    ("an epoch at 0", hugging_face(1, "epoch"), 1),
    ("one update from above 0", torch("LinearLR", 0.1, "step", start_factor=0.01, total_iters=1), 1),
    ("from 0 at a later update", {**table([0.1, 0.0, 1.0, 1.0]), "unit": "step"}, 1),
    ("one cycle of ten epochs", short_cycle(10), 0),
    (
        "one cycle of ten epochs, as Paddle has it",
        {
            "framework": "paddle",
            "class": "OneCycleLR",
            "params": {"max_learning_rate": 0.1, "total_steps": 10},
            "unit": "epoch",
        },
        0,
    ),
    ("one cycle of five epochs", short_cycle(5), 0),
    ("one cycle with a shorter rise than usual", short_cycle(10, pct_start=0.2), 1),
    ("one cycle whose rise is an epoch", short_cycle(20, pct_start=0.1), 1),
    ("one cycle whose rise is two updates", short_cycle(300, "step", pct_start=0.01), 1),
    ("a warm-up of two epochs", timm(2), 0),
    ("a warm-up of an epoch", timm(1), 1),
    ("two updates", {**timm(2), "unit": "step"}, 1),
    ("two epochs, canonical", phases(2, 2), 0),
    ("two epochs of a warm-up that is cut", phases(1, 2), 1),
    (
        "He's start of ResNet-110",
        torch(
            "SequentialLR",
            0.1,
            "step",
            schedulers=[
                {"class": "ConstantLR", "params": {"factor": 0.1, "total_iters": 400}},
                {"class": "MultiStepLR", "params": {"milestones": [31600, 47600]}},
            ],
            milestones=[400],
        ),
        1,
    ),
]


@pytest.mark.parametrize(("schedule", "found"), [pytest.param(*one[1:], id=one[0]) for one in MEANT])
def test_what_a_recipe_means_is_silent_and_what_only_looks_like_it_is_told(
    schedule: dict[str, Any], found: int
) -> None:
    assert len(alerts_of([], CODE, schedule=schedule, total_epochs=300, steps_per_epoch=391)) == found


def changed(schedule: Any, pointer: str, value: float) -> Any:
    whole = copy.deepcopy(schedule)
    *way, last = [int(part) if part.isdigit() else part for part in pointer[1:].split("/")]
    place = whole
    for part in way:
        place = place[part]
    place[last] = value
    return whole


ADVISED: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("LinearWarmup", linear_warmup(1, 1e-5, 0.004), ("warmup_steps", "start_lr")),
    ("timm", timm(1), ("warmup_t", "warmup_lr_init")),
    ("Hugging Face", hugging_face(1, "epoch"), ("num_warmup_steps",)),
    ("one cycle", short_cycle(20, pct_start=0.1), ("pct_start", "div_factor")),
    ("one cycle by updates", short_cycle(300, "step", pct_start=0.01), ("pct_start", "div_factor")),
    ("LinearLR", torch("LinearLR", 0.1, start_factor=0.01, total_iters=1), ("total_iters", "start_factor")),
    ("ConstantLR", torch("ConstantLR", 0.1, factor=0.1, total_iters=5), ("factor",)),
    (
        "LinearLR in front of a cosine",
        torch(
            "SequentialLR",
            0.1,
            schedulers=[
                {"class": "LinearLR", "params": {"start_factor": 0.001, "total_iters": 1}},
                {"class": "CosineAnnealingLR", "params": {"T_max": 29}},
            ],
            milestones=[1],
        ),
        ("total_iters", "milestones", "start_factor"),
    ),
    ("phases", phases(1, 1), ("over", "until", "from")),
]


@pytest.mark.parametrize(("schedule", "names"), [pytest.param(*one[1:], id=one[0]) for one in ADVISED])
def test_following_the_advice_silences_the_rule(schedule: dict[str, Any], names: tuple[str, ...]) -> None:
    (alert,) = alerts_of([], CODE, schedule=schedule, total_epochs=300)
    changes = alert.evidence["clearing_changes"]
    assert {pointer.split("/")[-1] for change in changes for pointer in change if not pointer[-1].isdigit()} == {
        name for name in names if name != "milestones"
    }
    for name in names:
        assert name.rstrip("s") in alert.advice or name == "until"
    for change in changes:
        followed = schedule
        for pointer, value in change.items():
            followed = changed(followed, pointer, value)
        assert followed != schedule
        assert not alerts_of([], CODE, schedule=followed, total_epochs=300)


def test_a_rise_that_no_parameter_makes_gentler_is_told_without_a_number() -> None:
    (alert,) = alerts_of([], CODE, schedule=table([1e-5, 1.0, 1.0]))
    assert alert.evidence["clearing_changes"] == []
    assert "Spread the rise over more ticks, or start it nearer to the peak." in alert.advice


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


def test_groups_that_would_take_long_to_follow_are_judged_by_the_highest() -> None:
    members = [
        {"class": "LinearLR", "params": {"start_factor": 0.001, "total_iters": 1}},
        {"class": "CosineAnnealingLR", "params": {"T_max": 500_000, "eta_min": 1e-3}},
    ]
    chained = {**torch("ChainedScheduler", 0.1, "step", schedulers=members), "base_lr": [0.1] * 499 + [0.2]}
    (alert,) = alerts_of([], CODE, schedule=chained, total_epochs=50, steps_per_epoch=10_000)
    assert alert.evidence["group"] == 499
    assert alert.evidence["clearing_changes"] == []


def test_no_schedule_no_finding() -> None:
    assert not alerts_of([], CODE)
