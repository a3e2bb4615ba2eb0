"""What guessing gives, and which number of classes a loss speaks of."""

from __future__ import annotations

import math

import pytest

from trackside_service.rules import chance


def test_guessing() -> None:
    assert chance.loss_at(10) == pytest.approx(2.302585)
    assert chance.accuracy_at(4) == 0.25


def test_usual_numbers_rise() -> None:
    assert list(chance.USUAL) == sorted(set(chance.USUAL))


@pytest.mark.parametrize(
    ("loss", "classes"),
    [
        (0.6931, 2),
        (1.0986, 3),
        (1.0984, 3),
        (2.3026, 10),
        (6.9078, 1000),
        (6.9063, 1000),
        (11.0903, 65536),
        (0.6, None),
    ],
)
def test_which_classes_a_loss_speaks_of(loss: float, classes: int | None) -> None:
    assert chance.classes_of(loss, within=3e-4) == classes


def test_unusual_numbers_are_no_chance() -> None:
    assert chance.classes_of(math.log(977), within=1e-3) is None
    assert chance.classes_of(math.log(977), within=1e-3, declared=977) == 977


def test_the_declared_number_is_the_only_one() -> None:
    assert chance.classes_of(math.log(1000), within=1e-3, declared=10) is None
    assert chance.classes_of(2.30, within=1e-2, declared=10) == 10
    assert chance.classes_of(0.0, within=1e-2, declared=1) is None


@pytest.mark.parametrize("loss", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_cross_entropy(loss: float) -> None:
    assert chance.classes_of(loss, within=1.0) is None


@pytest.mark.parametrize("loss", [1e-9, 1e9])
def test_far_away(loss: float) -> None:
    assert chance.classes_of(loss, within=0.01) is None
