"""LR002 and LR003: abrupt learning rates where no schedule was declared."""

from __future__ import annotations

import json
import math

import pytest

from tests.rules.support import alerts_of, epochs, spec_of, steps
from trackside_service import detection
from trackside_service.domain.declarations import parse_records
from trackside_service.rules import Reading, rule

FLAT = [0.01] * 6


def test_a_hundredfold_fall_and_rise() -> None:
    (drop,) = alerts_of(epochs(lr=[*FLAT, 1e-4]), "LR002")
    assert (drop.severity, drop.opened.epoch) == ("warning", 7)  # type: ignore[union-attr]
    assert drop.evidence["ratio"] == pytest.approx(0.01)
    (jump,) = alerts_of(epochs(lr=[*FLAT, 1.0]), "LR003")
    assert (jump.severity, jump.opened.epoch) == ("warning", 7)  # type: ignore[union-attr]
    assert not alerts_of(epochs(lr=[*FLAT, 1.0]), "LR002")


def test_less_is_by_design() -> None:
    assert not alerts_of(epochs(lr=[*FLAT, 2e-4, 0.01, 0.9]), "LR002")
    assert not alerts_of(epochs(lr=[*FLAT, 2e-4, 0.01, 0.9]), "LR003")


def test_the_first_points_say_nothing() -> None:
    assert not alerts_of(epochs(lr=[0.01] * 4 + [1.0]), "LR003")
    assert len(alerts_of(epochs(lr=[0.01] * 5 + [1.0]), "LR003")) == 1


def test_a_linear_decay_to_almost_nothing_is_no_drop() -> None:
    decay = [0.01 * (20 - n) / 20 + 1e-8 for n in range(21)]
    assert decay[-1] * 100 < decay[-2]
    assert not alerts_of(epochs(lr=decay), "LR002")


def test_a_declared_schedule_makes_both_silent() -> None:
    for code in ("LR002", "LR003"):
        assert not alerts_of(epochs(lr=[*FLAT, 1e-5, 1.0]), code, schedule={"kind": "constant", "lr": 0.01})


@pytest.mark.parametrize(("total", "found"), [(None, 0), (8, 0), (7, 0), (9, 1), (20, 1)])
def test_zero_counts_only_before_a_known_end(total: int | None, found: int) -> None:
    assert len(alerts_of(epochs(lr=[*FLAT, 0.0]), "LR002", total_epochs=total)) == found


def test_zero_before_the_end_counts_by_steps_too() -> None:
    records = steps(every=10, lr=[*FLAT, 0.0])
    assert len(alerts_of(records, "LR002", total_epochs=20, steps_per_epoch=10)) == 1


def test_a_rise_from_zero_is_a_warm_up() -> None:
    assert not alerts_of(epochs(lr=[0.0] * 6 + [0.1]), "LR003")


def test_it_resolves_when_the_lr_is_back() -> None:
    first, second = alerts_of(epochs(lr=[*FLAT, 1e-5, 1e-5, 5e-3, 5e-3, 1e-6]), "LR002")
    assert first.resolved.epoch == 9  # type: ignore[union-attr]
    assert (second.state, second.episode) == ("open", 2)


def test_another_process_may_have_been_told_another_lr() -> None:
    again = [{"epoch": 2, "metrics": {"lr": 1e-6}}, {"epoch": 3, "metrics": {"lr": 1e-6}}]
    assert not alerts_of([*epochs(lr=FLAT), *again], "LR002")


def test_values_that_are_no_learning_rate_are_passed_over() -> None:
    assert not alerts_of(epochs(lr=[*FLAT, "NaN", -1.0, 0.01]), "LR002")


def cosine(points: int, top: float = 1e-3, least: float = 1e-7) -> list[float]:
    return [least + (top - least) * (1 + math.cos(math.pi * n / points)) / 2 for n in range(points)]


def test_milestones_are_normal_once_they_repeat() -> None:
    falls = [1.0] * 6 + [0.1] * 6 + [1e-3] * 6 + [1e-5] * 6
    (first,) = alerts_of(epochs(lr=falls), "LR002")  # by 100 where it fell by 10 before
    assert first.opened.epoch == 13  # type: ignore[union-attr]
    early = [1.0] * 3 + [1e-2] * 6 + [1e-4] * 6 + [1e-6] * 6  # the first comes before anything counts
    assert not alerts_of(epochs(lr=early), "LR002")


@pytest.mark.parametrize("peak", [1.0, 0.5])
def test_a_warm_restart_is_normal(peak: float) -> None:
    cycles = [*cosine(40), *(peak * lr for lr in cosine(80)), *(peak**2 * lr for lr in cosine(160))]
    assert cycles[40] > 100 * cycles[39]
    assert not alerts_of(epochs(lr=cycles), "LR003")
    assert not alerts_of(epochs(lr=cycles), "LR002")


@pytest.mark.parametrize(
    "lrs",
    [
        pytest.param([1e-2] * 8 + [1e-3] * 8 + [1e-4] * 8 + [1e-5] * 8 + [1e-2], id="back up after milestones"),
        pytest.param([*cosine(40), 0.5], id="above all before"),
        pytest.param([*cosine(40), 2e-4], id="to some level between"),
        pytest.param([*cosine(40), 1e-6, 1e-6, 1e-3], id="after a pause"),
    ],
)
def test_other_jumps_are_told(lrs: list[float]) -> None:
    assert len(alerts_of(epochs(lr=lrs), "LR003")) == 1


def test_a_warm_up_is_normal() -> None:
    linear = [1e-3 * (n + 1e-4) / 100 for n in range(101)]
    assert linear[1] > 100 * linear[0]
    geometric = [1e-8 * 10 ** (n / 2) for n in range(12)]
    for rising in (linear, geometric, [0.0] * 6 + linear[1:]):
        assert not alerts_of(epochs(lr=[*rising, *([rising[-1]] * 20)]), "LR003")


def test_a_milestone_that_the_log_rounds_to_zero_is_no_fall() -> None:
    falls = [0.01] * 4 + [0.001] * 4 + [0.0001] * 4 + [0.00001] * 4
    assert not alerts_of(epochs(lr=[*falls, 0.0]), "LR002", total_epochs=30)
    # With more decimals, the next milestone would have been seen.
    assert len(alerts_of(epochs(lr=[0.0123456789, *falls, 0.0]), "LR002", total_epochs=30)) == 1


@pytest.mark.parametrize(("total", "found"), [(22, 0), (30, 1)])
def test_a_decay_to_zero_counts_before_the_last_tenth(total: int, found: int) -> None:
    decay = [0.01 * (1 - n / 20) for n in range(20)]
    assert len(alerts_of(epochs(lr=[*decay, 0.0, 0.0]), "LR002", total_epochs=total)) == found


def test_state_is_a_value_that_travels() -> None:
    context = detection.configure(spec_of())
    for code in ("LR002", "LR003"):
        one = rule(code)
        state = one.start(context, one.parameters())
        for index, record in enumerate(parse_records(epochs(lr=[0.01, 0.001, 0.0005]))):
            state, _ = one.check(context, one.parameters(), state, Reading(record, index))
        assert one.load(json.loads(json.dumps(one.dump(state)))) == state


def test_a_fall_to_next_to_nothing_has_a_ratio_beyond_floats() -> None:
    (alert,) = alerts_of(epochs(lr=[*[1e300] * 8, 5e-324]), "LR002")
    assert "inf times" in alert.detail
