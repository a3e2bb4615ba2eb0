"""identify: every family drawn and printed is among the answers, few are claimed, and ambiguity is told."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tests.conformance.identified import Drawn, draw

from trackside_service.conformance import LrPoint, explain, identification_as_wire, identify
from trackside_service.conformance.identification.work import MOST, Work
from trackside_service.schedules import compile_schedule

FAMILIES = [
    *((family, warmup) for family in ("constant", "step", "multi_step", "exponential") for warmup in (False, True)),
    *((family, warmup) for family in ("linear", "polynomial", "cosine", "warm_restarts") for warmup in (False, True)),
    ("one_cycle", False),
    ("inverse_sqrt", False),
]
A_FAMILY = 3


def logged(declaration: dict[str, Any], ticks: Sequence[int], form: str = "%.3e", base: int = 0) -> list[LrPoint]:
    lrs = compile_schedule(declaration).lrs(np.asarray(ticks))
    texts = [form % lr for lr in lrs]
    if declaration["unit"] == "epoch":
        return [LrPoint(float(text), epoch=tick + base, text=text) for tick, text in zip(ticks, texts, strict=True)]
    return [LrPoint(float(text), step=tick + base, text=text) for tick, text in zip(ticks, texts, strict=True)]


def torch(name: str, unit: str = "epoch", **params: Any) -> dict[str, Any]:
    return {"framework": "torch", "class": name, "params": params, "base_lr": 0.1, "unit": unit}


@pytest.fixture(scope="module")
def full() -> list[tuple[Drawn, Any]]:
    rng = np.random.default_rng(3)
    logs = [draw(family, warmup, rng) for family, warmup in FAMILIES for _ in range(A_FAMILY)]
    return [(log, identify(log.points, framework="torch", total_epochs=log.total_epochs)) for log in logs]


def test_the_family_of_a_whole_log_is_named_and_comes_first(full: list[tuple[Drawn, Any]]) -> None:
    named = [log.family in answer.families for log, answer in full]
    first = [bool(answer.candidates) and answer.candidates[0].family == log.family for log, answer in full]
    missed = [log.text for (log, _), good in zip(full, named, strict=True) if not good]
    assert np.mean(named) >= 0.95, missed
    assert np.mean(first) >= 0.85


def test_no_wrong_family_is_claimed_and_few_are(full: list[tuple[Drawn, Any]]) -> None:
    for log, answer in full:
        assert not answer.candidates or log.family in answer.families, (log.text, answer)
        assert len(answer.candidates) <= 6
        if log.warmup and answer.candidates:
            assert any(each.warmup or each.family == "one_cycle" for each in answer.candidates)
    assert np.mean([len(answer.candidates) for _, answer in full]) <= 1.5


def test_every_declaration_compiles_and_explains_the_whole_log(full: list[tuple[Drawn, Any]]) -> None:
    for log, answer in full:
        for each in answer.candidates:
            schedule = compile_schedule(each.declaration)
            assert explain(schedule, log.points).verdict == "on_schedule", (log.text, each.declaration)
            assert (each.framework == "torch") == ("class" in each.declaration)


def test_a_prefix_is_never_given_to_a_wrong_family_alone() -> None:
    rng = np.random.default_rng(5)
    for family, warmup in FAMILIES:
        log = draw(family, warmup, rng, share=0.4, knows=False)
        answer = identify(log.points)
        assert not answer.candidates or family in answer.families, (log.text, answer)


@pytest.mark.parametrize(
    ("declaration", "framework", "name"),
    [
        (torch("CosineAnnealingLR", T_max=90), "torch", "CosineAnnealingLR"),
        (torch("CosineAnnealingLR", T_max=90), "paddle", "CosineAnnealingDecay"),
        (torch("CosineAnnealingLR", T_max=90), "transformers", "get_scheduler"),
        (torch("CosineAnnealingLR", T_max=90), "keras", "CosineDecay"),
        (torch("CosineAnnealingLR", T_max=90), "timm", "CosineLRScheduler"),
        (torch("MultiStepLR", milestones=[30, 80]), "paddle", "MultiStepDecay"),
        (torch("MultiStepLR", milestones=[30, 80]), "keras", "PiecewiseConstantDecay"),
        (torch("ExponentialLR", gamma=0.95), "keras", "ExponentialDecay"),
        (torch("PolynomialLR", total_iters=90, power=2.0), "paddle", "PolynomialDecay"),
        (torch("CosineAnnealingWarmRestarts", T_0=20), "torch", "CosineAnnealingWarmRestarts"),
        (torch("OneCycleLR", max_lr=0.1, total_steps=90), "torch", "OneCycleLR"),
        (torch("OneCycleLR", max_lr=0.1, total_steps=90), "paddle", "OneCycleLR"),
    ],
)
def test_the_declaration_is_in_the_framework_s_words(declaration: dict[str, Any], framework: str, name: str) -> None:
    points = logged(declaration, range(90), base=1)
    found = identify(points, framework=framework, total_epochs=90).candidates[0]
    assert (found.framework, found.declaration["class"]) == (framework, name)
    assert explain(compile_schedule(found.declaration), points).verdict == "on_schedule"
    assert found.convention["epoch_base"] == 1


def test_parameters_carry_the_intervals_that_the_prints_allow() -> None:
    answer = identify(logged(torch("CosineAnnealingLR", T_max=90, eta_min=0.001), range(90), "%.2e"))
    params = answer.candidates[0].params
    assert params["over"]["value"] == 90
    assert params["over"]["low"] <= 90 <= params["over"]["high"]
    assert params["min"]["low"] <= 0.001 <= params["min"]["high"]
    assert params["lr"]["low"] < params["lr"]["high"]


def test_a_warm_up_in_steps_with_its_own_numbers() -> None:
    rise = {"class": "LinearLR", "params": {"start_factor": 0.01, "total_iters": 500}}
    fall = {"class": "CosineAnnealingLR", "params": {"T_max": 9500}}
    points = logged(torch("SequentialLR", "step", schedulers=[rise, fall], milestones=[500]), range(0, 10_000, 50))
    answer = identify(points, framework="torch")
    assert answer.verdict == "identified"
    assert answer.candidates[0].params["warmup"]["value"] == 500
    assert answer.candidates[0].declaration["params"]["schedulers"][1]["params"]["T_max"] == 9500


def test_the_four_points_of_the_incident_are_no_listed_schedule() -> None:
    rates = {1: 3e-5, 2: 2.9e-5, 10: 1e-5, 20: 8e-6}
    answer = identify([LrPoint(lr, epoch=epoch) for epoch, lr in rates.items()])
    assert (answer.verdict, answer.candidates) == ("none", ())


def test_a_cosine_that_has_not_ended_may_be_the_first_cycle_of_restarts() -> None:
    points = logged(torch("CosineAnnealingWarmRestarts", T_0=60), range(40))
    assert identify(points).families == ("cosine", "warm_restarts")
    assert identify(logged(torch("CosineAnnealingLR", T_max=60), range(60))).families == ("cosine",)


def test_as_many_numbers_as_points_prove_nothing() -> None:
    answer = identify(logged(torch("CosineAnnealingLR", T_max=60, eta_min=0.01), range(0, 40, 10)))
    assert answer.verdict == "undetermined"
    assert "cosine" in answer.families


def test_noise_is_no_listed_schedule() -> None:
    rng = np.random.default_rng(1)
    rates = 0.1 * np.exp(-0.02 * np.arange(60)) * (1 + 0.05 * rng.standard_normal(60))
    assert identify([LrPoint(float(lr), epoch=epoch) for epoch, lr in enumerate(rates)]).verdict == "none"


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "no LR"),
        ([LrPoint(0.1)] * 5, "step or its epoch"),
        ([LrPoint(0.1, epoch=epoch) for epoch in range(3)], "too few points"),
        (
            [LrPoint(lr, epoch=epoch, text=f"{lr:.4f}") for epoch, lr in enumerate([0.0001] * 5 + [0.0] * 4)],
            "too coarsely",
        ),
    ],
)
def test_too_little_is_said_to_be_too_little(points: list[LrPoint], words: str) -> None:
    answer = identify(points)
    assert answer.verdict == "undetermined"
    assert answer.reason is not None
    assert words in answer.reason


def test_an_lr_that_is_not_finite_is_none() -> None:
    assert identify([LrPoint(0.1, epoch=epoch) for epoch in range(9)] + [LrPoint(math.nan, epoch=9)]).verdict == "none"


def test_a_constant_prefix_may_yet_drop_and_a_whole_run_has_not() -> None:
    points = [LrPoint(0.1, epoch=epoch, text="0.100") for epoch in range(30)]
    answer = identify(points, total_epochs=90)
    assert answer.verdict == "ambiguous"
    assert answer.families == ("constant", "step", "multi_step", "warmup_stable_decay", "plateau")
    assert identify(points, total_epochs=30).verdict == "identified"


def test_a_log_that_ends_in_the_warm_up_leaves_open_what_follows() -> None:
    rise = torch("LinearLR", "step", start_factor=0.01, total_iters=500)
    answer = identify(logged(rise, range(0, 300, 10)))
    assert answer.verdict == "ambiguous"
    assert {"cosine", "linear", "constant", "step"} <= set(answer.families)
    assert explain(compile_schedule(answer.candidates[0].declaration), logged(rise, range(0, 300, 10))).verdict == (
        "on_schedule"
    )


def test_an_epoch_s_schedule_in_a_log_by_step_needs_the_steps_of_an_epoch() -> None:
    by_epoch = compile_schedule(torch("CosineAnnealingLR", T_max=90))
    steps = np.arange(0, 90 * 40, 20)
    points = [
        LrPoint(float(f"{lr:.3e}"), step=int(step), text=f"{lr:.3e}")
        for step, lr in zip(steps, by_epoch.lrs(steps // 40), strict=True)
    ]
    answer = identify(points, framework="torch", steps_per_epoch=40)
    assert answer.verdict == "identified"
    assert answer.candidates[0].declaration["unit"] == "epoch"
    assert answer.candidates[0].params["over"]["value"] == 90


def test_a_hundred_thousand_points_are_verified_in_about_a_second() -> None:
    points = logged(torch("CosineAnnealingLR", "step", T_max=100_000), range(100_000), "%.5e")
    began = time.process_time()
    answer = identify(points)
    assert time.process_time() - began < 4.0  # 0.8 s on a quiet machine
    assert answer.verdict == "identified"
    assert answer.candidates[0].params["over"]["value"] == 100_000
    # One point in a hundred thousand that is off, and it is another schedule.
    points[54_321] = LrPoint(points[54_321].lr * 1.01, step=54_321, text=f"{points[54_321].lr * 1.01:.5e}")
    assert identify(points).verdict == "none"


def test_the_wire_carries_numbers_and_sentences() -> None:
    wire = identification_as_wire(identify(logged(torch("StepLR", step_size=30), range(90)), total_epochs=90))
    assert wire["verdict"] == "identified"
    assert "reason" not in wire
    assert wire["schedules"][0]["params"]["every"] == {"value": 30, "low": 30, "high": 30}
    assert wire["statement"].startswith("Step decay from 0.1")


def _unlisted() -> dict[str, tuple[Any, Any]]:
    """Series that no schedule gives, as ticks and LRs."""
    rng, ticks, many = np.random.default_rng(1), np.arange(100), np.arange(500)
    rise = np.minimum(many / 50, 1.0)
    return {
        "noise": (ticks, 0.1 * np.exp(-0.02 * ticks) * (1 + 0.05 * rng.standard_normal(100))),
        "a random walk": (many * 10, np.abs(np.cumsum(rng.standard_normal(500))) + 0.1),
        "a cosine with a bump": (ticks, 0.05 * (1 + np.cos(np.pi * ticks / 100)) + 0.001 * (ticks == 50)),
        "a sine": (ticks, 0.1 + 0.05 * np.sin(ticks / 7)),
        "a cosine cubed after a warm-up": (many * 37, rise * 0.1 * np.cos(np.pi * many / 1100) ** 3),
        "a warm-up, then noise": (many, rise * (0.1 - many * 1e-4) + 1e-5 * rng.standard_normal(500)),
    }


@pytest.mark.parametrize("name", _unlisted())
def test_a_log_that_fits_nothing_is_given_up_after_bounded_work(name: str) -> None:
    ticks, lrs = _unlisted()[name]
    for epochs in (False, True):
        points = [
            LrPoint(float(lr), step=int(tick) * 100, epoch=float(tick) if epochs else None)
            for tick, lr in zip(ticks, lrs, strict=True)
        ]
        done, again = Work(), Work()
        answer = identify(points, steps_per_epoch=100 if epochs else None, work=done)
        assert not answer.candidates
        assert answer.verdict == ("undetermined" if done.given_up else "none")
        assert done.spent <= MOST * 1.1
        identify(points, steps_per_epoch=100 if epochs else None, work=again)
        assert (again.spent, again.calls) == (done.spent, done.calls)  # counted, not timed


def test_what_is_far_from_every_shape_costs_next_to_nothing() -> None:
    done = Work()
    ticks, lrs = _unlisted()["noise"]
    identify([LrPoint(float(lr), epoch=int(tick)) for tick, lr in zip(ticks, lrs, strict=True)], work=done)
    assert done.spent < MOST / 50


def test_drops_that_lie_far_apart_are_answered() -> None:
    """Sizes are as many as the ticks between two drops: a few thousand of them are looked at."""
    points = [LrPoint(lr, step) for lr, step in [(0.1, 0), (0.1, 9), (0.01, 10**12), (0.01, 10**12 + 9)]]
    assert identify(points).points == 4


def test_places_that_begin_again_are_no_error() -> None:
    lrs = [
        2.0e-4,
        2.1407e-4,
        2.5611e-4,
        3.2563e-4,
        4.2182e-4,
        5.4354e-4,
        6.8938e-4,
        8.5761e-4,
        1e-3,
        1.3e-3,
        1.5e-3,
        1.7e-3,
    ]
    lrs += [2e-3, 2.2e-3, 2.5e-3, 2.7e-3, 3e-3, 3.2e-3, 3.5e-3, 3.7e-3]
    points = [LrPoint(lr, epoch=round(0.05 * n, 2)) for lived in (lrs, lrs[:14]) for n, lr in enumerate(lived)]
    assert identify(points, framework="paddle", steps_per_epoch=20).verdict != "identified"
