"""LR002 and LR003: abrupt learning rates where no schedule was declared."""

from __future__ import annotations

import pytest

from tests.rules.support import alerts_of, epochs, steps

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
