"""Which schedule functions may be asked beforehand: those that do not notice."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from trackside import _functions

WARM_UP = 5
RATES = [0.1, 0.01]
_asked = 0
_left = iter(RATES)


class Settings:
    total = 100

    def __init__(self) -> None:
        self.asked = 0

    def share(self, epoch: int) -> float:
        return epoch / self.total

    def counting(self, epoch: int) -> float:
        self.asked += 1
        return epoch / self.asked


class Optimizer:
    """As a framework's is called."""

    lr = 0.1


SETTINGS = Settings()
OPTIMIZER = Optimizer()


def warmed(epoch: int) -> float:
    return min(1.0, (epoch + 1) / WARM_UP)


def counting(epoch: int) -> float:
    global _asked  # noqa: PLW0603 - what is asked about
    _asked += 1
    return epoch / _asked


def of_a_closure() -> Callable[[int], float]:
    asked = 0

    def rate(epoch: int) -> float:
        nonlocal asked
        asked += 1
        return epoch / asked

    return rate


def of_an_iterator(left: Iterator[float]) -> Callable[[int], float]:
    def rate(epoch: int) -> float:
        for found in left:
            return found
        return float(epoch)

    return rate


def kept(epoch: int, seen: list[int] = []) -> float:  # noqa: B006 - as people write it
    seen.append(epoch)
    return float(len(seen))


@pytest.mark.parametrize(
    ("function", "rate"),
    [
        (lambda epoch: 0.95**epoch, 0.95**3),
        (
            lambda epoch: warmed(epoch) * (1 + math.cos(math.pi * epoch / 10)) / 2,
            0.8 * (1 + math.cos(0.3 * math.pi)) / 2,
        ),
        (lambda epoch: max(factor for at, factor in ((0, 1.0), (3, 0.1)) if epoch >= at), 1.0),
        (lambda epoch: RATES[min(epoch, len(RATES) - 1)], 0.01),
        (lambda epoch: SETTINGS.share(epoch) * 1, 0.03),
        (SETTINGS.share, 0.03),
        (functools.partial(lambda epoch, total: epoch / total, total=30), 0.1),
        (warmed, 0.8),
        (math.sqrt, math.sqrt(3)),
    ],
)
def test_one_that_computes_is_asked(function: Callable[[int], float], rate: float) -> None:
    assert _functions.separate(function)(3) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (counting, "_asked"),
        (lambda epoch: counting(epoch) / 2, "_asked"),
        (of_a_closure(), "asked"),
        (of_an_iterator(iter(RATES)), "left"),
        (lambda epoch: next(_left), "next"),  # noqa: ARG005
        (lambda epoch: epoch * random.random(), "random"),
        (kept, "append"),
        (SETTINGS.counting, "asked"),
        (lambda epoch: SETTINGS.counting(epoch) * 1, "asked"),
        (functools.partial(of_a_closure()), "asked"),
        (lambda epoch: OPTIMIZER.lr * 0.5**epoch, "OPTIMIZER"),
    ],
)
def test_one_that_would_go_on_from_there_is_not(function: Any, named: str) -> None:
    with pytest.raises(ValueError, match=rf"would notice .*'{named}'.* schedule="):
        _functions.separate(function)


def test_one_that_prints_does_so_when_it_is_asked_by_the_training_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def rate(epoch: int) -> float:
        print("asked for", epoch)
        return 0.1

    assert _functions.separate(rate)(3) == 0.1
    assert capsys.readouterr().out == ""
    assert rate(3) == 0.1
    assert capsys.readouterr().out == "asked for 3\n"
