"""What a schedule and a preview may cost: sizes that would stop the service are refused, with what to change."""

from __future__ import annotations

from typing import Any

import pytest

from trackside_service.errors import ScheduleError
from trackside_service.schedules import compile_schedule, preview


def chained(members: int, groups: int = 1) -> dict[str, Any]:
    """Cosines that act on one another: every tick follows from the one before."""
    each = [{"class": "CosineAnnealingLR", "params": {"T_max": 1000, "eta_min": 1e-5 * at}} for at in range(members)]
    rates = [0.1 + at / 1e4 for at in range(groups)]
    return {
        "framework": "torch",
        "class": "ChainedScheduler",
        "params": {"schedulers": each},
        "base_lr": rates,
        "unit": "step",
    }


def test_a_million_updates_of_two_chained_cosines_are_previewed() -> None:
    (lrs,) = preview(chained(2), steps=None, total=1_000_000, metric=None)
    assert len(lrs) == 1_000_000


@pytest.mark.parametrize(("members", "groups", "total"), [(32, 1, 1_000_000), (32, 16, 100_000), (8, 64, 60_000)])
def test_what_must_be_followed_tick_by_tick_is_bounded(members: int, groups: int, total: int) -> None:
    with pytest.raises(ScheduleError, match="fewer groups or updates"):
        preview(chained(members, groups), steps=[total - 1], total=None, metric=None)


def test_an_answer_is_bounded_over_its_groups() -> None:
    flat = {
        "framework": "torch",
        "class": "StepLR",
        "params": {"step_size": 9},
        "base_lr": [0.1] * 1000,
        "unit": "step",
    }
    with pytest.raises(ScheduleError, match="at most 4000 updates"):
        preview(flat, steps=None, total=4001, metric=None)
    assert len(preview(flat, steps=None, total=4000, metric=None)) == 1000


def test_schedulers_are_counted_through_all_nesting() -> None:
    inner = {key: value for key, value in chained(8).items() if key in ("class", "params")}
    for times, accepted in ((6, True), (8, False)):
        whole = {**chained(1), "params": {"schedulers": [inner] * times}}
        if accepted:
            compile_schedule(whole)
        else:
            with pytest.raises(ScheduleError, match="at most 64 schedulers") as refused:
                compile_schedule(whole)
            assert [fault.pointer for fault in refused.value.faults] == ["/params"]
