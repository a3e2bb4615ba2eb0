"""What is not known of a plateau's state: missing metrics, resumes, gaps. A right run is never off, none costs much."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from tests.conformance.plateaus import DECLARED, NAMED, losses, lrs_of, together, verdict, with_params
from tests.golden.draws import PLATEAUS

from trackside_service.conformance import (
    LrPoint,
    MetricPoint,
    advance,
    conclude,
    dump,
    judge,
    load,
    start,
)
from trackside_service.conformance.driven import following
from trackside_service.conformance.driven.following import States
from trackside_service.conformance.driven.reach import Reach, reach_of, waited
from trackside_service.conformance.driven.worlds import World, fresh, ticked
from trackside_service.schedules import compile_schedule
from trackside_service.schedules.kinds.plateau import Plateau

PADDLE: dict[str, Any] = {
    "framework": "paddle",
    "class": "ReduceOnPlateau",
    "params": {"learning_rate": 0.1, "patience": 1, "factor": 0.5},
    "unit": "epoch",
    "metric": "val_loss",
}
SLOW = {**NAMED, "params": {"patience": 100, "factor": 0.999}}


@pytest.mark.parametrize("seed", range(60))
def test_right_runs_whose_metric_is_missing_anywhere_are_never_off(seed: int) -> None:
    rng = random.Random(seed)
    # transformers' ticks are the evaluations that are reported, which none is missing of.
    drawn = PLATEAUS[("torch", "paddle", "timm")[seed % 3]](rng)
    declaration = {**drawn, "unit": "epoch", "metric": "val_loss"}
    metric = [rng.choice([math.nan, math.inf, -math.inf]) if rng.random() < 0.02 else one for one in losses(50, seed)]
    share, after = rng.choice([0.02, 0.1, 0.5]), rng.choice([0, 1])
    points = together(lrs_of(declaration, metric)[after:], metric=metric)
    kept = [LrPoint(one.lr, epoch=one.epoch) if rng.random() < share else one for one in points]  # type: ignore[union-attr]
    assert verdict(declaration, kept).verdict != "off_schedule", declaration


@pytest.mark.parametrize("framework", ["torch", "paddle"])
@pytest.mark.parametrize("threshold", [1e-4, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("gone", range(4))
def test_a_best_value_that_is_not_known_is_none_that_nothing_improves_on(
    framework: str, threshold: float, gone: int
) -> None:
    metric = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    declared = PADDLE if framework == "paddle" else with_params(patience=1)
    declared = {**declared, "params": {**declared["params"], "threshold": threshold}}
    points = together(lrs_of(declared, metric), metric=metric)
    points[gone] = LrPoint(points[gone].lr, epoch=float(gone))  # type: ignore[union-attr]
    assert verdict(declared, points).verdict != "off_schedule"


@pytest.mark.parametrize("declared", [PADDLE, NAMED, with_params(cooldown=2, patience=1)])
@pytest.mark.parametrize("order", ["before", "after", "next to it"])
@pytest.mark.parametrize("when", [0, 1])
def test_a_resume_with_its_state_is_right_wherever_the_metric_stands(
    declared: dict[str, Any], order: str, when: int
) -> None:
    for seed in range(6):
        metric = losses(50, seed)
        died, saved = 20 + seed, 18 + seed
        again = [value + 0.013 * (-1) ** at for at, value in enumerate(metric[saved:])]
        points: list[LrPoint | MetricPoint] = []
        for first, values, lrs in (
            (0, metric[:died], lrs_of(declared, metric)),
            (saved, again, lrs_of(declared, metric[:saved] + again)[saved:]),
        ):
            for at, (lr, value) in enumerate(zip(lrs[when:], values, strict=False)):
                rate = LrPoint(lr, epoch=float(first + at))
                loss = MetricPoint((("val_loss", value),), epoch=float(first + at))
                both = LrPoint(lr, epoch=rate.epoch, metrics=loss.metrics)
                points += {"before": [loss, rate], "after": [rate, loss]}.get(order, [both])
        found = verdict(declared, points)
        assert found.verdict == "on_schedule", (seed, found)


def test_a_value_that_comes_a_tick_late_rewinds_nothing() -> None:
    metric = losses(60)
    lrs = lrs_of(NAMED, metric)
    points: list[LrPoint | MetricPoint] = []
    for at, lr in enumerate(lrs[:60]):
        points.append(LrPoint(lr, epoch=float(at)))
        if at:
            points.append(MetricPoint((("val_loss", metric[at - 1]),), epoch=float(at - 1)))
    assert verdict(NAMED, points).verdict == "undetermined"


def test_after_a_long_gap_what_cannot_be_reached_is_off_and_the_next_reduction_tells_the_state() -> None:
    metric = losses(400)
    lrs = lrs_of(NAMED, metric)
    points = together(lrs, metric=metric)
    points = points[:5] + points[70:]
    schedule = compile_schedule(NAMED)
    state, verdicts = start(schedule), []
    for point in points:
        state = advance(schedule, state, point)
        state = load(json.loads(json.dumps(dump(state))))
        verdicts.append(judge(schedule, state).verdict)
    assert set(verdicts) == {"on_schedule", "undetermined"}
    assert verdicts[-1] == "on_schedule"
    for wrong in (0.2117, 0.1 * 0.5**25, 0.0312):
        assert verdict(NAMED, [*points[:5], LrPoint(wrong, epoch=70.0)]).verdict == "off_schedule", wrong


@pytest.mark.parametrize("declared", [SLOW, DECLARED, PADDLE, with_params(factor=0.999999, eps=0.0, patience=0)])
@pytest.mark.parametrize("gap", [1, 50, 500, 10**12])
@pytest.mark.parametrize("unit", ["epoch", "step"])
def test_a_record_costs_the_same_whatever_the_gap(
    declared: dict[str, Any], gap: int, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = 0

    def counting(name: str, place: int) -> None:
        real = getattr(following, name)

        def counted(*args: Any, **named: Any) -> Any:
            nonlocal touched
            states: States = args[place]
            touched += 1 if isinstance(states, Reach) else len(states)
            return real(*args, **named)

        monkeypatch.setattr(following, name, counted)

    for name, place in (("ticked", 1), ("matching", 1), ("waited", 1), ("narrowed", 1)):
        counting(name, place)
    rng = random.Random(gap)
    schedule = compile_schedule({**declared, "unit": unit, "metric": "val_loss"})
    state = start(schedule)
    for at in range(60):
        where: dict[str, Any] = {"epoch": float(gap * at)} if unit == "epoch" else {"step": gap * at}
        touched = 0
        state = advance(schedule, state, LrPoint(0.1, **where, metrics=(("val_loss", round(rng.random(), 1)),)))
        assert touched <= 600
    conclude(schedule, state)
    assert len(json.dumps(dump(state))) < 40_000


def test_the_range_of_a_gap_is_the_one_that_ticks_lead_to() -> None:
    for patience, cooldown, ignores in ((0, 0, False), (2, 3, False), (1, 2, True)):
        plateau = Plateau(0.1, 0.5, patience, cooldown=cooldown, cooldown_ignores_metric=ignores)
        worlds: Sequence[World] = (fresh(plateau),)
        worlds = ticked(plateau, worlds, (1.0, 1.0))
        reach = reach_of(plateau, worlds)
        for ticks in range(1, 25):
            worlds = ticked(plateau, worlds, None)
            assert waited(plateau, reach, ticks) == reach_of(plateau, worlds)
