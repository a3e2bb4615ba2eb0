"""transformers' GreedyLR, which raises the LR too, compared with what it makes of the values that the run reports."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.plateaus import GREEDY, assert_never_off, first_cause, greedy, losses, lrs_of, together, verdict
from tests.golden.draws import transformers_greedy

from trackside_service.conformance import (
    LrPoint,
    MetricPoint,
    absorb,
    advance,
    conclude,
    dump,
    judge,
    load,
    start,
)
from trackside_service.conformance.driven.span import Span, span_of, waited
from trackside_service.conformance.driven.worlds import World, fresh, ticked
from trackside_service.schedules import compile_schedule
from trackside_service.schedules.driving import driver_of
from trackside_service.schedules.kinds.greedy import Greedy

GOLDEN = Path(__file__).parent.parent / "golden" / "transformers.jsonl"
TICKS = 90
PRINTS: dict[str, Callable[[float], float]] = {"full": lambda value: value, "%.4g": lambda value: float(f"{value:.4g}")}


def falling(count: int = TICKS, seed: int = 1) -> list[float]:
    """A loss that falls, then stands still: the LR rises to its ceiling, and comes down until it starts over."""
    rng = random.Random(seed)
    return [1.0 + max(0.0, 1.0 - tick / 25) + rng.gauss(0.0, 0.004) for tick in range(count)]


def drawn(rng: random.Random) -> dict[str, Any]:
    """One with drawn parameters, but for the running mean."""
    found = transformers_greedy(rng)
    own = found["params"]["scheduler_specific_kwargs"]
    kept = {name: value for name, value in own.items() if name not in ("smooth", "window_size")}
    params = {**found["params"], "scheduler_specific_kwargs": kept}
    return {**found, "params": params, "unit": "epoch"}


def real() -> list[dict[str, Any]]:
    """What the real class did (`tests/golden`)."""
    cases = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    params = [case["declaration"]["params"] for case in cases]
    return [
        case
        for case, own in zip(cases, params, strict=True)
        if (own.get("name") == "greedy" and not own["scheduler_specific_kwargs"].get("smooth"))
        or case["declaration"]["class"] == "get_greedy_schedule"
    ]


@pytest.mark.parametrize("place", range(7))
def test_what_the_real_class_made_of_a_metric_is_on_schedule(place: int) -> None:
    case = real()[place]
    metric = [math.nan if value is None else value for value in case["metric"]]
    declared = {**case["declaration"], "metric": "val_loss", "unit": "epoch"}
    lrs = case["lrs"][0]
    assert verdict(declared, together(lrs, metric=metric)).verdict == "on_schedule"
    stated = {**declared, "reporting": {"when": "in_use"}}
    assert verdict(stated, together([lrs[0], *lrs], metric=metric)).verdict == "off_schedule"


@pytest.mark.parametrize("seed", range(60))
def test_right_runs_are_never_off(seed: int) -> None:
    rng = random.Random(seed)
    assert_never_off(rng, drawn(rng), seed)


@pytest.mark.parametrize("seed", range(40))
def test_evaluations_beside_the_lr_of_every_step(seed: int) -> None:
    """As the Trainer's callback reports them; some LRs are not reported, and some values are coarse."""
    rng = random.Random(seed)
    declaration = {**drawn(rng), "unit": "step", "metric": "val_loss", "reporting": {"when": "in_use", "step_base": 1}}
    metric, each = losses(40, seed), rng.randint(1, 5)
    places = rng.choice([17, 3, 2])
    points: list[LrPoint | MetricPoint] = []
    for tick, lr in enumerate(lrs_of(declaration, metric)[:40]):
        steps = range(tick * each + 1, tick * each + each + 1)
        points += [LrPoint(lr, step=step, epoch=step / 7) for step in steps if rng.random() < 0.7]
        points.append(MetricPoint((("val_loss", round(metric[tick], places)),), step=steps[-1], epoch=steps[-1] / 7))
    found = verdict(declaration, points)
    assert found.verdict == "on_schedule" if places == 17 else found.verdict != "off_schedule", (declaration, found)


