"""An LR that follows a metric, compared with what the real schedulers make of the values that the run reports."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from tests.conformance.plateaus import DECLARED, NAMED, assert_never_off, losses, lrs_of, together, verdict, with_params
from tests.golden.draws import PLATEAUS

from trackside_service.conformance import (
    Explanation,
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
from trackside_service.schedules import compile_schedule


def names(found: Explanation) -> list[str]:
    return [cause.cause for cause in found.causes]


@pytest.mark.parametrize("seed", range(60))
def test_right_runs_are_never_off(seed: int) -> None:
    rng = random.Random(seed)
    assert_never_off(rng, {**PLATEAUS[rng.choice(sorted(PLATEAUS))](rng), "unit": "epoch"}, seed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"patience": 2},
        {"patience": 4},
        {"patience": 6},
        {"factor": 0.4},
        {"cooldown": 3},
        {"threshold": 0.05},
        {"mode": "max"},
        {"min_lr": 0.04},
    ],
)
@pytest.mark.parametrize("name", ["val_loss", None])
def test_a_scheduler_built_otherwise_is_off(wrong: dict[str, Any], name: str | None) -> None:
    metric = losses(80)
    declared = with_params() if name else DECLARED
    lrs = lrs_of(with_params(**wrong), metric)
    found = verdict(declared, together(lrs, metric=metric))
    if name:
        assert found.verdict == "off_schedule"
    else:  # the scheduler may follow what is not reported
        assert found.verdict != "on_schedule"
        assert found.verdict == "off_schedule" or "`metric`" in (found.reason or "")
    right = lrs_of(declared, metric)
    assert verdict(declared, together(right, metric=metric)).verdict == "on_schedule"


def test_the_first_point_off_and_what_was_expected_there() -> None:
    metric = [1.01, 0.903, 0.951, 0.942, 0.933, 0.924, 0.915, 0.9061, 0.9052, 0.9043]
    lrs = [0.1] * 10
    found = verdict({**NAMED, "reporting": {"when": "in_use"}}, together(lrs, metric=metric))
    assert found.first_off is not None
    assert (found.first_off.index, found.first_off.epoch) == (6, 6.0)
    assert (found.first_off.expected, found.first_off.observed) == (0.05, 0.1)
    assert names(found)[0] == "never_stepped"


@pytest.mark.parametrize("order", ["before", "after", "next to it"])
@pytest.mark.parametrize("when", [0, 1])
def test_the_metric_comes_before_or_after_the_lr(order: str, when: int) -> None:
    metric = losses(60)
    for patience, expected in ((3, "on_schedule"), (5, "off_schedule")):
        lrs = lrs_of(with_params(patience=patience), metric)[when:]
        points: list[LrPoint | MetricPoint] = []
        for epoch, (lr, value) in enumerate(zip(lrs, metric, strict=False)):
            rate, loss = LrPoint(lr, epoch=float(epoch)), MetricPoint((("val_loss", value),), epoch=float(epoch))
            points += {"before": [loss, rate], "after": [rate, loss]}.get(
                order, [LrPoint(lr, epoch=float(epoch), metrics=loss.metrics)]
            )
        assert verdict(NAMED, points).verdict == expected


@pytest.mark.parametrize("places", ["step", "both", "fraction"])
@pytest.mark.parametrize("declared", [NAMED, DECLARED])
def test_an_lr_of_every_step_beside_a_metric_of_every_epoch(places: str, declared: dict[str, Any]) -> None:
    metric, each = losses(50), 10
    for patience, expected in ((3, "on_schedule"), (6, "off_schedule")):
        lrs = lrs_of(with_params(patience=patience), metric)
        points: list[LrPoint | MetricPoint] = []
        for epoch, value in enumerate(metric):
            for batch in range(each):
                step = epoch * each + batch
                where = {
                    "step": {"step": step},
                    "both": {"step": step, "epoch": float(epoch)},
                    "fraction": {"epoch": step / each},
                }[places]
                points.append(LrPoint(lrs[epoch], **where, metrics=(("train_loss", value + 0.3 * math.sin(step)),)))
            last = {"epoch": float(epoch)} if places != "step" else {"step": epoch * each + each - 1}
            points.append(MetricPoint((("val_loss", value),), **last))
        found = verdict({**declared, "steps_per_epoch": each}, points)
        if declared is NAMED or expected == "on_schedule":
            assert found.verdict == expected
        else:
            assert found.verdict != "on_schedule"


def test_another_metric_that_explains_it_is_no_alarm() -> None:
    monitored, other = losses(60, seed=3), losses(60, seed=4)
    lrs = lrs_of(NAMED, monitored)
    points = [
        LrPoint(lr, epoch=float(at), metrics=(("val_loss", other[at]), ("train_loss", monitored[at])))
        for at, lr in enumerate(lrs[:60])
    ]
    assert verdict(DECLARED, points).verdict == "on_schedule"
    assert verdict(NAMED, points).verdict == "off_schedule"
    assert verdict({**NAMED, "metric": "train_loss"}, points).verdict == "on_schedule"


def test_a_metric_that_is_not_reported_or_changed_on_its_way_is_no_alarm() -> None:
    """scheduler.step(1 - acc), or a mean that only the script knows, while val_loss is reported beside."""
    for monitored in (losses(60, seed=7), [1 - value / 3 for value in losses(60, seed=8)]):
        lrs = lrs_of(NAMED, monitored)
        found = verdict(DECLARED, together(lrs, metric=losses(60, seed=9)))
        assert found.verdict == "undetermined"
        assert "not reported" in (found.reason or "") or "was reported" in (found.reason or "")


def test_where_the_usual_metric_is_not_reported_nothing_is_alarmed() -> None:
    lrs = lrs_of(NAMED, losses(60, seed=3))
    found = verdict(DECLARED, together(lrs, name="train_loss", metric=losses(60, seed=4)))
    assert found.verdict == "undetermined"
    assert "`metric`" in (found.reason or "")
    assert verdict(DECLARED, [LrPoint(lr, epoch=float(at)) for at, lr in enumerate(lrs)]).verdict == "undetermined"


def test_what_no_metric_explains_is_off_without_one() -> None:
    for lrs in ([0.1, 0.1, 0.07], [0.1, 0.05], [0.1] * 6 + [0.05] * 6 + [0.1], [3.0], [0.1] * 6 + [0.05, 0.025]):
        found = verdict(DECLARED, [LrPoint(lr, epoch=float(at)) for at, lr in enumerate(lrs)])
        assert found.verdict == "off_schedule", lrs


def test_prints_that_tie_are_no_alarm() -> None:
    metric = [1.0, 0.50004, 0.500036, 0.49996, 0.49997, 0.499955, 0.499968, 0.5, 0.5, 0.5, 0.5, 0.5]
    for threshold in (0.0, 1e-4):
        lrs = lrs_of(with_params(threshold=threshold), metric)
        printed = [float(f"{value:.4f}") for value in metric]
        assert verdict(with_params(threshold=threshold), together(lrs, metric=printed)).verdict != "off_schedule"


def test_a_missing_value_leaves_it_open_until_the_lr_shows_what_was_made_of_it() -> None:
    metric = losses(60)
    lrs = lrs_of(NAMED, metric)
    drop = next(at for at, lr in enumerate(lrs) if lr < 0.1)
    points = together(lrs, metric=metric)
    points[drop - 2] = LrPoint(lrs[drop - 2], epoch=float(drop - 2))
    schedule = compile_schedule(NAMED)
    verdicts = []
    state = start(schedule)
    for point in points:
        state = advance(schedule, state, point)
        verdicts.append(judge(schedule, state))
    assert {found.verdict for found in verdicts} == {"on_schedule", "undetermined"}
    assert "was not reported at epoch" in (verdicts[drop - 1].reason or "")
    assert verdicts[-1].verdict == "on_schedule"


def test_the_counters_of_a_resume_without_state_are_seen() -> None:
    flat = [1.0001 + 0.0137 * at for at in range(30)]
    lrs = lrs_of(NAMED, flat[:3])[:3] + lrs_of(NAMED, flat[3:])
    found = verdict(NAMED, together(lrs, metric=flat))
    assert found.verdict == "off_schedule"
    assert "resume_no_state" in names(found)


def test_a_resume_from_a_checkpoint_is_right() -> None:
    metric = losses(60)
    lrs = lrs_of(NAMED, metric)
    points = together(lrs, metric=metric)
    again = [value + 0.001 for value in metric[38:]]
    resumed = lrs_of(NAMED, metric[:38] + again)
    points = points[:40] + [
        LrPoint(lr, epoch=38.0 + at, metrics=(("val_loss", value),))
        for at, (lr, value) in enumerate(zip(resumed[38:], again, strict=False))
    ]
    assert verdict(NAMED, points).verdict == "on_schedule"
    back = points[:40] + [LrPoint(lr, epoch=10.0 + at) for at, lr in enumerate(lrs[10:40])]
    assert verdict(NAMED, back).verdict != "off_schedule"


@pytest.mark.parametrize("wrong", [{}, {"patience": 5}])
def test_point_by_point_and_through_storage_as_at_once(wrong: dict[str, Any]) -> None:
    metric = losses(80)
    schedule = compile_schedule(DECLARED)
    points = together([float(f"{lr:.4f}") for lr in lrs_of(with_params(**wrong), metric)], metric=metric)
    state = start(schedule)
    sizes = []
    for point in points:
        text = json.dumps(dump(advance(schedule, state, point)))
        sizes.append(len(text))
        state = load(json.loads(text))
    assert dump(state) == dump(absorb(schedule, start(schedule), points))
    assert max(sizes) < 12_000


def test_a_scale_and_a_hand_are_named() -> None:
    metric = losses(40)
    lrs = lrs_of(NAMED, metric)
    assert names(verdict(NAMED, together([lr / 10 for lr in lrs], metric=metric)))[0] == "scale"
    set_by_hand = lrs[:10] + [0.033] * 30
    assert names(verdict(NAMED, together(set_by_hand, metric=metric)))[0] == "manual_override"


def test_hostile_values_raise_nothing() -> None:
    rng = random.Random(5)
    odd = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300, -1e300, 5e-324, 1.0, 0.1]
    for name in PLATEAUS:
        for _ in range(60):
            schedule = compile_schedule({**PLATEAUS[name](rng), "unit": rng.choice(["step", "epoch"])})
            state = start(schedule)
            for count in range(40):
                place: dict[str, Any] = {
                    "step": rng.choice([None, rng.randrange(50), 10**15]),
                    "epoch": rng.choice([None, rng.random() * 9, float(rng.randrange(9)), 1e17]),
                }
                metrics = tuple((each, rng.choice(odd)) for each in rng.sample(["val_loss", "a", "b", ""], 2))
                lr = rng.choice([*odd, 0.1])
                state = advance(
                    schedule,
                    state,
                    rng.choice([LrPoint(lr, **place, metrics=metrics), MetricPoint(metrics, **place)]),
                )
                if count < 8 or count % 8 == 7:
                    conclude(schedule, state)
            assert load(json.loads(json.dumps(dump(state)))).points == state.points
