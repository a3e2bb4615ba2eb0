"""The diagnosis of a run in progress, from the few points kept: it names what the whole log would."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from trackside_service.conformance import LrPoint, absorb, advance, conclude, dump, explain, load, start
from trackside_service.conformance.keeping import MARKS, MOST_KEPT, Keeping
from trackside_service.schedules import compile_schedule

LONG = 20_000
DECLARED = {
    "framework": "torch",
    "class": "CosineAnnealingLR",
    "params": {"T_max": LONG},
    "base_lr": 0.1,
    "unit": "step",
    "steps_per_epoch": 500,
    "reporting": {"when": "in_use", "step_base": 0, "epoch_base": 0},
}
SCHEDULE = compile_schedule(DECLARED)
AT = 13_000


def halved(ticks: np.ndarray) -> np.ndarray:
    return np.where(ticks < AT, 1.0, 0.5) * SCHEDULE.lrs(ticks)


def restarted(ticks: np.ndarray) -> np.ndarray:
    return SCHEDULE.lrs(np.where(ticks < AT, ticks, ticks - AT))


def restored_alone(ticks: np.ndarray) -> np.ndarray:
    """The scheduler's state was restored, the optimizer's LR was not."""
    return np.where(ticks < AT, 1.0, 0.1 / SCHEDULE.lrs(np.array([float(AT)]))) * SCHEDULE.lrs(ticks)


@pytest.mark.parametrize(
    ("cause", "ran"),
    [
        ("manual_override", halved),
        ("resume_no_state", restarted),
        ("resume_scheduler_only", restored_alone),
        ("stepped_per_epoch", lambda ticks: SCHEDULE.lrs(ticks // 500)),
        ("double_step", lambda ticks: SCHEDULE.lrs(ticks * 2)),
    ],
)
@pytest.mark.parametrize("form", ["%.6f", "%r"])
def test_a_long_run_in_progress_is_diagnosed_as_its_whole_log(
    cause: str, ran: Callable[[np.ndarray], np.ndarray], form: str
) -> None:
    lrs = ran(np.arange(LONG, dtype=np.float64))
    points = [LrPoint(float(form % lr), step=step) for step, lr in enumerate(lrs.tolist())]
    state = start(SCHEDULE)
    for begin in range(0, LONG, 500):
        state = absorb(SCHEDULE, state, points[begin : begin + 500])
    state = load(json.loads(json.dumps(dump(state))))
    assert len(state.series) <= MOST_KEPT
    live, whole = conclude(SCHEDULE, state), explain(SCHEDULE, points)
    assert live.first_off == whole.first_off
    assert cause in [one.cause for one in live.causes][:3]
    assert live.causes[0].cause == whole.causes[0].cause


def test_soon_after_a_restart_it_is_named() -> None:
    lrs = restarted(np.arange(AT + 4, dtype=np.float64)).tolist()
    points = [LrPoint(lr, step=step) for step, lr in enumerate(lrs)]
    state = absorb(SCHEDULE, start(SCHEDULE), points[:AT])
    for point in points[AT:]:
        state = advance(SCHEDULE, state, point)
    causes = conclude(SCHEDULE, state).causes
    assert "resume_no_state" in [one.cause for one in causes]
    place = next(one for one in causes if one.cause == "resume_no_state").params["at_tick"]
    assert place == {"value": AT, "low": AT, "high": AT}


def kept(news: Sequence[int], size: int) -> Keeping:
    points = [LrPoint(0.1, step=step) for step in range(400)]
    keeping = Keeping()
    for begin in range(0, 400, size):
        part = points[begin : begin + size]
        keeping = keeping.with_points(begin, part, [i for i in news if begin <= i < begin + size], 64)
    return keeping


@pytest.mark.parametrize("news", [[0], [0, 1, 2, 30], [5, 13, 40, 41, 100, 150, 151, 200, 250, 300, 350, 399], []])
def test_what_is_kept_does_not_depend_on_the_posts(news: list[int]) -> None:
    one = kept(news, 1)
    assert all(kept(news, size) == one for size in (2, 7, 50, 400))
    assert len(one.marks) <= MARKS
    assert len(one.all()) <= MOST_KEPT
    assert [point.index for point in one.all()][-16:] == list(range(384, 400))
    for mark in one.marks:
        around = {point.index for point in one.all()}
        assert set(range(max(mark - 4, 0), min(mark + 8, 400))) <= around
