"""On schedule, off since which point, or undetermined; the index convention; a constant factor named."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from trackside_service.conformance import Explanation, LrPoint, as_wire, explain
from trackside_service.schedules import CompiledSchedule, compile_schedule


def torch(name: str, base: float = 0.1, unit: str = "epoch", **more: Any) -> CompiledSchedule:
    beside = {key: more.pop(key) for key in ("steps_per_epoch", "reporting") if key in more}
    return compile_schedule(
        {"framework": "torch", "class": name, "params": more, "base_lr": base, "unit": unit, **beside}
    )


def printed(form: str, lrs: Iterable[float], *, text: bool = True) -> list[tuple[float, str | None]]:
    return [(float(form % lr), form % lr if text else None) for lr in map(float, lrs)]


def by_epoch(lrs: Sequence[tuple[float, str | None]] | Sequence[float], first: int = 1) -> list[LrPoint]:
    pairs = [lr if isinstance(lr, tuple) else (lr, None) for lr in lrs]
    return [LrPoint(lr, epoch=first + index, text=text) for index, (lr, text) in enumerate(pairs)]


def by_step(lrs: Sequence[float], first: int = 0, every: int = 1) -> list[LrPoint]:
    return [LrPoint(lr, step=first + index * every) for index, lr in enumerate(lrs)]


FORMS = ["%.2e", "%.1e", "%.6f", "%.4f", "%.3g", "%r"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("shift", [0, 1])
def test_a_right_run_is_never_off_however_it_counts_and_prints(form: str, first: int, shift: int) -> None:
    schedule = torch("CosineAnnealingLR", T_max=30, eta_min=1e-5)
    lrs = schedule.lrs(range(shift, 40 + shift)).tolist()
    points = by_epoch(printed(form, lrs), first)
    for count in range(1, 41):
        verdict = explain(schedule, points[:count])
        assert verdict.verdict == "on_schedule", (count, verdict)


def test_the_convention_is_found_and_told() -> None:
    schedule = torch("CosineAnnealingLR", T_max=30, unit="step")
    verdict = explain(schedule, by_step(schedule.lrs(range(20)).tolist(), first=1))
    assert verdict.verdict == "on_schedule"
    assert verdict.convention == {"when": "in_use", "at": "start", "step_base": 1, "epoch_base": 0}
    verdict = explain(schedule, by_step(schedule.lrs(range(1, 21)).tolist()))
    assert verdict.convention is not None
    assert verdict.convention["when"] == "after_step"


def test_a_shift_is_a_finding_where_reporting_was_stated() -> None:
    stated = {"when": "in_use", "step_base": 0}
    schedule = torch("CosineAnnealingLR", T_max=30, unit="step", reporting=stated)
    verdict = explain(schedule, by_step(schedule.lrs(range(1, 21)).tolist()))
    assert verdict.verdict == "off_schedule"
    assert verdict.first_off is not None
    assert (verdict.first_off.index, verdict.first_off.step) == (0, 0)


def test_ties_go_to_in_use_at_start_and_the_base_of_the_first_epoch() -> None:
    schedule = torch("StepLR", step_size=10)
    for first in (0, 1):
        verdict = explain(schedule, by_epoch([0.1, 0.1, 0.1], first))
        assert verdict.convention == {"when": "in_use", "at": "start", "step_base": 0, "epoch_base": first}


def test_a_point_with_both_is_placed_by_its_step() -> None:
    schedule = torch("CosineAnnealingLR", T_max=10, steps_per_epoch=5)
    points = [LrPoint(float(schedule.lrs(u // 5)), step=u, epoch=99) for u in range(30)]
    assert explain(schedule, points).verdict == "on_schedule"


def test_after_the_step_an_epoch_schedule_moves_only_at_the_epochs_last_update() -> None:
    reporting = {"when": "after_step", "step_base": 0}
    schedule = torch("CosineAnnealingLR", T_max=10, steps_per_epoch=5, reporting=reporting)
    right = [LrPoint(float(schedule.lrs((u + 1) // 5)), step=u) for u in range(30)]
    assert explain(schedule, right).verdict == "on_schedule"
    shifted = [LrPoint(float(schedule.lrs(u // 5 + 1)), step=u) for u in range(30)]
    assert explain(schedule, shifted).verdict == "off_schedule"


def test_epochs_of_a_step_schedule_lie_at_their_start_or_end() -> None:
    schedule = torch("CosineAnnealingLR", T_max=100, unit="step", steps_per_epoch=10)
    for first_update in (0, 9):
        lrs = schedule.lrs(range(first_update, 100, 10)).tolist()
        verdict = explain(schedule, by_epoch(lrs, 0))
        assert verdict.verdict == "on_schedule"
        assert verdict.convention is not None
        assert verdict.convention["at"] == ("start" if first_update == 0 else "end")


def test_fractional_epochs_of_an_epoch_schedule() -> None:
    schedule = torch("CosineAnnealingLR", T_max=10)
    starts = [LrPoint(float(schedule.lrs(math.floor(k / 4))), epoch=k / 4) for k in range(20)]
    assert explain(schedule, starts).verdict == "on_schedule"
    ends = [LrPoint(float(schedule.lrs(math.ceil(k / 4) - 1)), epoch=k / 4) for k in range(1, 20)]
    assert explain(schedule, ends).verdict == "on_schedule"


def test_points_that_cannot_be_placed_leave_it_undetermined() -> None:
    steps = torch("CosineAnnealingLR", T_max=100, unit="step")
    verdict = explain(steps, by_epoch([0.1, 0.05]))
    assert verdict.verdict == "undetermined"
    assert verdict.reason is not None
    assert "steps_per_epoch is needed" in verdict.reason
    epochs = torch("CosineAnnealingLR", T_max=100)
    assert explain(epochs, by_step([0.1, 0.05])).verdict == "undetermined"
    assert explain(epochs, []).reason == "no LR was reported"
    assert explain(epochs, [LrPoint(0.1)]).verdict == "undetermined"


def test_past_what_is_known_nothing_is_said() -> None:
    table = compile_schedule({"kind": "table", "values": [0.1, 0.2], "unit": "step"})
    assert explain(table, [LrPoint(5.0, step=7)]).verdict == "undetermined"
    assert explain(table, [LrPoint(0.1, step=0), LrPoint(5.0, step=7)]).verdict == "on_schedule"
    assert explain(table, [LrPoint(0.1, step=0), LrPoint(5.0, step=1)]).verdict == "off_schedule"


def test_a_coarse_print_says_nothing_on_its_own() -> None:
    schedule = torch("CosineAnnealingLR", base=3e-6, T_max=30)
    verdict = explain(schedule, by_epoch(printed("%.6f", schedule.lrs(range(30)))))
    assert verdict.verdict == "undetermined"
    assert verdict.reason is not None
    assert "coarsely" in verdict.reason
    zeros = explain(schedule, by_epoch(printed("%.4f", schedule.lrs(range(5)))))
    assert zeros.verdict == "undetermined"


def test_a_coarse_print_still_excludes_what_it_excludes() -> None:
    schedule = torch("CosineAnnealingLR", base=3e-6, T_max=30)
    assert explain(schedule, by_epoch([(1e-5, "0.000010")] * 3)).verdict == "off_schedule"


def test_a_constant_lies_anywhere() -> None:
    schedule = compile_schedule({"kind": "constant", "lr": 0.0003})
    assert (
        explain(schedule, [LrPoint(0.0003), LrPoint(0.0003, epoch=5), LrPoint(0.0003, step=9)]).verdict == "on_schedule"
    )
    verdict = explain(schedule, [LrPoint(0.0003, epoch=1), LrPoint(0.00029, epoch=2)])
    assert verdict.first_off is not None
    assert (verdict.first_off.index, verdict.first_off.expected) == (1, 0.0003)


def test_full_precision_is_held_to_a_millionth_of_the_peak() -> None:
    schedule = torch("CosineAnnealingLR", T_max=30)
    lrs = schedule.lrs(range(20))
    assert explain(schedule, by_epoch((lrs + 0.9e-7).tolist())).verdict == "on_schedule"
    assert explain(schedule, by_epoch((lrs + 1.1e-7).tolist())).verdict == "off_schedule"


def test_a_frozen_full_precision_lr_is_seen_though_it_prints_short() -> None:
    schedule = torch("CosineAnnealingLR", T_max=30)
    verdict = explain(schedule, by_epoch([0.1] * 8))
    assert verdict.verdict == "off_schedule"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_off(value: float) -> None:
    schedule = torch("StepLR", step_size=10)
    verdict = explain(schedule, by_epoch([0.1, value, 0.1]))
    assert verdict.first_off is not None
    assert verdict.first_off.index == 1
    wire = json.loads(json.dumps(as_wire(verdict), allow_nan=False))
    assert wire["first_off"]["observed"] in ("NaN", "Infinity", "-Infinity")


@pytest.mark.parametrize("form", ["%.2e", "%.6f", "%r"])
@pytest.mark.parametrize("factor", [0.1, 0.5, 8.0, 1 / 3])
def test_a_constant_factor_is_named(form: str, factor: float) -> None:
    schedule = torch("OneCycleLR", max_lr=0.1, total_steps=40, div_factor=10.0)
    verdict = explain(schedule, by_epoch(printed(form, schedule.lrs(range(30)) * factor)))
    assert [cause.cause for cause in verdict.causes] == ["scale", "other_group"]
    interval = verdict.causes[0].params["factor"]
    assert interval["low"] <= factor * (1 + 1e-9)
    assert interval["high"] >= factor * (1 - 1e-9)
    assert interval["low"] <= interval["value"] <= interval["high"]
    assert f"{interval['value']:.6g}" in verdict.causes[0].statement
    assert f"{interval['value']:.6g}" in verdict.causes[0].advice


def test_a_factor_of_the_base_lr_leaves_the_floor() -> None:
    params = {"T_0": 6, "T_mult": 2, "eta_min": 0.001}
    declared = torch("CosineAnnealingWarmRestarts", base=0.1, **params)
    ran = torch("CosineAnnealingWarmRestarts", base=0.05, **params)
    verdict = explain(declared, by_epoch(printed("%.1e", ran.lrs(range(18)))))
    assert [cause.cause for cause in verdict.causes] == ["scale", "other_group"]
    assert verdict.causes[0].params["factor"]["value"] == 0.5
    assert "floor" in verdict.causes[0].statement
    assert "0.05" in verdict.causes[0].advice


def test_factor_and_convention_are_found_together() -> None:
    schedule = torch("CosineAnnealingLR", T_max=30, unit="step")
    verdict = explain(schedule, by_step((schedule.lrs(range(20)) / 4).tolist(), first=1))
    assert verdict.causes[0].params["factor"]["value"] == 0.25
    assert verdict.convention is not None
    assert verdict.convention["step_base"] == 1
    assert verdict.first_off is not None
    assert verdict.first_off.expected == pytest.approx(0.1)


def test_two_rounded_points_name_the_factor_either_way_of_reading() -> None:
    schedule = torch("CosineAnnealingWarmRestarts", base=3e-4, T_0=15)
    cause, other = explain(schedule, by_epoch([3e-5, 2.9e-5])).causes
    assert (cause.cause, other.cause) == ("scale", "other_group")
    assert cause.params["factor"]["low"] == pytest.approx(0.0983, abs=1e-4)
    assert "0.099 times" in cause.statement
    assert "0.1 times if it was read after the scheduler's step" in cause.statement


def test_a_level_change_is_no_constant_factor() -> None:
    schedule = torch("StepLR", base=0.002, step_size=10, gamma=0.9)
    verdict = explain(schedule, by_epoch([0.002] * 10 + [0.0002] * 3))
    assert verdict.first_off is not None
    assert (verdict.first_off.index, verdict.first_off.epoch) == (10, 11)
    assert verdict.first_off.expected == pytest.approx(0.0018)
    assert [cause.cause for cause in verdict.causes] == ["param_mismatch", "manual_override"]  # at the schedule's step
    assert verdict.causes[0].params["actual"]["value"] == 0.1
    assert "From epoch 11 on" in verdict.causes[1].statement


def test_where_nothing_fits_it_is_said_plainly() -> None:
    schedule = torch("CosineAnnealingLR", base=0.002, T_max=30)
    lrs = [0.002, 0.0001, 0.0017, 3e-5, 0.4, 7e-4]
    (cause,) = explain(schedule, by_epoch(lrs)).causes
    assert (cause.cause, cause.family) == ("different_schedule", "other_schedule")
    assert "no known cause" in cause.statement
    assert "0.001995" in cause.statement


def test_the_answer_on_the_wire() -> None:
    schedule = torch("StepLR", step_size=2)
    wire = as_wire(explain(schedule, by_epoch([0.1, 0.1, 0.05])))
    assert set(wire) == {"verdict", "first_off", "causes", "convention", "points"}
    assert wire["first_off"] == {
        "index": 2,
        "step": None,
        "epoch": 3,
        "expected": pytest.approx(0.01),
        "observed": 0.05,
    }
    assert set(wire["causes"][0]) == {"cause", "family", "params", "statement", "advice"}
    assert as_wire(Explanation("undetermined", "why"))["reason"] == "why"