FLAT = {"kind": "greedy", "lr": 0.1, **GREEDY, "unit": "epoch", "metric": "val_loss"}
"""Its ticks are the epochs; transformers' are the evaluations that are reported, which none is missing of."""


def test_a_value_that_is_missing_leaves_it_open_until_the_lr_shows_what_was_made_of_it() -> None:
    metric = falling()
    points = together(lrs_of(FLAT, metric), metric=metric)
    points[7] = LrPoint(points[7].lr, epoch=7.0)  # type: ignore[union-attr]
    schedule = compile_schedule(FLAT)
    state, verdicts = start(schedule), []
    for point in points:
        state = advance(schedule, state, point)
        verdicts.append(judge(schedule, state))
    assert {found.verdict for found in verdicts} == {"on_schedule", "undetermined"}
    assert "was not reported at epoch 7" in (verdicts[8].reason or "")
    assert verdicts[-1].verdict == "on_schedule"


@pytest.mark.parametrize("seed", range(40))
def test_right_runs_whose_metric_is_missing_anywhere_are_never_off(seed: int) -> None:
    rng = random.Random(seed)
    own = drawn(rng)["params"]["scheduler_specific_kwargs"]
    declaration = {**FLAT, **own}
    metric = [rng.choice([math.nan, math.inf, -math.inf]) if rng.random() < 0.02 else one for one in losses(50, seed)]
    share, after = rng.choice([0.02, 0.1, 0.5]), rng.choice([0, 1])
    points = together(lrs_of(declaration, metric)[after:], metric=metric)
    kept = [LrPoint(one.lr, epoch=one.epoch) if rng.random() < share else one for one in points]  # type: ignore[union-attr]
    assert verdict(declaration, kept).verdict != "off_schedule", declaration


def test_values_that_are_printed_too_coarsely_leave_it_open() -> None:
    """Each print may be an improvement or none: more ways than are told apart."""
    declared = greedy(patience=40)
    found = verdict(declared, together([0.1] * 40, metric=[0.9] * 40))
    assert found.verdict == "undetermined"
    assert "val_loss is printed too coarsely" in (found.reason or "")
    assert verdict(declared, together([0.1] * 40 + [0.2173], metric=[0.9] * 41)).verdict == "off_schedule"


@pytest.mark.parametrize("name", ["greedy", "reduce_lr_on_plateau"])
def test_a_resume_from_before_the_last_evaluations_is_no_alarm(name: str) -> None:
    """Which of them its state had seen, the reports do not say."""
    own = {"patience": 1, "factor": 0.5}
    declared = {**greedy(), "params": {"name": name, "scheduler_specific_kwargs": own}, "unit": "step"}
    metric = losses(30, seed=2)
    again = [*metric[:12], *losses(30, seed=3)[12:]]
    points: list[LrPoint | MetricPoint] = []
    for values, places in ((metric, range(20)), (again, range(12, 30))):
        lrs = lrs_of(declared, values)
        for at in places:
            points.append(LrPoint(lrs[at], step=4 * at + 2))
            points.append(MetricPoint((("val_loss", values[at]),), step=4 * at + 4))
    assert verdict(declared, points[:40]).verdict == "on_schedule"
    found = verdict(declared, points)
    assert found.verdict == "undetermined"
    assert "its steps fall back" in (found.reason or "")


def test_it_starts_over_after_reductions_in_vain() -> None:
    metric = falling()
    lrs = lrs_of(greedy(), metric)
    assert any(lr == 0.1 and before == 0.05 for before, lr in pairwise(lrs))
    assert verdict(greedy(), together(lrs, metric=metric)).verdict == "on_schedule"
    wrong = verdict(greedy(reset_start=500), together(lrs, metric=metric))
    assert first_cause(wrong).params["parameter"] == "reset_start"
    assert first_cause(wrong).params["actual"] == {"value": 3, "low": 3, "high": 3}


