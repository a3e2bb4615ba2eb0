"""Maps applied one after another: many at once, and to the last digit what one by one gives."""

from __future__ import annotations

import numpy as np
import pytest

from trackside_service.schedules.frameworks.torch import recursion


@pytest.mark.parametrize("adding", [(), (0,), (4_999,), (7, 8, 9), (1_000, 3_000), tuple(range(0, 5_000, 11))])
def test_products_round_as_the_real_classes_do(adding: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    scale, shift = rng.uniform(0.99, 1.01, 5_000), np.zeros(5_000)
    shift[list(adding)] = 0.01
    lr, expected = 0.1, [0.1]
    for a, b in zip(scale.tolist(), shift.tolist(), strict=True):
        lr = a * lr + b
        expected.append(lr)
    assert recursion._applied(scale, shift, 0.1).tolist() == expected


def test_what_raises_is_not_known_from_there_on() -> None:
    scale, shift = np.full(20, 0.9), np.zeros(20)
    scale[12:] = shift[12:] = np.nan
    lrs = recursion._applied(scale, shift, 1.0)
    assert np.isnan(lrs).tolist() == [False] * 13 + [True] * 8
