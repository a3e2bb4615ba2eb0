"""Warm-ups and totals, wherever a library keeps them: the advice gives the number that the constructor is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.changed import Declaration, get_scheduler, member, named, torch

RISE = member("LinearLR", start_factor=0.01, total_iters=5)
LEVEL = member("ConstantLR", factor=1.0, total_iters=1)


def sequence(total: int) -> Declaration:
    return torch("SequentialLR", schedulers=[RISE, member("CosineAnnealingLR", T_max=total)], milestones=[5])


def paddle(total: int) -> Declaration:
    inner = member("CosineAnnealingDecay", learning_rate=0.1, T_max=total)
    params = {"learning_rate": inner, "warmup_steps": 5, "start_lr": 0.001, "end_lr": 0.1}
    return {"framework": "paddle", "class": "LinearWarmup", "params": params, "unit": "epoch"}


def keras(total: int, warmup: int = 50) -> Declaration:
    params: dict[str, Any] = {"initial_learning_rate": 0.0, "decay_steps": total}
    params |= {"warmup_target": 0.1, "warmup_steps": warmup}
    return {"framework": "keras", "class": "CosineDecay", "params": params, "unit": "step"}


def timm(total: int) -> Declaration:
    params = {"t_initial": total, "warmup_t": 5, "warmup_lr_init": 1e-4, "warmup_prefix": True}
    return {"framework": "timm", "class": "CosineLRScheduler", "params": params, "base_lr": 0.1, "unit": "epoch"}


def timm_wsd(total: int) -> Declaration:
    params = {"t_initial": total, "warmup_t": 5, "warmup_lr_init": 1e-4, "decay_t": 10}
    return {"framework": "timm", "class": "WSDLRScheduler", "params": params, "base_lr": 0.1, "unit": "epoch"}


def three_phases(total: int, warmup: int = 5, level: int = 20) -> Declaration:
    last = member("LinearLR", start_factor=1.0, end_factor=0.01, total_iters=total - level)
    if not warmup:
        return torch("SequentialLR", schedulers=[LEVEL, last], milestones=[level])
    rise = member("LinearLR", start_factor=0.01, total_iters=warmup)
    return torch("SequentialLR", schedulers=[rise, LEVEL, last], milestones=[warmup, level])


@pytest.mark.parametrize(
    ("make", "declared", "ran", "ticks", "name"),
    [
        (sequence, 25, 30, range(30), "T_max"),
        (sequence, 25, 50, range(30), "T_max"),
        (paddle, 25, 30, range(30), "T_max"),
        (keras, 250, 300, range(300), "decay_steps"),
        (timm, 25, 30, range(30), "t_initial"),
        (timm_wsd, 25, 30, range(30), "t_initial"),
    ],
)
def test_a_total_behind_a_warmup_is_advised_as_the_constructor_takes_it(
    make: Callable[[int], Declaration], declared: int, ran: int, ticks: range, name: str
) -> None:
    cause = named(make(declared), make(ran), ticks, run=300)["wrong_total"]
    before = len(ticks) - declared
    assert cause.params["total"]["value"] == ran + before
    assert cause.params["declared"] == declared + before
    assert f"`{name}` is {ran}, not {declared}" in cause.statement
    assert f"`{name}`" in cause.advice
    assert cause.advice.endswith(f": {declared}.")
    assert "which is what" not in cause.advice


def test_without_a_warmup_the_total_is_the_runs_own_length() -> None:
    cause = named(get_scheduler("linear", 50, 300), get_scheduler("linear", 50, 200), range(0, 300, 5), form="%.4e")
    assert cause["wrong_total"].advice.endswith("in updates: 300.")


def test_a_total_is_not_a_multiple_of_the_phases_behind_the_warmup_alone() -> None:
    updates = {**sequence(250), "unit": "step"}
    updates["params"] = {**updates["params"], "milestones": [50]}
    twice = {**updates, "params": {**updates["params"]}}
    twice["params"]["schedulers"] = [RISE, member("CosineAnnealingLR", T_max=500)]
    found = named(updates, twice, range(0, 300, 5))
    assert {"wrong_total", "grad_accum_total", "world_size_total"} <= set(found)
    assert found["grad_accum_total"].params["accumulation"]["value"] == 2


def test_epochs_are_counted_neither_in_micro_batches_nor_by_processes() -> None:
    found = named(torch("CosineAnnealingLR", T_max=30), torch("CosineAnnealingLR", T_max=60), range(30))
    assert "wrong_total" in found
    assert not {"grad_accum_total", "world_size_total"} & set(found)


def test_a_total_in_the_other_unit_is_said_to_be() -> None:
    cosine = torch("CosineAnnealingLR", T_max=30)
    found = named(cosine, torch("CosineAnnealingLR", T_max=300), range(30))
    assert "given in updates, and the schedule counts epochs" in found["wrong_total"].statement


@pytest.mark.parametrize(
    ("declared", "ran", "ticks"),
    [
        (
            torch("ChainedScheduler", schedulers=[RISE, member("ExponentialLR", gamma=0.9)]),
            torch("ExponentialLR", gamma=0.9),
            range(30),
        ),
        (
            torch("ChainedScheduler", schedulers=[member("CosineAnnealingLR", T_max=30), RISE]),
            torch("CosineAnnealingLR", T_max=30),
            range(30),
        ),
        (three_phases(30), three_phases(30, 0), range(30)),
        (keras(250), keras(300, 0), range(300)),
        (paddle(25), {**member("CosineAnnealingDecay", learning_rate=0.1, T_max=25), "framework": "paddle"}, range(30)),
    ],
)
def test_a_missing_warmup_is_named_wherever_it_is_kept(declared: Declaration, ran: Declaration, ticks: range) -> None:
    found = named(declared, {"unit": declared["unit"], **ran}, ticks)
    assert next(iter(found)) == "warmup_missing"
    assert found["warmup_missing"].params["declared"] == (50 if len(ticks) == 300 else 5)


@pytest.mark.parametrize("ran", [three_phases(60, 5, 40), three_phases(60, 10, 40), three_phases(45, 5, 30)])
def test_a_wrong_total_moves_every_phase(ran: Declaration) -> None:
    cause = named(three_phases(30), ran, range(60))["wrong_total"]
    assert cause.params["declared"] == 30
    assert cause.params["total"]["value"] == (45 if ran == three_phases(45, 5, 30) else 60)


def test_where_more_than_the_total_differs_no_single_parameter_is_blamed() -> None:
    cause = named(three_phases(30), three_phases(60, 5, 40), range(60))["wrong_total"]
    assert "`total_iters` is" not in cause.statement
    assert "the milestones and the warm-up from the run's own length in epochs: 30" in cause.advice


def test_a_total_that_is_the_runs_own_length_is_said_as_the_constructor_takes_it() -> None:
    cause = named(sequence(25), sequence(35), range(40), run=400)["wrong_total"]
    assert "The run takes 40 epochs" in cause.advice
    assert "(`T_max` 35)" in cause.advice


def test_a_ramp_in_updates_is_a_mixed_unit() -> None:
    long = member("LinearLR", start_factor=0.01, total_iters=50)
    ran = torch("SequentialLR", schedulers=[long, member("CosineAnnealingLR", T_max=25)], milestones=[5])
    assert next(iter(named(sequence(25), ran, range(30)))) == "mixed_units"


def test_another_milestone_alone_is_that_parameter() -> None:
    ran = torch("SequentialLR", schedulers=[RISE, member("CosineAnnealingLR", T_max=25)], milestones=[15])
    cause = named(sequence(25), ran, range(30))["param_mismatch"]
    assert cause.params["actual"]["value"] == 15
    assert "`milestones[0]` is 15, not 5" in cause.statement