def test_groups_start_over_together() -> None:
    """Another group that has not come down to its own floor keeps the first from starting over."""
    declared = {**greedy(min_lr=[0.05, 1e-9]), "base_lr": [0.1, 0.1]}
    metric = falling()
    lrs = lrs_of(declared, metric)
    assert lrs.count(0.05) > 20
    assert verdict(declared, together(lrs, metric=metric)).verdict == "on_schedule"
    assert verdict(greedy(), together(lrs, metric=metric)).verdict == "off_schedule"


@pytest.mark.parametrize("shown", sorted(PRINTS))
@pytest.mark.parametrize(
    ("name", "actual"),
    [
        ("patience", 1),
        ("patience", 4),
        ("cooldown", 5),
        ("warmup", 3),
        ("factor", 0.5),
        ("factor", 0.95),
        ("min_lr", 0.06),
        ("max_lr", 0.12),
        ("max_lr", 0.9),
        ("threshold", 0.05),
        ("mode", "max"),
    ],
)
def test_the_parameter_that_differs_comes_first_with_its_value(name: str, actual: Any, shown: str) -> None:
    metric = falling()
    lrs = [PRINTS[shown](lr) for lr in lrs_of(greedy(**{name: actual}), metric)]
    found = first_cause(verdict(greedy(), together(lrs, metric=metric)))
    assert (found.cause, found.family) == ("param_mismatch", "other_schedule")
    assert found.params["parameter"] == name
    said = found.params["actual"]
    if isinstance(actual, str):
        assert said == actual
    else:
        assert said["low"] <= actual <= said["high"]


def test_what_was_misused_is_named() -> None:
    metric = falling()
    lrs = lrs_of(greedy(), metric)
    twice = lrs_of(greedy(), [value for value in metric for _ in range(2)])[::2]
    resumed = lrs_of(greedy(), metric[:40])[:40] + lrs_of(greedy(), metric[40:])
    for wrong, cause in (
        ([0.1] * TICKS, "never_stepped"),
        ([lr * 0.3 for lr in lrs], "scale"),
        (twice, "double_step"),
        (resumed, "resume_no_state"),
        (lrs[:20] + [0.011] * 70, "manual_override"),
    ):
        found = first_cause(verdict(greedy(), together(wrong, metric=metric)))
        assert found.cause == cause, found
        if cause == "never_stepped":
            assert "though val_loss went on improving" in found.statement
        if cause == "double_step":
            assert "changes too early" in found.statement
        if cause == "resume_no_state":
            assert found.params["tick"]["low"] <= 40 <= found.params["tick"]["high"]


def test_the_first_point_off_is_told_in_the_reading_of_the_cause() -> None:
    metric = falling()
    found = verdict(greedy(), together(lrs_of(greedy(patience=1), metric), metric=metric))
    assert found.first_off is not None
    assert (found.first_off.index, found.first_off.expected, found.first_off.observed) == (2, 0.1, 0.125)
    assert found.convention["when"] == "in_use"


def test_another_metric_that_is_reported_too() -> None:
    given, named = falling(seed=3), losses(TICKS)
    points = [
        LrPoint(lr, epoch=float(at), metrics=(("val_loss", named[at]), ("train_loss", given[at])))
        for at, lr in enumerate(lrs_of(greedy(), given)[:TICKS])
    ]
    found = first_cause(verdict(greedy(), points))
    assert (found.params["parameter"], found.params["actual"]) == ("metric", "train_loss")


def test_another_group_is_named() -> None:
    metric = falling()
    declared = {**greedy(), "base_lr": [0.1, 0.2]}
    points = together(lrs_of({**declared, "base_lr": [0.2, 0.1]}, metric), metric=metric)
    found = first_cause(verdict(declared, points))
    assert (found.cause, found.params) == ("other_group", {"group": 1, "base_lr": 0.2})


@pytest.mark.parametrize("wrong", [{}, {"patience": 5}])
def test_point_by_point_and_through_storage_as_at_once(wrong: dict[str, Any]) -> None:
    metric = falling()
    schedule = compile_schedule({**greedy(), "base_lr": [0.1, 0.05]})
    points = together([float(f"{lr:.4f}") for lr in lrs_of(greedy(**wrong), metric)], metric=metric)
    state = start(schedule)
    sizes = []
    for point in points:
        text = json.dumps(dump(advance(schedule, state, point)))
        sizes.append(len(text))
        state = load(json.loads(text))
    assert dump(state) == dump(absorb(schedule, start(schedule), points))
    assert conclude(schedule, state) == conclude(schedule, absorb(schedule, start(schedule), points))
    assert max(sizes) < 12_000


