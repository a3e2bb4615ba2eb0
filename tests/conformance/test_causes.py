"""Misused schedulers, simulated by the hundred: off where they are off, the cause among few, the family first.

The thresholds leave room for logs that several causes explain alike: a short or coarse one, a Step schedule that was
logged on its flats.
"""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest
from tests.conformance.logging_loops import draw_case
from tests.conformance.misuse import Case

from trackside_service.conformance import Explanation, as_wire, explain

FAMILIES = {
    "frozen": ["never_stepped"],
    "shift": ["step_before_optimizer", "logged_after_step", "lagged"],
    "time_scale": [
        "stepped_per_epoch",
        "stepped_per_batch",
        "double_step",
        "accelerate_num_processes",
        "grad_accum_micro_step",
    ],
    "scale": ["scale", "other_group"],
    "warmup": ["warmup_missing", "warmup_extra", "mixed_units"],
    "total": ["wrong_total", "grad_accum_total", "world_size_total", "total_changed_on_resume"],
    "restart": ["resume_no_state", "resume_optimizer_only", "resume_scheduler_only", "last_epoch_misuse"],
    "level_change": ["manual_override"],
    "other_schedule": ["param_mismatch", "different_schedule", "clamped"],
}
FAMILY = {cause: family for family, causes in FAMILIES.items() for cause in causes}
CASES = 6
"""Logs of every cause."""


def answered(case: Case) -> Explanation:
    return explain(case.setting.schedule(), case.points, run_updates=case.setting.updates)


@pytest.mark.parametrize("cause", sorted(FAMILY))
def test_the_cause_is_named_among_few(cause: str) -> None:
    named = first = asked = given = 0
    for seed in range(CASES):
        case = draw_case(Random(f"{cause} {seed}"), cause)
        answer = answered(case)
        if case.visible_from is None:
            assert answer.verdict != "off_schedule", case.info
            continue
        if case.own_digits_from is None:
            continue
        assert answer.verdict == "off_schedule", case.info
        assert answer.first_off is not None
        assert case.visible_from <= answer.first_off.index <= case.own_digits_from, case.info
        assert 1 <= len(answer.causes) <= 6
        assert len({one.cause for one in answer.causes}) == len(answer.causes)
        json.dumps(as_wire(answer), allow_nan=False)
        if not case.shows:
            continue
        asked, given = asked + 1, given + len(answer.causes)
        names = {one.cause for one in answer.causes}
        named += bool(names & case.inseparable)
        first += answer.causes[0].family in ({FAMILY[cause]} | case.families) or len(case.points) <= 3
    assert asked >= 2
    assert named >= asked - 1
    assert first >= asked * 0.6
    assert given <= asked * 4.5


def test_over_all_causes_most_are_right_and_few_are_named() -> None:
    count: Counter[str] = Counter()
    for seed in range(2):
        for cause, family in FAMILY.items():
            case = draw_case(Random(f"all {cause} {seed}"), cause)
            if case.visible_from is None or case.own_digits_from is None or not case.shows:
                continue
            answer = answered(case)
            count["asked"] += 1
            count["given"] += len(answer.causes)
            count["named"] += bool({one.cause for one in answer.causes} & case.inseparable)
            count["first"] += answer.causes[0].family in ({family} | case.families)
    assert count["asked"] > 40
    assert count["named"] >= 0.97 * count["asked"]
    assert count["first"] >= 0.86 * count["asked"]
    assert count["given"] <= 3.0 * count["asked"]


@pytest.mark.parametrize("seed", range(40))
def test_a_right_run_is_never_off(seed: int) -> None:
    case = draw_case(Random(f"right {seed}"), "ok")
    schedule = case.setting.schedule()
    for count in {1, 2, len(case.points) // 2, len(case.points)} - {0}:
        assert explain(schedule, case.points[:count]).verdict != "off_schedule", case.info


def test_numbers_carry_intervals_that_hold_the_truth() -> None:
    held = seen = 0
    for seed in range(15):
        case = draw_case(Random(f"interval {seed}"), "scale")
        answer = answered(case)
        for one in answer.causes:
            if one.cause == "scale" and case.visible_from is not None:
                seen += 1
                factor = one.params["factor"]
                truth = float(case.info.split()[0].removeprefix("x"))
                held += factor["low"] <= truth * (1 + 1e-6) and truth * (1 - 1e-6) <= factor["high"]
                assert factor["low"] <= factor["value"] <= factor["high"]
    assert seen >= 10
    assert held == seen
