"""What ran in place of the declared schedule: entries of lists, and schedules of another kind, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.conformance.changed import get_scheduler, member, named, torch

from trackside_service.schedules import compile_schedule


@pytest.mark.parametrize(
    ("declared", "ran", "said"),
    [
        ([15, 25], [10, 20], ["`milestones[0]` is 10, not 15", "`milestones[1]` is 20, not 25"]),
        ([15, 25], [15, 20], ["`milestones[1]` is 20, not 25"]),
        ([15, 18, 21, 24, 27], [15, 18, 22, 24, 27], ["`milestones[2]` is 22, not 21"]),
        ([15, 18, 21, 24, 27], [15, 16, 22, 24, 27], ["`milestones[1]` is 16, not 18", "`milestones[2]` is 22"]),
        ([10, 20], [10, 35], ["`milestones[1]` is not reached by epoch 29, though 20 was declared"]),
    ],
)
def test_milestones_are_named_one_by_one(declared: list[int], ran: list[int], said: list[str]) -> None:
    one, other = (torch("MultiStepLR", milestones=marks, gamma=0.5) for marks in (declared, ran))
    cause = named(one, other, range(30))["param_mismatch"]
    assert all(each in cause.statement for each in said)
    assert cause.statement.count(" not ") == len(said)


@pytest.mark.parametrize("framework", ["paddle", "keras"])
def test_boundaries_are_read_as_their_library_counts_them(framework: str) -> None:
    def pieces(*marks: int) -> dict[str, Any]:
        params = {"boundaries": list(marks), "values": [0.1, 0.02, 0.004]}
        name = {"paddle": "PiecewiseDecay", "keras": "PiecewiseConstantDecay"}[framework]
        return {"framework": framework, "class": name, "params": params, "unit": "step"}

    cause = named(pieces(100, 200), pieces(93, 207), range(300))["param_mismatch"]
    assert [each["value"] for each in cause.params["actual"]] == [93, 207]


def test_milestones_between_levels_that_print_alike_are_taken_as_declared() -> None:
    one, other = (torch("MultiStepLR", milestones=marks, gamma=0.1) for marks in ([5, 10, 15, 20], [8, 10, 15, 20]))
    cause = named(one, other, range(30), form="%.3f")["param_mismatch"]  # the last two levels print as 0.000
    assert cause.statement == "`milestones[0]` is 8, not 5."


def test_milestones_that_the_log_does_not_bound_closely_have_an_interval() -> None:
    one, other = (torch("MultiStepLR", "step", milestones=marks, gamma=0.5) for marks in ([150, 250], [107, 250]))
    cause = named(one, other, range(0, 300, 10))["param_mismatch"]
    assert (cause.params["actual"]["low"], cause.params["actual"]["high"]) == (101, 110)


def test_one_entry_of_a_nested_list_is_found() -> None:
    def nested(*marks: int) -> dict[str, Any]:
        rise = member("LinearLR", start_factor=0.01, total_iters=5)
        steps = member("MultiStepLR", milestones=list(marks), gamma=0.5)
        return torch("SequentialLR", schedulers=[rise, steps], milestones=[5])

    cause = named(nested(5, 8, 12, 16, 20), nested(5, 8, 14, 16, 20), range(30))["param_mismatch"]
    assert "`milestones[2]` is 14, not 12" in cause.statement


def test_the_schedule_that_ran_is_said_where_nothing_listed_explains() -> None:
    lrs = (0.1 * 0.95 ** np.arange(30)).tolist()
    cause = named(torch("CosineAnnealingLR", T_max=30), lrs, range(30))["different_schedule"]
    assert cause.params["shape"] == "exponential"
    assert cause.params["schedule"]["class"] == "ExponentialLR"
    assert "exponential decay from 0.1: times 0.95 every epoch" in cause.statement
    again = compile_schedule({**cause.params["schedule"], "base_lr": 0.1}).lrs(np.arange(30.0))
    assert np.allclose(again, lrs, atol=1e-5)


def test_two_parameters_at_once_are_said_as_the_schedule_that_ran() -> None:
    declared, ran = torch("StepLR", step_size=10), torch("StepLR", step_size=7, gamma=0.5)
    cause = named(declared, ran, range(30))["different_schedule"]
    assert "times 0.5 every 7 epochs" in cause.statement


def test_a_schedule_is_called_by_the_name_that_get_scheduler_is_given() -> None:
    declared, ran = get_scheduler("linear", 0, 300), get_scheduler("cosine", 0, 300)
    cause = named(declared, ran, range(0, 300, 10), form="%.4e")["different_schedule"]
    assert "not the declared linear" in cause.statement
    assert "where linear was declared" in cause.advice
    assert "get_scheduler`)" in cause.advice


def test_numbers_that_differ_are_shown_with_the_digits_that_differ() -> None:
    rng = np.random.default_rng(0)
    lrs = 1.16675e-4 * (1.0 + 1e-5 * rng.standard_normal(30))
    constant = {"framework": "torch", "class": "ConstantLR", "params": {"factor": 1.0}, "base_lr": 1.16675e-4}
    cause = named({**constant, "unit": "epoch"}, lrs.tolist(), range(30), form="%.10e")["different_schedule"]
    observed, declared = cause.statement.partition("the LR is ")[2].split(" where ")
    assert observed != declared.split(" was declared")[0]
    assert ", 1 times as much" not in cause.statement


def test_one_is_in_the_singular() -> None:
    declared, ran = (torch("PolynomialLR", "step", total_iters=total) for total in (300, 1))
    assert "built for 1 update where" in named(declared, ran, range(20))["wrong_total"].statement


FLOORLESS = [
    (torch("StepLR", step_size=10, gamma=0.1), "StepLR"),
    (torch("ExponentialLR", gamma=0.8), "ExponentialLR"),
    (torch("MultiStepLR", milestones=[10, 15, 20], gamma=0.1), "MultiStepLR"),
    ({**get_scheduler("linear", 0, 30, 0.1)}, "linear"),
]
FLOORED = [
    (torch("CosineAnnealingLR", T_max=30), "`eta_min`"),
    (get_scheduler("cosine_with_min_lr", 0, 30, 0.1, min_lr=1e-4), "`min_lr` or `min_lr_rate`"),
    (get_scheduler("polynomial", 0, 30, 0.1), "`lr_end`"),
    (
        {"framework": "keras", "unit": "step", **member("CosineDecay", initial_learning_rate=0.1, decay_steps=30)},
        "alpha",
    ),
    ({"framework": "paddle", "unit": "step", **member("PolynomialDecay", learning_rate=0.1, decay_steps=30)}, "end_lr"),
]


@pytest.mark.parametrize(("declared", "name"), [*FLOORLESS, *FLOORED])
def test_a_floor_is_advised_where_the_class_has_one(declared: dict[str, Any], name: str) -> None:
    lrs = compile_schedule({**declared, "steps_per_epoch": 10}).lrs(np.arange(30.0))
    advice = named(declared, np.maximum(lrs, 0.0037).tolist(), range(30))["clamped"].advice
    if (declared, name) in FLOORLESS:
        assert f"{name} has no parameter for a floor" in advice
    else:
        assert f"Declare the floor in the schedule ({name if '`' in name else f'`{name}`'})" in advice


def test_no_floor_is_advised_against_a_ceiling() -> None:
    lrs = compile_schedule(torch("CosineAnnealingLR", T_max=30)).lrs(np.arange(30.0))
    found = named(torch("CosineAnnealingLR", T_max=30), np.minimum(lrs, 0.08).tolist(), range(30))["clamped"]
    assert "no parameter for a ceiling" in found.advice
    assert "eta_min" not in found.advice
