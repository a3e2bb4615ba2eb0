"""The two curves that an alert about the learning rate is drawn from."""

from __future__ import annotations

from trackside_service.conformance import LrPoint, absorb, start
from trackside_service.conformance.curve import curve
from trackside_service.conformance.keeping import MOST_KEPT
from trackside_service.schedules import compile_schedule

STEP = {
    "framework": "torch",
    "class": "StepLR",
    "params": {"step_size": 2, "gamma": 0.5},
    "base_lr": 0.1,
    "unit": "epoch",
}


def test_expected_beside_observed_in_the_convention_found() -> None:
    schedule = compile_schedule(STEP)
    points = [LrPoint(lr, epoch=epoch) for epoch, lr in enumerate([0.1, 0.1, 0.05, 0.05, 0.05], start=1)]
    drawn = curve(schedule, absorb(schedule, start(schedule), points))
    assert drawn is not None
    assert drawn.as_wire() == {
        "unit": "epoch",
        "at": [1, 2, 3, 4, 5],
        "expected": [0.1, 0.1, 0.05, 0.05, 0.025],
        "observed": [0.1, 0.1, 0.05, 0.05, 0.05],
    }


def test_a_rounded_epoch_is_drawn_beside_the_nearest_of_the_lrs_that_it_may_mean() -> None:
    schedule = compile_schedule({**STEP, "unit": "step", "steps_per_epoch": 391})
    points = [LrPoint(0.1 * 0.5 ** (u // 2), epoch=round(u / 391, 3)) for u in range(12)]
    drawn = curve(schedule, absorb(schedule, start(schedule), points))
    assert drawn is not None
    assert drawn.expected == drawn.observed == tuple(point.lr for point in points)
    halved = [LrPoint(0.04, epoch=point.epoch) for point in points[:4]]
    drawn = curve(schedule, absorb(schedule, start(schedule), halved))
    assert drawn is not None
    assert None not in drawn.expected


def test_it_is_bounded_however_long_the_log() -> None:
    schedule = compile_schedule({**STEP, "unit": "step", "params": {"step_size": 1000, "gamma": 0.5}})
    points = [LrPoint(0.1, step=step, epoch=step // 100) for step in range(5000)]
    drawn = curve(schedule, absorb(schedule, start(schedule), points))
    assert drawn is not None
    assert drawn.unit == "step"
    assert 10 < len(drawn.at) <= MOST_KEPT
    assert len(drawn.at) == len(drawn.expected) == len(drawn.observed)


def test_where_points_share_no_count_there_is_nothing_to_draw() -> None:
    schedule = compile_schedule({**STEP, "steps_per_epoch": 10})
    assert curve(schedule, start(schedule)) is None
    mixed = [LrPoint(0.1, step=3), LrPoint(0.1, epoch=1)]
    assert curve(schedule, absorb(schedule, start(schedule), mixed)) is None
    nowhere = [LrPoint(0.1), LrPoint(0.1)]
    assert curve(schedule, absorb(schedule, start(schedule), nowhere)) is None