def test_what_no_metric_explains_is_off_without_one() -> None:
    declared = {**greedy(), "metric": None, "unit": "step"}
    declared = {name: value for name, value in declared.items() if value is not None}
    for lrs in ([0.1, 0.1, 0.1, 0.05], [0.1, 0.125], [0.1, 3.0], [0.1] * 5 + [0.01] * 9):
        found = verdict(declared, [LrPoint(lr, step=at) for at, lr in enumerate(lrs)])
        assert found.verdict == "off_schedule", lrs
    for lrs in ([0.1] * 50, [0.1, 0.1, 0.1, 0.125], [0.1] * 8 + [0.064, 0.3], [0.1] * 30 + [0.05] * 3 + [0.1]):
        found = verdict(declared, [LrPoint(lr, step=at) for at, lr in enumerate(lrs)])
        assert found.verdict == "off_schedule" if 0.3 in lrs else "undetermined", lrs


@pytest.mark.parametrize("seed", range(30))
def test_a_span_covers_every_way_that_the_states_can_go(seed: int) -> None:
    rng = random.Random(seed)
    driver = driver_of(compile_schedule(drawn(rng)))
    assert driver is not None
    plateau = driver.plateau
    assert isinstance(plateau, Greedy)
    world: World = fresh(plateau)
    span, single = span_of(plateau, [world]), span_of(plateau, [world])
    for count in range(1, 200):
        world = rng.choice(ticked(plateau, [world], None))
        single = waited(plateau, single, 1)
        assert single.low <= world.level * (1 + 1e-12)
        assert single.high >= world.level * (1 - 1e-12)
        assert isinstance(single, Span)
        at_once = waited(plateau, span, count)
        assert at_once.low <= world.level * (1 + 1e-12)
        assert at_once.high >= world.level * (1 - 1e-12)


def test_a_long_gap_costs_little_and_calls_nothing_off() -> None:
    metric = falling()
    points: list[LrPoint | MetricPoint] = list(together(lrs_of(greedy(), metric), metric=metric))[:40]
    flat = {"kind": "greedy", "lr": 0.1, "patience": 200, "factor": 0.999999, "unit": "epoch", "metric": "val_loss"}
    for lr in (0.0999999, 0.1000001, 0.5):
        far = [LrPoint(0.1, epoch=0.0), LrPoint(lr, epoch=1e9), LrPoint(lr, epoch=1e9 + 1)]
        assert verdict(flat, far).verdict == "undetermined"
    assert verdict(flat, [LrPoint(0.1, epoch=0.0), LrPoint(3.0, epoch=1e9)]).verdict == "off_schedule"
    assert verdict(greedy(), [*points, LrPoint(0.25, epoch=1e9)]).verdict != "on_schedule"


def test_hostile_values_raise_nothing() -> None:
    rng = random.Random(5)
    odd = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300, -1e300, 5e-324, 1.0, 0.1]
    for _ in range(60):
        schedule = compile_schedule({**drawn(rng), "unit": rng.choice(["step", "epoch"])})
        state = start(schedule)
        for count in range(40):
            place: dict[str, Any] = {
                "step": rng.choice([None, rng.randrange(50), 10**15]),
                "epoch": rng.choice([None, rng.random() * 9, float(rng.randrange(9)), 1e17]),
            }
            metrics = tuple((each, rng.choice(odd)) for each in rng.sample(["val_loss", "a", "b", ""], 2))
            point = LrPoint(rng.choice([*odd, 0.1]), **place, metrics=metrics)
            state = advance(schedule, state, rng.choice([point, MetricPoint(metrics, **place)]))
            if count < 8 or count % 8 == 7:
                conclude(schedule, state)
        assert load(json.loads(json.dumps(dump(state)))).points == state.points
